"""The classes and functions a message may name."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import flowq
from flowq.compat import pocketflow
from flowq.registry import (
    class_name,
    current_name,
    is_known_name,
    is_of_flowq,
    is_registered,
    is_registered_function,
    register,
    registered,
    registered_function,
)


def test_a_registered_class_is_found_by_module_and_qualified_name() -> None:
    class Inner:
        pass

    assert register(Inner) is Inner
    name = f"{__name__}:{test_a_registered_class_is_found_by_module_and_qualified_name.__name__}.<locals>.Inner"
    assert class_name(Inner) == name
    assert registered(name) is Inner


def test_an_unknown_name_is_a_key_error_and_imports_nothing() -> None:
    before = set(sys.modules)
    for name in ("antigravity:fly", "os:system", "", "x"):
        with pytest.raises(KeyError):
            registered(name)
    assert set(sys.modules) == before


def test_only_the_class_itself_counts_as_registered() -> None:
    def define() -> type:
        class Twice:
            pass

        return Twice

    first, second = define(), define()
    register(first)
    assert is_registered(first)
    assert not is_registered(second)
    register(second)
    assert not is_registered(first)
    assert is_registered(second)


@pytest.mark.parametrize(("thing", "what"), [(len, "builtin_function_or_method"), (lambda: 1, "a lambda"), (3, "int")])
def test_only_classes_and_named_functions_are_registered(thing: Any, what: str) -> None:
    with pytest.raises(TypeError, match=f"takes a class or a named function, not {what}"):
        register(thing)


def test_a_registered_function_is_found_by_module_and_qualified_name() -> None:
    def first() -> None: ...

    assert register(first) is first
    assert registered_function(f"{__name__}:{first.__qualname__}") is first
    assert is_registered_function(first)
    with pytest.raises(KeyError):
        registered_function("os:system")


def test_a_class_of_flowq_is_named_by_the_package_and_found_by_the_file_that_earlier_releases_had_it_in() -> None:
    assert class_name(flowq.MapNode) == "flowq:MapNode"
    for name in ("flowq:MapNode", "flowq.batch.nodes.map_node:MapNode", "flowq.batch.map_node:MapNode"):
        assert registered(name) is flowq.MapNode
        assert is_known_name(name)
        assert is_of_flowq(name)
    assert class_name(flowq.ItemTimeout) == current_name("flowq.errors.items:ItemTimeout") == "flowq.errors:ItemTimeout"
    assert is_of_flowq("flowq:Tomorrow")
    assert not is_known_name("flowq:Tomorrow")


def test_a_class_that_users_find_in_a_module_of_flowq_is_not_taken_for_one_of_the_same_name() -> None:
    assert class_name(pocketflow.Node) == "flowq.compat.pocketflow:Node"
    assert registered("flowq.compat.pocketflow:Node") is pocketflow.Node
    for name in (
        "flowq.compat.not_imported:Node",
        "flowq_plugin.core:Node",
        "Node",
        "flowq.core.node",
        3,
        ("flowq:Node",),
    ):
        with pytest.raises(KeyError):
            registered(name)  # type: ignore[arg-type]
        assert not is_of_flowq(name)
