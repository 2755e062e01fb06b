"""Registered functions, such as the key of a rate ↔ their names. Never imported and never called here."""

from __future__ import annotations

from types import FunctionType

from flowq import registry
from flowq.codec.classes import unknown
from flowq.codec.tags import Unpack
from flowq.errors import DecodeError


def encode_function(fn: FunctionType) -> bytes:
    """The payload of a registered function."""
    return registry.class_name(fn).encode()


def decode_function(data: bytes, unpack: Unpack) -> FunctionType:
    """The function a payload names.

    Raises:
        DecodeError: the function is not registered in this process.
    """
    name = data.decode()
    try:
        return registry.registered_function(name)
    except KeyError:
        if registry.is_of_flowq(name):
            raise unknown(name, "the function") from None
        raise DecodeError(
            f"the function {name[:200]!r} is not registered here; put @flowq.register above it and import its module",
            lacks=name,
        ) from None
