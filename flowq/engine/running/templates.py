"""The nodes that encoded graphs describe, as this process has made them. Never here: the batches they run in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from flowq.codec import loads
from flowq.core.lifespan import long_lived, opened
from flowq.core.node import Node
from flowq.core.spec import FlowSpec, build
from flowq.errors import CannotTravel, DecodeError
from flowq.portable import text_of

KEPT = 16


class Unbuilt(Exception):
    """A constructor, or what opens a lifespan, raised in this process; *error* is what."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {text_of(error)}")
        self.error = error


class Templates:
    """Nodes, their lifespans open: one for all batches of the same graph.

    Args:
        run_async: runs a coroutine in the event loop that this process keeps for its life.
    """

    def __init__(self, run_async: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._run_async = run_async
        self._open = AsyncExitStack()
        self._made: dict[bytes, Node[Any, Any]] = {}

    def of(self, spec: bytes) -> Node[Any, Any]:
        """The node that *spec* describes.

        Raises:
            CannotTravel, DecodeError: this process does not know it.
            Unbuilt: it cannot be made or opened here.
        """
        node = self._made.get(spec)
        if node is None:
            node = made(spec)
            lasting = long_lived(node)
            if lasting:
                try:
                    self._run_async(self._open.enter_async_context(opened(lasting)))
                except Exception as error:
                    raise Unbuilt(error) from error
            if lasting or len(self._made) < KEPT:
                self._made[spec] = node
        return node

    async def close(self) -> None:
        """Leave the lifespans."""
        await self._open.aclose()


def made(spec: bytes) -> Node[Any, Any]:
    """The node that *spec* describes, nothing of it open; raises what ``Templates.of`` raises."""
    graph = FlowSpec.from_plain(loads(spec))
    try:
        return build(graph)
    except (CannotTravel, DecodeError):
        raise
    except Exception as error:
        raise Unbuilt(error) from error
