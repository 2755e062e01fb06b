"""Values ↔ packed bytes, without an envelope: one ormsgpack call for plain data, flowq's extensions for the rest.

An extension's payload is packed by the same functions, one level deeper. Levels are counted, since each takes stack
space, which hostile bytes could exhaust.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import ormsgpack
from ormsgpack import Ext, packb, unpackb

from flowq import registry
from flowq.codec import (
    arrays,
    class_objects,
    classes,
    containers,
    exceptions,
    extensions,
    functions,
    nesting,
    secrets,
    tags,
)
from flowq.codec.nesting import FREE_DEPTH, MAX_DEPTH
from flowq.codec.refusals import TOO_DEEP
from flowq.codec.spell import holds_buffer, spell_out
from flowq.errors import DecodeError, EncodeError

# Types that ormsgpack would convert to plain ones are passed to `_default` instead.
_OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)

_ENCODERS = {**extensions.ENCODERS, **containers.ENCODERS}

_DECODERS: dict[int, Callable[[bytes, tags.Unpack], Any]] = {
    **extensions.DECODERS,
    **containers.DECODERS,
    **classes.DECODERS,
    **arrays.DECODERS,
    tags.EXCEPTION: exceptions.decode_exception,
    tags.CLASS: class_objects.decode_class,
    tags.SECRET: secrets.decode_secret,
    tags.FUNCTION: functions.decode_function,
}


class _Hooks(threading.local):
    """The exception of a hook, which ormsgpack discards, even a KeyboardInterrupt; the failed call takes it out."""

    error: BaseException | None = None

    def take(self) -> BaseException | None:
        error, self.error = self.error, None
        return error


_raised = _Hooks()


def pack(value: Any, depth: int = 0) -> bytes:
    """*value* as msgpack; *depth* is the number of extensions around it.

    Raises:
        EncodeError: with the reason; the path is found by ``explain``.
    """
    if depth > MAX_DEPTH:
        raise EncodeError("", TOO_DEEP)
    try:
        data = packb(value, _DEFAULTS[depth], _OPTIONS)
    except TypeError:
        data = _pack_spelled(value, depth)
    else:
        # ormsgpack silently packs a bytearray as bytes. Checked only if a type byte of msgpack's bytes occurs.
        if (0xC4 in data or 0xC5 in data or 0xC6 in data) and holds_buffer(value):
            data = _pack_spelled(value, depth)
    if depth == FREE_DEPTH and nesting.too_deep(data):
        raise EncodeError("", TOO_DEEP)
    return data


def unpack(data: bytes | memoryview, max_depth: int = MAX_DEPTH) -> Any:
    """The value packed in *data*.

    Raises:
        DecodeError: not valid, or more than *max_depth* nested extensions. Hostile bytes may raise other exceptions,
            from constructors of the decoded types; ``loads`` catches them.
    """
    return _unpack(data, _FULL_HOOKS if max_depth >= MAX_DEPTH else _hooks(max_depth), 0)


def _pack_spelled(value: Any, depth: int) -> bytes:
    """Pack *value* again on the slow path, with the parts that ormsgpack refuses or changes replaced by extensions."""
    error = _raised.take()
    if error is not None:
        raise error
    spelled = spell_out(value, _PACKERS[depth])
    try:
        return packb(spelled, _DEFAULTS[depth], _OPTIONS)
    except TypeError as refused:
        reason = TOO_DEEP if "Recursion" in str(refused) else str(refused)
        raise (_raised.take() or EncodeError("", reason)) from None


def _encode(value: Any, pack_parts: tags.Pack) -> Ext | list[Any]:
    if type(value) in registry.LISTS:
        return list(value)
    known = _ENCODERS.get(type(value))
    if known is not None:
        tag, to_bytes = known
        return Ext(tag, to_bytes(value, pack_parts))
    if issubclass(type(value), type):
        return Ext(tags.CLASS, class_objects.encode_class(value))
    if isinstance(value, BaseException):
        return Ext(tags.EXCEPTION, exceptions.encode_exception(value, pack_parts))
    if secrets.is_secret(value):
        return Ext(tags.SECRET, secrets.encode_secret(value, pack_parts))
    if registry.is_registered_function(value):
        return Ext(tags.FUNCTION, functions.encode_function(value))
    if arrays.is_numpy(value):
        return Ext(*arrays.encode_numpy(value, pack_parts))
    return Ext(*classes.encode_instance(value, pack_parts))


def _default(pack_parts: tags.Pack) -> Callable[[Any], Ext | list[Any]]:
    def default(value: Any) -> Ext | list[Any]:
        try:
            return _encode(value, pack_parts)
        except BaseException as error:
            _raised.error = error
            raise

    return default


def _unpack(data: bytes | memoryview, hooks: tuple[Callable[[int, bytes], Any], ...], depth: int) -> Any:
    if depth >= len(hooks):
        raise DecodeError(f"more than {len(hooks) - 1} extensions inside each other")
    if depth == FREE_DEPTH and nesting.too_deep(bytes(data)):
        raise DecodeError(f"nested deeper than {nesting.MAX_NESTING} levels")
    try:
        return unpackb(data, ext_hook=hooks[depth])
    except ValueError as refused:
        raise (_raised.take() or DecodeError(f"not valid msgpack: {refused}")) from None


def _hook(unpack_parts: tags.Unpack) -> Callable[[int, bytes], Any]:
    def hook(tag: int, data: bytes) -> Any:
        try:
            decode = _DECODERS.get(tag)
            if decode is None:
                raise DecodeError(f"the message holds extension {tag}, which this release of flowq does not know")
            return decode(data, unpack_parts)
        except BaseException as error:
            _raised.error = error
            raise

    return hook


@functools.cache
def _hooks(max_depth: int) -> tuple[Callable[[int, bytes], Any], ...]:
    """The hooks for each depth. There is one per depth because ormsgpack passes no state to a hook."""
    hooks: list[Callable[[int, bytes], Any]] = []

    def parts_at(depth: int) -> tags.Unpack:
        return lambda data: _unpack(data, made, depth)

    hooks.extend(_hook(parts_at(depth + 1)) for depth in range(max_depth + 1))
    made = tuple(hooks)
    return made


def _packer(depth: int) -> tags.Pack:
    return lambda value: pack(value, depth)


_FULL_HOOKS = _hooks(MAX_DEPTH)
_PACKERS: tuple[tags.Pack, ...] = tuple(_packer(depth + 1) for depth in range(MAX_DEPTH + 1))
_DEFAULTS: tuple[Callable[[Any], Ext | list[Any]], ...] = tuple(_default(pack_parts) for pack_parts in _PACKERS)
