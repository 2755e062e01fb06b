"""Portable exceptions: which ones other processes can rebuild, and the RemoteError that replaces the others.

Their encoding is codec/exceptions.py.
"""

from __future__ import annotations

import array
import builtins
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import pathlib
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from flowq import errors
from flowq.registry import FACTORIES, IN_PARTS, LISTS, TYPECODES, is_registered, module_of
from flowq.tracebacks import text_of_traceback

F = TypeVar("F", bound=Callable[[type], Any])

TEXT_LIMIT_BYTES = 16384
HELD_LIMIT = 65_536
"""Characters, or bytes, of a text that an error holds; of a longer one its end is kept. There may be many errors."""

CLASSES = 256  # of which is remembered what their exceptions consist of

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

_OF_ERRORS = frozenset(
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.FlowqError)
)

# Fields of builtin exceptions that are neither in args nor in __dict__.
_HIDDEN_FIELDS: dict[type, tuple[str, ...]] = {
    ImportError: ("name", "path"),
    AttributeError: ("name",),
    NameError: ("name",),
    SyntaxError: ("filename", "lineno", "offset", "text", "end_lineno", "end_offset"),
}


class RemoteTraceback(Exception):
    """The formatted traceback of an exception in the process that raised it; ``str`` gives the text.

    It is the ``__cause__`` of a decoded exception, so that Python prints it above the local traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return "\n" + self.text


def _remembered(about_class: F) -> F:
    return cast(F, functools.lru_cache(CLASSES)(about_class))


def is_known_exception(cls: type) -> bool:
    """Whether other processes can rebuild exceptions of *cls*: builtins, flowq's own and registered classes."""
    if not issubclass(cls, Exception):
        return False
    return cls in _OF_ERRORS or getattr(builtins, cls.__name__, None) is cls or is_registered(cls)


@_remembered
def builtin_base(cls: type) -> Any:
    """The first builtin exception class in the MRO of *cls*, which initializes its C fields."""
    return next(base for base in cls.__mro__ if getattr(builtins, base.__name__, None) is base)


@_remembered
def hidden_fields(cls: type) -> tuple[str, ...]:
    """Names of the fields of an exception class that are kept outside of ``args`` and ``__dict__``."""
    by_interpreter = next((names for base, names in _HIDDEN_FIELDS.items() if issubclass(cls, base)), ())
    slots = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    return (*by_interpreter, *(name for names in slots for name in ([names] if isinstance(names, str) else names)))


def exception_state(exc: BaseException) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The state of an exception: the args of its builtin base, and its other fields, without notes."""
    if isinstance(exc, errors.BatchError):
        # The results stay in this process; the errors by index are sent.
        return (exc.message, dict(exc.errors)), {}
    fields = {name: value for name, value in vars(exc).items() if name != "__notes__"}
    if type(exc) in _OF_ERRORS:
        # flowq's own are built from their args, which set most of the fields: only fields changed since are included.
        set_by_args = vars(type(exc)(*exc.args))
        return exc.args, {name: value for name, value in fields.items() if set_by_args.get(name) != value}
    for name in hidden_fields(type(exc)):
        value = getattr(exc, name, None)
        if value is not None:
            fields[name] = value
    # OSError keeps the file names out of ``args``, and its __reduce__ adds them. A user's __reduce__ is never called.
    args: tuple[Any, ...] = builtin_base(type(exc)).__reduce__(exc)[1]
    return args, fields


def portable(exc: BaseException) -> Exception:
    """*exc* in a form that any process can rebuild. The inline executor and the codec both use it. Idempotent.

    Builtin exceptions, flowq's own and registered classes stay as they are, when what they hold is plain data.
    Everything else becomes a ``RemoteError(type_name, message, traceback)`` whose ``__cause__`` is the original.
    A group keeps its shape, its members made portable; a ``BatchError`` leaves its ``results`` behind. Of a text
    of more than 65,536 characters that an exception holds its end is kept. Idempotent.
    """
    if isinstance(exc, Exception) and _is_simple(exc):
        return exc
    if isinstance(exc, errors.BatchError):
        return exc if exc.results is None and _is_plain(exc) else _like(exc, _portable_batch_error(exc))
    if isinstance(exc, Exception) and _is_plain(exc):
        return _shortened(exc)
    if type(exc) is ExceptionGroup:
        return _like(exc, ExceptionGroup(exc.message, [portable(one) for one in exc.exceptions]))
    return remote_error(exc)


def rebuilt(cls: type[Exception], args: Iterable[Any]) -> Exception:
    """An exception of *cls* with these args. Its user's constructor does not run."""
    if cls in _OF_ERRORS:
        return cls(*args)
    # The builtin's own constructor sets what C keeps (errno, the members of a group).
    base = builtin_base(cls)
    exc: Exception = base.__new__(cls, *args)
    base.__init__(exc, *args)
    return exc


def _shortened(exc: Exception) -> Exception:
    """*exc*, or one like it whose texts are no longer than an error may hold."""
    args, fields = exception_state(exc)
    if not any(_is_long(one) for one in (*args, *fields.values())):
        return exc
    copy = rebuilt(type(exc), [_end(one) for one in args])
    for name, value in fields.items():
        setattr(copy, name, _end(value))
    return _like(exc, copy)


def _is_long(value: Any) -> bool:
    return type(value) in (str, bytes) and len(value) > HELD_LIMIT


def _end(value: Any) -> Any:
    """The end of a long text; anything else as it is."""
    if not _is_long(value):
        return value
    mark = "…\n" if type(value) is str else b"...\n"
    return mark + value[len(mark) - HELD_LIMIT :]


def remote_error(exc: BaseException) -> errors.RemoteError:
    """The RemoteError that replaces *exc*, with its notes, and *exc* as ``__cause__``."""
    cls = type(exc)
    name = f"{module_of(cls)}.{cls.__qualname__}"
    remote = errors.RemoteError(name, text_of(exc), format_traceback(exc))
    for note in notes_of(exc):
        remote.add_note(note)
    remote.__cause__ = exc
    return remote


def without_frames(exc: Exception) -> Exception:
    """*exc*, a portable one, with the text of its traceback for its frames: they hold all that the item had in hand."""
    if isinstance(exc, BaseExceptionGroup | errors.BatchError):
        return exc  # each of several has its own
    if not isinstance(exc, errors.RemoteError) and (exc.__traceback__ or exc.__cause__ or exc.__context__):
        exc.__cause__ = RemoteTraceback(format_traceback(exc))
    elif isinstance(exc, errors.RemoteError):
        exc.__cause__ = None
    exc.__context__ = exc.__traceback__ = None
    return exc


def format_traceback(exc: BaseException, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The formatted traceback of *exc*; if it is longer than *limit_bytes* of UTF-8, its end.

    It begins in the user's code, without the frames of flowq above. For an exception from another process it is the
    traceback it had there.
    """
    if isinstance(exc, errors.RemoteError) and exc.traceback:
        text = exc.traceback
    elif isinstance(exc.__cause__, RemoteTraceback):
        text = exc.__cause__.text
    else:
        text = text_of_traceback(exc)
    return tail(text, limit_bytes)


def tail(text: str, limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """The end of *text*, at most *limit_bytes* of UTF-8, with lone surrogates as backslash escapes."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit_bytes:
        return data.decode()
    mark = "…\n"
    return mark + data[len(data) - limit_bytes + len(mark.encode()) :].decode("utf-8", "ignore")


def notes_of(exc: BaseException) -> list[str]:
    """The notes on *exc*; none if its ``__notes__`` is not a list."""
    notes = getattr(exc, "__notes__", None)
    return [text_of(note) for note in notes] if isinstance(notes, list) else []


def text_of(thing: object) -> str:
    """The end of ``str(thing)``, for an exception or a note; never raises."""
    try:
        return tail(str(thing))
    except Exception as error:  # a user's __str__ may raise anything
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


def _is_simple(exc: BaseException) -> bool:
    """Whether a quick look tells that *exc* travels as it is, as most do."""
    cls = type(exc)
    return (
        all(type(one) in _LEAVES and not _is_long(one) for one in exc.args)
        and vars(exc).keys() <= {"__notes__"}
        and not hidden_fields(cls)
        and not issubclass(cls, OSError | errors.BatchError)
        and is_known_exception(cls)
    )


def _is_plain(value: Any) -> bool:
    """Whether the codec can encode *value* as it is."""
    todo: list[Any] = [value]
    seen: dict[int, Any] = {}  # by id, and kept alive: the id of a freed object would be reused
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
    """The values inside *value*; None if it cannot be encoded."""
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
    """Whether the codec can encode this container or time zone completely; see containers.py there."""
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
