"""``flowq ls``: the batches that Redis holds, newest first."""

from __future__ import annotations

import sys
from itertools import islice

import click
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from flowq.cli.figures import STATE_STYLES, ago, origin_json, record_of, state_text
from flowq.cli.group import emit, json_option
from flowq.cli.place import place
from flowq.cli.words import one_line
from flowq.client.bars import figures
from flowq.client.counters import progress_of
from flowq.client.overview import Listed, batches
from flowq.client.wording import count_of, span_text
from flowq.engine.reading.results import status_of

ROOMY = 100  # columns; from this width on, the time of creation is shown
SPACIOUS = 120  # and from this one on, the key
SHOWN_LETTERS = 24
LEAST_FIGURES = 18  # columns; the width of either warning
GAP = 2
_TITLES = ("batch", "state", "items", "", "took", "begun", "key")


@click.command()
@click.option("-n", "most", type=click.IntRange(1), default=20, help="So many of the newest (default: 20).")
@click.option("--state", type=click.Choice(list(STATE_STYLES)), help="Only batches in this state.")
@click.option("--label", help="Only batches of this label.")
@json_option
def ls(most: int, state: str | None, label: str | None, as_json: bool) -> None:
    """List batches and runs, newest first.

    Redis keeps them for a day after their end, unless `retention_s` says otherwise.
    """
    with place() as here:
        wanted = (
            one
            for one in batches(here.executor.connections)
            if state in (None, state_of(one)) and label in (None, one.label)
        )
        found = list(islice(wanted, min(most, sys.maxsize)))
    if as_json:
        emit([json_of(one) for one in found])
    elif found:
        console = Console()
        console.print(table(found, console.width))
    else:
        click.echo("No batches." if state is None and label is None else "No such batches.")


def json_of(one: Listed) -> dict[str, object]:
    """A listed batch for ``--json``."""
    said = {**record_of(one.id, one.label, one.state), "kind": one.kind, "state": state_of(one)}
    return {**said, **origin_json(one.origin), "node": one.node, "queue": one.queue, "created": one.created_at}


def state_of(one: Listed) -> str:
    """Its state; that of a run may also be parked."""
    return status_of(one.state) if one.kind == "run" else one.state.state


def table(found: list[Listed], width: int) -> Table:
    """One row per batch or run, with creation time and key if *width* allows. Only the counters may be cut."""
    cells = [_cells(one) for one in found]
    needed = {title: max([len(title), *(row[title].cell_len for row in cells)]) + GAP for title in _TITLES}
    figures_room = min(needed[""], LEAST_FIGURES + GAP)
    shown, left = list(_TITLES[:5]), width - figures_room - sum(needed[title] for title in _TITLES[:5] if title)
    for title, least in (("begun", ROOMY), ("key", SPACIOUS)):
        if width >= least and any(row[title] for row in cells) and needed[title] <= left:
            shown.append(title)
            left -= needed[title]
    needed[""] = min(needed[""], figures_room + max(0, left))
    rows = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), width=sum(needed[title] for title in shown) - GAP)
    for title in shown:
        justify: JustifyMethod = "right" if title in ("items", "took") else "left"
        rows.add_column(title, no_wrap=True, justify=justify, width=needed[title] - GAP)
    for row in cells:
        rows.add_row(*(row[title] for title in shown))
    return rows


def _cells(one: Listed) -> dict[str, Text]:
    now = progress_of(one.state)
    items, what = (Text("run"), Text("")) if one.kind == "run" else (Text(count_of(now)), figures(now))
    # Warnings first, because the end may be cut.
    if one.origin.producer_gone:
        what = Text(" · ").join([Text("producer gone", "yellow"), what])
    if one.origin.left_by is not None:
        what = Text(" · ").join([Text("left by a worker", "yellow"), what])
    return {
        "batch": Text(one.id),
        "state": state_text(state_of(one)),
        "items": items,
        "": what,
        "took": Text(span_text(one.state.seconds)),
        "begun": Text(ago(one.created_at), "dim"),
        "key": Text(one_line(one.origin.key or "", SHOWN_LETTERS)),
    }
