"""The shared store: typed reads, the schema, threads."""

from __future__ import annotations

import copy
import dataclasses
import operator
import threading
from collections import OrderedDict, deque
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from typing_extensions import TypedDict

from flowq.core import Add, Append, SharedStore


class User(BaseModel):
    name: str
    age: int = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    n: int


def test_it_is_a_mutable_mapping() -> None:
    store = SharedStore({"a": 1})
    store["b"] = 2
    del store["a"]
    assert dict(store) == {"b": 2}
    assert (len(store), "b" in store, store.get("a"), store == {"b": 2}) == (1, True, None, True)
    assert repr(store) == "SharedStore({'b': 2})"


def test_setdefault_answers_what_the_store_holds_not_what_it_was_made_of() -> None:
    class Listed(BaseModel):
        many: list[int]

    store = SharedStore(schema=Listed)
    store.setdefault("many", []).append(1)
    store.setdefault("many", []).append(2)
    assert store["many"] == [1, 2]


def test_merge_sets_several_and_snapshot_is_a_dict_of_its_own() -> None:
    store = SharedStore({"a": 1})
    taken = store.snapshot()
    store.merge({"a": 2, "b": 3})
    assert (taken, store.snapshot()) == ({"a": 1}, {"a": 2, "b": 3})


@pytest.mark.parametrize(
    ("getter", "value", "expected"),
    [
        ("get_int", 3, 3),
        ("get_int", 3.7, 3),
        ("get_int", Decimal("4.9"), 4),
        ("get_float", 3, 3.0),
        ("get_float", Decimal("1.5"), 1.5),
        ("get_str", "x", "x"),
        ("get_bool", False, False),
        ("get_list", [1], [1]),
        ("get_list", (1, 2), [1, 2]),
        ("get_list", range(2), [0, 1]),
        ("get_list", deque([1]), [1]),
        ("get_dict", {"a": 1}, {"a": 1}),
        ("get_dict", OrderedDict(a=1), {"a": 1}),
    ],
)
def test_a_getter_takes_its_type_and_numbers_convert_among_themselves(getter: str, value: Any, expected: Any) -> None:
    got = getattr(SharedStore({"k": value}), getter)("k")
    assert got == expected
    assert type(got) is type(expected) or isinstance(got, OrderedDict)


@pytest.mark.parametrize(
    ("getter", "value", "found"),
    [
        ("get_int", "3", "str"),
        ("get_int", True, "bool"),
        ("get_int", float("nan"), "float"),
        ("get_int", float("inf"), "float"),
        ("get_int", None, "NoneType"),
        ("get_float", True, "bool"),
        ("get_str", 3, "int"),
        ("get_bool", 1, "int"),
        ("get_list", "abc", "str"),
        ("get_list", b"abc", "bytes"),
        ("get_list", {1}, "set"),
        ("get_dict", [("a", 1)], "list"),
    ],
)
def test_the_wrong_type_gives_the_default_or_an_error_that_names_key_and_type(
    getter: str, value: Any, found: str
) -> None:
    read = getattr(SharedStore({"k": value}), getter)
    assert read("k", "the default") == "the default"
    assert read("k", default=None) is None
    with pytest.raises(TypeError, match=rf"shared\['k'\] is {found}, not an? \w+"):
        read("k")


def test_a_deep_copy_has_values_and_a_lock_of_its_own_and_what_else_it_had() -> None:
    class Named(SharedStore):
        name = "nobody's"

    store = Named({"name": "ada", "log": [1]}, schema=User)
    store["itself"], store.name = store, "a store"
    twin = copy.deepcopy(store)
    twin["log"].append(2)
    assert (store["log"], twin["log"]) == ([1], [1, 2])
    assert (type(twin), twin.schema, twin.name) == (Named, User, "a store")
    assert twin["itself"] is twin
    assert twin.lock is not store.lock


def test_a_missing_key_gives_the_default_or_an_error_that_names_it() -> None:
    store = SharedStore()
    assert store.get_int("n", 0) == 0
    with pytest.raises(KeyError, match="no 'n'"):
        store.get_int("n")


def test_get_as_takes_classes_and_generics_and_converts_nothing() -> None:
    numbers = [1, 2]
    store = SharedStore({"p": Point(1, 2), "ns": numbers, "flag": True})
    assert store.get_as("p", Point) == Point(1, 2)
    assert store.get_as("ns", list[int]) is numbers
    assert store.get_as("ns", list[str], ["default"]) == ["default"]
    assert store.get_as("flag", int, -1) == -1
    with pytest.raises(TypeError, match=r"shared\['ns'\] is list, not Point"):
        store.get_as("ns", Point)


def test_bind_makes_models_dataclasses_and_typed_dicts() -> None:
    user = User(name="ada")
    store = SharedStore({"user": {"name": "ada", "age": "36"}, "point": {"x": 1, "y": 2}, "row": {"n": "3"}, "u": user})
    assert store.bind("user", User) == User(name="ada", age=36)
    assert store.bind("point", Point) == Point(1, 2)
    assert store.bind("row", Row) == {"n": 3}
    assert store.bind("u", User) is user
    with pytest.raises(KeyError):
        store.bind("nobody", User)
    with pytest.raises(ValidationError):
        store.bind("row", User)


def test_require_returns_the_values_or_names_all_that_are_missing() -> None:
    store = SharedStore({"a": 1, "b": None})
    assert store.require("b", "a") == (None, 1)
    with pytest.raises(KeyError, match="no 'c', 'd'"):
        store.require("a", "c", "d")


class State(BaseModel):
    n: int = 0
    tags: Annotated[list[str], Append] = Field(default_factory=list)
    total: Annotated[int, Field(ge=0), Add] = 0
    joined: Annotated[str, operator.add] = ""
    name: str

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 3:
            raise ValueError("too long")
        return name.upper()


def test_a_schema_validates_as_values_are_set_and_gives_the_defaults() -> None:
    store = SharedStore({"n": "7"}, schema=State)
    assert store == {"n": 7, "tags": [], "total": 0, "joined": ""}
    store["name"] = "ada"
    store["free"] = object
    assert store["name"] == "ADA"
    for key, wrong in [("n", "x"), ("total", -1), ("name", "long name"), ("tags", [1])]:
        with pytest.raises(ValidationError, match=key):
            store[key] = wrong
    assert store["n"] == 7


def test_defaults_are_not_shared_between_stores() -> None:
    first, second = SharedStore(schema=State), SharedStore(schema=State)
    first["tags"].append("x")
    assert second["tags"] == []


def test_a_schema_that_forbids_extras_closes_the_store() -> None:
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        n: int = 0

    with pytest.raises(KeyError, match="has no field 'other'"):
        SharedStore({"other": 1}, schema=Closed)


def test_a_schema_is_a_model_class() -> None:
    with pytest.raises(TypeError, match="pydantic model class"):
        SharedStore(schema=dict)  # type: ignore[arg-type]


def test_reducers_are_read_from_the_annotations() -> None:
    reducers = SharedStore(schema=State).reducers()
    assert set(reducers) == {"tags", "total", "joined"}
    assert (reducers["tags"], reducers["total"]) == (Append, Add)
    assert reducers["joined"]("a", "b") == "ab"
    assert SharedStore().reducers() == {}


def test_threads_that_hold_the_lock_lose_no_update_and_iteration_never_breaks() -> None:
    store = SharedStore({"n": 0})
    begin = threading.Barrier(4)

    def count(worker: int) -> None:
        begin.wait()
        for i in range(500):
            with store.lock:
                store["n"] += 1
            store[f"{worker}-{i}"] = i
            assert "n" in list(store)

    threads = [threading.Thread(target=count, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store["n"] == 2000
    assert len(store) == 2001


def test_of_threads_that_set_a_default_or_take_a_value_only_one_does() -> None:
    store = SharedStore({str(n): str(n) for n in range(300)})
    begin = threading.Barrier(4)
    taken: list[list[Any]] = [[] for _ in range(4)]
    made: list[dict[str, object]] = [{} for _ in range(4)]

    def work(worker: int) -> None:
        begin.wait()
        for n in map(str, range(300)):
            taken[worker].append(store.pop(n, None))
            made[worker][n] = store.setdefault(f"made {n}", object())

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one for some in taken for one in some if one is not None) == sorted(map(str, range(300)))
    assert all(made[0] == one for one in made)


def test_what_the_mixin_does_in_two_steps_is_there_in_one() -> None:
    store = SharedStore({"a": 1})
    assert (store.setdefault("a", 2), store.setdefault("b", 3), store.pop("a"), store.popitem()) == (1, 3, 1, ("b", 3))
    store.update({"c": 1}, d=2)
    assert store.snapshot() == {"c": 1, "d": 2}
    store.clear()
    assert len(store) == 0
    with pytest.raises(KeyError):
        store.pop("a")
