"""Standard types that msgpack lacks ↔ extension payloads, without loss. User classes are classes.py."""

from __future__ import annotations

import datetime
import decimal
import fractions
import ipaddress
import pathlib
import re
import struct
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from flowq.codec import tags
from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError

_DELTA = struct.Struct(">iII")
_COMPLEX = struct.Struct(">dd")
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*")  # no dots: a key is a path into the tz database
_PATHS: dict[int, Any] = {0: pathlib.PurePosixPath, 1: pathlib.PosixPath}
_ADDRESSES: tuple[Any, ...] = (
    *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network),
    *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
)


def as_list(value: Any) -> list[Any]:
    """*value* if it is a list; else raises DecodeError."""
    if type(value) is not list:
        raise DecodeError(f"a list was expected, not {type(value).__name__}")
    return value


def _sequence_out(value: Any, pack: Pack) -> bytes:
    return pack(list(value))


def pairs_out(value: dict[Any, Any], pack: Pack) -> bytes:
    """A dict with any keys as one list: key, value, key, value, …"""
    return pack([part for pair in value.items() for part in pair])


def _pairs_in(data: bytes, unpack: Unpack) -> dict[Any, Any]:
    parts = as_list(unpack(data))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _big_int_out(value: int, pack: Pack) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _delta_out(value: datetime.timedelta, pack: Pack) -> bytes:
    return _DELTA.pack(value.days, value.seconds, value.microseconds)


def _is_offset(zone: Any) -> bool:
    """Whether *zone* is fully represented in ISO 8601: None, or a fixed offset without a name."""
    return zone is None or (type(zone) is datetime.timezone and len(zone.__getinitargs__()) == 1)  # type: ignore[attr-defined]


def _zone_out(zone: Any) -> Any:
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is datetime.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset.days, offset.seconds, offset.microseconds, *name]
    if zone is None:
        return None
    cls = type(zone)
    raise EncodeError(
        "", f"its tzinfo is a {cls.__module__}.{cls.__qualname__}; use zoneinfo.ZoneInfo(key) or datetime.timezone"
    )


def _zone_in(plain: Any) -> Any:
    if plain is None:
        return None
    if isinstance(plain, str):
        if not _ZONE_KEY.fullmatch(plain):
            raise DecodeError(f"{plain[:80]!r} is no time zone")
        return zoneinfo.ZoneInfo(plain)
    days, seconds, microseconds, *name = as_list(plain)
    return datetime.timezone(datetime.timedelta(days, seconds, microseconds), *name)


def _moment_out(value: Any, pack: Pack) -> bytes:
    """A datetime or time: its ISO text if that is complete (begins with a digit), else [text, fold, zone]."""
    if value.fold == 0 and _is_offset(value.tzinfo):
        iso: str = value.isoformat()
        return iso.encode()
    return pack([value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone_out(value.tzinfo)])


def _moment_in(cls: Any) -> Callable[[bytes, Unpack], Any]:
    def decode(data: bytes, unpack: Unpack) -> Any:
        if data[:1].isdigit():
            return cls.fromisoformat(data.decode())
        text, fold, zone = as_list(unpack(data))
        return cls.fromisoformat(text).replace(fold=fold, tzinfo=_zone_in(zone))

    return decode


def _text_out(kind: int) -> Callable[[Any, Pack], bytes]:
    """An encoder for one of several types: a byte for the type, then the text of the value."""
    return lambda value, pack: bytes((kind,)) + str(value).encode("utf-8", "surrogatepass")


def _fraction_in(data: bytes, unpack: Unpack) -> fractions.Fraction:
    numerator, denominator = as_list(unpack(data))
    if type(numerator) is not int or type(denominator) is not int or denominator < 1:
        raise DecodeError("a fraction whose parts are not integers, or whose denominator is below 1")
    # It was sent in lowest terms. The constructor would reduce it again, which takes days for hostile megabytes.
    value: Any = object.__new__(fractions.Fraction)
    value._numerator, value._denominator = numerator, denominator
    found: fractions.Fraction = value
    return found


def _lone_zone_in(data: bytes, unpack: Unpack) -> Any:
    zone = _zone_in(unpack(data))
    if zone is None:
        raise DecodeError("a time zone that is none")
    return zone


# type → (code, payload). Exact types only: a subclass would come back as its base.
ENCODERS: dict[type, tuple[int, Callable[[Any, Pack], bytes]]] = {
    tuple: (tags.TUPLE, _sequence_out),
    set: (tags.SET, _sequence_out),
    frozenset: (tags.FROZENSET, _sequence_out),
    int: (tags.BIG_INT, _big_int_out),
    datetime.datetime: (tags.DATETIME, _moment_out),
    datetime.date: (tags.DATE, lambda value, pack: value.isoformat().encode()),
    datetime.time: (tags.TIME, _moment_out),
    datetime.timedelta: (tags.TIMEDELTA, _delta_out),
    decimal.Decimal: (tags.DECIMAL, lambda value, pack: str(value).encode()),
    uuid.UUID: (tags.UUID, lambda value, pack: value.bytes),
    pathlib.PurePosixPath: (tags.PATH, _text_out(0)),
    pathlib.PosixPath: (tags.PATH, _text_out(1)),
    complex: (tags.COMPLEX, lambda value, pack: _COMPLEX.pack(value.real, value.imag)),
    fractions.Fraction: (tags.FRACTION, lambda value, pack: pack([value.numerator, value.denominator])),
    **{cls: (tags.ADDRESS, _text_out(kind)) for kind, cls in enumerate(_ADDRESSES)},
    datetime.timezone: (tags.ZONE, lambda value, pack: pack(_zone_out(value))),
    zoneinfo.ZoneInfo: (tags.ZONE, lambda value, pack: pack(_zone_out(value))),
}

DECODERS: dict[int, Callable[[bytes, Unpack], Any]] = {
    tags.TUPLE: lambda data, unpack: tuple(as_list(unpack(data))),
    tags.SET: lambda data, unpack: set(as_list(unpack(data))),
    tags.FROZENSET: lambda data, unpack: frozenset(as_list(unpack(data))),
    tags.PAIRS: _pairs_in,
    tags.BIG_INT: lambda data, unpack: int.from_bytes(data, "little", signed=True),
    tags.TEXT: lambda data, unpack: data.decode("utf-8", "surrogatepass"),
    tags.BYTEARRAY: lambda data, unpack: bytearray(data),
    tags.DATETIME: _moment_in(datetime.datetime),
    tags.DATE: lambda data, unpack: datetime.date.fromisoformat(data.decode()),
    tags.TIME: _moment_in(datetime.time),
    tags.TIMEDELTA: lambda data, unpack: datetime.timedelta(*_DELTA.unpack(data)),
    tags.DECIMAL: lambda data, unpack: decimal.Decimal(data.decode()),
    tags.UUID: lambda data, unpack: uuid.UUID(bytes=data),
    tags.PATH: lambda data, unpack: _PATHS[data[0]](data[1:].decode("utf-8", "surrogatepass")),
    tags.COMPLEX: lambda data, unpack: complex(*_COMPLEX.unpack(data)),
    tags.FRACTION: _fraction_in,
    tags.ADDRESS: lambda data, unpack: _ADDRESSES[data[0]](data[1:].decode("utf-8", "surrogatepass")),
    tags.ZONE: _lone_zone_in,
}
