"""An overlay is used as the dict that a store is elsewhere."""

from __future__ import annotations

import copy
import json
from typing import Any

import ormsgpack
import pytest

from flowq.codec import dumps
from flowq.core import MappingBase, Overlay
from flowq.errors import EncodeError
from tests.as_a_dict import STORE, USES

# Of a class, not of a mapping; and of a dict what needs no values: its size in bytes, its order beside other types.
NOT_OF_VALUES = {
    "__new__", "__init__", "__doc__", "__getattribute__", "__class_getitem__", "__hash__", "__sizeof__",
    "__lt__", "__le__", "__gt__", "__ge__",
}  # fmt: skip


class Counting(MappingBase):
    """Notes what is loaded."""

    def __init__(self, mapping: dict[str, Any]) -> None:
        super().__init__(mapping)
        self.loaded: list[str] = []

    def load(self, key: str) -> Any:
        self.loaded.append(key)
        return super().load(key)


@pytest.mark.parametrize("use", USES)
def test_an_overlay_does_what_a_dict_does(use: str) -> None:
    expected, store = copy.deepcopy(STORE), Overlay(MappingBase(STORE))
    assert repr(USES[use](store)) == repr(USES[use](expected))
    assert (dict(store), list(store)) == (expected, list(expected))


@pytest.mark.parametrize("use", USES)
def test_an_overlay_that_was_left_and_is_gone_on_with_does_what_a_dict_does(use: str) -> None:
    expected = copy.deepcopy(STORE)
    store = Overlay(MappingBase({"t": "hi", "gone": 1, "b": [1, 2]}))
    store.restore({key: lambda key=key: copy.deepcopy(STORE[key]) for key in ("n", "a")}, ["gone"])  # type: ignore[misc]
    assert repr(USES[use](store)) == repr(USES[use](expected))
    assert (dict(store), list(store)) == (expected, list(expected))


def test_no_method_of_dicts_reads_past_what_is_loaded() -> None:
    own = {name for cls in Overlay.__mro__[: Overlay.__mro__.index(dict)] for name in vars(cls)}
    assert vars(dict).keys() - own - NOT_OF_VALUES == set()


def test_only_what_is_read_is_loaded_and_a_key_that_goes_is_not() -> None:
    base = Counting({"a": 1, "b": [2], "c": {}, "d": None})
    store = Overlay(base)
    assert (isinstance(store, dict), len(store), "a" in store, [*store], [*reversed(store)]) == (
        True, 4, True, ["a", "b", "c", "d"], ["d", "c", "b", "a"],
    )  # fmt: skip
    assert store.keys() - {"a"} == {"b", "c", "d"}
    del store["c"]
    store["d"] = 4
    store |= {"e": 5}
    assert (store.get("b"), base.loaded) == ([2], ["b"])
    store.clear()
    assert (dict(store), base.loaded) == ({}, ["b"])
    assert store.delta(0, {}) == dict.fromkeys("abcd", ("del", None, 0))


def test_an_overlay_that_holds_itself_is_shown_and_copied_as_a_dict_that_does() -> None:
    store = Overlay(MappingBase({"a": 1}))
    store["me"] = store
    assert repr(store) == "{'a': 1, 'me': {...}}"
    twin = copy.deepcopy(store)
    assert (type(twin), twin["me"] is twin) == (dict, True)
    with pytest.raises(ValueError, match="Circular"):
        json.dumps(store)


def test_an_overlay_does_not_travel_and_the_error_says_what_does() -> None:
    store = Overlay(MappingBase({"a": 1}))
    with pytest.raises(EncodeError, match=r"send dict\(value\)"):
        dumps({"store": store})
    assert dumps({"store": dict(store)}) == dumps({"store": {"a": 1}})


def test_who_reads_an_overlay_past_its_methods_is_told_and_never_given_a_wrong_value() -> None:
    store = Overlay(MappingBase({"a": 1, "b": [2]}))
    with pytest.raises(TypeError, match="NotRead"):
        ormsgpack.packb(store)
    stolen = dict.get(store, "a")
    assert "dict(shared)" in repr(stolen)
    for use in (str, bool, "{}".format, json.dumps, dumps):
        with pytest.raises((TypeError, EncodeError)):
            use(stolen)
    assert dict(store) == {"a": 1, "b": [2]}
    assert ormsgpack.unpackb(ormsgpack.packb(store)) == {"a": 1, "b": [2]}, "what was read is there"
