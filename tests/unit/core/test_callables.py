"""What is found out about functions."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from flowq.core.callables import facts, in_loop, is_async, label_of, wants_ctx


async def coroutine(x: Any, *, ctx: Any) -> None: ...


def plain(x: Any) -> None: ...


class Service:
    async def call(self, x: Any) -> None: ...

    async def __call__(self, x: Any, *, ctx: Any) -> None: ...


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (coroutine, True),
        (functools.partial(functools.partial(coroutine, 1)), True),
        (Service().call, True),
        (functools.partial(Service().call, 1), True),
        (Service(), True),
        (plain, False),
        (print, False),
        (dict, False),
        (lambda x: coroutine(x, ctx=None), False),
    ],
)
def test_async_is_seen_through_partials_bound_methods_and_callable_objects(fn: Any, expected: bool) -> None:
    assert is_async(fn) is expected


def wants_positionally(ctx: Any) -> None: ...


def test_only_a_keyword_only_ctx_is_asked_for() -> None:
    assert wants_ctx(coroutine)
    assert wants_ctx(Service())
    assert not wants_ctx(wants_positionally)
    assert not wants_ctx(print)


def test_a_wrapper_that_keeps_keywords_to_itself_does_not_ask_for_ctx() -> None:
    @functools.wraps(coroutine)
    def keeps(x: Any) -> Any: ...

    @functools.wraps(coroutine)
    def hands_on(*args: Any, **kwargs: Any) -> Any: ...

    assert not wants_ctx(keeps)
    assert wants_ctx(hands_on)


def test_facts_are_found_once_per_function_and_not_per_bound_method() -> None:
    assert facts(Service().call) is facts(Service().call)


def test_a_mark_is_seen_on_a_bound_method() -> None:
    class Marked:
        @in_loop
        def cheap(self) -> None: ...

    assert facts(Marked().cheap).in_loop


def test_a_function_is_called_by_its_qualified_name() -> None:
    assert label_of(functools.partial(Service().call, 1)) == "Service.call"
