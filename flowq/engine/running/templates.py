"""The nodes that encoded graphs describe, as this process has made them. Never here: the batches they run in."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from flowq.codec import loads
from flowq.core.lifespan import long_lived, opened
from flowq.core.node import Node
from flowq.core.spec import FlowSpec, build
from flowq.errors import CannotTravel, DecodeError
from flowq.portable import text_of

log = logging.getLogger("flowq.run")

KEPT = 32
"""Graphs: programs that make a node for every customer or prompt would have a worker open files until it has no more.
More than a slot keeps batches, so that none of those runs a node whose lifespan was left."""


class Unbuilt(Exception):
    """A constructor, or what opens a lifespan, raised in this process; *error* is what."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {text_of(error)}")
        self.error = error


class Templates:
    """Nodes, their lifespans open: one for all batches of the same graph. Those not used for longest are left.

    Args:
        run_async: runs a coroutine in the event loop that this process keeps for its life.
    """

    def __init__(self, run_async: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._run_async = run_async
        self._made: OrderedDict[bytes, tuple[Node[Any, Any], AbstractAsyncContextManager[None] | None]] = OrderedDict()

    def of(self, spec: bytes) -> Node[Any, Any]:
        """The node that *spec* describes.

        Raises:
            CannotTravel, DecodeError: this process does not know it.
            Unbuilt: it cannot be made or opened here.
        """
        if spec not in self._made:
            node, span = made(spec), None
            if len(self._made) >= KEPT:
                self._leave_oldest()
            lasting = long_lived(node)
            if lasting:
                span = opened(lasting)
                try:
                    self._run_async(span.__aenter__())
                except Exception as error:
                    raise Unbuilt(error) from error
            self._made[spec] = node, span
        self.used(spec)
        return self._made[spec][0]

    def used(self, spec: bytes) -> None:
        """The node of *spec*, which was made here, is about to run."""
        self._made.move_to_end(spec)

    def close(self) -> None:
        """Leave the lifespans, the latest first."""
        while self._made:
            self._leave(*self._made.popitem())

    def _leave_oldest(self) -> None:
        self._leave(*self._made.popitem(last=False))

    def _leave(self, _: bytes, kept: tuple[Node[Any, Any], AbstractAsyncContextManager[None] | None]) -> None:
        node, span = kept
        if span is None:
            return
        try:
            self._run_async(span.__aexit__(None, None, None))
        except Exception as error:  # of a node that nobody runs here now: it hurts no other
            log.error("what %s kept open did not close", node.name, exc_info=error)


def made(spec: bytes) -> Node[Any, Any]:
    """The node that *spec* describes, nothing of it open; raises what ``Templates.of`` raises."""
    graph = FlowSpec.from_plain(loads(spec))
    try:
        return build(graph)
    except (CannotTravel, DecodeError):
        raise
    except Exception as error:
        raise Unbuilt(error) from error
