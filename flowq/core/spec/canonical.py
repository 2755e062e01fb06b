"""Canonical bytes of plain values, in every process equal exactly if the values are. For hashing; never decoded."""

from __future__ import annotations

import array
import dataclasses
import datetime as dt
import enum
import ipaddress
import math
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from flowq.core.callables import label_of
from flowq.errors import CannotTravel
from flowq.registry import IN_PARTS, LISTS, TYPECODES, class_name, is_registered_function

_LONG_BITS = 1024


def canonical(value: Any, where: str = "the value") -> bytes:
    """*value* as bytes: the same for equal values of one type, in whatever order a dict or a set holds them.

    Takes what can be sent to the workers: None, bool, numbers, str, bytes, list, tuple, dict, set, frozenset, dates and
    times, time zones, Decimal, Fraction, complex, UUID, paths, addresses of ipaddress, range, array.array, Counter,
    defaultdict, OrderedDict, deque, Enum, dataclass, pydantic model, exception, class, numpy array and scalar.

    Args:
        where: what *value* is, for the error message: ``argument 'prompt' of node Parse``.

    Raises:
        CannotTravel: a function, an open file, or an object of any other class; names its place inside the value.
    """
    try:
        return _encode(value, where)
    except RecursionError:
        raise CannotTravel(where, "it contains itself, or is nested too deeply") from None


def _encode(value: Any, where: str) -> bytes:
    exact = _EXACT.get(type(value))
    if exact is not None:
        return exact(value, where)
    return _encode_object(value, where)


def _framed(tag: str, payload: bytes) -> bytes:
    # The length prefix separates neighbours: ("ab", "c") must not encode like ("a", "bc").
    return f"{tag}{len(payload)}:".encode() + payload


def _sequence(tag: str, parts: Iterable[bytes]) -> bytes:
    return _framed(tag, b"".join(parts))


def _float(value: float, where: str) -> bytes:
    return _framed("f", b"nan" if math.isnan(value) else struct.pack(">d", value))


def _list(value: Iterable[Any], where: str) -> bytes:
    return _sequence("l", (_encode(one, f"{where}[{index}]") for index, one in enumerate(value)))


def _tuple(value: Iterable[Any], where: str) -> bytes:
    return _sequence("t", (_encode(one, f"{where}[{index}]") for index, one in enumerate(value)))


def _pairs(items: Iterable[tuple[Any, Any]], where: str) -> Iterable[tuple[bytes, bytes]]:
    return ((_encode(key, f"a key of {where}"), _encode(one, f"{where}[{key!r}]")) for key, one in items)


def _dict(value: dict[Any, Any], where: str) -> bytes:
    return _sequence("d", (part for pair in sorted(_pairs(value.items(), where)) for part in pair))


def _counter(value: Counter[Any], where: str) -> bytes:
    # A Counter compares equal with and without a count of 0.
    counts = {key: count for key, count in value.items() if not (type(count) is int and count == 0)}
    return _framed("Cn", _dict(counts, where))


def _ordered_dict(value: OrderedDict[Any, Any], where: str) -> bytes:
    return _sequence("Od", (part for pair in _pairs(value.items(), where) for part in pair))


def _default_dict(value: defaultdict[Any, Any], where: str) -> bytes:
    return _sequence("Dd", (_encode(value.default_factory, f"the factory of {where}"), _dict(value, where)))


def _deque(value: deque[Any], where: str) -> bytes:
    return _sequence("Dq", (_encode(value.maxlen, where), _list(value, where)))


def _int(value: int) -> str:
    # str() of an int raises above 4,300 digits, or above a lower limit, 640 at least, that the program has set.
    return str(value) if value.bit_length() < _LONG_BITS else hex(value)


def _range(value: range) -> str:
    # Ranges are equal if their numbers are. Not `len`, which raises OverflowError for long ones.
    if not value:
        return ""
    first, last = value[0], value[-1]
    return f"{first:x}" if first == last else f"{first:x},{last:x},{value.step:x}"


def _complex(value: complex, where: str) -> bytes:
    return _sequence("j", (_float(value.real, where), _float(value.imag, where)))


def _array(value: array.array[Any], where: str) -> bytes:
    if value.typecode not in TYPECODES:
        raise CannotTravel(
            where, f"an array of the typecode {value.typecode!r} is text; give value.tounicode() instead"
        )
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    return _framed("a", value.typecode.encode() + value.tobytes())


def _zone(value: dt.timezone | ZoneInfo, where: str) -> bytes:
    if isinstance(value, ZoneInfo) and value.key is None:
        raise CannotTravel(where, "a time zone out of a file has no name to be found by; use ZoneInfo(key)")
    return _framed("tz", repr(value).encode("utf-8", "surrogatepass"))


def _set(value: Iterable[Any], where: str) -> bytes:
    return _sequence("S", sorted(_encode(one, f"an element of {where}") for one in value))


def _text(tag: str, spell: Callable[[Any], str]) -> Callable[[Any, str], bytes]:
    return lambda value, where: _framed(tag, spell(value).encode("utf-8", "surrogatepass"))


def _address(value: Any) -> str:
    return f"{type(value).__name__}:{value}"


def _zoned(value: Any) -> str:
    # Two zones with the same offset now may differ later; `fold` is not part of the ISO format.
    return f"{value.isoformat()}|{value.fold}|{value.tzinfo}"


_EXACT: dict[type, Callable[[Any, str], bytes]] = {
    type(None): lambda value, where: b"N",
    bool: lambda value, where: b"T" if value else b"F",
    int: _text("i", _int),
    float: _float,
    str: _text("s", str),
    bytes: lambda value, where: _framed("b", value),
    bytearray: lambda value, where: _framed("B", bytes(value)),
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: lambda value, where: _framed("Z", _set(value, where)),
    dt.datetime: _text("dt", _zoned),
    dt.time: _text("tm", _zoned),
    dt.date: _text("da", dt.date.isoformat),
    dt.timedelta: _text("td", lambda value: f"{value.days},{value.seconds},{value.microseconds}"),
    Decimal: _text("D", str),
    UUID: _text("U", str),
    Counter: _counter,
    OrderedDict: _ordered_dict,
    defaultdict: _default_dict,
    deque: _deque,
    range: _text("r", _range),
    complex: _complex,
    Fraction: _text("Q", lambda value: f"{value.numerator:x}/{value.denominator:x}"),
    array.array: _array,
    dt.timezone: _zone,
    ZoneInfo: _zone,
    ipaddress.IPv4Address: _text("ip", _address),
    ipaddress.IPv4Interface: _text("ip", _address),
    ipaddress.IPv4Network: _text("ip", _address),
    ipaddress.IPv6Address: _text("ip", _address),
    ipaddress.IPv6Interface: _text("ip", _address),
    ipaddress.IPv6Network: _text("ip", _address),
}


def _encode_object(value: Any, where: str) -> bytes:
    cls = type(value)
    name = class_name(cls)
    if cls in LISTS:
        return _list(value, where)
    if cls in IN_PARTS:
        return _fields(name, {"parts": value.to_plain()}, where)
    if isinstance(value, type):
        return _framed("c", class_name(value).encode())
    if is_registered_function(value):
        return _framed("F", class_name(value).encode())
    if isinstance(value, enum.Enum):
        return _framed("e", f"{name}.{value.name}".encode())
    if isinstance(value, PurePath):
        return _framed("p", f"{cls.__name__}:{value}".encode("utf-8", "surrogatepass"))
    if dataclasses.is_dataclass(value):
        return _fields(name, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, where)
    if isinstance(value, BaseModel):
        return _fields(name, {**vars(value), **(value.model_extra or {})}, where)
    if isinstance(value, BaseException):
        return _fields(name, {"args": value.args, **vars(value)}, where)
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return _framed("x", cls.__name__.encode())  # hashes are displayed: the secret must not be part of one
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic) and not value.dtype.hasobject:
        return _framed("n", f"{cls.__name__}|{value.dtype.str}|{value.shape}|".encode() + value.tobytes())
    raise CannotTravel(where, _refusal(value, name))


def _fields(name: str, fields: dict[str, Any], where: str) -> bytes:
    encoded = (_encode(key, where) + _encode(one, f"{where}.{key}") for key, one in sorted(fields.items()))
    return _sequence("o", (_framed("c", name.encode()), *encoded))


def _refusal(value: Any, name: str) -> str:
    if isinstance(value, FunctionType | BuiltinFunctionType | MethodType):
        return (
            f"{label_of(value)} is a function. Make it a method of the node, give the node the data it decides by, "
            "or put @flowq.register above it."
        )
    return (
        f"{name} is not data. Give the node what the object is made from (a URL, a path, plain values) and make the "
        "object in exec or setup; or make its class a dataclass or pydantic model and decorate it with @flowq.register."
    )
