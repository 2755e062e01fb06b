"""``flowq worker``: one worker with flowq's settings, as ``celery -A workers.app worker``, but without a checkout."""

from __future__ import annotations

import socket
import sys

import click

from flowq.cli.group import Mistake, imports_option, lasting_imports, queues_option
from flowq.core.given import require_text
from flowq.errors import FlowqError
from flowq.portable import format_traceback
from flowq.settings import Settings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.command()
@click.option("--slots", type=click.IntRange(1), help="Items that run at a time, one process each (default: cores).")
@click.option("--name", help="Name in Flower and in outcomes.")
@queues_option("it consumes")
@imports_option("node classes")
@click.option("--log-level", type=click.Choice(LEVELS, case_sensitive=False), help="Of its log (default: INFO).")
def worker(
    slots: int | None, name: str | None, queues: tuple[str, ...], imports: tuple[str, ...], log_level: str | None
) -> None:
    """Run a worker until it is told to stop.

    At Ctrl-C or SIGTERM, running items get FLOWQ_SOFT_SHUTDOWN_S seconds to finish.
    """
    with lasting_imports():
        from flowq.worker.app import build_worker_app  # no other command needs a worker's imports

    settings = Settings()
    try:
        require_text("the name of a worker", name or "")
    except ValueError as error:
        raise Mistake(str(error)) from error
    if settings.broker_url is None:
        click.echo(f"FLOWQ_BROKER_URL is not set: this worker looks for Redis at {settings.url}.", err=True)
    given = {"slots": slots, "worker_name": name, "imports": (*settings.imports, *imports), "log_level": log_level}
    settings = settings.model_copy(update={key: value for key, value in given.items() if value})
    try:
        app = build_worker_app(settings)
    except FlowqError:
        raise
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        raise Mistake(format_traceback(error).rstrip()) from error
    stem = settings.worker_name or "flowq"
    instance = app.Worker(
        hostname=f"{stem}@{socket.gethostname()}",
        concurrency=settings.slots,
        queues=list(queues) or None,
        loglevel=settings.log_level,
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    instance.start()
    sys.exit(instance.exitcode)
