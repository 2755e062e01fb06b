"""What the methods of a class do with ``self``, by their code, which is read and never called."""

from __future__ import annotations

import dis
import functools
import itertools
import types
from collections.abc import Iterable, Iterator
from typing import Any, Literal

Use = Literal["read", "set", "other"]

_USES: dict[str, Use] = {"LOAD_ATTR": "read", "LOAD_METHOD": "read", "STORE_ATTR": "set"}
_OF_NO_CONCERN = ("LOAD_SUPER_ATTR", "DELETE_ATTR")
_LOADS = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF")


def used(cls: type, methods: Iterable[str], use: Use) -> set[str]:
    """The attributes of ``self`` that *methods* of *cls*, and those of its methods that they call, read or set."""
    found, todo = set[str](), [*methods]
    seen = {*todo}
    while todo:
        for code in _codes_of(cls, todo.pop()):
            uses = [*uses_in(code)]
            found.update(name for act, name in uses if act == use)
            called = {name for act, name in uses if act == "read"} - seen
            todo += called
            seen |= called
    return found


def uses_in(code: types.CodeType, own: str | None = None) -> Iterator[tuple[Use, str]]:
    """What *code*, and the functions inside it, do with *own* (None: the first parameter): each use with the attribute
    that is read or set, "" where *own* itself is used, such as handed to another function.
    """
    own = code.co_varnames[0] if own is None else own
    steps = [*dis.get_instructions(code)]
    for load, step in itertools.pairwise(steps):
        if load.opname in _LOADS and load.argval == own and step.opname not in _OF_NO_CONCERN:
            use = _USES.get(step.opname, "other")
            yield use, "" if use == "other" else step.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and own in inner.co_freevars:
            yield from uses_in(inner, own)


def codes(member: Any) -> list[types.CodeType]:
    """The code of a method or property that takes ``self``; none if it is not written in Python."""
    if isinstance(member, staticmethod | classmethod):
        return []
    if isinstance(member, property | functools.cached_property):
        member = member.fget if isinstance(member, property) else member.func
    while hasattr(member, "__wrapped__"):  # beneath decorators
        member = member.__wrapped__
    return [member.__code__] if isinstance(member, types.FunctionType) and member.__code__.co_argcount else []


def codes_in(classes: Iterable[type]) -> Iterator[types.CodeType]:
    """The ``codes`` of all members that *classes* define themselves."""
    for cls in classes:
        for member in vars(cls).values():
            yield from codes(member)


def set_to_parameters(constructor: Any) -> dict[str, str]:
    """The attributes that *constructor* sets to a parameter as it is, each with that parameter's name; none beneath a
    decorator, which may pass other arguments.
    """
    if hasattr(constructor, "__wrapped__"):
        return {}
    found: dict[str, str] = {}
    for code in codes(constructor):
        steps = [*dis.get_instructions(code)]
        changed = {step.argval for step in steps if step.opname in ("STORE_FAST", "STORE_DEREF")}
        parameters = {*code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]} - changed
        for value, own, act in zip(steps, steps[1:], steps[2:], strict=False):
            sets = own.argval == code.co_varnames[0] and act.opname == "STORE_ATTR"
            # With a jump to *own*, the value may be another one.
            if sets and not own.is_jump_target and value.opname in _LOADS and value.argval in parameters:
                found[act.argval] = value.argval
    return found


def _codes_of(cls: type, method: str) -> Iterator[types.CodeType]:
    """The code of *method*, and of those of the bases that it may call by ``super()``."""
    for base in cls.__mro__:
        if method in vars(base):
            own = codes(vars(base)[method])
            yield from own
            if not any("__class__" in code.co_freevars for code in own):
                return
