"""Whether a constructor was called with arguments that it does not take, or raised a TypeError over something else.

Python raises the same for both. The former is another release's doing, and passes where that runs; the latter stays.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import Any

from flowq.portable import text_of


def takes_others(cls: type, kwargs: Mapping[str, Any], error: TypeError) -> bool:
    """Whether *error* says that ``cls(…)``, or a constructor that its own passed arguments on to, does not take them.

    Args:
        kwargs: the keyword arguments it was called with.
        error: as it was caught by who called it.
    """
    raised_in = _raised_in(error.__traceback__)
    if raised_in is None:
        return True
    text = text_of(error)
    if any(f"got an unexpected keyword argument {name!r}" in text for name in kwargs):
        return True
    # Only who takes any arguments passes some on: a call of other ones is the constructor's own.
    passing_on = inspect.CO_VARARGS | (inspect.CO_VARKEYWORDS if " missing " in text else 0)
    constructors = tuple(f"{base.__qualname__}.__init__() " for base in cls.__mro__)
    return text.startswith(constructors) and bool(raised_in.co_flags & passing_on)


def _raised_in(traceback: TracebackType | None) -> CodeType | None:
    """What raised, of what the catcher called; None: nothing was entered, its very call failed."""
    code = None
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
        code = traceback.tb_frame.f_code
    return code
