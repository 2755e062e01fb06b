"""Numpy arrays and scalars ↔ extension payloads. Imports numpy only if a message holds one."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

from flowq.codec import tags
from flowq.codec.extensions import as_list
from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError

# Checked before numpy.dtype() is called, whose parser also accepts expressions.
_DTYPE = re.compile(
    r"[<>|=](?:b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU][1-9]\d{0,8}|[mM]8(?:\[[0-9a-zA-Z]{1,12}\])?)"
)
_LAST_CODE_POINT = 0x10FFFF


def is_numpy(value: Any) -> bool:
    """Whether *value* is a numpy array or scalar. Does not import numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def encode_numpy(value: Any, pack: Pack) -> tuple[int, bytes]:
    """Code and payload of an array (memory order kept) or a scalar.

    Raises:
        EncodeError: an object dtype, a structured dtype or a subclass of ndarray, which raw bytes cannot represent.
    """
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.generic):
        return tags.SCALAR, pack(_scalar_parts(numpy, value))
    if type(value) is not numpy.ndarray:
        raise EncodeError("", f"{type(value).__qualname__} is a subclass of numpy.ndarray; send numpy.asarray(value)")
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return tags.ARRAY, pack([_dtype_out(numpy, value.dtype), list(value.shape), order, value.tobytes(order)])


def _scalar_parts(numpy: Any, value: Any) -> list[Any]:
    if type(value) is numpy.str_:
        return ["U", str(value)]
    if type(value) is numpy.bytes_:  # an array of one would strip trailing zeros
        return ["S", bytes(value)]
    dtype = _dtype_out(numpy, value.dtype)
    if numpy.dtype(dtype).type is not type(value):
        raise EncodeError(
            "", f"numpy.{type(value).__name__} would come back as numpy.{numpy.dtype(dtype).type.__name__}"
        )
    return [dtype, value.tobytes()]


def _dtype_out(numpy: Any, dtype: Any) -> str:
    name: str = dtype.str
    if dtype.hasobject:
        raise EncodeError("", "a numpy array of objects cannot travel; send value.tolist()")
    if not _DTYPE.fullmatch(name) or dtype.metadata or numpy.dtype(name) != dtype:
        raise EncodeError("", f"numpy's dtype {dtype!r:.200} is not carried; send its fields as arrays of their own")
    return name


def _array_in(data: bytes, unpack: Unpack) -> Any:
    name, shape, order, buffer = as_list(unpack(data))
    if order not in ("C", "F") or not all(type(length) is int and length >= 0 for length in as_list(shape)):
        raise DecodeError("a numpy array without a valid shape")
    return _build(name, tuple(shape), order, buffer)


def _scalar_in(data: bytes, unpack: Unpack) -> Any:
    name, content = as_list(unpack(data))
    if (name, type(content)) == ("U", str):
        return _numpy().str_(content)
    if (name, type(content)) == ("S", bytes):
        return _numpy().bytes_(content)
    return _build(name, (), "C", content)[()]


def _build(name: Any, shape: tuple[int, ...], order: str, buffer: Any) -> Any:
    numpy = _numpy()
    if not isinstance(name, str) or not _DTYPE.fullmatch(name) or type(buffer) is not bytes:
        raise DecodeError(f"a numpy array of the unknown dtype {str(name)[:80]!r}")
    dtype = numpy.dtype(name)
    if math.prod(shape) * dtype.itemsize != len(buffer):
        raise DecodeError(f"a numpy array of shape {shape} and dtype {name} does not have {len(buffer):,} bytes")
    if dtype.kind == "U" and buffer:
        # Else reading such an element would raise later, in user code.
        if numpy.frombuffer(buffer, dtype.str[0] + "u4").max() > _LAST_CODE_POINT:
            raise DecodeError("a numpy array of text with characters that do not exist")
    elif dtype.kind == "b" and buffer and numpy.frombuffer(buffer, "u1").max() > 1:
        raise DecodeError("a numpy array of booleans that are neither")
    return numpy.ndarray(shape, dtype, bytearray(buffer), order=order)


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise DecodeError("the message holds a numpy array, and numpy is not installed here") from None
    return numpy


DECODERS: dict[int, Callable[[bytes, Unpack], Any]] = {tags.ARRAY: _array_in, tags.SCALAR: _scalar_in}
