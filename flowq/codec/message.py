"""A value ↔ the bytes of a message: packing and envelope together. The only two functions the rest of flowq calls."""

from __future__ import annotations

import hashlib
from typing import Any

from flowq.codec.envelope import MAX_BYTES, seal, unseal
from flowq.codec.explain import explain
from flowq.codec.nesting import MAX_DEPTH
from flowq.codec.pack import pack, unpack
from flowq.errors import DecodeError, EncodeError


def dumps(value: Any, *, max_bytes: int = MAX_BYTES) -> bytes:
    """*value* as bytes that ``loads`` turns into an equal value of the same types.

    Carried exactly: None, bool, int of any size, float, str, bytes, bytearray, list, tuple, dict with any keys, set,
    frozenset, Counter, OrderedDict, defaultdict (its factory None or a builtin such as list), deque, range, complex,
    array.array (of numbers), datetime, date, time, timedelta, timezone, ZoneInfo, Decimal, Fraction, UUID, Path, the
    addresses and networks of ipaddress, numpy arrays and scalars; Enum, dataclass, NamedTuple and pydantic objects
    whose classes are registered; such classes themselves, and classes of exceptions. Exceptions as
    ``portable.portable`` makes them. Pydantic's secrets, sealed with FLOWQ_SECRET_KEY. An object that occurs twice
    arrives as two.

    Args:
        value: what to encode.
        max_bytes: limit before compression; 64 MiB by default.

    Raises:
        EncodeError: part of the value would not arrive as it is, with its path; or it is too large.
    """
    try:
        payload = pack(value)
    except Exception:
        found = explain(value)
        if found is None:  # not the value's fault: a time limit's signal, memory
            raise
        raise found from None
    if len(payload) > max_bytes:
        raise EncodeError(
            "",
            f"it takes {len(payload):,} bytes and the limit is {max_bytes:,}; send a path or a key to the data instead",
        )
    return seal(payload)


def loads(data: bytes | bytearray | memoryview, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value in *data*, whoever made it. Imports no module, and runs no constructor of a user's class.

    Args:
        data: what ``dumps`` made, or anything else.
        max_bytes: limit of the unpacked size, 64 MiB by default. Nothing larger is ever allocated for the bytes; the
            value built from them may take some 70 times as much (a hostile list of empty lists).
        max_depth: how many extensions (a tuple, a set, an instance, a dict with keys other than str) may lie inside
            each other; at most 64.

    Raises:
        DecodeError: whatever is wrong with the bytes.
    """
    try:
        return unpack(unseal(data, max_bytes), max_depth)
    except DecodeError:
        raise
    except Exception as error:  # out of the constructors of the types the bytes name: ValueError, OverflowError, …
        raise DecodeError(f"the message does not describe a value: {type(error).__name__}: {error}") from error


def content_hash(data: bytes) -> str:
    """A name for *data* made of what it is: 32 hexadecimal digits (blake2b, 16 bytes)."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
