"""The log format of flowq's own workers: lines or JSON, with batch, node, item and attempt of the running item.

Passwords in URLs are removed, and tracebacks are cut to 16 KiB.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from celery import signals

from flowq.core.context import current_context
from flowq.portable import TEXT_LIMIT_BYTES, tail
from flowq.settings import Settings, without_passwords

SHOWN = ("batch", "node", "item", "attempt", "run", "chunk", "pid", "error")  # in a line; JSON has all fields
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def item_fields() -> dict[str, Any]:
    """The item running in this thread or task: batch, node, item, attempt (from 1), run; {} if there is none."""
    ctx = current_context()
    if ctx is None:
        return {}
    key, index = ctx.idempotency_key, ctx.item_index
    batch = None if key is None else key.rpartition(":")[0]
    fields = {"batch": batch, "node": ctx.node, "item": index, "attempt": ctx.attempt + 1, "run": ctx.run_id}
    return {name: value for name, value in fields.items() if value not in (None, "")}


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """A record's fields beside its message: those given as ``extra=``, and those of the running item."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    said = given.pop("fields", None)  # Node.log
    given = {**given, **(said if isinstance(said, dict) else {}), **item_fields()}
    return {name: value for name, value in given.items() if isinstance(value, str | int | float | bool)}


class LineFormatter(logging.Formatter):
    """``[2026-11-21 05:44:24,038: INFO/ForkPoolWorker-1] message [batch=… node=… item=… attempt=…]``."""

    def __init__(self) -> None:
        super().__init__("[%(asctime)s: %(levelname)s/%(processName)s] %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = fields_of(record)
        shown = " ".join(f"{name}={fields[name]}" for name in SHOWN if name in fields)
        return super().formatMessage(record) + (f" [{shown}]" if shown else "")

    def formatException(self, ei: Any) -> str:
        return tail(super().formatException(ei), TEXT_LIMIT_BYTES)

    def format(self, record: logging.LogRecord) -> str:
        return without_passwords(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, process, message, traceback, and all fields."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.processName,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            said["traceback"] = tail(self.formatException(record.exc_info), TEXT_LIMIT_BYTES)
        hidden = {name: without_passwords(value) if isinstance(value, str) else value for name, value in said.items()}
        return json.dumps(hidden, ensure_ascii=False)


def format_logs(settings: Settings) -> None:
    """Set the settings' format on Celery's log handlers; call it before the worker sets up logging."""

    def formatted(logger: logging.Logger, **_: Any) -> None:
        for handler in logger.handlers:
            handler.setFormatter(JsonFormatter() if settings.log_format == "json" else LineFormatter())

    signals.after_setup_logger.connect(formatted, weak=False)
    signals.after_setup_task_logger.connect(formatted, weak=False)
