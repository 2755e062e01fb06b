"""``flowq cancel``, ``pause`` and ``resume``: acts on a whole batch or run."""

from __future__ import annotations

from typing import Any

import click

from flowq.cli import durable
from flowq.cli.figures import record_of
from flowq.cli.group import emit, json_option
from flowq.cli.place import place
from flowq.client import BatchHandle
from flowq.client.run import DurableRun


@click.command()
@click.argument("batch")
@json_option
def cancel(batch: str, as_json: bool) -> None:
    """End a batch or run early.

    Items with an outcome keep it; all others read as cancelled. BATCH is an id or the beginning of one.
    """
    with place() as here:
        found = here.thing(batch)
        found.cancel()
        say(found, as_json)


@click.command()
@click.argument("batch")
@json_option
def pause(batch: str, as_json: bool) -> None:
    """Pause a batch or run until `flowq resume`.

    Running items end, and count. BATCH is an id or the beginning of one.
    """
    with place() as here:
        found = here.thing(batch)
        found.pause()
        say(found, as_json)


@click.command()
@click.argument("batch")
@json_option
def resume(batch: str, as_json: bool) -> None:
    """Resume a paused batch or run.

    BATCH is an id or the beginning of one.
    """
    with place() as here:
        found = here.thing(batch)
        found.resume()
        say(found, as_json)


def say(found: BatchHandle[Any] | DurableRun, as_json: bool) -> None:
    """Print the present state."""
    if isinstance(found, DurableRun):
        if as_json:
            emit(durable.record_of(found))
        else:
            click.echo(f"{found.id} is {found.status}.")
        return
    state = found.state()
    if as_json:
        emit(record_of(found.id, found.label, state))
    else:
        click.echo(f"{found.id} is {state.state}: {state.done:,} of {state.avail:,} items done.")
