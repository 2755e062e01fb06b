"""The sync and the async driver of a life cycle. What a life cycle does is life_cycle.py.

A life cycle is written once, as a generator that yields calls: ``value = yield fn, (arg, ...)``. The sync driver makes
the call; the async driver awaits it, runs it in a thread, or makes it in the event loop, whichever the function needs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from flowq.core.callables import async_twin, facts, in_loop, is_async, label_of, owner_of
from flowq.core.limit import Limit, limited
from flowq.errors import FlowError, ItemTimeout, LoopRunning

__all__ = [
    "Call",
    "ControlFlow",
    "Steps",
    "async_twin",
    "bounded",
    "call_async",
    "drive",
    "drive_async",
    "finish",
    "in_loop",
    "is_async",
    "pause",
]

T = TypeVar("T")

_DRIVERS = ("flowq.core.drive", "flowq.core.walks.straight")

Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]
Steps: TypeAlias = Generator[Call, Any, T]


class ControlFlow(BaseException):
    """Base of what flowq raises through user code to leave it. It is not a failure: no retry or fallback catches it."""


async def drive_async(steps: Steps[T], call: Call | None = None) -> T:
    """Run *steps* to the end in the running event loop; *call* is the pending call of steps already started.

    A coroutine function is awaited; a function with an async twin is replaced by the twin; one marked ``@in_loop`` is
    called in the event loop; any other function is taken to block and runs in a thread with the same context variables.
    """
    try:
        fn, args = call or steps.send(None)
        while True:
            try:
                value = await call_async(fn, args)
            except BaseException as exc:
                fn, args = steps.throw(_without_driver_frames(_sole(exc)))
            else:
                fn, args = steps.send(value)
    except StopIteration as done:
        result: T = done.value
        return result


@async_twin(drive_async)
def drive(steps: Steps[T], call: Call | None = None) -> T:
    """Run *steps* to the end in this thread; *call* is the pending call of steps already started.

    Raises:
        FlowError: a call returned an awaitable, which nothing here can await.
    """
    send = steps.send
    try:
        fn, args = call or send(None)
        while True:
            try:
                value = fn(*args)
            except BaseException as exc:
                # What has a twin is flowq's own: it hands on what an item raised, whose failure that is.
                if type(exc) is StopIteration and facts(fn).twin is None:
                    exc = stopped(exc, fn)
                fn, args = steps.throw(_without_driver_frames(_sole(exc)))
                continue
            if value is not None and hasattr(type(value), "__await__"):
                # Not thrown into the generator: a retry or a fallback cannot fix this.
                steps.close()
                raise _unawaited(fn, value)
            fn, args = send(value)
    except StopIteration as done:
        return cast(T, done.value)  # in no name: an error that it holds may keep this frame


def failed_first(steps: Steps[Any], exc: BaseException) -> Call:
    """Start *steps*, whose first call the caller has made and which failed with *exc*; returns the next call."""
    steps.send(None)
    return steps.throw(_without_first_frame(exc))


def finish(steps: Steps[T], *, needs_loop: bool, what: str) -> T:
    """Drive *steps* from blocking code; with *needs_loop*, in a new event loop.

    Args:
        needs_loop: whether any function of the steps is async.
        what: the node's name, for the error.

    Raises:
        LoopRunning: *needs_loop*, and this thread runs an event loop already.
    """
    if not needs_loop:
        return drive(steps)
    if loop_runs():
        raise LoopRunning(what)
    with asyncio.Runner() as runner:
        return runner.run(drive_async(steps))


def loop_runs() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@async_twin(asyncio.sleep)
def pause(seconds: float) -> None:
    """Sleep: with ``time.sleep`` in a sync run, with ``asyncio.sleep`` in an async one."""
    time.sleep(seconds)


async def call_async(fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Make one call from the event loop: awaited, in the loop or in a thread, as :func:`drive_async` says."""
    known = facts(fn)
    if known.twin is not None:
        owner = owner_of(fn)
        return await (known.twin(*args) if owner is None else known.twin(owner, *args))
    if known.is_async:
        return await fn(*args)
    if known.in_loop or not getattr(owner_of(fn), "sync_in_thread", True):
        value = _without_stop_iteration(fn, args)
    else:
        value = await asyncio.to_thread(_without_stop_iteration, fn, args)
    return await value if hasattr(type(value), "__await__") else value


async def _bounded_async(timeout_s: float, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        async with asyncio.timeout(timeout_s) as limit:
            loop = asyncio.get_running_loop()

            def restart() -> None:
                if not limit.expired() and limit.when() is not None:
                    limit.reschedule(loop.time() + timeout_s)

            def until_s() -> float:
                return time.time() + (limit.when() or 0.0) - loop.time()

            def end() -> None:
                limit.reschedule(loop.time())

            # Thread-safe: a blocking body calls it from its own thread.
            with limited(lambda: loop.call_soon_threadsafe(restart), Limit(until_s, end)):
                return await call_async(fn, args)
    except TimeoutError:
        if limit.expired():
            raise ItemTimeout(timeout_s) from None
        raise


@async_twin(_bounded_async)
def bounded(timeout_s: float, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call ``fn(*args)``; in an async run, for at most *timeout_s*.

    Blocking code cannot be interrupted: a sync run waits for it, an async run leaves its thread running.

    Raises:
        ItemTimeout: the call took longer.
    """
    return _without_stop_iteration(fn, args)


def _without_driver_frames(exc: BaseException) -> BaseException:
    # Every level of nesting would add driver frames to the traceback, where they hide the user's own lines.
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals["__name__"] in _DRIVERS:
        traceback = traceback.tb_next
    return exc.with_traceback(traceback)


def _sole(exc: BaseException) -> BaseException:
    """*exc*; for a group with a ControlFlow, such as a TaskGroup raises: its other exceptions, else the ControlFlow."""
    if not isinstance(exc, BaseExceptionGroup) or isinstance(exc, Exception):
        return exc
    leaves, rest = exc.split(ControlFlow)
    if rest is not None or leaves is None:
        return rest or exc
    one: BaseException = leaves
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


def _without_first_frame(exc: BaseException) -> BaseException:
    traceback = exc.__traceback__
    return exc.with_traceback(None if traceback is None else traceback.tb_next)


def _without_stop_iteration(fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return fn(*args)
    except StopIteration as exc:
        raise stopped(exc, fn) from exc


def stopped(exc: StopIteration, fn: Callable[..., Any]) -> RuntimeError:
    """What stands for *exc*, which *fn* has raised: of generators, as steps are, it would be the end.

    A future refuses it, and Python 3.11 then waits on that for ever. A generator turns it into a RuntimeError, too.
    """
    error = RuntimeError(f"{label_of(fn)} raised StopIteration")
    error.__cause__ = exc
    return error


def refuse_awaitable(fn: Callable[..., Any], value: Any) -> None:
    """Raise FlowError if *value*, which *fn* returned in a sync run, is awaitable."""
    if hasattr(type(value), "__await__"):
        raise _unawaited(fn, value)


def _unawaited(fn: Callable[..., Any], value: Any) -> FlowError:
    close = getattr(value, "close", None)
    if close is not None:
        close()  # avoids the warning of a coroutine that was never awaited
    way_out = "Use" if is_async(fn) else "Declare it `async def`, or use"
    return FlowError(
        f"{label_of(fn)} returned an awaitable ({type(value).__name__}) in a synchronous run. "
        f"{way_out} `await run_async(shared)`."
    )
