"""Where a worker may write: the sink of a batch comes out of Redis, and must not decide that."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flowq.engine.batches import Header
from flowq.errors import SinkFailed

ANYWHERE = "*"


def refusal(header: Header, allowed: Sequence[str]) -> SinkFailed | None:
    """Why a worker does not write where a batch's results go: *allowed* (the setting ``sinks``) does not name it."""
    if not header.sink or ANYWHERE in allowed or any(is_below(header.sink, place) for place in allowed):
        return None
    return SinkFailed(f"this worker does not write to {header.sink}: start it with FLOWQ_SINKS={header.sink}")


def is_below(address: str, place: str) -> bool:
    """Whether the folder or URL *address* is *place* or lies in it."""
    if ("://" in address) != ("://" in place):
        return False
    if "://" in address:
        at, root = address.rstrip("/"), place.rstrip("/")
        return ".." not in at.split("/") and (at == root or at.startswith(f"{root}/"))
    at, root = os.path.realpath(address), os.path.realpath(os.path.expanduser(place))
    return at == root or at.startswith(f"{root.rstrip('/')}/")
