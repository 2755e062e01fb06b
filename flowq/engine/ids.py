"""The format of batch ids and chunk ids; creating them is the work of batch/naming.py and lua/lib.lua.

Ids from messages are checked here before they become part of a Redis key or reach an act of the ledger.
"""

from __future__ import annotations

import re
from typing import Any

# As new_batch_id makes them. No character of it can end the hash tag or a part of a key.
_BATCH = re.compile(r"[a-z0-9-]{1,80}")
# As id_of in lua/lib.lua spells them: gen:start-stop, and ~k for the k-th record of a parked or split item.
_CHUNK = re.compile(r"[0-9]{1,9}:([0-9]{1,15})-([0-9]{1,15})(?:~[0-9]{1,9})?")


def is_batch_id(value: Any) -> bool:
    """Whether *value* can be the id of a batch."""
    return type(value) is str and _BATCH.fullmatch(value) is not None


def is_chunk_id(value: Any) -> bool:
    """Whether *value* can be the id of a chunk: ``gen:start-stop`` or ``gen:start-stop~k`` with start < stop."""
    found = _CHUNK.fullmatch(value) if type(value) is str else None
    return found is not None and int(found[1]) < int(found[2])


def is_segment(start: Any, stop: Any) -> bool:
    """Whether ``start … stop`` can be a segment of a batch's items; that of an empty batch is empty."""
    return type(start) is int and type(stop) is int and 0 <= start <= stop


def generation(chunk_id: str) -> int:
    """The generation of a chunk."""
    return int(chunk_id.partition(":")[0])


def span(chunk_id: str) -> tuple[int, int]:
    """The range ``(start, stop)`` of a chunk, or of a commit's field of ``out``."""
    start, _, stop = chunk_id.partition(":")[2].partition("~")[0].partition("-")
    return int(start), int(stop)


def length(chunk_id: str) -> int:
    """How many items a chunk has."""
    start, stop = span(chunk_id)
    return stop - start


def record(chunk_id: str) -> int:
    """The record number k of an item that was parked or split off; 0 for a chunk as it was allocated."""
    return int(chunk_id.partition("~")[2] or 0)


def split_id(chunk_id: str, index: int) -> str:
    """The id of the record that item *index* of a chunk gets when it is parked or continues on its own."""
    return f"{generation(chunk_id)}:{index}-{index + 1}~{record(chunk_id) + 1}"
