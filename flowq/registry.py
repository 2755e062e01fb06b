"""The classes a message may name, and which exceptions travel as they are.

A name is looked up among the classes that were registered while this process imported its own modules. Nothing here
ever imports a module or builds an object from what a message says.
"""

from __future__ import annotations

import array
import builtins
import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib
import ipaddress
import os
import pathlib
import traceback
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from types import FunctionType
from typing import Any, TypeVar

from flowq import errors

AnyThing = TypeVar("AnyThing", bound=type | FunctionType)
AnyList = TypeVar("AnyList", bound=type[list[Any]])
AnyClass = TypeVar("AnyClass", bound=type)

TEXT_LIMIT_BYTES = 16384

_FLOWQ = str(pathlib.Path(__file__).parent) + os.sep
_DEMO = _FLOWQ + "demo" + os.sep  # written as users write

_LEAVES: frozenset[type] = frozenset(
    (
        *(type(None), bool, int, float, str, bytes, bytearray),
        *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
        *(decimal.Decimal, uuid.UUID, pathlib.PurePosixPath, pathlib.PosixPath),
        *(range, complex, fractions.Fraction, datetime.timezone),
        *(ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network),
        *(ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network),
    )
)

# What a defaultdict may make its values with, by the names that messages use.
FACTORIES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(bool, int, float, str, bytes, list, tuple, dict, set, frozenset),
        *(Counter, OrderedDict, deque),
    )
}

# Of an array.array: numbers. 'u' and 'w' are text, in units that depend on the machine.
TYPECODES = frozenset("bBhHiIlLqQfd")

# What is a list to whoever reads it; see `sent_as_list`.
LISTS: set[type] = {list}
# What says itself of what it consists; see `sent_in_parts`.
IN_PARTS: set[type] = set()

# What the interpreter keeps of an exception outside of its args and its __dict__.
_HIDDEN_FIELDS: dict[type, tuple[str, ...]] = {
    ImportError: ("name", "path"),
    AttributeError: ("name",),
    NameError: ("name",),
    SyntaxError: ("filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
}


class Registry:
    """Classes and functions by name. One defined again under its name (a reload, a notebook) replaces the older one."""

    __slots__ = ("_classes", "_functions", "_renamed")

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}
        self._functions: dict[str, FunctionType] = {}
        self._renamed: dict[str, str] = {}

    def add(self, cls: type) -> None:
        self._classes[class_name(cls)] = cls

    def add_function(self, fn: FunctionType) -> None:
        self._functions[class_name(fn)] = fn

    def function(self, name: str) -> FunctionType:
        return self._functions[name]

    def get(self, name: str) -> type:
        return self._classes[name]

    def knows(self, name: str) -> bool:
        return name in self._classes or name in self._functions

    def of(self, base: type) -> list[str]:
        return sorted(name for name, cls in self._classes.items() if issubclass(cls, base))

    def module_of(self, cls: type) -> str:
        return self._renamed.get(cls.__module__, cls.__module__)

    def rename(self, module: str, new: str) -> None:
        self._renamed[module] = new
        for name, cls in list(self._classes.items()):
            if name.startswith(f"{module}:"):
                del self._classes[name]
                cls.__module__ = new
                self.add(cls)
        for name, fn in list(self._functions.items()):
            if name.startswith(f"{module}:"):
                del self._functions[name]
                fn.__module__ = new
                self.add_function(fn)

    def holds_function(self, fn: FunctionType) -> bool:
        return self._functions.get(class_name(fn)) is fn

    def holds(self, cls: type) -> bool:
        return self._classes.get(class_name(cls)) is cls


_registry = Registry()


class RemoteTraceback(Exception):
    """The traceback an exception had in the process that raised it. Its ``str`` is the text.

    It is the ``__cause__`` of a decoded exception, so that Python prints it above the local traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return "\n" + self.text


def register(thing: AnyThing) -> AnyThing:
    """Let messages name *thing*: a dataclass, an Enum, a pydantic model, an exception or a Node class; or a function.

    Use it as a decorator, above ``@dataclass`` (``@dataclass(slots=True)`` makes a new class). Both the process that
    sends and the one that receives must import the module. A function is sent where a node is given it, such as
    ``key=``.

    Raises:
        TypeError: *thing* is neither, or a lambda, which has no name of its own.
    """
    if isinstance(thing, FunctionType) and thing.__name__ != "<lambda>":
        _registry.add_function(thing)
    elif isinstance(thing, type):
        _registry.add(thing)
    else:
        what = "a lambda" if isinstance(thing, FunctionType) else type(thing).__name__
        raise TypeError(f"@flowq.register takes a class or a named function, not {what}")
    return thing


def sent_as_list(cls: AnyList) -> AnyList:
    """Let messages carry instances of *cls* as the plain lists they are; what else they know stays behind."""
    LISTS.add(cls)
    return cls


def sent_in_parts(cls: AnyClass) -> AnyClass:
    """Let messages carry instances of *cls*, one of flowq's own: its ``to_plain`` says what it consists of, and its
    ``from_plain``, which trusts none of that, makes it.
    """
    IN_PARTS.add(cls)
    return register(cls)


def class_name(cls: type | FunctionType) -> str:
    """The name a message uses for a class or a function: ``module:QualName``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def registered(name: str) -> type:
    """The class registered as *name* (``module:QualName``). Never imports.

    Raises:
        KeyError: no class was registered under this name in this process.
    """
    return _registry.get(name)


def registered_function(name: str) -> FunctionType:
    """The function registered as *name* (``module:QualName``). Never imports.

    Raises:
        KeyError: no function was registered under this name in this process.
    """
    return _registry.function(name)


def is_known_name(name: str) -> bool:
    """Whether a class or a function of this name (``module:QualName``) was registered in this process."""
    return _registry.knows(name)


def is_registered_function(fn: object) -> bool:
    """Whether *fn* itself, not only a function of its name, is registered."""
    return isinstance(fn, FunctionType) and _registry.holds_function(fn)


def registered_names(base: type) -> list[str]:
    """The names of the registered subclasses of *base*, sorted."""
    return _registry.of(base)


def rename_module(module: str, new: str) -> None:
    """Let the classes registered from *module* answer to *new*: for a script that was loaded under another name."""
    _registry.rename(module, new)


def is_registered(cls: type) -> bool:
    """Whether *cls* itself, not only a class of its name, is registered."""
    return _registry.holds(cls)


def is_known_exception(cls: type) -> bool:
    """Whether exceptions of *cls* are rebuilt elsewhere: builtins, flowq's own and registered ones."""
    if not issubclass(cls, Exception):
        return False
    home: Any = {"builtins": builtins, errors.__name__: errors}.get(cls.__module__)
    return getattr(home, cls.__name__, None) is cls or is_registered(cls)


def builtin_base(cls: type) -> Any:
    """The nearest builtin exception class that *cls* is, which knows how its C fields are built."""
    return next(base for base in cls.__mro__ if getattr(builtins, base.__name__, None) is base)


def hidden_fields(cls: type) -> list[str]:
    """Names of the fields of an exception class that are kept outside of ``args`` and ``__dict__``."""
    by_interpreter = next((names for base, names in _HIDDEN_FIELDS.items() if issubclass(cls, base)), ())
    slots = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    return [*by_interpreter, *(name for names in slots for name in ([names] if isinstance(names, str) else names))]


def exception_state(exc: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What an exception consists of: the args its builtin base is built from, and its fields (notes left out)."""
    if isinstance(exc, errors.BatchError):
        # The finished results stay in the process that has them; the errors by index travel.
        return (exc.message, dict(exc.errors)), {}
    fields = {name: value for name, value in vars(exc).items() if name != "__notes__"}
    if type(exc).__module__ == errors.__name__:
        # flowq's own are built from their args, which set most of the fields: only what was changed since is said.
        set_by_args = vars(type(exc)(*exc.args))
        return exc.args, {name: value for name, value in fields.items() if set_by_args.get(name) != value}
    for name in hidden_fields(type(exc)):
        value = getattr(exc, name, None)
        if value is not None:
            fields[name] = value
    # OSError keeps the file names out of ``args``; its own __reduce__ knows, and no user's __reduce__ is asked.
    args: tuple[Any, ...] = builtin_base(type(exc)).__reduce__(exc)[1]
    return args, fields


def portable(exc: BaseException) -> Exception:
    """*exc* as any process can rebuild it; what the inline executor and the codec both hand on.

    Builtin exceptions, flowq's own and registered classes stay as they are, when what they hold is plain data.
    Everything else becomes a ``RemoteError(type_name, message, traceback)`` whose ``__cause__`` is the original.
    A group keeps its shape, its members made portable; a ``BatchError`` leaves its ``results`` behind. Idempotent.
    """
    if isinstance(exc, errors.BatchError):
        return exc if exc.results is None and _is_plain(exc) else _like(exc, _portable_batch_error(exc))
    if isinstance(exc, Exception) and _is_plain(exc):
        return exc
    if type(exc) is ExceptionGroup:
        return _like(exc, ExceptionGroup(exc.message, [portable(one) for one in exc.exceptions]))
    return remote_error(exc)


def remote_error(exc: BaseException) -> errors.RemoteError:
    """The RemoteError that stands for *exc*, its notes kept, with *exc* as its ``__cause__``."""
    cls = type(exc)
    name = f"{_registry.module_of(cls)}.{cls.__qualname__}"
    remote = errors.RemoteError(name, text_of(exc), format_traceback(exc))
    for note in notes_of(exc):
        remote.add_note(note)
    remote.__cause__ = exc
    return remote


def format_traceback(exc: BaseException, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The formatted traceback of *exc*, its end kept where it is longer than *limit_bytes* of UTF-8.

    It begins in the user's code: how flowq came to call that is left out. An exception that came from another process
    answers with the traceback it had there.
    """
    if isinstance(exc, errors.RemoteError) and exc.traceback:
        text = exc.traceback
    elif isinstance(exc.__cause__, RemoteTraceback):
        text = exc.__cause__.text
    else:
        shown = traceback.TracebackException.from_exception(exc)
        _leave_out_the_way_there(shown)
        text = "".join(shown.format())
    return tail(text, limit_bytes)


def _leave_out_the_way_there(shown: traceback.TracebackException) -> None:
    """Drop flowq's own frames above the user's first, of the exception and all that it came from or holds."""
    todo, seen = [shown], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        first = next((at for at, frame in enumerate(one.stack) if not _is_on_the_way(frame.filename)), 0)
        del one.stack[:first]
        todo += [part for part in (one.__cause__, one.__context__, *(one.exceptions or ())) if part is not None]


def _is_on_the_way(filename: str) -> bool:
    if filename.startswith("<frozen importlib") or filename == importlib.__file__:
        return True
    return filename.startswith(_FLOWQ) and not filename.startswith(_DEMO)


def tail(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The end of *text*, at most *limit_bytes* of UTF-8, lone surrogates spelled out."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit_bytes:
        return data.decode()
    mark = "…\n"
    return mark + data[len(data) - limit_bytes + len(mark.encode()) :].decode("utf-8", "ignore")


def notes_of(exc: BaseException) -> list[str]:
    """The notes on *exc*; none where somebody made something else of them than a list."""
    notes = getattr(exc, "__notes__", None)
    return [text_of(note) for note in notes] if isinstance(notes, list) else []


def text_of(thing: object) -> str:
    """The end of ``str`` of an exception or a note, whatever that does."""
    try:
        return tail(str(thing))
    except Exception as error:  # a user's __str__ may do anything
        return f"(its __str__ raised {type(error).__name__})"


def _portable_batch_error(exc: errors.BatchError) -> errors.BatchError:
    return errors.BatchError(exc.message, {index: portable(one) for index, one in exc.errors.items()})


def _like(exc: BaseException, copy: Exception) -> Exception:
    """*copy* with the notes, the traceback and the chain of *exc*."""
    for note in notes_of(exc):
        copy.add_note(note)
    copy.__traceback__ = exc.__traceback__
    copy.__context__ = exc.__context__
    copy.__cause__ = exc.__cause__
    copy.__suppress_context__ = exc.__suppress_context__
    return copy


def _is_plain(value: Any) -> bool:
    """Whether *value* consists of nothing but what the codec carries."""
    todo: list[Any] = [value]
    seen: dict[int, Any] = {}  # by id, and kept alive: a freed object's id would be given to the next
    while todo:
        one = todo.pop()
        if type(one) in _LEAVES or id(one) in seen:
            continue
        seen[id(one)] = one
        parts = _parts(one)
        if parts is None:
            return False
        todo.extend(parts)
    return True


def _parts(value: Any) -> Iterable[Any] | None:
    """What *value* is made of; None when it cannot travel."""
    cls = type(value)
    if cls in LISTS or cls in (tuple, set, frozenset, deque):
        return list(value)
    if cls in (dict, Counter, OrderedDict, defaultdict):
        return [*value.keys(), *value.values()] if _is_whole(value) else None
    if cls in (array.array, zoneinfo.ZoneInfo):
        return () if _is_whole(value) else None
    if isinstance(value, Exception):
        travels = is_known_exception(cls) and getattr(value, "results", None) is None
        return list(exception_state(value)) if travels else None
    if not is_registered(cls):
        return None
    if cls in IN_PARTS:
        return [value.to_plain()]
    if isinstance(value, enum.Enum):
        return ()
    if isinstance(value, tuple):
        return list(value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    if hasattr(cls, "model_fields"):
        return list(vars(value).values())
    return None


def _is_whole(value: Any) -> bool:
    """Whether a message can say all of a container or a zone, as the codec's containers.py sees to it."""
    match value:
        case defaultdict():
            return value.default_factory is None or any(value.default_factory is one for one in FACTORIES.values())
        case Counter() | OrderedDict():
            return vars(value).keys() <= {"__orig_class__"}
        case array.array():
            return value.typecode in TYPECODES
        case zoneinfo.ZoneInfo():
            return value.key is not None
    return True
