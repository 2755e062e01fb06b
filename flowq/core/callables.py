"""Cached facts about functions: whether they are async, take ``ctx``, or run in the event loop. Never calls them."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple, TypeVar

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])

_IN_LOOP = "__flowq_in_loop__"
_TWIN = "__flowq_async_twin__"
# Enough for every function of a large program; bounded because closures made per call would accumulate.
_REMEMBERED_FUNCTIONS = 4096


class Facts(NamedTuple):
    """Facts about one function."""

    is_async: bool
    wants_ctx: bool
    in_loop: bool
    twin: Callable[..., Awaitable[Any]] | None
    streams: Literal["", "sync", "async"]


def in_loop(fn: AnyCallable) -> AnyCallable:
    """Mark a function as non-blocking: an async run calls it in the event loop instead of a thread."""
    setattr(fn, _IN_LOOP, True)
    return fn


def async_twin(twin: Callable[..., Awaitable[Any]]) -> Callable[[AnyCallable], AnyCallable]:
    """Mark a function that an async run replaces with *twin*, a coroutine function with the same parameters.

    The twin of a method takes ``self`` first, as the method does.
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
    """The facts about *fn*, cached."""
    return _facts(function_of(fn))


def function_of(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The plain function beneath partials, bound methods and callable objects."""
    while True:
        # Checked first: these two are by far the most common, and have no subclasses.
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


def is_flowqs(method: Any) -> bool:
    """Whether a method or class is of flowq, not of its user."""
    return str(getattr(function_of(method), "__module__", "")).partition(".")[0] == "flowq"


def owner_of(fn: Callable[..., Any]) -> Any:
    """The object that *fn* is a bound method of, also through partials; None for a plain function."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__self__", None)


def label_of(fn: Callable[..., Any]) -> str:
    """The name of *fn* in messages."""
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
    # A decorator's wrapper(*args, **kwargs) passes ctx on to the function it wraps.
    wrapped = getattr(fn, "__wrapped__", None)
    hands_on = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    return wrapped is not None and hands_on and _declares_ctx(wrapped)
