"""One worker process of a cluster: how it is started and when it is ready. When and how many: cluster.py."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowq.errors import ConfigError
from flowq.local.child_process import ChildProcess
from flowq.local.spawner import Spawner

# -P: the worker imports from where the program does (PYTHONPATH), not also from the current folder.
WORKER = ("-P", "-m", "flowq", "worker")

POLL_S = 0.01


def is_local_worker() -> bool:
    """Whether this process is a worker that a LocalCluster started (or a child of such a worker)."""
    return tuple(sys.orig_argv[1 : 1 + len(WORKER)]) == WORKER


class LocalWorker:
    """A worker in a process group of its own: ``python -m flowq worker``.

    Attributes:
        name: its name in Flower and in outcomes.
        pid: of its main process, which leads the process group.
        log_path: its log; removed when the cluster stops.
    """

    def __init__(self, name: str, process: ChildProcess, ready_path: Path) -> None:
        self.name = name
        self.process = process
        self.pid = process.pid
        self.log_path = process.log_path
        self._ready_path = ready_path

    @classmethod
    def start(
        cls, name: str, *, slots: int, queues: Sequence[str], folder: Path, env: Mapping[str, str], spawner: Spawner
    ) -> LocalWorker:
        """Start a worker without waiting; `await_ready` waits for it."""
        ready_path = folder / f"{name}.ready"
        process = spawner.spawn(
            [
                sys.executable,
                *WORKER,
                "--slots",
                str(slots),
                "--name",
                name,
                *(word for queue in queues for word in ("--queue", queue)),
            ],
            env={**env, "FLOWQ_READY_FILE": str(ready_path)},
            log_path=folder / f"{name}.log",
        )
        return cls(name, process, ready_path)

    @property
    def ready(self) -> bool:
        """Whether it runs and has begun to consume."""
        return self.process.running and self._ready_path.exists()

    def await_ready(self, timeout_s: float) -> None:
        """Return once it consumes.

        Raises:
            ConfigError: it ended before that, or took longer than *timeout_s*; shows the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            if not self.process.running:
                raise ConfigError(
                    f"worker {self.name} ended with status {self.process.exit_status} before it was ready. "
                    f"Its log ends:\n{self.process.log_tail()}"
                )
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"worker {self.name} was not ready within {timeout_s:g} s. Its log ends:\n{self.process.log_tail()}"
                )
            time.sleep(POLL_S)

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send *signum* to the worker and all its children; after SIGKILL, wait until the worker has ended."""
        if signum == signal.SIGKILL:
            self.process.kill()
        else:
            self.process.signal_group(signum)
