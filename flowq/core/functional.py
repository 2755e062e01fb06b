"""``@flowq.node``: makes node classes from functions."""

from __future__ import annotations

import re
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, Unpack, overload

from flowq.core.node import Node
from flowq.core.options import FunctionOptions
from flowq.registry import registered

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")  # the parameters after the item
Returned = TypeVar("Returned")
AnyNode = TypeVar("AnyNode", bound=Node[Any, Any])

# The functions that nodes are made of, by what they return.
Returns: TypeAlias = Callable[Concatenate[T, P], R]
ReturnsAsync: TypeAlias = Callable[Concatenate[T, P], Coroutine[Any, Any, R]]
Yields: TypeAlias = Callable[Concatenate[T, P], Iterator[R]]
YieldsAsync: TypeAlias = Callable[Concatenate[T, P], AsyncIterator[R]]


class SaysNothing:
    """What no function returns: one that is taken for it returns Any, or has no annotations, as a lambda has none."""


# Parts of class names that are not unique: the class was made from a lambda, or from a partial or another object.
NAMELESS = ("<lambda>", "<callable>")

_OUTER_NAMES = re.compile(r"[\w<>]+\.")  # "MapNode[module.<locals>.double]" is shown as "MapNode[double]"
_ROLES = ("exec", "prep", "post", "exec_fallback")


if TYPE_CHECKING:

    class FunctionNode(Node[T, R], Generic[T, R, P, Returned]):
        """What type checkers know of a node of a function: that calling it calls the function. Not there at runtime."""

        def __call__(self, item: T, /, *args: P.args, **kwargs: P.kwargs) -> Returned: ...


class NodeMaker(Protocol):
    """The type of ``@node(max_retries=3)``: a decorator that takes the function."""

    # In this order: generators and async functions match `Returns`, too, and what returns Any matches all of them.
    @overload
    def __call__(self, exec: Callable[..., SaysNothing], /) -> FunctionNode[Any, Any, ..., Any]: ...
    @overload
    def __call__(self, exec: YieldsAsync[T, P, R], /) -> FunctionNode[T, list[R], P, AsyncIterator[R]]: ...
    @overload
    def __call__(self, exec: Yields[T, P, R], /) -> FunctionNode[T, list[R], P, Iterator[R]]: ...
    @overload
    def __call__(self, exec: ReturnsAsync[T, P, R], /) -> FunctionNode[T, R, P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, exec: Returns[T, P, R], /) -> FunctionNode[T, R, P, R]: ...
    @overload
    def __call__(self, exec: Callable[..., Any], /) -> FunctionNode[Any, Any, ..., Any]: ...


@overload
def node(exec: Callable[..., SaysNothing], **options: Unpack[FunctionOptions]) -> FunctionNode[Any, Any, ..., Any]: ...
@overload
def node(
    exec: YieldsAsync[T, P, R], **options: Unpack[FunctionOptions]
) -> FunctionNode[T, list[R], P, AsyncIterator[R]]: ...
@overload
def node(exec: Yields[T, P, R], **options: Unpack[FunctionOptions]) -> FunctionNode[T, list[R], P, Iterator[R]]: ...
@overload
def node(
    exec: ReturnsAsync[T, P, R], **options: Unpack[FunctionOptions]
) -> FunctionNode[T, R, P, Coroutine[Any, Any, R]]: ...
@overload
def node(exec: Returns[T, P, R], **options: Unpack[FunctionOptions]) -> FunctionNode[T, R, P, R]: ...
@overload
def node(exec: Callable[..., Any], **options: Unpack[FunctionOptions]) -> FunctionNode[Any, Any, ..., Any]: ...
@overload
def node(**options: Unpack[FunctionOptions]) -> NodeMaker: ...
def node(exec: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """A node whose ``exec`` is the decorated function; ``exec=`` makes one without decorating.

    The functions take what the methods take, without ``self``; any may be ``async def`` and may declare ``*, ctx``.
    Calling the node calls the function. Its class is registered under the function's module and name, by which workers
    find it: define it at module level.

    Args:
        exec: ``exec(prep_res)``.
        prep, post, exec_fallback: the other methods; no-ops if left out.
        **options: of the node: max_retries, wait, retry, timeout, name, config, hooks.
    """
    return functional(Node, exec, given)


def functional(kind: type[AnyNode], exec: Callable[..., Any] | None, given: Mapping[str, Any]) -> Any:
    """Implement a decorator that makes nodes of class *kind*: return a node, or a decorator if ``exec`` was not given.

    Args:
        kind: the class to derive from.
        exec: the function, if the decorator was used without parentheses.
        given: keyword arguments of the decorator: functions by method name, and options of the node.
    """
    functions = {role: given[role] for role in _ROLES if given.get(role) is not None}
    options = {name: value for name, value in given.items() if name not in _ROLES}
    if exec is not None:
        return make_node(kind, {"exec": exec, **functions}, options)
    if "exec" in functions:
        return make_node(kind, functions, options, name=_name_of(functions))
    return lambda fn: make_node(kind, {"exec": fn, **functions}, options)


def make_node(
    kind: type[AnyNode],
    functions: Mapping[str, Callable[..., Any]],
    options: Mapping[str, Any],
    name: str | None = None,
) -> AnyNode:
    """A node of a subclass of *kind* whose methods are *functions*. Equal functions give the same class.

    Args:
        functions: method name → function; ``exec`` among them.
        options: the constructor's arguments.
        name: qualified name of the class; that of ``exec`` if None.

    Raises:
        TypeError: one of them is not callable.
    """
    for role, fn in functions.items():
        if not callable(fn):
            raise TypeError(f"{role} must be a function, not {type(fn).__name__}")
    exec = functions["exec"]
    qualname = name or _qualname(exec)
    called = {"__call__": staticmethod(exec), "__wrapped__": staticmethod(exec)}
    cls: type[AnyNode] = _known_class((kind,), functions, qualname, _home(exec)) or _new_class(
        (kind,), functions, qualname, exec, called
    )
    return cls(**options)


def class_of(kind: str, bases: tuple[type, ...], functions: Mapping[str, Callable[..., Any]]) -> type[Any]:
    """The subclass of *bases* whose methods are *functions*, named ``kind[function]``.

    It is registered under the first function's module; workers find it there if importing that module makes such a
    node. Equal functions give the same class.

    Raises:
        TypeError: one of them is not callable.
    """
    fns = list(functions.values())
    for role, fn in functions.items():
        if not callable(fn):
            raise TypeError(f"{kind} takes a function or a node for {role}, not {type(fn).__name__}")
    qualname = f"{kind}[{','.join(_qualname(fn) for fn in fns)}]"
    home = _home(fns[0])
    return _known_class(bases, functions, qualname, home) or _new_class(
        bases, functions, qualname, fns[0], {"__module__": home}
    )


def _home(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__module__", None) or type(fn).__module__


def _known_class(
    bases: tuple[type, ...], functions: Mapping[str, Callable[..., Any]], qualname: str, home: str
) -> type[Any] | None:
    """The registered class of this name, if it has the same bases and functions."""
    try:
        known = registered(f"{home}:{qualname}")
    except KeyError:
        return None
    return known if known.__bases__ == bases and _made_of(known) == functions else None


def _made_of(cls: type) -> dict[str, Callable[..., Any]]:
    members = {name: one.__func__ for name, one in vars(cls).items() if isinstance(one, staticmethod)}
    return {name: fn for name, fn in members.items() if name not in ("__call__", "__wrapped__")}


def _new_class(
    bases: tuple[type, ...],
    functions: Mapping[str, Callable[..., Any]],
    qualname: str,
    named_after: Callable[..., Any],
    more: Mapping[str, Any],
) -> type[Any]:
    namespace: dict[str, Any] = {role: staticmethod(fn) for role, fn in functions.items()}
    namespace |= {"__module__": getattr(named_after, "__module__", None), "__qualname__": qualname}
    namespace |= {"__doc__": named_after.__doc__, **more}
    return types.new_class(_OUTER_NAMES.sub("", qualname), bases, exec_body=lambda body: body.update(namespace))


def _name_of(functions: Mapping[str, Callable[..., Any]]) -> str:
    """The class name of a node made with ``exec=``: names all functions, as several nodes may share one ``exec``."""
    others = ",".join(f"{role}={_qualname(fn)}" for role, fn in functions.items() if role != "exec")
    return _qualname(functions["exec"]) + (f"[{others}]" if others else "")


def _qualname(fn: Callable[..., Any]) -> str:
    return str(getattr(fn, "__qualname__", NAMELESS[1]))
