"""A line of a worker's log: what it says beside its message, what it hides, and what stays on one line."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from flowq.core.context import ItemContext, enter_context
from flowq.worker.logs import JsonFormatter, LineFormatter, item_fields
from flowq.worker.prints import LoggedLines


@pytest.fixture
def item() -> Iterator[ItemContext]:
    context = ItemContext(1, 77, node="Fetch", idempotency_key="nightly-import-3f2a:77")
    enter_context(context)
    yield context
    enter_context(None)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("shop.fetch", logging.WARNING, __file__, 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_line_names_batch_node_item_and_try(item: ItemContext) -> None:
    line = LineFormatter().format(record("404 from /pages/77", customer=12))
    assert line.endswith(
        "WARNING/MainProcess] 404 from /pages/77 [batch=nightly-import-3f2a node=Fetch item=77 attempt=2]"
    )


def test_between_items_a_line_has_what_it_was_given_and_nothing_else() -> None:
    assert item_fields() == {}
    assert LineFormatter().format(record("ready")).endswith("] ready")
    assert LineFormatter().format(record("lost", batch="b-1", chunk="0:1-2")).endswith("] lost [batch=b-1 chunk=0:1-2]")


def test_json_has_every_plain_field_and_what_a_node_logged(item: ItemContext) -> None:
    said = json.loads(JsonFormatter().format(record("done\nwell", customer=12, fields={"page": "ü"}, other=object())))
    assert said["message"] == "done\nwell"
    assert (said["customer"], said["page"], said["item"], said["attempt"]) == (12, "ü", 77, 2)
    assert "other" not in said


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()], ids=["text", "json"])
def test_neither_shows_a_password_nor_a_long_traceback(formatter: logging.Formatter) -> None:
    made = record("no answer from redis://me:hush@host/0")
    try:
        raise ValueError("x" * 100_000)
    except ValueError:
        made.exc_info = sys.exc_info()
    line = formatter.format(made)
    assert "hush" not in line
    assert len(line) < 17_000


def test_prints_become_whole_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream = LoggedLines(logging.getLogger("flowq.print"), logging.INFO)
    print("one", "two", file=stream, end="")
    assert caplog.messages == []
    print(" three\n\nfour", file=stream)
    assert caplog.messages == ["one two three", "four"]
