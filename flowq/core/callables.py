"""Facts about functions: async or not, asking for ``ctx`` or not, where a call of it belongs. Each is found out once.

Never calls anything.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, TypeVar

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])

_IN_LOOP = "__flowq_in_loop__"
_TWIN = "__flowq_async_twin__"
# Enough for every function of a large program; a closure made per call must not pile up.
_REMEMBERED_FUNCTIONS = 4096


class Facts(NamedTuple):
    """What is known of one function."""

    is_async: bool
    wants_ctx: bool
    in_loop: bool
    twin: Callable[..., Awaitable[Any]] | None
    streams: Literal["", "sync", "async"]


def in_loop(fn: AnyCallable) -> AnyCallable:
    """Mark a function that is too cheap for a thread: an async run calls it in the event loop."""
    setattr(fn, _IN_LOOP, True)
    return fn


def async_twin(twin: Callable[..., Awaitable[Any]]) -> Callable[[AnyCallable], AnyCallable]:
    """Mark a function that an async run replaces by *twin*, a coroutine function of the same arguments.

    On a method, the twin takes ``self`` first, as the method does.
    """

    def mark(fn: AnyCallable) -> AnyCallable:
        setattr(fn, _TWIN, twin)
        return fn

    return mark


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether *fn* is ``async def``; sees through ``functools.partial``, bound methods and callable objects."""
    return facts(fn).is_async


def wants_ctx(fn: Callable[..., Any]) -> bool:
    """Whether *fn* declares a keyword-only parameter named ``ctx``."""
    return facts(fn).wants_ctx


def facts(fn: Callable[..., Any]) -> Facts:
    """Everything known of *fn*, from the cache after the first time."""
    return _facts(function_of(fn))


def function_of(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The plain function beneath partials, bound methods and callable objects."""
    while True:
        # By far the most are these two, and they have no subclasses.
        if fn.__class__ is types.MethodType:
            fn = fn.__func__
        elif fn.__class__ is types.FunctionType:
            return fn
        elif isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, types.BuiltinFunctionType | type):
            return fn
        else:
            call = getattr(type(fn), "__call__", None)  # noqa: B004 - its function is wanted, not whether it has one
            return call if isinstance(call, types.FunctionType) else fn


def owner_of(fn: Callable[..., Any]) -> Any:
    """The object whose bound method *fn* is, through partials; None for a plain function."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__self__", None)


def label_of(fn: Callable[..., Any]) -> str:
    """How to call *fn* in a message."""
    plain = function_of(fn)
    return str(getattr(plain, "__qualname__", None) or repr(plain))


@functools.lru_cache(maxsize=_REMEMBERED_FUNCTIONS)
def _facts(fn: Callable[..., Any]) -> Facts:
    return Facts(
        is_async=inspect.iscoroutinefunction(fn),
        wants_ctx=_declares_ctx(fn),
        in_loop=getattr(fn, _IN_LOOP, False),
        twin=getattr(fn, _TWIN, None),
        streams=_streams(fn),
    )


def _streams(fn: Callable[..., Any]) -> Literal["", "sync", "async"]:
    if inspect.isasyncgenfunction(fn):
        return "async"
    return "sync" if inspect.isgeneratorfunction(fn) else ""


def _declares_ctx(fn: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(fn, follow_wrapped=False).parameters
    except (TypeError, ValueError):  # builtins without a signature
        return False
    ctx = parameters.get("ctx")
    if ctx is not None:
        return ctx.kind is inspect.Parameter.KEYWORD_ONLY
    # A decorator's wrapper(*args, **kwargs) hands ctx on to what it wraps.
    wrapped = getattr(fn, "__wrapped__", None)
    hands_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    return wrapped is not None and hands_on and _declares_ctx(wrapped)
