"""Checks of arguments given by callers: numbers, text, functions, timeouts."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard


def is_number(value: Any) -> TypeGuard[float]:
    """Whether *value* is a finite real number. A bool is not."""
    return isinstance(value, Real) and not isinstance(value, bool) and bool(abs(value) < math.inf)  # type: ignore[operator]


def require_text(what: str, value: Any, hint: str = "") -> None:
    """Refuse anything but a str that can be encoded as UTF-8.

    Args:
        what: the name of the argument in the error.
        hint: advice to append if *value* is not a str.

    Raises:
        TypeError: *value* is not a str.
        ValueError: *value* cannot be encoded.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is text, not {value!r:.200}{hint}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} cannot be written as UTF-8: {error}") from None


def require_whole(what: str, value: Any, least: int | None = None) -> None:
    """Refuse anything but an integer, of at least *least* if that is given; raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{what} is a whole number, not {value!r:.200}")
    if least is not None and value < least:
        raise ValueError(f"{what} is {least} or more, not {value!r}")


def names_of(what: str, value: Any) -> tuple[str, ...]:
    """*value*, a list of texts. One text, which would be taken letter by letter, is none.

    Raises:
        TypeError, ValueError: it is no such list.
    """
    if isinstance(value, str | bytes):
        raise TypeError(f"{what} is a list of names: {what}=[{value!r:.200}]")
    if not isinstance(value, Iterable):
        raise TypeError(f"{what} is a list of names, not {value!r:.200}")
    names = tuple(value)
    for name in names:
        require_text(f"each of {what}", name)
    return names


def texts_of(what: str, value: Any) -> dict[str, str]:
    """*value*, a dict of texts by name; None is an empty one.

    Raises:
        TypeError, ValueError: it is no such dict.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} is a dict of texts by name, not {value!r:.200}")
    for name, text in value.items():
        require_text(f"each name of {what}", name)
        require_text(f"{what}[{name!r:.200}]", text)
    return dict(value)


def require_seconds(what: str, value: Any, least: int) -> None:
    """Refuse what is no number of seconds, of at least *least*; raises TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} is a number of seconds, not {value!r:.200}")
    if not is_number(value) or value < least:
        raise ValueError(f"{what} is {least} or more seconds, not {value!r}")


def require_store(shared: Any) -> None:
    """Refuse a shared store that is not a mapping; raises TypeError."""
    if not isinstance(shared, Mapping):
        raise TypeError(f"the shared store is a dict or a flowq.SharedStore, not {type(shared).__name__}")


def require_function(what: str, value: Any) -> None:
    """Refuse what is not callable; raises TypeError."""
    if not callable(value):
        raise TypeError(f"{what} takes a function, not {value!r:.200}")


def seconds_of(timeout: float | None) -> float | None:
    """*timeout* in seconds as locks accept it: 0 for a negative one, None above ``threading.TIMEOUT_MAX``.

    Raises:
        TypeError, ValueError: *timeout* is not a number of seconds.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise TypeError(f"timeout is a number of seconds, or None to wait without end, not {type(timeout).__name__}")
    if math.isnan(timeout):
        raise ValueError("timeout is a number of seconds, or None to wait without end, not NaN")
    return None if timeout > threading.TIMEOUT_MAX else max(0.0, float(timeout))
