"""``flowq results``: the outcome of every item, in item order, to the terminal or into a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import click

from flowq.batch.results.as_json import plain
from flowq.batch.results.outcome import Outcome
from flowq.cli.group import Mistake, imports_option, json_option
from flowq.cli.place import place

COLUMNS = ("index", "status", "output", "error", "attempts", "seconds", "worker")
SUFFIXES = (".jsonl", ".csv")


@click.command()
@click.argument("batch", required=False)
@click.option(
    "-o", "out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.jsonl|.csv", help="Write to a file."
)
@click.option("--status", type=click.Choice(["ok", "fallback", "failed", "cancelled"]), help="Only these items.")
@click.option("--inputs", is_flag=True, help="With each item as it was given.")
@imports_option("classes of items or results")
@json_option
def results(
    batch: str | None, out: Path | None, status: str | None, inputs: bool, imports: tuple[str, ...], as_json: bool
) -> None:
    """Print the outcome of each item of a batch.

    BATCH is an id or the beginning of one; the newest batch if left out. One line per item, in item order: JSON with
    -o file.jsonl or --json, else comma-separated values. Models and dataclasses are written as objects, as in a sink,
    and what JSON cannot represent as text. An item that has no outcome yet reads as cancelled.
    """
    if out is not None and out.suffix not in SUFFIXES:
        raise Mistake(f"results are written to a file that ends in {' or '.join(SUFFIXES)}, not to {out}")
    with place() as here:
        handle = here.batch(batch)
        here.know(imports)
        rows = (row_of(one) for one in handle.outcomes(inputs=inputs) if status in (None, one.status))
        as_lines = as_json if out is None else out.suffix == ".jsonl"
        columns = (*COLUMNS, "key", "input") if inputs else COLUMNS
        if out is None:
            write(sys.stdout, rows, columns, as_lines=as_lines)
            return
        try:
            with out.open("w", newline="", encoding="utf-8") as file:
                written = write(file, rows, columns, as_lines=as_lines)
        except OSError as error:
            raise Mistake(f"{out} cannot be written: {error.strerror}") from error
        click.echo(f"Wrote {written:,} items of {handle.id} to {out}")


def row_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome by column."""
    return {
        "index": outcome.index,
        "status": outcome.status,
        "output": outcome.output,
        "error": outcome.error_text or None,
        "attempts": outcome.attempts,
        "seconds": round(outcome.execution_time, 6),
        "worker": outcome.worker,
        "key": outcome.key,
        "input": outcome.input,
    }


def write(file: IO[str], rows: Iterable[dict[str, Any]], columns: tuple[str, ...], *, as_lines: bool) -> int:
    """Write the rows; returns their number."""
    table = csv.writer(file)
    if not as_lines:
        table.writerow(columns)
    written = 0
    for row in rows:
        if as_lines:
            file.write(json.dumps({name: plain(row[name]) for name in columns}) + "\n")
        else:
            table.writerow(cells(row, columns))
        written += 1
    return written


def cells(row: dict[str, Any], columns: tuple[str, ...]) -> Iterator[Any]:
    """The row's values; any that is neither text nor a number, as JSON."""
    for name in columns:
        value = row[name]
        yield value if value is None or isinstance(value, str | int | float) else json.dumps(plain(value))
