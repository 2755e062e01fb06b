"""``flowq gc``: removes from Redis what is past its retention or belongs to nothing."""

from __future__ import annotations

import re

import click

from flowq.cli.group import Mistake, emit, json_option
from flowq.cli.place import place
from flowq.engine.care.remains import Cleaner

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command()
@click.option("--older-than", metavar="2h", help="Remove batches that ended longer ago than this as well (s, m, h, d).")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def gc(older_than: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove what is past its retention or belongs to nothing.

    Batches expire by themselves after their retention; this finds what a crash or a full Redis left behind: keys of
    batches that are gone, ended batches that would be kept for ever. It reads every key under FLOWQ_PREFIX. It keeps
    what a kept run may still read: its batches, and the values of the run that it was forked from.
    """
    older_than_s = None if older_than is None else seconds_of(older_than)
    with place() as here:
        cleaner = Cleaner(here.executor.connections)
        found = cleaner.find(older_than_s)
        removed = 0 if dry_run else cleaner.remove(found)
    if as_json:
        emit(
            {
                "removed_keys": removed,
                "keys_of_nothing": found.keys,
                "ended_batches": found.ended,
                "given_an_end": found.unlimited,
                "unlisted": found.listed,
            }
        )
        return
    would = "would be " if dry_run else ""
    for batch in found.ended:
        click.echo(f"{batch}: {would}removed")
    click.echo(
        f"{len(found.ended):,} ended batches and {len(found.keys):,} keys of nothing {would}removed, "
        f"{len(found.unlimited):,} keys {would}given an end."
    )


def seconds_of(text: str) -> float:
    """``2h`` in seconds; raises Mistake if it cannot be read."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip())
    if found is None:
        raise Mistake(f"--older-than takes a time such as 90s, 30m, 2h or 7d, not {text!r}")
    return float(found[1]) * UNITS_S[found[2]]
