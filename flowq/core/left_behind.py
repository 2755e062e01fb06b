"""Finds the attributes of a node that its items read and that do not reach workers, which make the node of its
constructor's arguments: those that ``prep`` sets, and those that are set from outside.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

from flowq.core.callables import is_flowqs
from flowq.core.uses_of_self import codes, codes_in, set_to_parameters, used, uses_in

if TYPE_CHECKING:
    from flowq.core.node import Node

_SETS_UP = ("setup", "lifespan")
_READS = ("exec", "exec_many", "exec_fallback")
_SENT = frozenset(("params",))  # with the node, as they are after prep
_BY_NAME = frozenset(("setattr", "vars", "__dict__", "__setattr__"))


def left_behind(node: Node[Any, Any]) -> list[str]:
    """The attributes of *node* that its ``prep`` sets and its items read, sorted.

    Items on workers see what the constructor made of them, or the class has. Not among them are those that ``setup``,
    ``lifespan`` or the items set, as these run on workers.
    """
    return _set_by_prep(_class_of(node))


def set_outside(node: Node[Any, Any], *, is_whole: bool) -> list[str]:
    """The attributes that *node* reads on workers and that code outside of its class has set, sorted.

    Only those for which that is certain: no code of the class sets them, or just its constructor, to a parameter.

    Args:
        is_whole: its ``prep`` and ``post`` run on workers, too.
    """
    own, cls = vars(node), _class_of(node)
    sources = {name: source for name, source in _sources(cls, is_whole).items() if name in own}
    taken = {name: source for name, source in sources.items() if source is not None}
    found = sources.keys() - taken.keys()
    if taken:
        args, kwargs = node._arguments
        given = inspect.signature(cls.__init__).bind(node, *args, **kwargs)
        given.apply_defaults()
        found |= {name for name, parameter in taken.items() if own[name] is not given.arguments[parameter]}
    return sorted(found)


def _class_of(node: Node[Any, Any]) -> Any:
    return type(node)  # Any: mypy takes no class as a key of a cache


@functools.lru_cache(maxsize=1024)
def _set_by_prep(cls: Any) -> list[str]:
    kept = used(cls, ("prep",), "set") - used(cls, (*_SETS_UP, *_READS), "set") - _SENT
    return sorted(kept & used(cls, _READS, "read")) if kept else []


@functools.lru_cache(maxsize=1024)
def _sources(cls: Any, is_whole: bool) -> dict[str, str | None]:
    """The attributes that *cls* reads on workers, each with the parameter of the constructor that it is set to; None:
    no code of the class sets it.
    """
    stores = [name for code in codes_in(cls.__mro__) for use, name in uses_in(code) if use == "set"]
    of_flowq = {name for base in cls.__mro__ if is_flowqs(base) for name in vars(base)}
    parameters, is_open = set_to_parameters(cls.__init__), _may_set_others(cls)
    found: dict[str, str | None] = {}
    for name in used(cls, (*_READS, *cls.phases) if is_whole else _READS, "read"):
        if stores.count(name) == 1 and name in parameters:
            found[name] = parameters[name]
        elif name not in stores and name not in of_flowq and not is_open and not _is_computed(cls, name):
            found[name] = None
    return found


def _may_set_others(cls: type) -> bool:
    """Whether attributes may be set within *cls* that its code does not name."""
    own = [base for base in cls.__mro__ if base is not object and not is_flowqs(base)]
    if any("__init__" in vars(base) and not codes(vars(base)["__init__"]) for base in own):
        return True
    return any(_BY_NAME & {*code.co_names} or any(use == "other" for use, _ in uses_in(code)) for code in codes_in(own))


def _is_computed(cls: type, name: str) -> bool:
    """Whether a descriptor of *cls*, such as a ``cached_property``, sets the attribute."""
    member = inspect.getattr_static(cls, name, None)
    return hasattr(type(member), "__get__") and not isinstance(member, types.FunctionType)
