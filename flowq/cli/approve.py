"""``flowq approve``: sends an answer, or any other event, to a run that waits for it."""

from __future__ import annotations

import json
from typing import Any

import click

from flowq.cli.group import Mistake, emit, json_option
from flowq.cli.place import place


@click.command()
@click.argument("run")
@click.argument("event", required=False)
@click.argument("value", required=False)
@json_option
def approve(run: str, event: str | None, value: str | None, as_json: bool) -> None:
    """Send an event to a run that waits for it.

    RUN is an id or the beginning of one. EVENT is the name a node waits for with `ctx.wait_for(name)`; left out, the
    one the run waits for now. VALUE (JSON or text; true if left out) is what `wait_for` returns.
    """
    with place() as here:
        found = here.run(run)
        name = event or only_one(found.id, found.awaits())
        found.send(name, answer_of(value))
        if as_json:
            emit({"id": found.id, "event": name, "status": found.status})
        else:
            click.echo(f"{found.id} was sent {name!r}.")


def only_one(run_id: str, awaited: list[str]) -> str:
    """The event that the run waits for.

    Raises:
        Mistake: it waits for none, or for several.
    """
    if len(awaited) == 1:
        return awaited[0]
    if awaited:
        raise Mistake(f"{run_id} waits for {', '.join(awaited)}: say which")
    raise Mistake(f"{run_id} waits for no event at the moment: give its name to send it beforehand")


def answer_of(value: str | None) -> Any:
    """The typed value, as JSON if it is valid JSON, else as text."""
    if value is None:
        return True
    try:
        return json.loads(value)
    except ValueError:
        return value
