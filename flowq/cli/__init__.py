"""The ``flowq`` command: one file per command or group of related ones, each imported only when it is used."""

from __future__ import annotations

import click

from flowq import __version__
from flowq.cli.group import Commands

SECTIONS = {
    "Begin": {"init": "init", "demo": "demo", "doctor": "doctor"},
    "Run": {"run": "run", "submit": "submit", "worker": "worker", "graph": "graph"},
    "Look": {
        "ls": "ls", "status": "status", "watch": "watch", "results": "results", "failures": "failures",
        "report": "report", "flower": "flower", "metrics": "metrics",
    },
    "Act": {
        "retry": "retry", "cancel": "control", "pause": "control", "resume": "control", "approve": "approve",
        "gc": "gc",
    },
}  # fmt: skip
"""The commands by section of the help, each with the module of this package that defines it."""


@click.group(cls=Commands, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flowq")
def main() -> None:
    """Distributed batch processing on Celery and Redis.

    Commands look for batches at FLOWQ_BROKER_URL; without it, in what `flowq run --local` left in the current folder.

    Exit status: 0 success, 1 the work failed, 2 wrong usage or no Redis, 130 Ctrl-C.
    """
