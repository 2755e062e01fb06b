"""Replaces plain values that ormsgpack would refuse or silently change by extensions: dicts with keys other than str,
bytearrays, text with lone surrogates. Used only for the few values that contain one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ormsgpack import Ext

from flowq.codec import tags
from flowq.codec.extensions import pairs_out
from flowq.codec.refusals import TOO_DEEP, refusal
from flowq.codec.tags import Pack
from flowq.errors import EncodeError
from flowq.registry import LISTS

MAX_LEVELS = 255  # nested lists and dicts without an extension in between: the limit of ormsgpack

WORTH_ADDING = 64  # items

_HARMLESS = frozenset((type(None), bool, int, float, str, bytes))
_BUFFERS = frozenset((bytearray, memoryview))


def holds_buffer(value: Any) -> bool:
    """Whether a bytearray or memoryview is in the lists and dicts of *value*; ormsgpack would pack it as bytes."""
    if type(value) in _BUFFERS:
        return True
    todo = [value]
    while todo:
        one = todo.pop()
        parts: Collection[Any] = one.values() if type(one) is dict else one if type(one) in LISTS else ()
        if type(one) in LISTS and _are_numbers(one):
            continue
        kinds = set(map(type, parts))
        if kinds <= _HARMLESS:
            continue
        if kinds & _BUFFERS:
            return True
        todo.extend(part for part in parts if type(part) is dict or type(part) in LISTS)
    return False


def _are_numbers(parts: list[Any]) -> bool:
    """Whether all *parts* are numbers, so that none is a buffer. Summing is faster than checking each type."""
    if len(parts) < WORTH_ADDING or type(parts[0]) not in (int, float):
        return False
    try:
        return type(sum(parts)) in (int, float)  # a sum with a buffer, as numpy allows, is neither
    except Exception:  # not all are numbers
        return False


def spell_out(value: Any, pack: Pack, level: int = 0) -> Any:
    """*value* in a form that ormsgpack packs without loss. *pack* packs the parts of an extension.

    Raises:
        EncodeError: it contains a memoryview, or more than MAX_LEVELS nested lists and dicts.
    """
    cls = type(value)
    if level > MAX_LEVELS:
        raise EncodeError("", TOO_DEEP)
    if cls in LISTS:
        return [spell_out(part, pack, level + 1) for part in value]
    if cls is dict:
        if all(type(key) is str and _is_utf8(key) for key in value):
            return {key: spell_out(part, pack, level + 1) for key, part in value.items()}
        return Ext(tags.PAIRS, pairs_out(value, pack))
    if cls is str and not _is_utf8(value):
        return Ext(tags.TEXT, value.encode("utf-8", "surrogatepass"))
    if cls is bytearray:
        return Ext(tags.BYTEARRAY, bytes(value))
    if cls is memoryview:
        raise EncodeError("", refusal(value))
    return value


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
