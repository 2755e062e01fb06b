"""``flowq status``: the workers and what is running; or one batch in full."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowq.cli import durable
from flowq.cli.figures import add_origin, origin_json, record_of, state_text
from flowq.cli.group import emit, json_option
from flowq.cli.ls import json_of
from flowq.cli.ls import table as batch_table
from flowq.cli.place import Place, place
from flowq.client import BatchHandle
from flowq.client.bars import figures
from flowq.client.counters import progress_of
from flowq.client.left_alone import advice
from flowq.client.overview import Listed, under_way
from flowq.client.run import DurableRun
from flowq.client.wording import count_of, rate_text, span_text
from flowq.engine.fleet.presence import WorkerRecord, workers
from flowq.engine.reading.origin import Origin, read_origin

SHOWN_BATCHES = 20


@click.command()
@click.argument("batch", required=False)
@json_option
def status(batch: str | None, as_json: bool) -> None:
    """Show workers and what is running, or one batch or run.

    BATCH is an id or the beginning of one.
    """
    with place() as here:
        if batch is None:
            show_fleet(here, as_json)
        else:
            found = here.thing(batch)
            if isinstance(found, DurableRun):
                durable.show(found, read_origin(here.executor.connections, found.id), as_json)
            else:
                show_batch(found, read_origin(here.executor.connections, found.id), as_json)


def show_fleet(here: Place, as_json: bool) -> None:
    """Print the workers, and the batches that have not ended."""
    connections = here.executor.connections
    there = workers(connections.redis, connections.keys)
    what = under_way(connections, SHOWN_BATCHES)
    running = what.newest
    if as_json:
        emit({"workers": [worker_json(one) for one in there], "batches": [json_of(one) for one in running]})
        return
    console = Console()
    console.print(worker_table(there) if there else no_workers(here, running))
    console.print()
    if running:
        console.print(batch_table(running, console.width))
        more = what.number - len(running)
        others = f"And {more:,} older ones. " if more > 0 else ""
        console.print(f"\n{others}{what.items:,} items to do.", highlight=False)
    else:
        console.print("Nothing is under way. `flowq ls` lists what has ended.", highlight=False)


def no_workers(here: Place, running: list[Listed]) -> str:
    """What to do if there are no workers."""
    if not running:
        return "No workers."
    if here.project is None:
        return "No workers: batches wait for one. Start one with `flowq worker --import MODULE`."
    return "No workers: what was interrupted goes on with `flowq retry`, or with the next `flowq run --local`."


def worker_json(one: WorkerRecord) -> dict[str, Any]:
    """A worker for ``--json``."""
    return {
        "name": one.name,
        "host": one.host,
        "pid": one.pid,
        "slots": one.slots,
        "queues": sorted(one.queues),
        "nodes": list(one.nodes),
        "version": one.version,
        "started": one.started_at,
    }


def worker_table(there: list[WorkerRecord]) -> Table:
    """A table with one row per worker."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("worker", "slots", "queues", "modules"):
        table.add_column(title, justify="right" if title == "slots" else "left", overflow="fold")
    for one in sorted(there, key=lambda one: one.name):
        modules = sorted({name.partition(":")[0] for name in one.nodes if not name.startswith(("flowq:", "flowq."))})
        table.add_row(Text(one.name), str(one.slots), Text(", ".join(sorted(one.queues))), Text(", ".join(modules)))
    total = sum(one.slots for one in there)
    table.caption = Text(f"{len(there)} workers, {total} slots") if len(there) > 1 else None
    return table


def show_batch(handle: BatchHandle[Any], origin: Origin, as_json: bool) -> None:
    """Print all counters of the ledger, and the holders of chunks."""
    state, held = handle.state(), handle.held()
    if as_json:
        more = {"node": handle.node, "queue": handle.queue, "rate": round(progress_of(state).rate, 3), "held": held}
        emit({**record_of(handle.id, handle.label, state), **origin_json(origin), **more})
        return
    now = progress_of(state)
    rows = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rows.add_row("batch", Text(handle.id, "bold"))
    rows.add_row("state", state_text(state.state))
    rows.add_row("node", Text(f"{handle.node} (queue {handle.queue})"))
    add_origin(rows, origin)
    if origin.producer_gone:
        rows.add_row("producer", Text(f"gone before it had written all items: {advice(handle.id, origin)}", "yellow"))
    rows.add_row("items", Text(" · ").join([Text(count_of(now)), figures(now)]))
    rows.add_row("time", f"{span_text(state.seconds)}, {rate_text(now.rate) or 'nothing done yet'}")
    if now.eta_s and state.state == "running":
        rows.add_row("left", span_text(now.eta_s))
    for name, count in (
        ("took several tries", state.retried),
        ("crashes of an item's process", state.crashes),
        ("lost workers", state.losses),
        ("redrives", state.gen),
    ):
        if count:
            rows.add_row(name, f"{count:,}")
    for chunk, holder in sorted(held.items()):
        rows.add_row(Text("held", "dim"), Text(f"{chunk} by {holder}", "dim"))
    console = Console()
    console.print(rows)
    if state.failed:
        console.print(f"\nSee why: [bold]flowq failures {handle.id}[/bold]", highlight=False)
