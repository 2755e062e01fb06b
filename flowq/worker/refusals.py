"""What is wrong with a message, judged before anything in it is believed: pure checks that answer a reason or None.

Three layers, as a message comes in: the envelope that lay in Redis, the headers Celery acts on, and, for flowq's own
tasks, the body. Where they are asked: transport.py and consumer.py (flowq's own workers), strategy.py (any app).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.app.task import Context

from flowq.codec import CONTENT_TYPE, loads
from flowq.engine.app import FINISH
from flowq.engine.ids import is_batch_id, is_chunk_id, is_segment
from flowq.errors import DecodeError

MAX_MESSAGE_BYTES = 1024 * 1024  # as it lies in Redis; JSON may take twenty times as much once it is read
MAX_BODY_BYTES = 64 * 1024  # of one of flowq's own tasks, unpacked; the longest has 64 segments
MAX_BODY_DEPTH = 8
MAX_SEGMENTS = 1024
MAX_ID = 255
MAX_TEXT = 4096
LONGEST_LIMIT_S = 1e7

Check = Callable[[Any], bool]


class Refused(Exception):
    """A message that is not believed; its text is the reason."""


def told(value: Any) -> str:
    """*value* in a log line: short, and of one line whatever it holds."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def envelope_objection(raw: Any) -> str | None:
    """What kombu's Redis transport would stumble over, or decompress before anybody could ask."""
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
    """What Celery would stumble over in a task's headers, some of it with a slot already taken."""
    missing = [name for name in ("task", "id") if name not in headers]
    if missing:
        return f"its headers lack {' and '.join(missing)}"
    for name in headers:
        if name in _CONTEXT and name not in _HEADERS:
            return f"its header {told(name)} would hide what Celery keeps under that name"
    return _objection(headers, _HEADERS, "its header")


def task_objection(takes: Callable[[Any], str | None], message: Any) -> str | None:
    """What is wrong with a message for one of flowq's own tasks.

    Args:
        takes: what is wrong with the arguments of that task, or None.
        message: a kombu Message that nobody has decoded.
    """
    headers = message.headers
    if headers.get("compression"):
        return f"it is compressed by kombu ({told(headers['compression'])}); flowq's tasks take none of it"
    if message.content_type != CONTENT_TYPE:
        return f"its content is {told(message.content_type)}; flowq's tasks take {CONTENT_TYPE}"
    objection = headers_objection(headers)
    if objection is not None:
        return objection
    if headers.get("eta") is not None or headers.get("expires") is not None:
        return "it has an ETA or expires; flowq keeps due times in its ledger"
    try:
        body = loads(message.body, max_bytes=MAX_BODY_BYTES, max_depth=MAX_BODY_DEPTH)
    except (DecodeError, TypeError) as error:
        return f"its body cannot be read: {str(error)[:300]}"
    return body_objection(takes, body)


def body_objection(takes: Callable[[Any], str | None], body: Any) -> str | None:
    """What is wrong with the decoded body ``(args, kwargs, embed)`` of one of flowq's own tasks."""
    if type(body) not in (list, tuple) or len(body) != 3:
        return "its body is not (args, kwargs, embed)"
    args, kwargs, embed = body
    if kwargs != {} or type(kwargs) is not dict:
        return "flowq's tasks take no keyword arguments"
    if type(embed) is not dict or not embed.keys() <= {"callbacks", "errbacks", "chain", "chord"}:
        return "its embedded signatures are none of Celery's"
    if any(embed.get(name) for name in ("callbacks", "errbacks", "chain")):
        return "it has callbacks; flowq's tasks have none"
    return chord_objection(embed.get("chord")) or takes(args)


def chord_objection(body: Any) -> str | None:
    """What is wrong with the callback a fold carries: it can be nothing but the finish of an aggregation."""
    if body is None:
        return None
    if type(body) is not dict or body.get("task") != FINISH:
        return "it would call back another task than flowq's own"
    return finish_objection(body.get("args"))


def chunk_objection(args: Any) -> str | None:
    """What is wrong with the arguments of a chunk: ids of batch and chunk."""
    if type(args) not in (list, tuple) or len(args) != 2 or not is_batch_id(args[0]) or not is_chunk_id(args[1]):
        return f"{told(args)} are not the ids of a batch and a chunk"
    return None


def fold_objection(args: Any) -> str | None:
    """What is wrong with the arguments of a fold: batch id, generation, first item, item after the last."""
    shaped = type(args) in (list, tuple) and len(args) == 4
    if not shaped or not is_batch_id(args[0]) or not _is_count(args[1]) or not is_segment(args[2], args[3]):
        return f"{told(args)} are not a batch, a generation and a segment"
    return None


def finish_objection(args: Any) -> str | None:
    """What is wrong with the arguments of a finish: batch id, generation, all its segments."""
    shaped = type(args) in (list, tuple) and len(args) == 3 and type(args[2]) in (list, tuple)
    if not shaped or not is_batch_id(args[0]) or not _is_count(args[1]) or not 0 < len(args[2]) <= MAX_SEGMENTS:
        return f"{told(args)} are not a batch, a generation and its segments"
    for segment in args[2]:
        if type(segment) not in (list, tuple) or len(segment) != 2 or not is_segment(*segment):
            return f"{told(segment)} is not a segment"
    return None


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


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


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
    "priority": lambda value: value is None or (_is_count(value) and value <= 255),
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
# What Celery's request object has of its own: a header of such a name would take its place.
_CONTEXT = frozenset(name for name in vars(Context))
