"""Where this process may write results, and read them: anywhere, unless what it runs came out of Redis.

Of the whole process, not of a thread: an exec may start threads of its own. Never here: writing, or the settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from flowq.errors import SinkFailed

ANYWHERE = "*"


class _Allowed:
    """What this process is restricted to."""

    def __init__(self) -> None:
        self.places: Sequence[str] = (ANYWHERE,)


_allowed = _Allowed()


def restrict(places: Sequence[str]) -> None:
    """From now on this process writes and reads sinks below *places* alone: folders, URLs, or "*" for anywhere."""
    _allowed.places = places


@contextmanager
def restricted(places: Sequence[str]) -> Iterator[None]:
    """``restrict(places)``, within the block."""
    before = _allowed.places
    restrict(places)
    try:
        yield
    finally:
        restrict(before)


def refusal(
    address: str, places: Sequence[str] | None = None, *, act: Literal["write", "read"] = "write"
) -> SinkFailed | None:
    """Why the sink (or, to be read, the part of one) at *address* is none of *places*; None: it is.

    Args:
        places: None: what this process is restricted to.
    """
    places = _allowed.places if places is None else places
    if ANYWHERE in places or any(is_below(address, place) for place in places):
        return None
    if act == "read":
        return SinkFailed(f"this worker does not read {address}: it is not below what FLOWQ_SINKS names")
    return SinkFailed(f"this worker does not write to {address}: start it with FLOWQ_SINKS={address}")


def is_below(address: str, place: str) -> bool:
    """Whether the folder or URL *address* is *place* or lies in it."""
    if ("://" in address) != ("://" in place):
        return False
    if "://" in address:
        at, root = address.rstrip("/"), place.rstrip("/")
        below = at.removeprefix(root)
        # What fsspec reads after "::" is a further URL, which may be where all of it lies.
        return ".." not in at.split("/") and "::" not in below and (at == root or at.startswith(f"{root}/"))
    at, root = os.path.realpath(address), os.path.realpath(os.path.expanduser(place))
    return at == root or at.startswith(f"{root.rstrip('/')}/")
