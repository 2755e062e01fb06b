"""Classes themselves as values: found by name among the registered ones and the exceptions, and nowhere else."""

from __future__ import annotations

import os
import sys

import ormsgpack
import pytest

from flowq import errors
from flowq.codec import dumps, loads, tags
from flowq.codec.envelope import seal
from flowq.errors import DecodeError, EncodeError
from tests.unit.codec.shapes import Colour, Document, Level, Pair, Point, User


class Stranger:
    pass


class StrangeError(Exception):
    pass


@pytest.mark.parametrize(
    "cls", [Colour, Level, Document, Point, User, Pair, ValueError, OSError, ExceptionGroup, errors.ItemTimeout]
)
def test_a_class_comes_back_as_itself_however_deep_it_lies(cls: type) -> None:
    assert loads(dumps(cls)) is cls
    assert loads(dumps({"on": (cls, [cls, {1: cls}])})) == {"on": (cls, [cls, {1: cls}])}


@pytest.mark.parametrize(
    "cls", [Stranger, StrangeError, int, dict, type, KeyboardInterrupt, BaseException, os.PathLike]
)
def test_any_other_class_is_refused_at_its_place(cls: type) -> None:
    with pytest.raises(EncodeError, match="cannot travel; put @flowq") as refused:
        dumps({"on": [1, cls]})
    assert refused.value.path == '["on"][1]'


def message(name: bytes) -> bytes:
    """What a hostile sender would write for the class *name*."""
    return seal(ormsgpack.packb(ormsgpack.Ext(tags.CLASS, name)))


@pytest.mark.parametrize(
    "name",
    [
        b"os:system", b"subprocess:Popen", b"builtins:eval", b"builtins:int", b"builtins:SystemExit", b"", b":", b"x",
        b"builtins:__import__", b"flowq.errors:Any", b"flowq.errors:Mapping", b"flowq.registry:Registry", b"\xff\xfe",
        b"tests.unit.codec.test_class_objects:Stranger", b"antigravity:x",
    ],
)  # fmt: skip
def test_a_name_of_anything_else_is_refused_and_nothing_is_imported(name: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(message(name))
    assert "antigravity" not in sys.modules
