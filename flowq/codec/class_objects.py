"""Classes as values, such as the model a node should fill ↔ their names. Looked up in the registry, never imported."""

from __future__ import annotations

import builtins

from flowq import portable, registry
from flowq.codec.classes import named_class
from flowq.codec.exceptions import exception_class
from flowq.codec.refusals import refusal
from flowq.codec.tags import Unpack
from flowq.errors import EncodeError

_HOMES = (builtins.__name__, registry.ERRORS)


def encode_class(cls: type) -> bytes:
    """The payload of a class: its name.

    Raises:
        EncodeError: the class is neither registered nor an exception of builtins or flowq.
    """
    if registry.is_registered(cls) or portable.is_known_exception(cls):
        return registry.class_name(cls).encode()
    raise EncodeError("", refusal(cls))


def decode_class(data: bytes, unpack: Unpack) -> type:
    """The class a payload names.

    Raises:
        DecodeError: the class is not registered in this process, or a builtin other than an exception.
    """
    name = data.decode()
    if name.partition(":")[0] in _HOMES:
        return exception_class(name)
    cls: type = named_class(name, lambda cls: True, "the class")
    return cls
