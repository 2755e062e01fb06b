"""The counters of a batch, as JSON and as text. Reads nothing."""

from __future__ import annotations

import time
from typing import Any

from rich.table import Table
from rich.text import Text

from flowq.cli.words import one_line
from flowq.client.wording import span_text
from flowq.engine.reading.origin import Origin
from flowq.engine.reading.results import State

STATE_STYLES = {
    "running": "cyan",
    "paused": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "parked": "blue",
}


def record_of(batch_id: str, label: str, state: State) -> dict[str, Any]:
    """A batch for ``--json``."""
    return {
        "id": batch_id,
        "label": label,
        "state": state.state,
        "total": state.avail if state.sealed else None,
        "done": state.done,
        "ok": state.ok,
        "fallback": state.fallback,
        "failed": state.failed,
        "parked": state.parked,
        "retried": state.retried,
        "crashes": state.crashes,
        "losses": state.losses,
        "redrives": state.gen,
        "seconds": round(state.seconds, 3),
    }


def origin_json(origin: Origin) -> dict[str, Any]:
    """The origin of a batch for ``--json``."""
    return {"key": origin.key, "producer_gone": origin.producer_gone, "left_by": origin.left_by}


def add_origin(rows: Table, origin: Origin) -> None:
    """Add rows about the origin to a table, as far as there is something to say."""
    if origin.key is not None:
        rows.add_row("key", Text(one_line(origin.key)))
    if origin.left_by is not None:
        rows.add_row("left by", Text(one_line(origin.left_by), "yellow"))


def state_text(state: str) -> Text:
    """The state, in its colour."""
    return Text(state, STATE_STYLES.get(state, ""))


def ago(moment: float) -> str:
    """The time since *moment* (seconds since the epoch): ``3 min 20 s ago``."""
    return f"{span_text(max(0.0, time.time() - moment))} ago"
