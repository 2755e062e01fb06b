"""Branches: nodes that contain other nodes, each of which runs on an overlay of the store. See parallel.py and race.py.

A branch sees the store as it was, and its own changes, which are written to the store when the branches have ended.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Unpack

from pydantic import BaseModel

from flowq.core.beside import Beside
from flowq.core.context import ItemContext, current_context, enter_context
from flowq.core.drive import Call, ControlFlow, Steps, bounded, drive, drive_async
from flowq.core.node import Node
from flowq.core.options import NodeOptions
from flowq.core.store.merge import Reducers
from flowq.core.store.overlay import MappingBase, Overlay
from flowq.core.store.shared_store import Store
from flowq.core.walks.flow import Flow
from flowq.errors import ItemCancelled


@dataclass(frozen=True, slots=True)
class Ended:
    """A branch that succeeded: its place, its action, its overlay of the store, and the context of its calls."""

    place: int
    action: str | None
    store: Overlay
    ctx: ItemContext


class Branches(Node[Any, Any]):
    """A node that contains *nodes*, which may be flows.

    Args:
        *nodes: the branches, at least one.
        max_retries, wait, retry, timeout, name, config: as for a node, applied to all branches together.
    """

    reducers: Reducers = MappingProxyType({})

    def __init__(self, *nodes: Node[Any, Any], **options: Unpack[NodeOptions]) -> None:
        super().__init__(**options)
        if not nodes:
            raise ValueError(f"{type(self).__name__} needs at least one node: give it some")
        for node in nodes:
            if not isinstance(node, Node):
                raise TypeError(
                    f"{type(self).__name__} takes nodes, not {type(node).__name__}; flowq.node makes one of a function"
                )
        self.branches = nodes

    def inside(self) -> list[Node[Any, Any]]:
        """The nodes of the branches."""
        return list(self.branches)

    def has_async(self) -> bool:
        """Whether this node or one of its branches needs an event loop."""
        return super().has_async() or any(node.has_async() for node in self.branches)

    def branch(
        self, place: int, shared: Any, over: Callable[[], bool], more: Mapping[str, Any], beside: Beside
    ) -> Steps[Ended]:
        """The steps of one branch.

        Args:
            over: returns whether the result is no longer needed, for ``ctx.cancelled``.
            more: params in addition to those of this node.
            beside: the branches that run concurrently.
        """
        outer = current_context()
        ctx = self._within(over)
        enter_context(ctx)
        try:
            with beside.runs(ctx):
                return (yield from self._visit(place, shared, more, ctx))
        except ControlFlow:
            raise
        except BaseException:
            ctx.failed = True
            raise
        finally:
            # Compared first: a generator that is dropped may be closed in another context.
            if current_context() is ctx:
                enter_context(outer)

    def _visit(self, place: int, shared: Any, more: Mapping[str, Any], ctx: ItemContext) -> Steps[Ended]:
        node = self.branches[place].__copy__()
        node.set_params({**node.params, **self.params, **more})
        if not isinstance(node, Flow):
            node._warn_of_successors()
        self.relay_events(node, node.name)
        store = Overlay(MappingBase(shared), self._schema(shared))
        action = yield from node.step(store)
        return Ended(place, action, store, ctx)

    def reducers_of(self, shared: Any) -> Reducers:
        """The reducers for *shared*, by key."""
        return {**shared.reducers(), **self.reducers} if isinstance(shared, Store) else self.reducers

    def _note_failure(self, error: Exception, attempt: int) -> None:
        # The node that failed has added its note.
        pass

    def _within(self, over: Callable[[], bool]) -> ItemContext:
        outer = current_context() or ItemContext()
        ctx = outer.derive(self.name, self.config, outer.attempt)
        ctx.is_cancelled = lambda: over() or outer.is_cancelled()
        return ctx

    def _schema(self, shared: Any) -> type[BaseModel] | None:
        return shared.schema if isinstance(shared, Store) else None


class SideBySide(Branches):
    """A node whose branches run concurrently: in threads in a sync run, as tasks in an async one."""

    def one_try(self, shared: Any, prep_res: Any, ctx: ItemContext | None) -> Call:
        """The call that makes one try: all branches."""
        return (self.run_all, (shared,)) if self.timeout is None else (bounded, (self.timeout, self.run_all, (shared,)))

    def run_all(self, shared: Any) -> Any:
        """Run the branches and write their changes to *shared*; returns ``exec_res`` for ``post``."""
        raise NotImplementedError

    def start(self, pool: ThreadPoolExecutor, shared: Any, over: Callable[[], bool]) -> list[Future[Ended]]:
        """Start every branch in a thread of *pool*."""
        beside = Beside()
        return [
            pool.submit(contextvars.copy_context().run, drive, self.branch(place, shared, over, {}, beside))
            for place in range(len(self.branches))
        ]

    def start_async(self, shared: Any, over: Callable[[], bool]) -> list[asyncio.Task[Ended]]:
        """Start every branch as a task in the running event loop."""
        beside = Beside()
        return [
            asyncio.create_task(self._branch_async(self.branch(place, shared, over, {}, beside), place))
            for place in range(len(self.branches))
        ]

    async def _branch_async(self, branch: Steps[Ended], place: int) -> Ended:
        try:
            return await drive_async(branch)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ItemCancelled(f"{self.branches[place].name} ended with CancelledError, unasked") from None


async def ended_for_good(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel *tasks* and wait until all have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
