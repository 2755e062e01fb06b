"""``flowq watch``: follows one batch or run until its end, from any terminal."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from flowq.cli.absence import Absence
from flowq.cli.attention import Attention
from flowq.cli.durable import FollowedRun
from flowq.cli.durable import said as said_of_run
from flowq.cli.figures import record_of
from flowq.cli.group import FAILED, INTERRUPTED, Mistake, emit_line, json_option
from flowq.cli.place import Place, place
from flowq.client import BatchHandle
from flowq.client.bars import figures
from flowq.client.counters import progress_of
from flowq.client.display import Mode, display
from flowq.client.progress import Display
from flowq.client.run import DurableRun
from flowq.client.unknown_node import worker_of
from flowq.client.wording import count_of, span_text
from flowq.engine.patience import when_there
from flowq.engine.reading.results import read_state
from flowq.settings import Settings

LINE_EVERY_S = 1.0


@click.command()
@click.argument("batch", required=False)
@click.option("--progress", type=click.Choice(["auto", "bar", "lines", "off"]), help="How progress is shown on stderr.")
@json_option
def watch(batch: str | None, progress: Mode | None, as_json: bool) -> None:
    """Watch a batch or run until it has ended.

    BATCH is an id or the beginning of one; the newest one if left out. Ctrl-C leaves it running; pressed twice it
    cancels the batch. The exit status is 0 if the batch succeeded. With --json a line is printed each second. If
    Redis goes away, the command waits for it for 30 seconds.
    """
    with place() as here:
        handle = here.thing(batch)
        console = Console(stderr=True)
        if isinstance(handle, DurableRun):
            sys.exit(follow(here, handle, console, as_json=as_json))
        if not here.has_workers and not handle.state().closed:
            raise Mistake(
                f"{handle.id} was interrupted, and nobody works on it: `flowq retry {handle.id}` goes on with it."
            )
        if as_json:
            sys.exit(lines(here, handle))
        warn_if_nobody_works(here, handle, console)
        absence = Absence(here.executor.connections, console)
        shown = display(progress or Settings().progress, console)
        sys.exit(until_the_end(handle, shown, console, absence, stays=here.has_workers))


def follow(here: Place, run: DurableRun, console: Console, *, as_json: bool = False) -> int:
    """Print the steps of a run until its end; returns the exit status."""
    absence = Absence(here.executor.connections, console)
    attention = Attention(Display(), console, stays=here.has_workers, absence=absence)
    try:
        with attention.listening():
            attention.wait(FollowedRun(run, console, as_json=as_json))
    except KeyboardInterrupt:
        return INTERRUPTED
    return said_of_run(run, console)


def until_the_end(handle: BatchHandle[Any], shown: Display, console: Console, absence: Absence, *, stays: bool) -> int:
    """Wait for a batch; returns the exit status."""
    attention = Attention(shown, console, stays=stays, absence=absence)
    try:
        with attention.listening():
            attention.wait(handle)
    except KeyboardInterrupt:  # Detached is a subclass
        return INTERRUPTED
    return said(handle, console)


def said(handle: BatchHandle[Any], console: Console) -> int:
    """Print how an ended batch ended; returns the exit status."""
    state = handle.state()
    now = progress_of(state)
    console.print(
        f"{handle.id} {state.state} after {span_text(state.seconds)}: {count_of(now)} · {figures(now).plain}",
        highlight=False,
    )
    if state.gen and state.closed:
        console.print(
            f"  values:     [bold]flowq results {handle.id}[/bold] (later nodes do not run again)", highlight=False
        )
    if state.failed:
        console.print(f"  why:        [bold]flowq failures {handle.id}[/bold]", highlight=False)
        console.print(f"  once more:  [bold]flowq retry {handle.id}[/bold]", highlight=False)
    return 0 if handle.ended_well(state) else FAILED


def lines(here: Place, handle: BatchHandle[Any]) -> int:
    """Print a line of JSON each second."""
    connections = here.executor.connections
    while True:
        ended = handle.wait(0)
        state = when_there(connections, partial(read_state, connections, handle.id))
        emit_line({**record_of(handle.id, handle.label, state), "rate": round(progress_of(state).rate, 3)})
        if ended:
            return 0 if handle.ended_well(state) else FAILED
        handle.wait(LINE_EVERY_S)


def warn_if_nobody_works(here: Place, handle: BatchHandle[Any], console: Console) -> None:
    """Warn if the batch waits for workers that are not there, or for somebody to resume it."""
    state = handle.state()
    if state.state == "paused":
        console.print(Text(f"{handle.id} is paused: `flowq resume {handle.id}` lets it go on.", "yellow"))
    if not state.closed and not here.executor.fleet.workers(handle.queue):
        start = worker_of(handle.queue)
        console.print(Text(f"No worker consumes queue {handle.queue!r}: the batch waits for one ({start}).", "yellow"))
