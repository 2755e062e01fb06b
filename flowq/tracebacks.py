"""Tracebacks as text, as Python's ``traceback`` formats them, from the user's first frame on. Does not shorten them.

Thousands of items may fail at the same place, so the frames of each place are formatted once: that takes 100 µs, of a
deep traceback milliseconds, because Python reads the sources and parses them for what to underline.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import traceback
from contextlib import suppress
from types import CodeType, TracebackType

_FLOWQ = str(pathlib.Path(__file__).parent) + os.sep
_DEMO = _FLOWQ + "demo" + os.sep  # counts as user code

_HEAD = "Traceback (most recent call last):\n"
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"
_LONGER_SAID = (BaseExceptionGroup, SyntaxError, NameError, AttributeError, ImportError)
"""Python prints more than class and message for these: the exceptions in a group, or suggestions."""

MOST_WAYS = 64


class _Ways:
    """The formatted frames of the last tracebacks, by their places in the code."""

    def __init__(self) -> None:
        # The code objects are kept, so that their ids are not reused.
        self._texts: dict[tuple[int, ...], tuple[list[CodeType], str]] = {}

    def text(self, tb: TracebackType | None) -> str:
        """The formatted frames of a traceback; "" if there are none."""
        at, codes, places = tb, list[CodeType](), list[int]()
        while at is not None:
            code = at.tb_frame.f_code
            codes.append(code)
            places += (id(code), at.tb_lasti, at.tb_lineno)
            at = at.tb_next
        key = tuple(places)
        known = self._texts.get(key)
        if known is None:
            shown = traceback.TracebackException(Exception, Exception(), tb)
            _omit_flowq_frames(shown)
            known = codes, "".join((_HEAD, *shown.stack.format())) if shown.stack else ""
            if len(self._texts) >= MOST_WAYS:
                self._texts.clear()
            self._texts[key] = known
        return known[1]


_ways = _Ways()


def text_of_traceback(exc: BaseException) -> str:
    """The traceback of *exc*, formatted, after those of its causes; without flowq's frames above the user's first."""
    chain = _chain(exc)
    if chain is not None:
        return "".join(_ways.text(one.__traceback__) + _last_lines(one) + after for one, after in reversed(chain))
    shown = traceback.TracebackException.from_exception(exc)
    _omit_flowq_frames(shown)
    return "".join(shown.format())


def _chain(exc: BaseException) -> list[tuple[BaseException, str]] | None:
    """*exc* and its causes or contexts, each with the line that follows it; None if they are no simple chain."""
    chain, after = list[tuple[BaseException, str]](), ""
    one: BaseException | None = exc
    while one is not None:
        if isinstance(one, _LONGER_SAID) or any(one is known for known, _ in chain) or not _has_plain_notes(one):
            return None
        chain.append((one, after))
        cause, context = one.__cause__, one.__context__
        if cause is not None and context is not None and context is not cause:
            return None
        if cause is None and one.__suppress_context__:
            break
        after = _MEANWHILE if cause is None else _CAUSED
        one = context if cause is None else cause
    return chain


def _has_plain_notes(exc: BaseException) -> bool:
    notes = getattr(exc, "__notes__", None)
    return notes is None or (type(notes) is list and all(type(note) is str for note in notes))


def _last_lines(exc: BaseException) -> str:
    """The lines with the class, message and notes of *exc*."""
    cls = type(exc)
    try:
        message = str(exc)
    except Exception:  # a user's __str__ may do anything
        message = "<exception str() failed>"
    name = cls.__qualname__ if cls.__module__ in ("__main__", "builtins") else f"{cls.__module__}.{cls.__qualname__}"
    first = f"{name}: {message}" if message else name
    return "\n".join((first, *getattr(exc, "__notes__", ()), ""))


def drop_flowq_frames(exc: BaseException) -> None:
    """Drop flowq's frames above the user's first from the traceback of *exc*, which would keep items in memory."""
    first = tb = exc.__traceback__
    while tb is not None and _is_on_the_way(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    if tb is None:
        return
    exc.__traceback__ = tb
    while first is not None and first is not tb:  # the user's frames refer to them as their callers
        with suppress(RuntimeError):  # a frame that still runs
            first.tb_frame.clear()
        first = first.tb_next


def _omit_flowq_frames(shown: traceback.TracebackException) -> None:
    """Drop flowq's frames above the user's first, for the exception, its causes and the exceptions in a group."""
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
