"""PocketFlow's eleven classes with its exact behaviour in one process: ``from flowq.compat.pocketflow import Node``.

The life cycle, the tries and the walk are flowq's; here is only what PocketFlow does differently. To run batches on
workers, use ``flowq.ParallelBatchNode``.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from flowq import core
from flowq.core.actions import DEFAULT
from flowq.core.context import ItemContext, current_context, enter_context
from flowq.core.drive import Call, Steps, async_twin, drive, drive_async, in_loop

__all__ = [
    "AsyncBatchFlow",
    "AsyncBatchNode",
    "AsyncFlow",
    "AsyncNode",
    "AsyncParallelBatchFlow",
    "AsyncParallelBatchNode",
    "BaseNode",
    "BatchFlow",
    "BatchNode",
    "Flow",
    "Node",
]


Target = TypeVar("Target")


class BaseNode(core.Node[Any, Any]):
    """``prep → exec → post`` without retries. In an async run it blocks the event loop until it has ended."""

    sync_in_thread: ClassVar[bool] = False
    gathers: ClassVar[bool] = False
    has_async_names: ClassVar[bool] = True

    if TYPE_CHECKING:  # what a node returns need not be an action, and None may follow one

        def post(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any: ...

        def __rshift__(self, node: Target) -> Target: ...

        def __sub__(self, action: str) -> Any: ...

    def __init__(self) -> None:
        super().__init__()

    def next(self, node: Any, action: str = DEFAULT) -> Any:
        """Add an edge: *action* leads to *node*. Returns *node*. None ends the flow there without a warning."""
        super().next(_End() if node is None else node, action)
        return node

    def run(self, shared: Any) -> Any:
        """Run this node alone and return the result of ``post``."""
        self._warn_of_successors()
        return drive(self.told("run", self.visit(shared)))

    def visit(self, shared: Any) -> Steps[Any]:
        """The steps of a visit as one blocking call."""
        return (yield _in_one_go, (self._life(shared),))

    def _life(self, shared: Any) -> Steps[Any]:
        prep_res = yield self.phase(0), (shared,)
        exec_res = yield from self.perform(shared, prep_res)
        return (yield self.phase(3), (shared, prep_res, exec_res))


class Node(BaseNode):
    """A node whose ``exec`` is tried *max_retries* times in all, *wait* seconds apart; with 0 it never runs."""

    # Plain attributes, not flowq's Retry, which refuses 0 and respects ``retry_after`` of exceptions.
    max_retries: int = 1
    wait: float = 0
    _tries_made: int = 0
    _around: ItemContext | None = None

    def __init__(self, max_retries: int = 1, wait: float = 0) -> None:
        super().__init__()
        self.max_retries, self.wait = max_retries, wait

    @property
    def cur_retry(self) -> int:
        """Number of the current try of this item, from 0; in ``post``, of the last try."""
        ctx = current_context()
        return self._tries_made if ctx is None or ctx is self._around else ctx.attempt

    def retry_delay(self, exc: Exception, attempt: int) -> float | None:
        """*wait* after any exception; None after the last try."""
        return self.wait if attempt + 1 < self.max_retries else None

    def perform(self, shared: Any, prep_res: Any) -> Steps[Any]:
        """The tries of ``exec`` and the fallback."""
        self._around = current_context()
        return (yield from self._attempts(shared, prep_res))

    def one_try(self, shared: Any, prep_res: Any, ctx: ItemContext | None) -> Call:
        """The call that makes one try."""
        self._tries_made = 0 if ctx is None else ctx.attempt
        return super().one_try(shared, prep_res, ctx)

    def _attempts(self, shared: Any, prep_res: Any) -> Steps[Any]:
        if self.max_retries < 1:
            return None
        return (yield from core.Node.perform(self, shared, prep_res))

    def _item(self, shared: Any, index: int, item: Any) -> Steps[Any]:
        """The tries of one item of a batch."""
        outer = current_context()
        around = replace(outer or ItemContext(), item_index=index)
        enter_context(around)
        try:
            return (yield from self._attempts(shared, item))
        finally:
            if current_context() is around:
                enter_context(outer)


class BatchNode(Node):
    """``prep`` returns an iterable (None: no items), ``exec`` gets one item at a time, ``post`` the list of results."""

    def perform(self, shared: Any, prep_res: Any) -> Steps[list[Any]]:
        """Run the items one after another; ends at the first exception without a fallback."""
        self._around = current_context()
        results = []
        for index, item in enumerate(prep_res or ()):
            results.append((yield from self._item(shared, index, item)))
        return results


class Flow(BaseNode, core.Flow):  # type: ignore[misc]  # its run takes the store alone
    """Runs *start* and then the nodes that the actions lead to, on the given *shared*."""

    def __init__(self, start: BaseNode | None = None) -> None:
        core.Flow.__init__(self, start)

    def get_next_node(self, curr: Any, action: Any) -> Any:
        """The node that *action* of *curr* leads to; None ends the flow, with a warning if *curr* has other edges."""
        successor = super().next_node(curr, action, None)
        return None if isinstance(successor, _End) else successor

    def next_node(self, node: Any, action: Any, shared: Any) -> Any:
        """:meth:`get_next_node`, unless *node* has predicates."""
        return super().next_node(node, action, shared) if node.predicates else self.get_next_node(node, action)

    def visit(self, shared: Any) -> Steps[Any]:
        """The steps of a visit; in a resumable walk, those of a flow that can be left."""
        return core.Flow.visit(self, shared) if self.journey is not None else super().visit(shared)

    def perform(self, shared: Any, prep_res: Any) -> Steps[Any]:
        """One walk; a flow is not retried."""
        return (yield from self.walk(shared))


class BatchFlow(Flow):
    """Runs the flow once per dict of params that ``prep`` returns, one after another, all on the same *shared*."""

    def visit(self, shared: Any) -> Steps[Any]:
        """The steps of a visit. A resumable walk is not left inside it."""
        self.journey = None
        return super().visit(shared)

    def perform(self, shared: Any, prep_res: Any) -> Steps[None]:
        """One walk per dict, whose values take precedence over the flow's own params."""
        for params in prep_res:
            yield from self.walk(shared, {**self.params, **params})

    def _life(self, shared: Any) -> Steps[Any]:
        prep_res = (yield self.phase(0), (shared,)) or []
        yield from self.perform(shared, prep_res)
        return (yield self.phase(3), (shared, prep_res, None))


class AsyncNode(Node):
    """A node whose methods are coroutines, named ``…_async``. It runs in an event loop only."""

    phases: ClassVar[tuple[str, str, str, str]] = ("prep_async", "exec_async", "exec_fallback_async", "post_async")

    async def prep_async(self, shared: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Read what ``exec_async`` needs from the shared store."""

    async def exec_async(self, prep_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Do the work."""

    async def exec_fallback_async(self, prep_res: Any, exc: Exception, /, *args: Any, **kwargs: Any) -> Any:
        """The result to use after the last try failed with *exc*. Raises it unless overridden."""
        raise exc

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Write to the shared store and return the action to follow."""

    async def run_async(self, shared: Any) -> Any:
        """Run this node alone and return the result of ``post_async``."""
        if self.successors:
            warnings.warn("Node won't run successors. Use AsyncFlow.", stacklevel=2)
        return await drive_async(self.told("run", self.visit(shared)))

    def visit(self, shared: Any) -> Steps[Any]:
        """The steps of a visit.

        Raises:
            RuntimeError: the run is not async.
        """
        yield _only_in_a_loop, ()
        return (yield from self._life(shared))


class AsyncBatchNode(AsyncNode, BatchNode):
    """An AsyncNode of many items, one after another."""


class AsyncParallelBatchNode(AsyncNode, BatchNode):
    """An AsyncNode of many items, all at once. The first exception cancels the others."""

    def perform(self, shared: Any, prep_res: Any) -> Steps[list[Any]]:
        """Run all items concurrently, without a limit."""
        self._around = current_context()
        items = [self._item(shared, index, item) for index, item in enumerate(prep_res or ())]
        results: list[Any] = yield _all_or_the_first_error, (items,)
        return results


class AsyncFlow(Flow, AsyncNode):  # type: ignore[misc]  # its run takes the store alone
    """A flow of async and sync nodes. A sync node blocks the event loop while it runs."""

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the flow's action as a node: the last node's action, unless overridden."""
        return exec_res


class AsyncBatchFlow(AsyncFlow, BatchFlow):  # type: ignore[misc]  # its run takes the store alone
    """Runs an AsyncFlow once per dict of params, one after another."""


class AsyncParallelBatchFlow(AsyncFlow, BatchFlow):  # type: ignore[misc]  # its run takes the store alone
    """Runs an AsyncFlow for all dicts of params at once, on one *shared*. The first exception cancels the others."""

    def perform(self, shared: Any, prep_res: Any) -> Steps[None]:
        """Run all walks concurrently, without a limit."""
        yield _all_or_the_first_error, ([self.walk(shared, {**self.params, **params}) for params in prep_res],)


class _End(BaseNode):
    """The target of ``node >> None``: an intended end of the flow."""


@in_loop
def _in_one_go(steps: Steps[Any]) -> Any:
    return drive(steps)


async def _in_a_loop() -> None:
    pass


@async_twin(_in_a_loop)
def _only_in_a_loop() -> None:
    raise RuntimeError("Use run_async.")


async def _all_or_the_first_error(each: Sequence[Steps[Any]]) -> list[Any]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(drive_async(steps)) for steps in each]
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise first  # outside of the except block, so that its __cause__ and __context__ are kept
