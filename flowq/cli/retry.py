"""``flowq retry``: runs the failed items of a batch again, with the workers' present code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from flowq.cli.absence import Absence
from flowq.cli.figures import record_of
from flowq.cli.fleet import Local, local_options, refuse_local, to_local_workers
from flowq.cli.group import Mistake, emit, json_option
from flowq.cli.place import place
from flowq.cli.watch import follow, until_the_end, warn_if_nobody_works
from flowq.client import BatchHandle
from flowq.client.attach import attached
from flowq.client.display import display
from flowq.client.progress import Display
from flowq.client.run import DurableRun
from flowq.local import Project
from flowq.settings import Settings


@click.command()
@click.argument("batch", required=False)
@click.option("--detach", is_flag=True, help="Do not wait for the fleet to do it.")
@local_options
@json_option
def retry(
    batch: str | None, detach: bool, workers: int | None, slots: int | None, queues: tuple[str, ...], as_json: bool
) -> None:
    """Run failed items again.

    BATCH is an id or the beginning of one; the newest batch if left out. Failed and cancelled items run again, with
    the code that workers have now; all others keep their outcome. For a batch of `flowq run --local`, workers are
    started while this takes, also to finish it if it was interrupted. The flow's later nodes do not run: read the
    outcomes with `flowq results`. A run (`flowq submit`) goes on at the node that failed.
    """
    console = Console(stderr=True)
    shown = Display() if as_json else display(Settings().progress, console)
    with place() as here:
        handle = here.thing(batch)
        if here.has_workers or isinstance(handle, DurableRun):
            start = "leave them away, or start workers with `flowq worker`"
            refuse_local(workers, slots, queues, f", and others run {handle.id}: {start}")
        elif detach:
            raise Mistake(f"--detach is for a fleet: the workers that run {handle.id} end with this command")
        if isinstance(handle, DurableRun):
            handle.resume()
            sys.exit(0 if detach else follow(here, handle, console, as_json=as_json))
        if here.has_workers:
            left = again(handle, console)
            warn_if_nobody_works(here, handle, console)
            absence = Absence(here.executor.connections, console)
            status = 0 if detach or not left else until_the_end(handle, shown, console, absence, stays=True)
            if as_json:
                emit(record_of(handle.id, handle.label, handle.state()))
            sys.exit(status)
        batch, modules = handle.id, handle.modules
        queues = queues or tuple(dict.fromkeys((here.executor.settings.queue, handle.queue)))
    sys.exit(with_local_workers(batch, modules, Local(workers or 1, slots, queues), shown, console, as_json))


def with_local_workers(
    batch: str, modules: tuple[str, ...], local: Local, shown: Display, console: Console, as_json: bool
) -> int:
    """Redrive a batch of this folder with workers that this command starts."""
    wanted = (*Project(Path.cwd()).imports[:1], *modules)
    imports = tuple(name for name in wanted if name.partition(".")[0] != "flowq")
    with to_local_workers(local, tuple(dict.fromkeys(imports)), Display(), console) as sent:
        handle = attached(sent.executor, batch)
        absence = Absence(sent.executor.connections, console)
        status = until_the_end(handle, shown, console, absence, stays=False) if again(handle, console) else 0
        if as_json:
            emit(record_of(handle.id, handle.label, handle.state()))
    return status


def again(handle: BatchHandle[Any], console: Console) -> bool:
    """Redrive the batch; returns whether there was anything to run."""
    before = handle.state()
    if before.state == "paused":
        raise Mistake(f"{handle.id} is paused: `flowq resume {handle.id}` lets it go on.")
    if not before.closed:
        console.print(f"{handle.id} has not ended: it goes on.", highlight=False)
        return True
    handle.retry_failed()
    # Compared by generation: the redriven batch may have ended already.
    if handle.state().gen == before.gen:
        console.print(f"{handle.id} has no item that failed or was cancelled.", highlight=False)
        return False
    left = before.avail - before.ok - before.fallback
    console.print(f"{left:,} items of {handle.id} run once more.", highlight=False)
    return True
