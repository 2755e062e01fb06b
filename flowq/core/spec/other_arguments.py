"""Tells a constructor called with arguments it does not take from one that raised a TypeError in its body.

Python raises TypeError for both. The former means another release of the class, and may work in another process.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import Any

from flowq.portable import text_of


def takes_others(cls: type, kwargs: Mapping[str, Any], error: TypeError) -> bool:
    """Whether *error* means that ``cls(…)``, or a constructor it passed its arguments on to, does not take them.

    Args:
        kwargs: the keyword arguments of the call.
        error: the TypeError, as caught by the function that made the call.
    """
    raised_in = _raised_in(error.__traceback__)
    if raised_in is None:
        return True
    text = text_of(error)
    if any(f"got an unexpected keyword argument {name!r}" in text for name in kwargs):
        return True
    # Only a constructor with *args or **kwargs passes arguments on; any other made that call itself.
    passing_on = inspect.CO_VARARGS | (inspect.CO_VARKEYWORDS if " missing " in text else 0)
    constructors = tuple(f"{base.__qualname__}.__init__() " for base in cls.__mro__)
    return text.startswith(constructors) and bool(raised_in.co_flags & passing_on)


def _raised_in(traceback: TracebackType | None) -> CodeType | None:
    """The code that raised; None if the call itself failed and no frame was entered."""
    code = None
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
        code = traceback.tb_frame.f_code
    return code
