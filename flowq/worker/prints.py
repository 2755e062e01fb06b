"""Items' prints as lines of the worker's log. Celery's own proxy logs every part of a print as a line."""

from __future__ import annotations

import io
import logging
import sys
import threading


class LoggedLines(io.TextIOBase):
    """A stream whose complete lines become log records, in the context of the item that wrote them.

    Args:
        logger: receives the records.
        level: of the records.
    """

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self._logger, self._level = logger, level
        self._begun = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if getattr(self._begun, "busy", False):
            return len(text)  # a log handler that writes to this stream would recurse for ever
        *lines, rest = (getattr(self._begun, "text", "") + text).split("\n")
        self._begun.text = rest
        self._begun.busy = True
        try:
            for line in lines:
                if line.strip():
                    self._logger.log(self._level, "%s", line)
        finally:
            self._begun.busy = False
        return len(text)

    def flush(self) -> None:
        """Do nothing: text without an end of line waits for it."""

    def fileno(self) -> int:
        return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2


def log_prints() -> None:
    """Redirect this process's output to its log: stdout as INFO, stderr as WARNING."""
    logger = logging.getLogger("flowq.print")
    sys.stdout = LoggedLines(logger, logging.INFO)
    sys.stderr = LoggedLines(logger, logging.WARNING)
