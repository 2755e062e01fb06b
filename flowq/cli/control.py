"""``flowq cancel``, ``pause`` and ``resume``: what a person decides about a whole batch."""

from __future__ import annotations

from typing import Any

import click

from flowq.cli.figures import record_of
from flowq.cli.group import emit, json_option
from flowq.cli.place import place
from flowq.client import BatchHandle


@click.command()
@click.argument("batch")
@json_option
def cancel(batch: str, as_json: bool) -> None:
    """End a batch before its last item.

    What has an outcome keeps it; everything else reads as cancelled. BATCH is an id, or how one begins.
    """
    with place() as here:
        handle = here.batch(batch)
        handle.cancel()
        say(handle, as_json)


@click.command()
@click.argument("batch")
@json_option
def pause(batch: str, as_json: bool) -> None:
    """Begin no more items of a batch until `flowq resume`.

    Items that run end, and count. BATCH is an id, or how one begins.
    """
    with place() as here:
        handle = here.batch(batch)
        handle.pause()
        say(handle, as_json)


@click.command()
@click.argument("batch")
@json_option
def resume(batch: str, as_json: bool) -> None:
    """Go on with a paused batch.

    BATCH is an id, or how one begins.
    """
    with place() as here:
        handle = here.batch(batch)
        handle.resume()
        say(handle, as_json)


def say(handle: BatchHandle[Any], as_json: bool) -> None:
    """Where the batch stands now."""
    state = handle.state()
    if as_json:
        emit(record_of(handle.id, handle.label, state))
    else:
        click.echo(f"{handle.id} is {state.state}: {state.done:,} of {state.avail:,} items done.")
