"""Finds the attributes of a node that ``prep`` sets and ``exec`` reads, by their code: workers do not run ``prep``."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from typing import Any

from flowq.core.callables import function_of

_SETS_UP = ("setup", "lifespan")
_READS = ("exec", "exec_many", "exec_fallback")
_SENT = frozenset(("params",))  # with the node, as they are after prep


def left_behind(cls: type) -> tuple[str, ...]:
    """The attributes of ``self`` that ``prep`` of *cls* sets and its items read, sorted.

    Items on workers see what the constructor made of them, or the class has. Not among them are those that ``setup`` or
    ``lifespan`` set, as these run on workers; what a method that ``prep`` calls sets is not found.
    """
    return _of_class(cls)


@functools.lru_cache(maxsize=1024)
def _of_class(cls: Any) -> tuple[str, ...]:
    kept = _named(cls, ("prep",), "STORE_ATTR") - _named(cls, _SETS_UP, "STORE_ATTR") - _SENT
    return tuple(sorted(kept & _named(cls, _READS, "LOAD_ATTR", "LOAD_METHOD"))) if kept else ()


def _named(cls: type, methods: tuple[str, ...], *acts: str) -> set[str]:
    """The attributes of ``self`` with which *methods* do one of *acts*, the names of instructions."""
    codes = (_code_of(getattr(cls, method, None)) for method in methods)
    return {name for code in codes if code is not None and code.co_argcount for name in _attributes(code, acts)}


def _code_of(method: Any) -> types.CodeType | None:
    fn: Any = function_of(method) if callable(method) else None
    while hasattr(fn, "__wrapped__"):  # beneath decorators
        fn = function_of(fn.__wrapped__)
    return getattr(fn, "__code__", None)


def _attributes(code: types.CodeType, acts: tuple[str, ...], own: str | None = None) -> Iterator[str]:
    """The attributes of *own* (None: the first parameter) in *code* and in the functions inside it."""
    own = code.co_varnames[0] if own is None else own
    before: Any = None
    for step in dis.get_instructions(code):
        if step.opname in acts and before == own:
            yield step.argval
        before = step.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and own in inner.co_freevars:
            yield from _attributes(inner, acts, own)
