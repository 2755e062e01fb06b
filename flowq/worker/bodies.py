"""Checks of the body of a message for one of flowq's own tasks, and of its arguments.

Pure functions that return an objection or None. Such a body holds only ids, numbers and flowq's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowq.codec import CONTENT_TYPE, loads
from flowq.engine.app import FINISH, MAX_KEY
from flowq.engine.ids import is_batch_id, is_chunk_id, is_segment
from flowq.errors import DecodeError
from flowq.worker.refusals import headers_objection, is_count, one_line, told

MAX_BODY_BYTES = 64 * 1024  # unpacked; the longest body holds 64 segments
MAX_BODY_DEPTH = 8
MAX_SEGMENTS = 1024

Takes = Callable[[Any], "str | None"]


def task_objection(takes: Takes, message: Any) -> str | None:
    """The objection to a message for one of flowq's own tasks, or None.

    On a team's app kombu may have decompressed the body, as ``task_compression`` says; flowq's own workers refuse that.

    Args:
        takes: returns the objection to that task's arguments, or None.
        message: a kombu Message that was not decoded yet.
    """
    headers = message.headers
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
        return f"its body cannot be read: {one_line(error)}"
    return body_objection(takes, body)


def body_objection(takes: Takes, body: Any) -> str | None:
    """The objection to the decoded body ``(args, kwargs, embed)`` of one of flowq's own tasks."""
    if type(body) not in (list, tuple) or len(body) != 3:
        return "its body is not (args, kwargs, embed)"
    args, kwargs, embed = body
    if type(kwargs) is not dict or kwargs:
        return "flowq's tasks take no keyword arguments"
    if type(embed) is not dict or not embed.keys() <= {"callbacks", "errbacks", "chain", "chord"}:
        return "its embedded signatures are none of Celery's"
    if any(embed.get(name) for name in ("callbacks", "errbacks", "chain")):
        return "it has callbacks; flowq's tasks have none"
    return chord_objection(embed.get("chord")) or takes(args)


def chord_objection(body: Any) -> str | None:
    """The objection to the callback of a fold, which may only be the finish of an aggregation."""
    if body is None:
        return None
    if type(body) is not dict or body.get("task") != FINISH:
        return "it would call back another task than flowq's own"
    return finish_objection(body.get("args"))


def chunk_objection(args: Any) -> str | None:
    """The objection to the arguments of a chunk: ids of batch and chunk."""
    if type(args) not in (list, tuple) or len(args) != 2 or not is_batch_id(args[0]) or not is_chunk_id(args[1]):
        return f"{told(args)} are not the ids of a batch and a chunk"
    return None


def fold_objection(args: Any) -> str | None:
    """The objection to the arguments of a fold: batch id, generation, first item, item after the last."""
    shaped = type(args) in (list, tuple) and len(args) == 4
    if not shaped or not is_batch_id(args[0]) or not is_count(args[1]) or not is_segment(args[2], args[3]):
        return f"{told(args)} are not a batch, a generation and a segment"
    return None


def finish_objection(args: Any) -> str | None:
    """The objection to the arguments of a finish: batch id, generation, all its segments."""
    shaped = type(args) in (list, tuple) and len(args) == 3 and type(args[2]) in (list, tuple)
    if not shaped or not is_batch_id(args[0]) or not is_count(args[1]) or not 0 < len(args[2]) <= MAX_SEGMENTS:
        return f"{told(args)} are not a batch, a generation and its segments"
    for segment in args[2]:
        if type(segment) not in (list, tuple) or len(segment) != 2 or not is_segment(*segment):
            return f"{told(segment)} is not a segment"
    return None


def run_flow_objection(args: Any) -> str | None:
    """The objection to the arguments of a scheduled flow: its graph, store, key, and the moment it is due."""
    shaped = type(args) in (list, tuple) and len(args) == 4
    if not shaped or [type(one) for one in args] != [bytes, bytes, str, int] or args[3] < 0 or len(args[2]) > MAX_KEY:
        return f"{told(args)} are not a flow, a store, a key and a moment"
    return None
