"""Where ``flowq run`` sends its batches: to the fleet or to local workers; else they run in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from flowq.batch.executor import activated
from flowq.cli.attention import Attention
from flowq.cli.group import Command, Mistake, queues_option
from flowq.cli.place import import_from_here
from flowq.client import CeleryExecutor, connect
from flowq.client.progress import Display
from flowq.engine.patience import redis_in_words
from flowq.local import LocalCluster, Project
from flowq.settings import Settings


@dataclass(frozen=True, slots=True)
class Local:
    """The workers that a command starts: how many, with how many slots each (None: this machine's cores, divided among
    them), and which queues they consume (none: the default queue).
    """

    workers: int = 1
    slots: int | None = None
    queues: tuple[str, ...] = ()

    def start_of_worker(self, queue: str) -> str:
        """See ``CeleryExecutor.start_worker``."""
        return f"`-Q {','.join([*(self.queues or [Settings().queue]), queue])}` of this command"


@dataclass(frozen=True, slots=True)
class Sent:
    """Where batches are sent, and what waits for them."""

    executor: CeleryExecutor
    attention: Attention


@contextmanager
def to_fleet(settings: Settings, display: Display, console: Console) -> Iterator[Sent]:
    """Send batches to the workers at ``settings.broker_url``."""
    attention = Attention(display, console, stays=True)
    with _active(connect(settings), attention) as executor:
        yield Sent(executor, attention)


@contextmanager
def to_local_workers(local: Local, imports: tuple[str, ...], display: Display, console: Console) -> Iterator[Sent]:
    """Send batches to workers that this command starts; their outcomes stay in this folder's project.

    Raises:
        ConfigError: another command uses the project, or workers or Redis do not start.
    """
    project = Project(Path.cwd())
    import_from_here()
    with project.open(alone=True) as redis:
        project.remember(imports)
        console.print("Starting workers; they and their Redis end with this command.", style="dim")
        with LocalCluster(
            workers=local.workers,
            slots=local.slots,
            imports=imports,
            queues=local.queues,
            broker_url=redis.url,
            env={"FLOWQ_SINKS": "*"},  # only this command sends items to this folder's Redis
        ) as cluster:
            attention = Attention(display, console, stays=False)
            with _active(cluster.executor, attention) as executor:
                executor.start_worker = local.start_of_worker
                yield Sent(executor, attention)


@contextmanager
def _active(executor: CeleryExecutor, attention: Attention) -> Iterator[CeleryExecutor]:
    """Make *executor* the process's executor, with *attention* waiting for its batches."""
    ours = CeleryExecutor(executor.settings, connections=executor.connections, watching=attention)
    with activated(ours), attention.listening(), redis_in_words(ours.connections):
        yield ours


def refuse_local(workers: int | None, slots: int | None, queues: Sequence[str], why: str) -> None:
    """Raise Mistake if local workers were asked for, which the command does not start.

    Args:
        why: that, and what to do.
    """
    if workers is not None or slots is not None or queues:
        raise Mistake(f"--workers, --slots and --queue are of local workers{why}")


def local_options(command: Command) -> Command:
    """Adds ``--workers``, ``--slots`` and ``--queue`` of the local workers."""
    slots = click.option(
        "--slots", type=click.IntRange(1), help="Items a local worker runs at a time (default: cores)."
    )
    workers = click.option("--workers", type=click.IntRange(1), help="Local workers (default: 1).")
    return workers(slots(queues_option("local workers consume")(command)))
