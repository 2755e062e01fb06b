"""Nodes that this process has built from encoded graphs, with their lifespans. Knows nothing of batches."""

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
"""Graphs: a program that makes a node per customer or prompt would otherwise have a worker open files without limit.
More than a slot caches batches, so that none of those runs a node whose lifespan has ended."""


class Unbuilt(Exception):
    """A constructor, or the opening of a lifespan, raised *error* in this process."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {text_of(error)}")
        self.error = error


class Templates:
    """Built nodes with open lifespans: one for all batches of the same graph. The least recently used are closed.

    Args:
        run_async: runs a coroutine in the event loop that this process keeps for its lifetime.
    """

    def __init__(self, run_async: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._run_async = run_async
        self._made: OrderedDict[bytes, tuple[Node[Any, Any], AbstractAsyncContextManager[None] | None]] = OrderedDict()

    def of(self, spec: bytes) -> Node[Any, Any]:
        """The node that *spec* describes.

        Raises:
            CannotTravel, DecodeError: this process does not know a class of it.
            Unbuilt: it cannot be built or opened here.
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
        """Mark the node of *spec*, which was built here, as used."""
        self._made.move_to_end(spec)

    def close(self) -> None:
        """Exit the lifespans, the latest first."""
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
        except Exception as error:  # logged only: no batch here uses the node any more
            log.error("what %s kept open did not close", node.name, exc_info=error)


def made(spec: bytes) -> Node[Any, Any]:
    """Build the node that *spec* describes, without opening it; raises what ``Templates.of`` raises."""
    graph = FlowSpec.from_plain(loads(spec))
    try:
        return build(graph)
    except (CannotTravel, DecodeError):
        raise
    except Exception as error:
        raise Unbuilt(error) from error
