"""``flowq flower``: Flower on this machine, behind a password."""

from __future__ import annotations

import secrets

import click
from pydantic import SecretStr

from flowq.settings import Settings


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=5555, show_default=True, help="0: any free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
def flower(port: int, address: str) -> None:
    """Watch workers, batches and items in a browser.

    It asks for the name FLOWQ_FLOWER_USER and the password FLOWQ_FLOWER_PASSWORD; if that is not set, a password is
    generated and printed. On any address other than 127.0.0.1, run it behind a proxy with TLS.
    """
    from flowq.engine.fleet.flower import run_flower  # imports Celery, which `--help` does not need

    settings = Settings()
    if settings.flower_password is None:
        made = secrets.token_urlsafe(12)
        settings = settings.model_copy(update={"flower_password": SecretStr(made)})
        click.echo(
            f"Log in as {settings.flower_user} with the password {made} (or set FLOWQ_FLOWER_PASSWORD)", err=True
        )
    run_flower(settings, address=address, port=port)
