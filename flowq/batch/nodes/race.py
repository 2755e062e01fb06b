"""The first success of several: ``race`` for awaitables and functions, ``RaceNode`` and ``first_ok`` for nodes."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from typing import Any, TypeVar, Unpack, overload

from flowq.batch.nodes.branches import Branches, Ended, SideBySide, ended_for_good
from flowq.core.beside import Beside
from flowq.core.callables import in_loop
from flowq.core.context import ItemContext, current_context, enter_context
from flowq.core.drive import Call, ControlFlow, Steps, async_twin, bounded, call_async, drive
from flowq.core.node import Node
from flowq.core.options import NodeOptions
from flowq.core.store.merge import apply_delta

T = TypeVar("T")


@overload
async def race(*contenders: Awaitable[T] | Callable[[], Awaitable[T]]) -> T: ...
@overload
async def race(*contenders: Awaitable[T] | Callable[[], Awaitable[T] | T]) -> T: ...
async def race(*contenders: Awaitable[T] | Callable[[], Awaitable[T] | T]) -> T:
    """Return the value of the first contender that succeeds. The others are cancelled and have ended by then.

    Of contenders that wait for events (``ctx.wait_for``), the one whose event was sent first wins. The events of the
    others are not consumed: a later wait gets them.

    Args:
        *contenders: coroutines, tasks or other awaitables, or functions without arguments, which run in threads unless
            they are async. A thread cannot be cancelled: a losing function runs to its end.

    Raises:
        ExceptionGroup: none succeeded; it holds the exception of each, in their order.
        ValueError: there are no contenders.
    """
    if not contenders:
        raise ValueError("a race has contenders: give it some")
    outer = current_context()
    contexts = [outer and outer.derive(outer.node, outer.config, outer.attempt) for _ in contenders]
    beside = Beside()
    tasks = [asyncio.ensure_future(_begun(one, ctx, beside)) for one, ctx in zip(contenders, contexts, strict=True)]
    winner = None
    try:
        winner = await _first_success(tasks)
        value: T = winner.result()
        return value
    finally:
        for task, ctx in zip(tasks, contexts, strict=True):
            if ctx is not None and winner is not None and task is not winner:
                ctx.failed = True
        await ended_for_good(tasks)


class _Winner(Branches):
    """A node with several branches, of which only the winner's changes and action are used."""

    @in_loop
    def post(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the action of the winner, unless overridden."""
        return exec_res

    def won(self, shared: Any, winner: Ended) -> str | None:
        """Write the winner's changes to *shared*; returns its action."""
        reducers = self.reducers_of(shared)
        apply_delta(shared, winner.store.delta(winner.place, reducers), reducers)
        return winner.action


class RaceNode(_Winner, SideBySide):
    """Runs *nodes* concurrently until the first succeeds; the others are cancelled.

    Only the winner's changes are written to the store, only its events are consumed, and its action is this node's. A
    loser inside blocking code runs to its end, with ``ctx.cancelled`` true, and its result is ignored; a batch it waits
    for is cancelled.

    Args:
        *nodes: nodes and flows.
        max_retries, wait, retry, timeout, name, config: as for a node, applied to the race as a whole.

    Raises:
        ExceptionGroup: none succeeded; it holds the exception of each, in their order.
    """

    async def run_all_async(self, shared: Any) -> str | None:
        """Like ``run_all``, in the running event loop."""
        over = threading.Event()
        tasks = self.start_async(shared, over.is_set)
        try:
            winner = (await _first_success(tasks)).result()
        finally:
            over.set()
            await ended_for_good(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is None and task.result() is not winner:
                task.result().ctx.failed = True
        return self.won(shared, winner)

    @async_twin(run_all_async)
    def run_all(self, shared: Any) -> str | None:
        """Run the branches and write the winner's changes to *shared*; returns its action."""
        over = threading.Event()
        pool = ThreadPoolExecutor(len(self.branches), thread_name_prefix="flowq-branch")
        try:
            futures = self.start(pool, shared, over.is_set)
            for future in as_completed(futures):
                if future.exception() is None:
                    return self.won(shared, future.result())
            raise _nobody([future.exception() for future in futures])
        finally:
            over.set()
            pool.shutdown(wait=False)


class FirstOk(_Winner):
    """Runs *nodes* one after another until one succeeds; see :func:`first_ok`."""

    def one_try(self, shared: Any, prep_res: Any, ctx: ItemContext | None) -> Call:
        """The call that makes one try: the nodes in their order."""
        steps = self._in_order(shared)
        return (drive, (steps,)) if self.timeout is None else (bounded, (self.timeout, drive, (steps,)))

    def _in_order(self, shared: Any) -> Steps[str | None]:
        errors: list[Exception] = []
        for place in range(len(self.branches)):
            try:
                ended = yield from self.branch(place, shared, _never, {"previous_errors": list(errors)}, Beside())
            except Exception as error:
                errors.append(error)
            else:
                return self.won(shared, ended)
        raise _nobody(errors)


def first_ok(*nodes: Node[Any, Any], **options: Unpack[NodeOptions]) -> FirstOk:
    """A node that runs *nodes* one after another until one succeeds: a model, then a cheaper one, then a default.

    Only the changes of that node are written to the store, and its action is this node's. Each node has the list of the
    exceptions of those before it in ``self.params["previous_errors"]``.

    Args:
        *nodes: nodes and flows.
        **options: max_retries, wait, retry, timeout, name, config: as for a node, applied to the whole chain.

    When run, raises ExceptionGroup if none succeeded; it holds the exception of each, in their order.
    """
    return FirstOk(*nodes, **options)


async def _begun(contender: Any, ctx: ItemContext | None, beside: Beside) -> Any:
    if isinstance(contender, Node):
        raise TypeError("race() takes calls; flowq.RaceNode(...) takes nodes")
    enter_context(ctx)
    # For a task that was started before, it is not known whether it works or waits.
    with nullcontext() if ctx is None or asyncio.isfuture(contender) else beside.runs(ctx):
        return await (contender if inspect.isawaitable(contender) else call_async(contender, ()))


async def _first_success(tasks: Iterable[asyncio.Future[T]]) -> asyncio.Future[T]:
    running = order = list(tasks)
    while running:
        done, left = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in order:  # of several that have ended, the first in the given order
            if task in done and not task.cancelled() and task.exception() is None:
                return task
        running = list(left)
    raise _nobody([task.exception() for task in order if not task.cancelled()])


def _nobody(errors: Iterable[BaseException | None]) -> BaseException:
    """The exception of a race without a winner: that of a contender that left to wait, else a group of all."""
    ended = list(errors)
    for error in ended:
        if isinstance(error, ControlFlow):
            return error
    raised = [error for error in ended if isinstance(error, Exception)]
    return ExceptionGroup(f"none of {len(raised)} succeeded", raised)


def _never() -> bool:
    return False
