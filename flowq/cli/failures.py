"""``flowq failures``: the items that failed in a batch, and why."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowq.batch.results.outcome import Outcome
from flowq.cli.group import emit_line, imports_option, json_option
from flowq.cli.place import Place, place
from flowq.cli.words import one_line
from flowq.client import BatchHandle
from flowq.client.attach import attached
from flowq.client.run import DurableRun
from flowq.errors import BatchLost

SHOWN_LETTERS = 40
ROOMY = 100  # columns; from this width on, the worker is shown


@click.command()
@click.argument("batch", required=False)
@click.option("-n", "most", type=click.IntRange(1), default=20, help="So many of the first (default: 20).")
@click.option("--traceback", "full", is_flag=True, help="Show where each was raised.")
@imports_option("classes of items or results")
@json_option
def failures(batch: str | None, most: int, full: bool, imports: tuple[str, ...], as_json: bool) -> None:
    """List the failed items of a batch, and why they failed.

    BATCH is an id or the beginning of one; the newest batch if left out. For a run it is its batch with failed items.
    With --json all of them are printed, one per line.
    """
    with place() as here:
        handle = failing(here, batch)
        here.know(imports)
        if as_json:
            for outcome in handle.failures():
                emit_line(json_of(outcome))
            return
        state = handle.state()
        console = Console()
        if not state.failed:
            console.print(
                f"No item of {handle.id} has failed ({state.done:,} of {state.avail:,} done).", highlight=False
            )
            return
        console.print(f"{state.failed:,} of {state.avail:,} items failed in {handle.id}\n", highlight=False)
        kinds, shown = read(handle.failures(), most)
        show(console, shown, full=full)
        show_kinds(console, kinds, len(shown))
    console.print(f"\nWhen that is mended: [bold]flowq retry {handle.id}[/bold]", highlight=False)


def failing(here: Place, name: str | None) -> BatchHandle[Any]:
    """The batch of this name; for a run, its only batch with failed items.

    Raises:
        BatchLost: there is none.
        Mistake: several ids begin like this, or it is a run and none, or more than one, of its batches has failures.
    """
    found = here.thing(name, "batch")
    if not isinstance(found, DurableRun):
        return found
    failed = []
    for batch_id in found.batches():
        with contextlib.suppress(BatchLost):  # its retention may be shorter than the run's
            handle = attached(here.executor, batch_id)
            failed += [handle] if handle.state().failed else []
    return failed[0] if len(failed) == 1 else here.batch(found.id)


def json_of(outcome: Outcome) -> dict[str, Any]:
    """A failed item for ``--json``."""
    return {
        "index": outcome.index,
        "key": outcome.key,
        "input": outcome.input,
        "error": outcome.error_text,
        "attempts": outcome.attempts,
        "seconds": round(outcome.execution_time, 6),
        "worker": outcome.worker,
        "traceback": outcome.traceback,
    }


def read(found: Iterable[Outcome], most: int) -> tuple[Counter[str], list[Outcome]]:
    """The number of errors by kind among all outcomes, and the first *most* outcomes."""
    kinds: Counter[str] = Counter()
    shown: list[Outcome] = []
    for outcome in found:
        kinds[outcome.error_text.partition(":")[0]] += 1
        if len(shown) < most:
            shown.append(outcome)
    return kinds, shown


def show(console: Console, shown: list[Outcome], *, full: bool) -> None:
    """Print a table of the outcomes and the first traceback; with *full*, each outcome with all details."""
    if full:
        for outcome in shown:
            console.print(Text(f"item {outcome.index}: {one_line(repr(outcome.input), 200)}", "bold"))
            console.print(Text(outcome.traceback.rstrip() or outcome.error_text), soft_wrap=True)
            console.print(Text(f"({outcome.attempts} tries, {outcome.worker})\n", "dim"))
        return
    keyed = any(outcome.key is not None for outcome in shown)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("item", justify="right")
    table.add_column("key" if keyed else "input", overflow="fold")
    table.add_column("error", overflow="fold", ratio=1)
    table.add_column("tries", justify="right")
    roomy = console.width >= ROOMY
    if roomy:
        table.add_column("worker", overflow="fold")
    for outcome in shown:
        what = outcome.key if keyed else one_line(repr(outcome.input), SHOWN_LETTERS)
        error = Text(one_line(outcome.error_text, 200), "red")
        row: list[str | Text] = [str(outcome.index), Text(what or "–"), error, str(outcome.attempts)]
        table.add_row(*row, *([Text(outcome.worker, "dim")] if roomy else []))
    console.print(table)
    first = shown[0]
    if first.traceback:
        console.print(Text(f"\nItem {first.index} failed here:"))
        console.print(Text(first.traceback.rstrip(), "dim"), soft_wrap=True)


def show_kinds(console: Console, kinds: Counter[str], shown: int) -> None:
    """Print the number of errors by kind, and how many were not shown."""
    if kinds.total() > shown:
        counted = ", ".join(f"{count:,} × {name}" for name, count in kinds.most_common(8))
        console.print(Text(f"\nThe first {shown:,} of {kinds.total():,}: {counted}. More with -n."))
