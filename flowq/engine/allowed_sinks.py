"""Where a worker may write: the sink of a batch comes out of Redis, and must not decide that."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flowq.batch.sink import Sink, open_sink
from flowq.engine.batches import Header

ANYWHERE = "*"


class RefusedSink:
    """A sink that this worker does not write to."""

    def __init__(self, address: str) -> None:
        self._address = address

    def write(self, name: str, data: bytes) -> str:
        """Raises PermissionError: it says what to set."""
        raise PermissionError(
            f"this worker does not write to {self._address}: start it with FLOWQ_SINKS={self._address}"
        )

    def names(self) -> list[str]:
        """None: nothing was written."""
        return []

    def remove(self, address: str) -> None:
        """Nothing: nothing was written."""


def sink_of(header: Header, allowed: Sequence[str]) -> Sink:
    """The sink of a batch; one that refuses every part where *allowed* (the setting ``sinks``) does not name it."""
    if ANYWHERE in allowed or any(is_below(header.sink, place) for place in allowed):
        return open_sink(header.sink, header.id)
    return RefusedSink(header.sink)


def is_below(address: str, place: str) -> bool:
    """Whether the folder or URL *address* is *place* or lies in it."""
    if ("://" in address) != ("://" in place):
        return False
    if "://" in address:
        at, root = address.rstrip("/"), place.rstrip("/")
        return ".." not in at.split("/") and (at == root or at.startswith(f"{root}/"))
    at, root = os.path.realpath(address), os.path.realpath(os.path.expanduser(place))
    return at == root or at.startswith(f"{root.rstrip('/')}/")
