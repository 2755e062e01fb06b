"""Whether two classes or functions of one name have the same code: made twice by a factory, or reloaded with a module.

Never runs any of their code. When in doubt they differ.
"""

from __future__ import annotations

from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from flowq.core.functional import NAMELESS
from flowq.errors import CannotTravel
from flowq.registry import class_name

INSIDE = "<locals>"
"""Part of the qualified name of a class or function defined inside a function; such names are not unique."""

# Class attributes to ignore: those that differ between equal classes, and those that flowq derives from the others.
_OWN = frozenset(
    (
        *("__dict__", "__weakref__", "__doc__", "__annotations__", "__annotate__", "__static_attributes__"),
        *("__orig_bases__", "_phases_of", "_known_functions", "coroutines"),
    )
)
_LEAVES = (type(None), bool, int, float, str, bytes, CodeType)
_PROPERTY = ("fget", "fset", "fdel")
_FUNCTION = ("__code__", "__defaults__", "__kwdefaults__", "__closure__", "__dict__")
_METHOD = ("__func__", "__self__")


def are_alike(one: Any, other: Any) -> bool:
    """Whether the classes or functions *one* and *other* have the same code, defaults and closed-over values."""
    return _alike(one, other, set())


def _alike(one: Any, other: Any, seen: set[tuple[int, int]]) -> bool:
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(one) is not type(other):
        return False
    seen.add((id(one), id(other)))  # a method that uses super() closes over its class
    if isinstance(one, type):
        is_named_alike = (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
        return is_named_alike and _same(one, other, ("__bases__",), seen) and _parts(_body(one), _body(other), seen)
    if isinstance(one, FunctionType):
        return one.__globals__ is other.__globals__ and _same(one, other, _FUNCTION, seen)
    if isinstance(one, (staticmethod, classmethod, MethodType)):
        return _same(one, other, _METHOD if isinstance(one, MethodType) else ("__func__",), seen)
    if isinstance(one, property):
        return _same(one, other, _PROPERTY, seen)
    if type(one) in (tuple, list):
        return len(one) == len(other) and all(_alike(a, b, seen) for a, b in zip(one, other, strict=True))
    if type(one) is dict:
        return _parts(one, other, seen)
    if type(one) is CellType:
        return _contents(one, other, seen)
    return type(one) in _LEAVES and bool(one == other)


def _same(one: Any, other: Any, attributes: tuple[str, ...], seen: set[tuple[int, int]]) -> bool:
    return all(_alike(getattr(one, name), getattr(other, name), seen) for name in attributes)


def _parts(one: dict[Any, Any], other: dict[Any, Any], seen: set[tuple[int, int]]) -> bool:
    return one.keys() == other.keys() and all(_alike(part, other[key], seen) for key, part in one.items())


def _contents(one: CellType, other: CellType, seen: set[tuple[int, int]]) -> bool:
    try:
        return _alike(one.cell_contents, other.cell_contents, seen)
    except ValueError:  # an empty cell
        return False


def _body(cls: type) -> dict[str, Any]:
    return {name: part for name, part in vars(cls).items() if name not in _OWN}


def class_contents(cls: type) -> list[Any]:
    """The contents of *cls*, a class defined inside a function, as data that is equal in every process for equal code.

    Raises:
        CannotTravel: it contains a function without a name, or a class that is defined inside a function, too.
    """
    classes = [base for base in cls.__mro__ if INSIDE in base.__qualname__]
    seen = {id(base) for base in classes}
    return [[name, _making(part, seen)] for base in classes for name, part in sorted(_body(base).items())]


def _making(part: Any, seen: set[int]) -> Any:
    part = part.__func__ if isinstance(part, (staticmethod, classmethod)) else part
    if id(part) in seen:  # a recursive function, or one that refers to its class
        return "itself"
    if isinstance(part, type) and INSIDE in part.__qualname__:
        raise CannotTravel(class_name(part), "several classes may have this name")
    if not isinstance(part, FunctionType):
        return part
    name = class_name(part)
    if any(nameless in name for nameless in NAMELESS):
        raise CannotTravel(name, "several lambdas have this name")
    seen.add(id(part))
    cells = [_making(_content(cell), seen) for cell in part.__closure__ or ()]
    return [name, _code(part.__code__), part.__defaults__, part.__kwdefaults__, cells]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _code(code: CodeType) -> list[Any]:
    constants = [_code(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return [code.co_code, code.co_names, constants]
