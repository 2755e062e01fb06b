"""Checks of a message's envelope and headers, made before anything in it is trusted.

Pure functions that return an objection or None. Bodies of flowq's own tasks: bodies.py. They are called by transport.py
and consumer.py on flowq's own workers, by strategy.py on any app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.app.task import Context

MAX_MESSAGE_BYTES = 1024 * 1024  # as stored in Redis; parsed JSON may take twenty times as much
MAX_ID = 255
MAX_TEXT = 4096
LONGEST_LIMIT_S = 1e7

Check = Callable[[Any], bool]


class Refused(Exception):
    """A message that is not accepted; the text is the reason."""


def told(value: Any) -> str:
    """*value* for a log line: short, and in one line."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def one_line(error: BaseException) -> str:
    """The text of *error*, in one line and not too long."""
    return " ".join(str(error).split())[:300]


def envelope_objection(raw: Any) -> str | None:
    """The objection to an envelope that kombu's Redis transport would fail on, or decompress unchecked."""
    if type(raw) is not dict:
        return "its envelope is no object"
    properties, headers = raw.get("properties"), raw.get("headers")
    delivery = properties.get("delivery_info") if type(properties) is dict else None
    if type(properties) is not dict or type(delivery) is not dict or type(headers) is not dict:
        return "its envelope lacks properties, delivery_info or headers"
    if headers.get("compression"):
        return f"it is compressed by kombu ({told(headers['compression'])}), which flowq's workers do not undo"
    return (
        _objection(raw, _ENVELOPE, "its")
        or _objection(properties, _PROPERTIES, "its property")
        or _objection(delivery, _DELIVERY, "its delivery")
    )


def headers_objection(headers: dict[str, Any]) -> str | None:
    """The objection to a task's headers that Celery would fail on, in part with a slot already taken."""
    missing = [name for name in ("task", "id") if name not in headers]
    if missing:
        return f"its headers lack {' and '.join(missing)}"
    for name in headers:
        if name in _CONTEXT and name not in _HEADERS:
            return f"its header {told(name)} would hide what Celery keeps under that name"
    return _objection(headers, _HEADERS, "its header")


def _objection(fields: dict[str, Any], checks: dict[str, Check], what: str) -> str | None:
    for name, holds in checks.items():
        if not holds(fields.get(name)):
            return f"{what} {name} is {told(fields.get(name))}"
    return None


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_ID


def _is_name_or_none(value: Any) -> bool:
    return value is None or (type(value) is str and len(value) <= MAX_ID)


def _is_text_or_none(value: Any) -> bool:
    return value is None or (type(value) is str and len(value) <= MAX_TEXT)


def _is_body(value: Any) -> bool:
    return type(value) is str and value != ""


def is_count(value: Any) -> bool:
    """Whether *value* is a whole number that Lua and JSON keep exactly."""
    return type(value) is int and 0 <= value < 2**53


def _is_count_or_none(value: Any) -> bool:
    return value is None or is_count(value)


def _is_flag_or_none(value: Any) -> bool:
    return value is None or type(value) is bool


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 < value <= LONGEST_LIMIT_S)


def _are_limits_or_none(value: Any) -> bool:
    return value is None or (type(value) in (list, tuple) and len(value) == 2 and all(map(_is_limit, value)))


def _are_names_or_none(value: Any) -> bool:
    return value is None or (type(value) is list and all(map(_is_name, value)))


def _is_dict_or_none(value: Any) -> bool:
    return value is None or type(value) is dict


_ENVELOPE: dict[str, Check] = {
    "body": _is_body,
    "content-type": _is_name_or_none,
    "content-encoding": _is_name_or_none,
}
_PROPERTIES: dict[str, Check] = {
    "delivery_tag": _is_name,
    "body_encoding": lambda value: value in (None, "base64", "utf-8"),
    "correlation_id": _is_name_or_none,
    "reply_to": _is_name_or_none,
    "priority": lambda value: value is None or (is_count(value) and value <= 255),
}
_DELIVERY: dict[str, Check] = {
    "exchange": lambda value: type(value) is str and len(value) <= MAX_ID,
    "routing_key": lambda value: type(value) is str and len(value) <= MAX_ID,
}
_HEADERS: dict[str, Check] = {
    "task": _is_name,
    "id": _is_name,
    "root_id": _is_name_or_none,
    "parent_id": _is_name_or_none,
    "group": _is_name_or_none,
    "group_index": _is_count_or_none,
    "shadow": _is_name_or_none,
    "origin": _is_name_or_none,
    "argsrepr": _is_text_or_none,
    "kwargsrepr": _is_text_or_none,
    "eta": _is_name_or_none,
    "expires": _is_name_or_none,
    "retries": _is_count_or_none,
    "replaced_task_nesting": _is_count_or_none,
    "ignore_result": _is_flag_or_none,
    "timelimit": _are_limits_or_none,
    "stamped_headers": _are_names_or_none,
    "stamps": _is_dict_or_none,
    "headers": _is_dict_or_none,
}
# The attributes of Celery's request object: a header with such a name would replace it.
_CONTEXT = frozenset(name for name in vars(Context))
