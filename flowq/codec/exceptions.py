"""Exceptions ↔ plain data: class, args, fields, notes, traceback. No pickle; classes are never imported.

``portable.portable`` decides which exceptions are sent as they are. Builtin and flowq's own classes are found by name,
every other one must be registered. The text of the traceback is decoded to the ``__cause__``, a RemoteTraceback.
"""

from __future__ import annotations

import builtins
import traceback
from typing import Any

from flowq import errors, portable, registry
from flowq.codec.classes import named_class, unknown
from flowq.codec.extensions import as_list
from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError


def encode_exception(exc: BaseException, pack: Pack) -> bytes:
    """The payload of *exc*; of a RemoteError if its class or its contents cannot be encoded."""
    sent = portable.portable(exc)
    try:
        return pack(_parts(sent))
    except EncodeError:
        return pack(_parts(portable.remote_error(exc)))


def decode_exception(data: bytes, unpack: Unpack) -> Exception:
    """The exception of a payload.

    Raises:
        DecodeError: the class is not a builtin, flowq's own or registered exception, or cannot be built from the data.
    """
    name, args, fields, notes, text = as_list(unpack(data))
    cls = exception_class(name)
    exc = portable.rebuilt(cls, as_list(args))
    _set_fields(exc, fields)
    for note in as_list(notes):
        exc.add_note(note)
    if not isinstance(text, str):
        raise DecodeError("an exception without the text of its traceback")
    if isinstance(exc, errors.RemoteError):
        text = exc.traceback
    if text:
        exc.__cause__ = portable.RemoteTraceback(text)
    _refuse_unprintable(exc)
    return exc


def _parts(exc: Exception) -> list[Any]:
    args, fields = portable.exception_state(exc)
    cls = type(exc)
    if not all(_is_field(cls, name) for name in fields):
        raise EncodeError("", f"{cls.__qualname__} holds a field that hides a method")
    return [registry.class_name(cls), list(args), fields, _notes(exc), _traceback_text(exc)]


def _notes(exc: Exception) -> list[str]:
    left, notes = portable.TEXT_LIMIT_BYTES, []
    for note in portable.notes_of(exc):
        if left <= 0:
            break
        notes.append(portable.tail(note, left))
        left -= len(notes[-1].encode())
    return notes


def _traceback_text(exc: Exception) -> str:
    """The traceback of *exc*; "" if it was never raised, and for a RemoteError, which has its own."""
    if isinstance(exc, errors.RemoteError):
        return ""
    raised = exc.__traceback__ or exc.__cause__ or exc.__context__
    return portable.format_traceback(exc) if raised else ""


def exception_class(name: Any) -> type[Exception]:
    """The builtin, flowq's own or registered exception class of this name; DecodeError for anything else."""
    module, _, qualname = name.partition(":") if isinstance(name, str) else ("", "", "")
    home: Any = {"builtins": builtins, registry.ERRORS: errors}.get(module)
    cls: Any = getattr(home, qualname, None) if home else named_class(name, _is_exception, "the exception")
    if cls is None and home is errors:
        raise unknown(name, "the exception")
    if not _is_exception(cls):
        raise DecodeError(f"{str(name)[:200]!r} is not an exception")
    found: type[Exception] = cls
    return found


def _is_exception(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Exception)


def _set_fields(exc: Exception, fields: Any) -> None:
    if type(fields) is not dict:
        raise DecodeError("an exception without fields")
    cls = type(exc)
    hidden = portable.hidden_fields(cls)
    for name, value in fields.items():
        if not _is_field(cls, name):
            raise DecodeError(f"an exception with a field named {str(name)[:80]!r}")
        if name in hidden:
            setattr(exc, name, value)
        else:
            vars(exc)[name] = value


def _is_field(cls: type, name: Any) -> bool:
    """Whether *name* may be a field. One that hides a method would break code that handles the exception."""
    return type(name) is str and not name.startswith("__") and not callable(getattr(cls, name, None))


def _refuse_unprintable(exc: Exception) -> None:
    """Format *exc* once: formatting a SyntaxError, or flowq's own errors, may raise for hostile field values."""
    if isinstance(exc, SyntaxError):
        traceback.format_exception_only(exc)
    elif isinstance(exc, errors.FlowqError):
        str(exc)
