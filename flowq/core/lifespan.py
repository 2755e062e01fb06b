"""Lifespans: enters the ``lifespan``, or calls ``setup`` and ``teardown``, of nodes; exits them in reverse order.

For how long is decided by the caller: a batch, a run or a worker process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from flowq.core.callables import is_async
from flowq.core.drive import Steps, drive_async, finish, loop_runs
from flowq.errors import LoopRunning

if TYPE_CHECKING:
    from flowq.core.node import Node

T = TypeVar("T")


def long_lived(root: Node[Any, Any]) -> list[Node[Any, Any]]:
    """The nodes with a lifespan among *root* and the nodes inside it, except inside nodes that open their own."""
    found: dict[int, Node[Any, Any]] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in found or (node.opens_own and node is not root):
            continue
        found[id(node)] = node
        # The root's successors are not part of it.
        after = [] if node is root else [*node.successors.values(), *(target for _, target in node.predicates)]
        todo.extend(reversed([*node.inside(), *after]))
    return [node for node in found.values() if node.keeps_open]


def long_lived_here(root: Node[Any, Any]) -> list[Node[Any, Any]]:
    """The nodes whose lifespan a run of *root* enters: none for a batch node, which does it for each batch."""
    return [] if root.opens_own else long_lived(root)


def finish_open(root: Node[Any, Any], steps: Steps[T]) -> T:
    """Drive *steps*, a run of *root*, from blocking code, inside the lifespans of its nodes.

    Raises:
        LoopRunning: it needs an event loop, and this thread runs one already.
    """
    nodes, needs_loop = root.needs()
    if not nodes:
        return finish(steps, needs_loop=needs_loop, what=root.name)
    if not needs_loop:
        with held_open(nodes):
            return finish(steps, needs_loop=False, what=root.name)
    if loop_runs():
        raise LoopRunning(root.name)
    with asyncio.Runner() as runner:
        return runner.run(drive_open(nodes, steps))


async def drive_open(nodes: list[Node[Any, Any]], steps: Steps[T]) -> T:
    """Drive *steps* in the running event loop, inside the lifespans of *nodes*."""
    async with opened(nodes):
        return await drive_async(steps)


@asynccontextmanager
async def opened(nodes: Iterable[Node[Any, Any]]) -> AsyncIterator[None]:
    """Enter the lifespans of *nodes* in the running event loop."""
    async with AsyncExitStack() as stack:
        for one in nodes:
            await stack.enter_async_context(one.lifespan())
        yield


@contextmanager
def held_open(nodes: list[Node[Any, Any]]) -> Iterator[None]:
    """``opened`` for blocking code, which has no event loop.

    A sync ``setup`` is called in this thread, which runs the items; for the others an event loop runs in a second
    thread.
    """
    with ExitStack() as stack:
        plain = [one for one in nodes if not (one.has_lifespan or is_async(one.setup) or is_async(one.teardown))]
        if len(plain) < len(nodes):
            stack.enter_context(_held_open_in_loop([one for one in nodes if one not in plain]))
        for one in plain:
            one.setup()
            stack.callback(one.teardown)
        yield


@contextmanager
def _held_open_in_loop(nodes: list[Node[Any, Any]]) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="flowq-lifespan", daemon=True)
    thread.start()
    span = opened(nodes)
    try:
        asyncio.run_coroutine_threadsafe(span.__aenter__(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(span.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
