"""Overlays: an item's own view of the store, and what it changed."""

from __future__ import annotations

import collections
import threading
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from flowq.core import Add, Flow, MappingBase, Node, Overlay
from flowq.core.store.overlay import NOT_READ
from flowq.errors import CannotTravel


class Counting(MappingBase):
    """Notes what is loaded, and what is compared."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        super().__init__(mapping)
        self.loaded: list[str] = []
        self.compared: list[str] = []

    def changed(self, key: str, value: Any) -> bool:
        self.compared.append(key)
        return super().changed(key, value)

    def load(self, key: str) -> Any:
        self.loaded.append(key)
        return super().load(key)


def test_what_is_never_read_is_never_loaded_and_the_rest_once() -> None:
    base = Counting({"a": [1], "b": 2})
    overlay = Overlay(base)
    assert (len(overlay), "b" in overlay, list(overlay)) == (2, True, ["a", "b"])
    assert overlay["a"] is overlay["a"]
    assert base.loaded == ["a"]
    assert overlay.delta(0, {}) == {}


def test_what_nobody_can_change_in_place_is_loaded_once_and_not_compared() -> None:
    base = Counting({"text": "abc", "n": 1, "none": None, "pair": ([1], 2), "set": "before", "gone": "soon"})
    overlay = Overlay(base)
    for key in [*overlay, *overlay]:
        assert overlay[key] == base.load(key)
    base.loaded.clear()
    overlay["pair"][0].append(2)  # a tuple, and still: what is in it changes
    overlay["set"] = "after"
    del overlay["gone"]
    with pytest.raises(KeyError):
        overlay["gone"]
    assert overlay.own() == {"pair": ([1, 2], 2), "set": "after"}
    assert overlay.delta(0, {}) == {
        "pair": ("set", ([1, 2], 2), 0),
        "set": ("set", "after", 0),
        "gone": ("del", None, 0),
    }
    assert base.compared == ["pair", "set"]
    assert overlay["text"] == "abc"
    assert "text" not in base.loaded


@pytest.mark.parametrize("base", [collections.Counter({"seen": 1}), collections.defaultdict(list, {"seen": 1})])
def test_a_base_makes_up_no_values(base: dict[str, Any]) -> None:
    overlay = Overlay(MappingBase(base))
    with pytest.raises(KeyError):
        overlay["never"]
    assert (overlay.get("never", "none"), overlay.pop("never", "none"), overlay.setdefault("never", 5)) == (
        "none",
        "none",
        5,
    )
    assert list(base) == ["seen"]


def test_the_base_never_changes_and_the_overlay_sees_its_own_writes() -> None:
    parent = {"xs": [1], "n": 1, "gone": True}
    overlay = Overlay(MappingBase(parent))
    overlay["xs"].append(2)
    overlay["n"] = 5
    overlay["new"] = "x"
    del overlay["gone"]
    assert dict(overlay) == {"xs": [1, 2], "n": 5, "new": "x"}
    assert parent == {"xs": [1], "n": 1, "gone": True}
    assert overlay.delta(3, {}) == {
        "xs": ("extend", [2], 3),
        "n": ("set", 5, 3),
        "new": ("set", "x", 3),
        "gone": ("del", None, 3),
    }


def test_a_key_set_back_to_what_it_was_is_no_change() -> None:
    overlay = Overlay(MappingBase({"n": 1}))
    overlay["n"] = 2
    overlay["n"] = 1
    assert overlay.delta(0, {}) == {}


def test_a_key_deleted_and_set_anew_is_compared_with_the_base() -> None:
    overlay = Overlay(MappingBase({"n": 1, "xs": [1]}))
    del overlay["n"], overlay["xs"]
    with pytest.raises(KeyError):
        overlay["n"]
    with pytest.raises(KeyError):
        del overlay["n"]
    overlay["n"] = 1
    overlay["xs"] = [1, 2]
    assert overlay.delta(0, {}) == {"xs": ("extend", [2], 0)}


def test_a_key_that_was_only_the_overlays_own_leaves_no_trace() -> None:
    overlay = Overlay(MappingBase({}))
    overlay["tmp"] = 1
    del overlay["tmp"]
    assert overlay.delta(0, {}) == {}


def test_reading_an_object_that_compares_by_identity_is_no_change() -> None:
    class Client:
        def __init__(self) -> None:
            self.url = "x"

    overlay = Overlay(MappingBase({"client": Client()}))
    assert overlay["client"].url == "x"
    assert overlay.delta(0, {}) == {}
    overlay["client"].url = "y"
    assert overlay.delta(0, {})["client"][0] == "set"


def test_a_base_that_cries_wolf_costs_a_comparison_and_nothing_else() -> None:
    class Nervous:
        unread: ClassVar[dict[str, Any]] = {"xs": NOT_READ}

        def load(self, key: str) -> Any:
            return [1, 2]

        def changed(self, key: str, value: Any) -> bool:
            return True

    overlay = Overlay(Nervous())
    assert overlay["xs"] == [1, 2]
    assert overlay.delta(0, {}) == {}


def test_what_cannot_be_copied_is_an_error_that_names_the_key() -> None:
    overlay = Overlay(MappingBase({"lock": threading.Lock()}))
    with pytest.raises(CannotTravel, match=r"shared\['lock'\] .* cannot be copied"):
        overlay["lock"]


class State(BaseModel):
    n: Annotated[int, Add] = 0


def test_the_parents_schema_holds_in_the_overlay() -> None:
    overlay = Overlay(MappingBase({"n": 10}), schema=State)
    with pytest.raises(ValidationError):
        overlay["n"] = "x"
    overlay["n"] += 2
    assert overlay.delta(4, overlay.reducers()) == {"n": ("reduce", 2, 4)}


def test_a_change_its_reducer_cannot_express_names_key_and_item() -> None:
    overlay = Overlay(MappingBase({"n": 10}))
    overlay["n"] = "x"
    with pytest.raises(TypeError) as caught:
        overlay.delta(4, {"n": Add})
    assert caught.value.__notes__ == ["in shared['n'] as item 4 left it"]


def test_a_flow_runs_on_an_overlay_as_on_a_dict() -> None:
    class Count(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["n"] = shared.get_int("n", 0) + 1
            shared.setdefault("seen", []).append("x")

    overlay = Overlay(MappingBase({"n": 1}))
    Flow(Count()).run(overlay)
    assert overlay.delta(0, {}) == {"n": ("set", 2, 0), "seen": ("extend", ["x"], 0)}
