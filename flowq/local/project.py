"""The files that ``flowq run --local`` leaves in a folder: Redis' data, and the names of modules for its workers.

With these a later command, in this terminal or another, finds the batches. Starting workers: cluster.py.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flowq.errors import ConfigError
from flowq.local.redis_server import EmbeddedRedis
from flowq.settings import Settings

FOLDER = ".flowq"
STARTS_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05


class Opened(NamedTuple):
    """A project's Redis: its URL, and whether this program started it, so that only its own workers use it."""

    url: str
    is_own: bool


class Project:
    """The batches that were run locally in a folder.

    Attributes:
        folder: ``.flowq`` in that folder, where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute() / FOLDER

    @property
    def is_there(self) -> bool:
        """Whether anything was run locally in this folder."""
        return (self.folder / "data").is_dir()

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules whose flows were run here, the latest first."""
        try:
            names = json.loads((self.folder / "imports.json").read_text())
        except (OSError, ValueError):
            return ()
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()

    def remember(self, imports: Iterable[str]) -> None:
        """Add modules to ``imports``."""
        names = list(dict.fromkeys([*imports, *self.imports]))
        self._write("imports.json", json.dumps(names))

    @contextmanager
    def open(self, *, alone: bool = False) -> Iterator[Opened]:
        """A Redis with this project's data: started by this program, or the one that already runs.

        Args:
            alone: raise instead of using another program's Redis, which ends with that program.

        Raises:
            ConfigError: there is no redis-server, it does not start, or another one runs already and *alone* is set.
        """
        with self._lock() as owned:
            if not owned:
                if alone:
                    raise ConfigError(
                        f"another flowq command (pid {self._live().get('pid', 'unknown')}) runs here: {self.folder} is "
                        "in use. Wait until it has ended, or end it."
                    )
                yield Opened(self._running_url(), False)
                return
            (self.folder / "live.json").unlink(missing_ok=True)  # left by a killed command, whose Redis is gone
            (self.folder / "data").mkdir(exist_ok=True)
            server = Settings().redis_server
            with EmbeddedRedis(redis_server=server, appendonly=True, data_folder=self.folder / "data") as redis:
                self._write("live.json", json.dumps({"url": redis.url, "pid": os.getpid()}))
                try:
                    yield Opened(redis.url, True)
                finally:
                    (self.folder / "live.json").unlink(missing_ok=True)

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Yield whether this process got the lock, which it then holds until the block ends."""
        self._make()
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _make(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            # As other tools do: the folder excludes itself from the repository.
            self._write(".gitignore", "*\n")

    def _running_url(self) -> str:
        """The URL of the Redis of the process with the lock, which may still be starting it."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline:
            url = self._live().get("url")
            if isinstance(url, str):
                return url
            time.sleep(LOOK_EVERY_S)
        raise ConfigError(f"another flowq uses {self.folder} and does not say where its Redis is: end it, or wait")

    def _live(self) -> dict[str, object]:
        try:
            live = json.loads((self.folder / "live.json").read_text())
        except (OSError, ValueError):
            return {}
        return live if isinstance(live, dict) else {}

    def _write(self, name: str, text: str) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(text)
        new.replace(self.folder / name)
