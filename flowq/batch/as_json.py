"""How the values of items are written as JSON: in the parts of a sink, and where a batch's results are printed."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from flowq.errors import EncodeError

MOST_NUMBERS = 1_000_000
"""Numbers of a range in a line: the range itself takes no memory, whatever its length."""


def line_of(value: Any, index: int) -> bytes:
    """*value* as a line of JSON: models, dataclasses, dates, decimals and the like in the form pydantic gives them; a
    range and an array, numpy's too, as a list, a time zone by its name.

    Raises:
        EncodeError: JSON has no form for it.
    """
    try:
        return to_json(value, inf_nan_mode="constants", fallback=_form_of)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise EncodeError("", f"{error} (a sink holds JSON)", index) from error


def plain(value: Any) -> Any:
    """*value* in the form that ``line_of`` writes, for ``json.dumps``; what has none as its text."""
    try:
        return to_jsonable_python(value, inf_nan_mode="constants", fallback=_form_or_text)
    except (PydanticSerializationError, ValueError, RecursionError):
        return str(value)


def _form_of(value: Any) -> Any:
    """What is written for a value that pydantic has no form for."""
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
