"""What nodes keep open while they are used: their ``lifespan``s, or ``setup`` and ``teardown``, left in reverse order.

Never how long that is: a batch, a run or a worker process says so.
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
    """*root* and the nodes inside it that keep something open, but for those that other nodes inside it open."""
    found: dict[int, Node[Any, Any]] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) in found or (node.opens_own and node is not root):
            continue
        found[id(node)] = node
        # What follows the root itself is not part of it.
        after = [] if node is root else [*node.successors.values(), *(target for _, target in node.predicates)]
        todo.extend(reversed([*node.inside(), *after]))
    return [node for node in found.values() if node.keeps_open]


def long_lived_here(root: Node[Any, Any]) -> list[Node[Any, Any]]:
    """What a run of *root* opens: nothing for a batch node, which opens its own for each batch."""
    return [] if root.opens_own else long_lived(root)


def finish_open(root: Node[Any, Any], steps: Steps[T]) -> T:
    """Drive *steps*, a run of *root*, from blocking code, with what its nodes keep open.

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
    """Drive *steps* in the running event loop, with what *nodes* keep open."""
    async with opened(nodes):
        return await drive_async(steps)


@asynccontextmanager
async def opened(nodes: Iterable[Node[Any, Any]]) -> AsyncIterator[None]:
    """What *nodes* keep open is open in the running event loop."""
    async with AsyncExitStack() as stack:
        for one in nodes:
            await stack.enter_async_context(one.lifespan())
        yield


@contextmanager
def held_open(nodes: list[Node[Any, Any]]) -> Iterator[None]:
    """``opened`` for blocking code, which has no event loop.

    A plain ``setup`` is called in this very thread, where the items run; else a loop runs in a thread of its own.
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
