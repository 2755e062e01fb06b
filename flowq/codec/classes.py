"""Instances of registered classes ↔ extension payloads: Enum, dataclass, pydantic model, NamedTuple, and flowq's own.

A payload names the class and lists its parts; decoding looks the name up among the registered classes and sets the
parts. No constructor, ``__post_init__``, validator or ``__reduce__`` of the user runs: the object is restored as it
was, not created anew. (One of flowq's own that an earlier release wrote, with fewer fields, is: by its constructor.)
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import types
from collections.abc import Callable, Iterable, Set
from typing import Any

import pydantic

from flowq import registry
from flowq.codec import tags
from flowq.codec.extensions import as_list
from flowq.codec.refusals import refusal
from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError

_CONTAINERS = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float)


def is_enum(cls: type) -> bool:
    return issubclass(cls, enum.Enum)


def is_model(cls: type) -> bool:
    return issubclass(cls, pydantic.BaseModel)


def is_named_tuple(cls: type) -> bool:
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_dataclass(cls: type) -> bool:
    """Whether *cls* is a dataclass whose instances consist of their fields only."""
    return dataclasses.is_dataclass(cls) and not issubclass(cls, (*_CONTAINERS, BaseException, enum.Enum))


def is_in_parts(cls: type) -> bool:
    return cls in registry.IN_PARTS


def encode_instance(value: Any, pack: Pack) -> tuple[int, bytes]:
    """Code and payload of an instance of a registered class.

    Raises:
        EncodeError: its class is not registered, or it has attributes that would be lost.
    """
    cls = type(value)
    name = registry.registered_name(cls)
    if name is not None:
        for is_kind, tag, parts_of in _KINDS:
            if is_kind(cls):
                return tag, pack([name, *parts_of(value)])
    raise EncodeError("", refusal(value))


def named_class(name: Any, is_kind: Callable[[type], bool], kind: str) -> Any:
    """The registered class that a message names, if it is of the expected kind.

    Raises:
        DecodeError: the class is not registered in this process, or is of another kind.
    """
    try:
        cls = registry.registered(name)
    except (KeyError, TypeError):
        raise unknown(name, kind) from None
    if not is_kind(cls):
        raise DecodeError(f"the message names {name!r} as {kind}, which it is not")
    return cls


def unknown(name: Any, kind: str) -> DecodeError:
    """The error for a message that names what this process does not know."""
    reason = "is not registered in this process: import its module here, and put @flowq.register above the class"
    if registry.is_of_flowq(name):
        reason = "this release of flowq does not have: run the same release on both sides"
    lacks = name if isinstance(name, str) else ""
    return DecodeError(f"the message names {kind} {str(name)[:200]!r}, which {reason}", lacks=lacks)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, model (private ones included) or named tuple, by name; {} for any other value."""
    cls = type(value)
    if is_model(cls):
        return {**vars(value), **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    if is_named_tuple(cls):
        return dict(zip(cls._fields, value, strict=True))
    return _dataclass_parts(value)[0] if is_dataclass(cls) else {}


def _enum_parts(value: enum.Enum) -> list[Any]:
    # A combination of flags is not a member: it is encoded by its value.
    return [value.name if value.name in type(value).__members__ else value.value]


def _enum_in(data: bytes, unpack: Unpack) -> Any:
    name, member = as_list(unpack(data))
    cls = named_class(name, is_enum, "the Enum")
    if isinstance(member, str) and member in cls.__members__:
        return cls.__members__[member]
    if issubclass(cls, enum.Flag) and type(member) is int:
        flags = cls(member)
        # Some releases of Python 3.11 drop bits that the class does not define.
        if isinstance(flags, cls) and flags.value == member:
            return flags
    raise DecodeError(f"{name} has no member {str(member)[:200]!r}; is one side older than the other?")


def _dataclass_parts(value: Any) -> list[Any]:
    names = [field.name for field in dataclasses.fields(value)]
    try:
        fields = {name: getattr(value, name) for name in names}
    except AttributeError as error:
        raise EncodeError("", f"the field {error.name!r} of {type(value).__qualname__} was never set") from None
    _refuse_undeclared(value, names)
    cls: Any = type(value)
    for name in _slots_beside(cls):
        if hasattr(value, name):
            raise _would_be_lost(cls, name)
    return [fields]


@functools.lru_cache(maxsize=1024)
def _slots_beside(cls: Any) -> frozenset[str]:
    """The slots of a dataclass and its bases that are not fields."""
    slots = {
        name for base in cls.__mro__ for name, one in vars(base).items() if isinstance(one, types.MemberDescriptorType)
    }
    return frozenset(slots - {field.name for field in dataclasses.fields(cls)})


def _dataclass_in(data: bytes, unpack: Unpack) -> Any:
    name, fields = as_list(unpack(data))
    cls = named_class(name, is_dataclass, "the dataclass")
    fields = _whole(cls, name, fields, {field.name for field in dataclasses.fields(cls)})
    value = object.__new__(cls)
    for key, part in fields.items():
        object.__setattr__(value, key, part)  # bypasses __setattr__ of a frozen class
    return value


def _model_parts(value: pydantic.BaseModel) -> list[Any]:
    cls = type(value)
    fields = {name: part for name, part in vars(value).items() if name in cls.model_fields}
    if len(fields) != len(cls.model_fields):
        missing = sorted(cls.model_fields.keys() - fields.keys())
        raise EncodeError("", f"the fields {missing} of {cls.__qualname__} were never set")
    _refuse_undeclared(value, fields)
    given = value.__pydantic_fields_set__
    return [
        fields,
        None if given == fields.keys() else sorted(given),
        value.__pydantic_extra__ or None,
        value.__pydantic_private__ or None,
    ]


def _model_in(data: bytes, unpack: Unpack) -> Any:
    name, fields, given, extra, private = as_list(unpack(data))
    cls = named_class(name, is_model, "the pydantic model")
    sent, fields = fields, _whole(cls, name, fields, cls.model_fields.keys())
    takes_extra = cls.model_config.get("extra") == "allow"
    _known_names(name, extra, extra if takes_extra else ())
    _known_names(name, private, cls.__private_attributes__)
    given = set(sent) if given is None else set(as_list(given))
    if not given <= fields.keys() | (extra or {}).keys():
        raise DecodeError(f"{name} was sent with fields it does not have")
    value = object.__new__(cls)
    object.__setattr__(value, "__dict__", fields)
    object.__setattr__(value, "__pydantic_fields_set__", given)
    object.__setattr__(value, "__pydantic_extra__", (extra or {}) if takes_extra else None)
    object.__setattr__(value, "__pydantic_private__", (private or {}) if cls.__private_attributes__ else None)
    return value


def _named_tuple_parts(value: Any) -> list[Any]:
    _refuse_undeclared(value, ())
    return [list(value)]


def _named_tuple_in(data: bytes, unpack: Unpack) -> Any:
    name, parts = as_list(unpack(data))
    cls = named_class(name, is_named_tuple, "the NamedTuple")
    if len(as_list(parts)) != len(cls._fields):
        raise DecodeError(f"{name} has {len(cls._fields)} fields here and {len(parts)} in the message")
    return tuple.__new__(cls, parts)


def _in_parts_in(data: bytes, unpack: Unpack) -> Any:
    name, plain = as_list(unpack(data))
    return named_class(name, is_in_parts, "what is sent in parts,").from_plain(plain)


def _refuse_undeclared(value: Any, declared: Iterable[str]) -> None:
    """Refuse attributes other than fields, as they would be lost. A cached_property may be: it is computed again."""
    cls = type(value)
    for name in getattr(value, "__dict__", {}).keys() - set(declared):
        computed = isinstance(getattr(cls, name, None), functools.cached_property)
        if not computed and name != "__orig_class__":  # set by Box[int](…)
            raise _would_be_lost(cls, name)


def _would_be_lost(cls: type, name: str) -> EncodeError:
    return EncodeError("", f"{cls.__qualname__} holds {name!r}, which is not a field and would be lost; declare it")


def _whole(cls: Any, cls_name: str, fields: Any, declared: Set[str]) -> dict[str, Any]:
    """*fields*, if they are those that the class declares. An object of flowq's own that an earlier release wrote, with
    fewer of them, gets the defaults of the others.

    Raises:
        DecodeError: there are unknown ones, one has no default, or the class is a user's: what a field that is missing
            means is not for flowq to say.
    """
    sent = fields.keys() if type(fields) is dict else frozenset[Any]()
    if type(fields) is dict and sent == declared:
        return fields
    if type(fields) is dict and sent < declared and registry.is_of_flowq(cls_name):
        with contextlib.suppress(TypeError, ValueError):
            completed = cls(**fields)
            return {name: getattr(completed, name) for name in declared}
    raise DecodeError(
        f"{cls_name}: the message lacks the fields {sorted(declared - sent)} and has the unknown ones "
        f"{sorted(map(str, sent - declared))[:20]}; is one side older than the other?"
    )


def _known_names(cls_name: str, parts: Any, allowed: Any) -> None:
    if parts is not None and (type(parts) is not dict or not all(type(n) is str and n in allowed for n in parts)):
        raise DecodeError(f"{cls_name} was sent with attributes it does not have")


_KINDS: tuple[tuple[Callable[[type], bool], int, Callable[[Any], list[Any]]], ...] = (
    (is_in_parts, tags.IN_PARTS, lambda value: [value.to_plain()]),
    (is_enum, tags.ENUM, _enum_parts),
    (is_model, tags.MODEL, _model_parts),
    (is_named_tuple, tags.NAMED_TUPLE, _named_tuple_parts),
    (is_dataclass, tags.DATACLASS, _dataclass_parts),
)

DECODERS: dict[int, Callable[[bytes, Unpack], Any]] = {
    tags.IN_PARTS: _in_parts_in,
    tags.ENUM: _enum_in,
    tags.DATACLASS: _dataclass_in,
    tags.MODEL: _model_in,
    tags.NAMED_TUPLE: _named_tuple_in,
}
