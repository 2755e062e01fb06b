"""``flowq demo``: the main job on real input, with an embedded Redis and real workers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowq.cli.group import INTERRUPTED, emit, json_option


@click.command()
@click.option("--kill", is_flag=True, help="Kill a worker that holds a chunk, half-way.")
@click.option("--limit", type=click.IntRange(1), help="Only so many of the first files.")
@click.option("--slots", type=click.IntRange(1), help="Slots of each of the two workers (default: 1).")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), help="Folder of the report."
)
@json_option
def demo(kill: bool, limit: int | None, slots: int | None, out: Path, as_json: bool) -> None:
    """Audit Python's standard library on real workers.

    One item per file. With FLOWQ_BROKER_URL set it uses the workers there; they need FLOWQ_IMPORTS=flowq.demo.flow.
    """
    from flowq.demo.show import run_demo  # imports that no other command needs

    try:
        figures = run_demo(out, kill=kill, limit=limit, slots=slots, quiet=as_json)
    except KeyboardInterrupt:
        click.echo("Interrupted: the batch was cancelled, workers and Redis have ended.", err=True)
        sys.exit(INTERRUPTED)
    if as_json:
        emit(figures)
