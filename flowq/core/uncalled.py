"""Finds ``…_async`` methods that PocketFlow would call and flowq does not: without an error they would never run.

Inspects classes only, each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import CodeType, FunctionType
from typing import Any

from flowq.core.callables import is_flowqs


def uncalled(cls: type[Any], phases: Sequence[str]) -> tuple[str, ...]:
    """The *phases* for which *cls* defines only the ``…_async`` method and none of its methods refers to that one."""
    alone = [
        phase for phase in phases if callable(getattr(cls, _ported(phase), None)) and is_flowqs(getattr(cls, phase))
    ]
    if not alone:
        return ()
    called = set(_names_in_the_methods(cls, without={_ported(phase) for phase in alone}))
    return tuple(phase for phase in alone if _ported(phase) not in called)


def said_of(cls: type[Any], phases: Sequence[str]) -> str:
    """The error message for *cls*, whose ``…_async`` methods of *phases* are never called."""
    many = len(phases) > 1
    methods = _listed([f".{_ported(phase)}" for phase in phases])
    return (
        f"{cls.__name__}{methods} {'are' if many else 'is'} called by nobody: in flowq a method is async when it is "
        f"`async def`; call {'them' if many else 'it'} {_listed(phases)}"
    )


def _ported(phase: str) -> str:
    return f"{phase}_async"


def _names_in_the_methods(cls: type[Any], without: set[str]) -> Iterator[str]:
    """Every name that a method of *cls* refers to, except methods named in *without*."""
    members = [(name, member) for base in cls.__mro__ for name, member in vars(base).items() if name not in without]
    todo = [
        function.__code__
        for function in (getattr(member, "__func__", member) for _, member in members)
        if isinstance(function, FunctionType)
    ]
    while todo:
        code = todo.pop()
        yield from code.co_names
        todo += [const for const in code.co_consts if isinstance(const, CodeType)]


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
