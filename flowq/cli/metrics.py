"""``flowq metrics``: an HTTP server with the fleet's metrics for Prometheus and autoscalers."""

from __future__ import annotations

import contextlib

import click

from flowq.cli.group import Mistake
from flowq.settings import Settings, redacted


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9464, show_default=True, help="0: any free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
def metrics(port: int, address: str) -> None:
    """Serve the fleet's metrics for Prometheus at /metrics, and pending items for an autoscaler at /pending.

    One such process is enough for a fleet, on any machine that reaches its Redis. It only reads.
    """
    from flowq.engine.connection import Connections
    from flowq.engine.fleet.exporter import MetricsServer

    settings = Settings()
    try:
        server = MetricsServer(Connections(settings), address=address, port=port)
    except OSError as error:
        raise Mistake(f"cannot listen on {address}:{port}: {error.strerror}") from error
    click.echo(f"{server.url}/metrics, of {redacted(settings.url)}", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
