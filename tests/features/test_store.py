"""Rows 76 to 79: the shared store, here and as nodes see it on workers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

import flowq
from tests.features.graphs import Adds, Counting, Says, Typed, User, UsesTheStore, once

RAW = {
    "int": 3,
    "float": 3.7,
    "text": "x",
    "flag": True,
    "list": [1, 2],
    "dict": {"a": 1},
    "raw": {"name": "ada", "age": "36"},
}


@pytest.mark.parametrize("kind", [dict, flowq.SharedStore])
def test_row_076_a_plain_dict_will_do_and_a_store_is_one_too(executor: str, kind: Any) -> None:
    shared = kind({"a": 1})
    assert once(Says(), shared) is shared
    assert dict(shared) == {"a": 1, "said": ["Says"], "action": None}


def test_row_076_a_schema_with_reducers_says_what_the_store_holds(executor: str) -> None:
    shared = flowq.SharedStore(schema=Typed)
    Counting(start=Adds()).run(shared)
    assert (shared["total"], shared["seen"]) == (10, [0, 1, 2, 3, 4])
    with pytest.raises(ValidationError):
        shared["total"] = "many"


def test_row_077_typed_reads_convert_numbers_and_nothing_else(executor: str) -> None:
    shared = once(UsesTheStore(), flowq.SharedStore(RAW))
    assert shared["read"] == [3, 3.0, 0, 7, "x", True, [1, 2], {"a": 1}, [1, 2]]


def test_row_077_the_wrong_type_is_an_error_that_names_key_and_type_or_the_default() -> None:
    store = flowq.SharedStore({"n": "7", "d": Decimal("4.9"), "b": True})
    assert (store.get_int("d"), store.get_float("d")) == (4, 4.9)
    for read in (store.get_int, store.get_float, store.get_bool, store.get_list, store.get_dict):
        assert read("n", None) is None
        with pytest.raises(TypeError, match=r"shared\['n'\] is str"):
            read("n")
        with pytest.raises(KeyError, match="no 'missing'"):
            read("missing")
    assert store.get_int("b", -1) == -1  # a bool is no number


def test_row_078_a_value_is_bound_to_a_model(executor: str) -> None:
    shared = once(UsesTheStore(), flowq.SharedStore(RAW))
    assert shared["user"] == User("ada", 36)


def test_row_078_models_dataclasses_and_typed_dicts_are_bound_and_what_does_not_fit_is_an_error() -> None:
    class Model(BaseModel):
        n: int

    class Row(TypedDict):
        n: int

    model = Model(n=1)
    store = flowq.SharedStore({"raw": {"n": "1"}, "model": model, "wrong": {"n": "x"}})
    assert (store.bind("raw", Model), store.bind("raw", Row)) == (model, {"n": 1})
    assert store.bind("model", Model) is model
    with pytest.raises(ValidationError):
        store.bind("wrong", Model)
    with pytest.raises(KeyError):
        store.bind("missing", Model)


def test_row_079_it_is_a_dict_with_merge_snapshot_and_require(executor: str) -> None:
    shared = once(UsesTheStore(), flowq.SharedStore(RAW))
    assert (shared["required"], shared["merged"]) == ([3, True], True)
    assert {*RAW, "read", "user", "required", "merged"} <= set(shared["keys"])
    snapshot = shared.snapshot()
    del shared["int"]
    shared.clear()
    assert (len(shared), "int" in snapshot) == (0, True)
    with pytest.raises(KeyError, match="no 'a', 'b'"):
        shared.require("a", "b")
