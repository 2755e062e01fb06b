"""Nodes made of functions."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from flowq.core import Flow, ItemContext, Node, Retry, build, node, spec_of
from flowq.core.functional import functional
from flowq.errors import CannotTravel
from flowq.registry import class_name, registered


def pick(shared: Any) -> Any:
    return shared["x"]


def keep(shared: Any, prep_res: Any, exec_res: Any) -> str:
    shared["y"] = exec_res
    return "kept"


@node
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@node(prep=pick, post=keep, max_retries=3, name="the attempt")
def attempt(x: int, *, ctx: ItemContext) -> int:
    if ctx.attempt < 2:
        raise ValueError
    return ctx.attempt


@node(prep=pick, post=keep)
async def slowly(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def plain(x: int) -> int:
    return x + 100


combined = node(exec=plain, prep=pick, post=keep)
other_prep = node(exec=plain, prep=lambda shared: 0, post=keep)
alone = node(exec=plain)


def test_a_bare_decorator_makes_a_node_that_can_still_be_called() -> None:
    assert isinstance(double, Node)
    assert double(21) == 42  # type: ignore[operator]
    assert (double.name, type(double).__doc__) == ("double", "Twice as much.")


def test_functions_take_the_place_of_methods_and_options_are_the_nodes() -> None:
    shared: dict[str, Any] = {"x": 1}
    assert attempt.run(shared) == "kept"
    assert shared["y"] == 2
    assert (attempt.name, attempt.retry) == ("the attempt", Retry(attempts=3))


def test_an_async_function_makes_an_async_node() -> None:
    assert slowly.has_async()
    shared: dict[str, Any] = {"x": 1}
    Flow(slowly).run(shared)
    assert shared["y"] == 2


def test_a_node_can_be_made_without_decorating() -> None:
    shared: dict[str, Any] = {"x": 1}
    combined.run(shared)
    assert shared["y"] == 101


def test_a_fallback_may_be_a_function() -> None:
    def broken(x: Any) -> None:
        raise ValueError("no")

    shared: dict[str, Any] = {"x": 1}
    node(exec=broken, prep=pick, post=keep, exec_fallback=lambda x, exc: f"{x}: {exc}").run(shared)
    assert shared["y"] == "1: no"


def test_the_class_stands_under_the_functions_module_and_name() -> None:
    assert class_name(type(double)) == f"{__name__}:double"
    assert registered(f"{__name__}:double") is type(double)
    assert class_name(type(alone)) == f"{__name__}:plain"


def test_one_exec_with_other_functions_makes_another_class() -> None:
    assert class_name(type(combined)) == f"{__name__}:plain[prep=pick,post=keep]"
    assert registered(class_name(type(combined))) is type(combined)


def test_functional_nodes_travel_by_their_class() -> None:
    rebuilt = build(spec_of(attempt))
    assert type(rebuilt) is type(attempt)
    assert rebuilt is not attempt
    assert (rebuilt.name, rebuilt.max_retries) == ("the attempt", 3)


def test_a_lambda_or_a_partial_has_no_name_to_travel_by() -> None:
    for nameless in (other_prep, node(exec=functools.partial(pow, 2))):
        with pytest.raises(CannotTravel, match="nothing names the function"):
            spec_of(nameless)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="exec must be a function, not int"):
        node(3)  # type: ignore[call-overload]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="retries"):
        node(exec=plain, retries=3)


def test_other_kinds_of_nodes_are_made_in_the_same_way() -> None:
    class Kind(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return f"kind of {exec_res}"

    made = functional(Kind, plain, {"prep": pick})
    assert isinstance(made, Kind)
    assert made.run({"x": 1}) == "kind of 101"
    assert isinstance(functional(Kind, None, {"prep": pick})(plain), Kind)
