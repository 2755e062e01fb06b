"""``dumps`` and ``loads``: a value ↔ the bytes of a message. The rest of flowq uses only these functions."""

from __future__ import annotations

import hashlib
from typing import Any

from flowq.codec.envelope import MAX_BYTES, seal, unseal
from flowq.codec.explain import explain
from flowq.codec.nesting import MAX_DEPTH
from flowq.codec.pack import pack, unpack
from flowq.errors import DecodeError, EncodeError


def dumps(value: Any, *, max_bytes: int = MAX_BYTES) -> bytes:
    """*value* as bytes from which ``loads`` returns an equal value of the same types.

    Supported: None, bool, int of any size, float, str, bytes, bytearray, list, tuple, dict with any keys, set,
    frozenset, Counter, OrderedDict, defaultdict (its factory None or a builtin such as list), deque, range, complex,
    array.array (of numbers), datetime, date, time, timedelta, timezone, ZoneInfo, Decimal, Fraction, UUID, Path, the
    addresses and networks of ipaddress, numpy arrays and scalars; Enum, dataclass, NamedTuple and pydantic objects
    whose classes are registered; these classes themselves, and exception classes. Exceptions are encoded in the form of
    ``portable.portable``, pydantic's secrets encrypted with FLOWQ_SECRET_KEY. An object that occurs twice is decoded to
    two objects.

    Args:
        value: the value to encode.
        max_bytes: limit before compression; 64 MiB by default.

    Raises:
        EncodeError: a part of the value cannot be encoded without loss (with its path), or the value is too large.
    """
    try:
        payload = pack(value)
    except Exception:
        found = explain(value)
        if found is None:  # not caused by the value: a time limit's signal, memory
            raise
        raise found from None
    if len(payload) > max_bytes:
        raise EncodeError(
            "",
            f"it takes {len(payload):,} bytes and the limit is {max_bytes:,}; send a path or a key to the data instead",
        )
    return seal(payload)


def loads(data: bytes | bytearray | memoryview, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value in *data*, which need not be trusted. Imports no module and calls no constructor of a user class.

    Args:
        data: the result of ``dumps``, or any other bytes.
        max_bytes: limit of the unpacked size, 64 MiB by default. No larger buffer is allocated; the decoded value may
            take about 70 times as much memory (a hostile list of empty lists).
        max_depth: limit on nested extensions (tuples, sets, instances, dicts with keys other than str); at most 64.

    Raises:
        DecodeError: the bytes are not valid, for any reason.
    """
    try:
        return unpack(unseal(data, max_bytes), max_depth)
    except DecodeError:
        raise
    except Exception as error:  # raised by constructors of the decoded types: ValueError, OverflowError, …
        raise DecodeError(f"the message does not describe a value: {type(error).__name__}: {error}") from error


def content_hash(data: bytes) -> str:
    """A hash of *data*: 32 hexadecimal digits (blake2b, 16 bytes)."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
