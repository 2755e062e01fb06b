"""The places where this process may write and read sinks: anywhere, unless it runs what it read from Redis.

The restriction applies to the whole process, not to a thread, as an exec may start threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from flowq.errors import SinkFailed

ANYWHERE = "*"


class _Allowed:
    """The restriction of this process."""

    def __init__(self) -> None:
        self.places: Sequence[str] = (ANYWHERE,)


_allowed = _Allowed()


def restrict(places: Sequence[str]) -> None:
    """Restrict this process to sinks below *places*: folders, URLs, or "*" for anywhere."""
    _allowed.places = places


@contextmanager
def restricted(places: Sequence[str]) -> Iterator[None]:
    """``restrict(places)`` for the duration of the block."""
    before = _allowed.places
    restrict(places)
    try:
        yield
    finally:
        restrict(before)


def refusal(
    address: str, places: Sequence[str] | None = None, *, act: Literal["write", "read"] = "write"
) -> SinkFailed | None:
    """The error if the sink, or the part to read, at *address* is not below any of *places*; None if it is.

    Args:
        places: folders and URLs; None for those this process is restricted to.
    """
    places = _allowed.places if places is None else places
    if ANYWHERE in places or any(is_below(address, place) for place in places):
        return None
    if act == "read":
        return SinkFailed(f"this worker does not read {address}: it is not below what FLOWQ_SINKS names")
    return SinkFailed(f"this worker does not write to {address}: start it with FLOWQ_SINKS={address}")


def is_below(address: str, place: str) -> bool:
    """Whether the folder or URL *address* is *place* or is inside it."""
    if ("://" in address) != ("://" in place):
        return False
    if "://" in address:
        at, root = address.rstrip("/"), place.rstrip("/")
        below = at.removeprefix(root)
        # fsspec chains URLs with "::": the one after it may be where the file really is.
        return ".." not in at.split("/") and "::" not in below and (at == root or at.startswith(f"{root}/"))
    at, root = os.path.realpath(address), os.path.realpath(os.path.expanduser(place))
    return at == root or at.startswith(f"{root.rstrip('/')}/")
