"""The ``flowq`` command: one file a group of commands."""

from __future__ import annotations

import click

from flowq.cli.demo import demo
from flowq.cli.doctor import doctor
from flowq.cli.flower import flower
from flowq.cli.worker import worker


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flowq", prog_name="flowq")
def main() -> None:
    """Distributed batch processing on Celery and Redis."""


main.add_command(demo)
main.add_command(doctor)
main.add_command(flower)
main.add_command(worker)
