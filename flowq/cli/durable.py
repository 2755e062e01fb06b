"""How commands show runs and wait for them: their steps, the events they wait for. Defines no command."""

from __future__ import annotations

import threading
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowq.batch.executor import Progress
from flowq.cli.figures import add_origin, ago, state_text
from flowq.cli.group import FAILED, emit, emit_line
from flowq.client.counters import progress_of
from flowq.client.run import DurableRun
from flowq.client.wording import span_text
from flowq.core.walks.runs import Checkpoint
from flowq.engine.reading.origin import Origin
from flowq.engine.reading.results import State
from flowq.errors import NoRedis
from flowq.portable import format_traceback

LOOK_EVERY_S = 0.3


def record_of(run: DurableRun) -> dict[str, Any]:
    """A run for ``--json``."""
    state = run.state()
    return {
        "id": run.id,
        "label": run.label,
        "kind": "run",
        "state": run.status,
        "awaits": run.awaits(),
        "steps": [step_json(one) for one in run.history()],
        "seconds": round(state.seconds, 3),
        "created": state.created_at,
    }


def step_json(step: Checkpoint) -> dict[str, Any]:
    """A completed node for ``--json``."""
    return {
        "number": step.number,
        "node": step.node,
        "action": step.action,
        "at": step.at_s,
        "seconds": round(step.seconds, 3),
        "generation": step.generation,
    }


def show(run: DurableRun, origin: Origin, as_json: bool) -> None:
    """Print a run in full."""
    if as_json:
        emit({**record_of(run), "key": origin.key, "left_by": origin.left_by})
        return
    state, steps = run.state(), run.history()
    rows = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_row("run", Text(run.id, "bold"))
    rows.add_row("state", state_text(run.status))
    add_origin(rows, origin)
    for name in run.awaits():
        rows.add_row("waits for", Text(f"{name} (flowq approve {run.id} {name})", "yellow"))
    for batch in run.batches():
        rows.add_row("batch", Text(f"{batch} (flowq watch {batch})"))
    rows.add_row("begun", f"{ago(state.created_at)}, took {span_text(state.seconds)} so far")
    console = Console()
    console.print(rows)
    if steps:
        console.print(steps_table(steps))


def steps_table(steps: list[Checkpoint]) -> Table:
    """A table with one row per completed node."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("step", justify="right")
    table.add_column("node")
    table.add_column("action")
    table.add_column("took", justify="right")
    for one in steps:
        table.add_row(str(one.number), Text(name_of(one)), Text(one.action or "default"), span_text(one.seconds))
    return table


def name_of(step: Checkpoint) -> str:
    """The node, and how often the run had been resumed by then, because a step may be completed several times."""
    return f"{step.node} (resumed {step.generation}×)" if step.generation else step.node


class FollowedRun:
    """A run that can be watched like a batch: each step is printed when it is completed."""

    def __init__(self, run: DurableRun, console: Console, *, as_json: bool = False) -> None:
        self._run, self._console, self._as_json = run, console, as_json
        self._seen = (0, 0)
        self._awaited: list[str] = []
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        return self._run.id

    @property
    def label(self) -> str:
        return self._run.label

    @property
    def is_fed_here(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        """As a batch's; True once it has ended and all its steps were printed."""
        ended = self._run.wait(LOOK_EVERY_S if timeout is None else timeout)
        try:
            steps, awaited = self._run.history(), self._run.awaits()
        except NoRedis:
            return False
        self.tell(steps, awaited)
        return ended

    def state(self) -> State:
        """The ledger's counters of the run."""
        return self._run.state()

    def progress(self) -> Progress:
        """As for a batch of one item."""
        return progress_of(self._run.state())

    def cancel(self) -> None:
        """End the run and its batches."""
        self._run.cancel()

    def tell(self, steps: list[Checkpoint], awaited: list[str]) -> None:
        """Print new steps and awaited events."""
        with self._lock:
            # Compared by generation and number: the first steps of a long history are no longer kept.
            fresh = [one for one in steps if (one.generation, one.number) > self._seen]
            for one in fresh:
                if self._as_json:
                    emit_line(step_json(one))
                else:
                    action = f" → {one.action}" if one.action not in (None, "default") else ""
                    took = (span_text(one.seconds), "dim")
                    self._console.print(Text.assemble(f"{one.number:>4}  {name_of(one)}{action}  ", took))
            if fresh:
                self._seen = (fresh[-1].generation, fresh[-1].number)
            if awaited != self._awaited and not self._as_json:
                for name in awaited:
                    answer = (f"flowq approve {self._run.id} {name}", "bold")
                    self._console.print(Text.assemble(f"      waits for {name!r}: ", answer))
            self._awaited = awaited


def said(run: DurableRun, console: Console) -> int:
    """Print how an ended run ended; returns the exit status."""
    status = run.status
    console.print(f"{run.id} {status} after {span_text(run.state().seconds)}.", highlight=False)
    if status == "failed":
        try:
            run.result(0)
        except Exception as error:
            console.print(format_traceback(error).rstrip(), markup=False, highlight=False, soft_wrap=True)
        console.print(f"  once more, from there:  [bold]flowq retry {run.id}[/bold]", highlight=False)
    return 0 if status == "succeeded" else FAILED
