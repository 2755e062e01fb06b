"""JSON forms of item values, for the parts of a sink and for printed results."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from flowq.errors import EncodeError

MOST_NUMBERS = 1_000_000
"""Most numbers of a range to write in a line: a range takes no memory, but its JSON does."""


def line_of(value: Any, index: int) -> bytes:
    """*value* as a line of JSON.

    Models, dataclasses, dates, decimals and so on are written as pydantic does; ranges and arrays, numpy's too, as
    lists; time zones by name.

    Raises:
        EncodeError: the value of item *index* cannot be written as JSON.
    """
    try:
        return to_json(value, inf_nan_mode="constants", fallback=_form_of)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise EncodeError("", f"{error} (a sink holds JSON)", index) from error


def plain(value: Any) -> Any:
    """*value* in the form that ``line_of`` writes, for ``json.dumps``; other values as ``str(value)``."""
    try:
        return to_jsonable_python(value, inf_nan_mode="constants", fallback=_form_or_text)
    except (PydanticSerializationError, ValueError, RecursionError):
        return str(value)


def _form_of(value: Any) -> Any:
    """The form of a value that pydantic cannot serialize; raises TypeError or ValueError if there is none."""
    if isinstance(value, range):
        if (value.stop - value.start) // value.step > MOST_NUMBERS:  # its len() has a limit
            raise ValueError(f"a range of more than {MOST_NUMBERS:,} numbers is not written out")
        return list(value)
    if isinstance(value, tzinfo):
        return str(value)
    as_list = getattr(type(value), "tolist", None)  # array.array, numpy's arrays and scalars
    if as_list is None:
        raise TypeError(f"there is no form for {type(value).__qualname__}")
    return as_list(value)


def _form_or_text(value: Any) -> Any:
    try:
        return _form_of(value)
    except (TypeError, ValueError):
        return str(value)
