"""Publishing chunks and aggregations as Celery tasks. A message carries ids; losing one costs seconds, not work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import chord
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.utils.uuid import uuid

from flowq.engine.app import CHUNK, FINISH, FOLD, sent_priority
from flowq.engine.batches import Header, read_header
from flowq.engine.connection import Connections
from flowq.engine.ids import span
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq.dispatch")

FOLD_ITEMS = 20_000
MAX_FOLDS = 64
SHOWN_LETTERS = 200

Segment = tuple[int, int]


def publish_chunks(connections: Connections, header: Header, chunk_ids: Sequence[str], *, again: bool = False) -> None:
    """Publish chunks of a batch in one round trip; *again*: they have had a message before, which may be lost.

    A failure is logged, not raised: every id is in the ledger's ``wake``, so a caretaker publishes it again.
    """
    if not chunk_ids:
        return
    try:
        with connections.producer() as producer, producer.batch():
            for chunk_id in chunk_ids:
                _send(connections, producer, header, chunk_id, again)
    except (*REDIS_ERRORS, OperationalError, BatchPublishError) as exc:
        log.warning("chunks were not published; a caretaker will", extra={"batch": header.id, "error": repr(exc)})


def publish(connections: Connections, batch_id: str, chunk_ids: Sequence[str]) -> None:
    """Publish chunks of a batch whose header this process does not hold; without ids, nothing is read.

    Raises:
        BatchLost, DecodeError: the header is missing or cannot be read.
    """
    if chunk_ids:
        publish_chunks(connections, read_header(connections.redis, connections.keys, batch_id), chunk_ids)


def items_repr(header: Header, chunk_id: str) -> str:
    """How Flower shows a chunk: ``stdlib-audit · items 400–499``."""
    first, stop = span(chunk_id)
    what = f"item {first}" if stop == first + 1 else f"items {first}–{stop - 1}"
    return f"{_short(header.label)} · {what}"


def _send(connections: Connections, producer: object, header: Header, chunk_id: str, again: bool) -> None:
    amqp = connections.app.amqp
    message = amqp.create_task_message(
        uuid(),
        CHUNK,
        args=(header.id, chunk_id),
        argsrepr=items_repr(header, chunk_id),
        kwargsrepr=header.id,
        shadow=_short(header.node),
        retries=int(again),
        ignore_result=True,
    )
    options: dict[str, Any] = {} if header.priority is None else {"priority": sent_priority(header.priority)}
    if amqp.queues[header.queue].exchange.type == "direct":
        # The queue needs no binding in Redis, and checking for one at each message takes 25 µs.
        options["declare"] = []
    amqp.send_task_message(producer, CHUNK, message, queue=header.queue, serializer="flowq", retry=False, **options)


def publish_aggregate(connections: Connections, header: Header, folds: int = 1) -> None:
    """Publish the aggregation of a closed batch, chord(fold over segments)(finish), with at most *folds* folds.

    A failure is logged: the aggregation stays due.
    """
    try:
        gen, n = (int(value) for value in connections.redis.hmget(connections.keys.meta(header.id), ["gen", "avail"]))
        app = connections.app
        segments = cut(n, max(1, min(folds, n // FOLD_ITEMS, MAX_FOLDS))) if header.reduces else [(0, n)]
        parts = [
            app.signature(FOLD, args=(header.id, gen, *segment), app=app).set(
                queue=header.queue,
                serializer="flowq",
                shadow=f"{_short(header.node)} fold",
                argsrepr=f"{_short(header.label)} · items {segment[0]}–{segment[1] - 1}",
                kwargsrepr=header.id,
            )
            for segment in segments
        ]
        finish = app.signature(FINISH, args=(header.id, gen, segments), immutable=True, app=app)
        finish.set(
            queue=header.queue,
            serializer="flowq",
            shadow=f"{_short(header.node)} finish",
            argsrepr=_short(header.label),
            kwargsrepr=header.id,
        )
        with connections.producer() as producer:
            chord(parts, finish, app=app).apply_async(producer=producer)
    except (*REDIS_ERRORS, OperationalError) as exc:
        log.warning("an aggregation was not published; it stays due", extra={"batch": header.id, "error": repr(exc)})


def _short(name: str) -> str:
    """*name*, shortened for a message: workers refuse messages with longer names than Flower could show."""
    return name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}…"


def cut(n: int, parts: int) -> list[Segment]:
    """``0 … n`` in *parts* segments of about the same length."""
    return [(n * i // parts, n * (i + 1) // parts) for i in range(parts)]
