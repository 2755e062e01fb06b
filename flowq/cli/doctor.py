"""``flowq doctor``: checks whether Redis and the workers meet flowq's needs, and advises what to change."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from flowq.cli.group import emit, json_option
from flowq.settings import Settings, redacted

if TYPE_CHECKING:
    from flowq.engine.care.checkup import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check Redis and workers; say what to change.

    Redis is the one at FLOWQ_BROKER_URL. The exit status is 1 if a check fails, but not for warnings.
    """
    from flowq.engine.care.examination import examine  # imports Celery and redis, which `--help` does not need

    settings = Settings()
    findings = examine(settings)
    failed = any(one.verdict == "fail" for one in findings)
    if as_json:
        lines = [asdict(one) for one in findings]
        emit({"ok": not failed, "redis": redacted(settings.url), "findings": lines})
    else:
        show(findings)
    sys.exit(int(failed))


def show(findings: Sequence[Finding]) -> None:
    """Print the findings as a table, and their number by verdict."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("check", overflow="fold")
    table.add_column("found", overflow="fold", ratio=3)
    table.add_column("what to change", overflow="fold", ratio=2)
    for one in findings:
        table.add_row(Text(one.verdict, COLOURS[one.verdict]), Text(one.check), Text(one.found), Text(one.advice))
    console = Console()
    console.print(table)
    counts = {verdict: sum(one.verdict == verdict for one in findings) for verdict in COLOURS}
    console.print(f"\n{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} to mend")
