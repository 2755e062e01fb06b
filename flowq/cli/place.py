"""Where a command looks for batches: at FLOWQ_BROKER_URL, else in this folder's local runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from flowq.cli.group import Mistake
from flowq.client import BatchHandle, CeleryExecutor, connect
from flowq.client.attach import submitted
from flowq.client.run import DurableRun
from flowq.engine.care.catalog import PAGE, Catalog, Kind
from flowq.engine.ending.facts import children
from flowq.engine.patience import redis_in_words
from flowq.errors import BatchLost
from flowq.local import Project
from flowq.settings import Settings

SHOWN_IDS = 5


class Place:
    """The fleet that a command works on.

    Attributes:
        executor: sends batches there and reads them back.
        project: the folder of a local run; None: the fleet is at FLOWQ_BROKER_URL.
        has_workers: whether other programs may have started workers there.
    """

    def __init__(self, executor: CeleryExecutor, project: Project | None, *, has_workers: bool) -> None:
        self.executor = executor
        self.project = project
        self.has_workers = has_workers

    def batch(self, batch_id: str | None) -> BatchHandle[Any]:
        """The batch with this id, or whose id begins like this; the newest one if None.

        Raises:
            BatchLost: there is none.
            Mistake: several ids begin like this, or there is no batch at all.
        """
        found = self.thing(batch_id, "batch")
        if isinstance(found, DurableRun):
            ids = found.batches()
            known = f" Its batches: {', '.join(ids)}: name one." if ids else ""
            raise Mistake(f"{found.id} is a run, and no batch.{known}")
        return found

    def run(self, run_id: str) -> DurableRun:
        """The run with this id, or whose id begins like this.

        Raises:
            BatchLost: there is none.
            Mistake: several ids begin like this, or it is a batch.
        """
        found = self._named(run_id, "run")
        if not isinstance(found, DurableRun):
            raise Mistake(f"{found.id} is a batch, and no run: `flowq status {found.id}` shows it")
        return found

    def thing(self, entry_id: str | None, kind: Kind | None = None) -> BatchHandle[Any] | DurableRun:
        """The batch or run with this id, or whose id begins like this; the newest (of *kind*) if None."""
        if entry_id is None:
            newest = next(self._catalog().newest(kind), None)
            if newest is None:
                raise Mistake("there is no batch yet")
            entry_id = newest.id
        return self._named(entry_id, kind or "batch or run")

    def _named(self, entry_id: str, kind: str) -> BatchHandle[Any] | DurableRun:
        try:
            return submitted(self.executor, entry_id, kind)
        except BatchLost:
            return submitted(self.executor, self._beginning(entry_id), kind)

    def _beginning(self, start: str) -> str:
        """The one id that begins with *start*, including batches of runs; *start* itself if there is none."""
        if not start:
            return start
        entries = list(self._catalog().newest())
        runs = [one.id for one in entries if one.kind == "run"]
        ids = [one.id for one in entries]
        for at in range(0, len(runs), PAGE):  # the catalogue does not list the batches of runs
            ids += children(self.executor.connections, *runs[at : at + PAGE])
        found = [one for one in dict.fromkeys(ids) if one.startswith(start)]
        if len(found) > 1:
            more = ", …" if len(found) > SHOWN_IDS else ""
            raise Mistake(f"{len(found)} begin with {start!r}: {', '.join(found[:SHOWN_IDS])}{more}")
        return found[0] if found else start

    def _catalog(self) -> Catalog:
        return Catalog(self.executor.connections.redis, self.executor.connections.keys)

    def know(self, imports: Iterable[str] = ()) -> None:
        """Import modules that may define the classes of items and results: those given, the settings', the project's.

        A module that cannot be imported is reported and skipped: the user may just be correcting it.
        """
        known = () if self.project is None else self.project.imports
        import_from_here()
        for name in dict.fromkeys([*imports, *self.executor.settings.imports, *known]):
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:
                click.echo(f"(module {name} does not import: {type(error).__name__}: {error})", err=True)


@contextmanager
def place() -> Iterator[Place]:
    """The fleet to work on.

    Raises:
        Mistake: nothing is configured, and nothing was run here.
        NoRedis: Redis does not answer at FLOWQ_BROKER_URL. (Other errors of Redis: see ``redis_in_words``.)
    """
    settings = Settings()
    if settings.broker_url is not None:
        with _closing(connect(settings)) as executor:
            yield Place(executor, None, has_workers=True)
        return
    project = Project(Path.cwd())
    if not project.is_there:
        raise Mistake(
            "there is nothing to look at: FLOWQ_BROKER_URL is not set, and `flowq run … --local` was not used in "
            f"{Path.cwd()}."
        )
    with (
        project.open() as redis,
        _closing(connect(settings.model_copy(update={"broker_url": redis.url}))) as executor,
    ):
        yield Place(executor, project, has_workers=not redis.is_own)


@contextmanager
def _closing(executor: CeleryExecutor) -> Iterator[CeleryExecutor]:
    try:
        with redis_in_words(executor.connections):
            yield executor
    finally:
        executor.connections.close()


def import_from_here() -> None:
    """Let modules be imported from the current folder, as ``python -m`` does."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
