"""Error texts: why a value cannot be encoded, and what to do instead."""

from __future__ import annotations

import array
import collections
import collections.abc
import dataclasses
import enum
import fractions
import inspect
import io
import types
from typing import Any

import pydantic

from flowq import registry

_BUILTINS = (bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_OF_LIBRARY = {
    collections.Counter: "Counter(value)",
    collections.OrderedDict: "OrderedDict(value)",
    collections.defaultdict: "defaultdict(value.default_factory, value)",
    collections.deque: "deque(value, value.maxlen)",
    array.array: "array(value.typecode, value)",
    fractions.Fraction: "Fraction(value)",
    complex: "complex(value)",
}
# By class name, to avoid importing pandas. Its Timestamp and Timedelta are subclasses of datetime's classes.
_OF_PANDAS = {
    "DataFrame": "send frame.to_dict('list'), or the path of a Parquet file that holds it",
    "Series": "send series.tolist(), or series.to_numpy() where all its values are numbers",
    "Timestamp": "send value.to_pydatetime()",
    "Timedelta": "send value.to_pytimedelta()",
    "NaTType": "send None",
    "NAType": "send None",
    "Pandas": "it is a row of itertuples(): send the plain tuples of frame.itertuples(name=None)",
}
TOO_DEEP = "it is nested too deeply (or contains itself); send it as a flat list with references by index"


def refusal(value: Any) -> str:
    """The error text for a *value* that no extension supports."""
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    if registry.is_registered(cls):
        return (
            f"{name} is registered, but it is neither a dataclass, an Enum, a NamedTuple, a pydantic model nor an "
            "exception, so flowq does not know what it consists of; make it a dataclass"
        )
    if cls.__module__.partition(".")[0] == "pandas" and cls.__name__ in _OF_PANDAS:
        return f"{name} is not carried; {_OF_PANDAS[cls.__name__]}"
    if _could_be_registered(value):
        return _unregistered(cls)
    for known, advice in _OF_LIBRARY.items():  # before dict, as some of them are dicts
        if isinstance(value, known):
            return f"{name} is a subclass of {known.__name__} and would lose its type; send {advice}"
    for builtin in _BUILTINS:
        if isinstance(value, builtin):
            return f"{name} is a subclass of {builtin.__name__} and would lose its type; send {builtin.__name__}(value)"
    return _known_kind(value) or (
        f"flowq does not carry {name} objects; send plain data, or a dataclass with @flowq.register above it"
    )


def factory_refusal(factory: Any) -> str:
    """The error text for a defaultdict with an unsupported factory."""
    name = getattr(factory, "__qualname__", None) or type(factory).__qualname__
    what = "a lambda" if name.endswith("<lambda>") else str(name)
    return (
        f"a defaultdict travels without a factory or with one of {', '.join(registry.FACTORIES)}, not with {what}; "
        "send dict(value), or set value.default_factory = None first"
    )


def _could_be_registered(value: Any) -> bool:
    named_tuple = isinstance(value, tuple) and hasattr(value, "_fields")
    kinds = (enum.Enum, pydantic.BaseModel, BaseException)
    return isinstance(value, kinds) or named_tuple or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _unregistered(cls: type) -> str:
    name = registry.class_name(cls)
    try:
        registry.registered(name)
    except KeyError:
        # Page[int] is made by pydantic: it has no line of its own to put a decorator above.
        if getattr(cls, "__pydantic_generic_metadata__", {}).get("origin") is not None:
            made = cls.__qualname__
            return f"the class {name} is not registered; write `flowq.register({made})` at the top level of a module"
        return f"the class {name} is not registered; put @flowq.register above it (above @dataclass too)"
    return (
        f"another class is registered as {name}; put @flowq.register above @dataclass, which may make a new class, "
        "and give two classes two names"
    )


def _known_kind(value: Any) -> str | None:
    cls = type(value)
    match value:
        case types.FunctionType(__name__="<lambda>"):
            return (
                "a lambda cannot travel; write it as a top-level function with @flowq.register above it, or as a "
                "method of the node, or send the data it would use"
            )
        case types.FunctionType() | types.BuiltinFunctionType() | types.MethodType():
            return (
                f"the function {value.__qualname__} cannot travel; call it inside exec and send its arguments, or put "
                "@flowq.register above it where a node is given it"
            )
        case type():
            return f"the class {registry.class_name(value)} cannot travel; put @flowq.register above it, or send a name"
        case types.ModuleType():
            return f"the module {value.__name__} cannot travel; import it inside exec"
        case types.CoroutineType():
            return f"the coroutine {value.__qualname__} cannot travel; await it first"
        case types.GeneratorType() | types.AsyncGeneratorType():
            return f"the generator {value.__qualname__} cannot travel; make it a list first"
        case io.IOBase():
            return "an open file cannot travel; send its path and open the file inside exec"
        case memoryview():
            return "a memoryview would lose its type; send bytes(view)"
    if cls.__module__ in ("_thread", "threading", "socket", "sqlite3", "asyncio.locks"):
        return f"a {cls.__module__}.{cls.__qualname__} belongs to this process; make it inside exec"
    if inspect.isgenerator(value) or isinstance(value, collections.abc.Iterable):
        return f"{cls.__module__}.{cls.__qualname__} is not carried; send list(value), or dict(value) of a mapping"
    return None
