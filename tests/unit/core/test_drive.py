"""The two drivers of a life cycle."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from flowq.core.drive import Steps, async_twin, drive, drive_async, finish, in_loop, pause
from flowq.errors import FlowError, LoopRunning

Driver = Callable[[Steps[Any]], Any]


def drive_in_a_loop(steps: Steps[Any]) -> Any:
    return asyncio.run(drive_async(steps))


both_drivers = pytest.mark.parametrize("driver", [drive, drive_in_a_loop])


@both_drivers
def test_a_generator_gets_what_its_calls_return_and_its_own_return_is_the_result(driver: Driver) -> None:
    def steps() -> Steps[Any]:
        first = yield int, ("20",)
        second = yield max, (first, 22)
        yield pause, (0,)
        return first + second

    assert driver(steps()) == 42


@both_drivers
def test_what_a_call_raises_is_raised_where_the_generator_stands(driver: Driver) -> None:
    def steps() -> Steps[str]:
        try:
            yield int, ("x",)
        except ValueError:
            return "caught"
        return "not reached"

    assert driver(steps()) == "caught"


@both_drivers
def test_an_error_while_another_is_handled_has_it_as_context(driver: Driver) -> None:
    def fail() -> None:
        raise KeyError

    def steps() -> Steps[None]:
        try:
            yield int, ("x",)
        except ValueError:
            yield fail, ()

    with pytest.raises(KeyError) as caught:
        driver(steps())
    assert isinstance(caught.value.__context__, ValueError)


@both_drivers
def test_steps_within_steps_are_driven_by_the_same_kind_of_driver(driver: Driver) -> None:
    seen: list[bool] = []

    @in_loop
    def look() -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            seen.append(False)
        else:
            seen.append(True)

    def inner() -> Steps[str]:
        yield look, ()
        return "inner"

    def outer() -> Steps[Any]:
        yield look, ()
        return (yield drive, (inner(),))

    assert driver(outer()) == "inner"
    assert seen == [driver is drive_in_a_loop] * 2


async def test_a_twin_takes_the_place_of_its_function_in_a_loop_and_gets_self_on_a_method() -> None:
    class Clock:
        async def wait_async(self, x: int) -> tuple[Clock, int]:
            return self, x

        @async_twin(wait_async)
        def wait(self, x: int) -> None:
            raise AssertionError

    clock = Clock()

    def steps() -> Steps[Any]:
        return (yield clock.wait, (3,))

    assert await drive_async(steps()) == (clock, 3)


async def test_context_variables_reach_the_threads_of_blocking_bodies() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def steps() -> Steps[Any]:
        variable.set("set")
        return (yield lambda: (variable.get(), threading.current_thread() is threading.main_thread()), ())

    assert await drive_async(steps()) == ("set", False)


def test_an_awaitable_in_a_sync_drive_is_refused_and_closed() -> None:
    async def later() -> None: ...

    def steps() -> Steps[None]:
        yield later, ()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FlowError, match=r"later returned an awaitable .* run\. Use `await run_async"):
            drive(steps())
        gc.collect()


def test_who_hands_an_awaitable_on_is_told_to_declare_it() -> None:
    async def later() -> None: ...

    def steps() -> Steps[None]:
        yield lambda: later(), ()

    with pytest.raises(FlowError, match="Declare it `async def`, or use `await run_async"):
        drive(steps())


def test_a_generator_left_by_an_error_is_finished() -> None:
    ended: list[bool] = []

    async def later() -> None: ...

    def steps() -> Steps[None]:
        try:
            yield later, ()
        finally:
            ended.append(True)

    with pytest.raises(FlowError):
        drive(steps())
    assert ended == [True]


async def test_finish_needs_a_thread_without_a_loop_only_for_async_steps() -> None:
    def steps() -> Steps[Any]:
        return (yield int, ("3",))

    assert finish(steps(), needs_loop=False, what="x") == 3
    with pytest.raises(LoopRunning, match=r"^x has async"):
        finish(steps(), needs_loop=True, what="x")
    assert await asyncio.to_thread(lambda: finish(steps(), needs_loop=True, what="x")) == 3
