"""The workers under attack: a cluster that tells what its workers wrote and where they stand if a test on it fails."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil  # type: ignore[import-untyped]

import flowq
from flowq.engine.connection import Connections
from flowq.local.local_worker import LocalWorker

LEASE_S = 3.0
TOLD_BYTES = 20_000
# Redis' options under which what it acknowledged outlives its SIGKILL.
DURABLE = {"appendonly": "yes", "appendfsync": "always"}


@contextmanager
def new_cluster(
    *, workers: int, slots: int, lease_s: float = LEASE_S, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[flowq.LocalCluster]:
    """A LocalCluster whose workers know the witnesses and nested flows; their logs are printed if the block fails."""
    with flowq.LocalCluster(
        workers=workers, slots=slots, lease_s=lease_s, imports=["tests.chaos.witness", "tests.nested"], grace_s=0,
        env={"PYTHONFAULTHANDLER": "1", **(env or {})}, **options,
    ) as cluster:  # fmt: skip
        try:
            yield cluster
        except BaseException:
            for worker in cluster.workers:
                print(
                    f"\n--- {worker.name}, pid {worker.pid}, exit status {worker.process.exit_status}:\n{told(worker)}"
                )
            raise


def told(worker: LocalWorker) -> str:
    """The end of a worker's log; one that still runs is ended, and tells where each of its threads stood."""
    if worker.process.running:
        for process in processes_of(worker):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
                os.kill(process.pid, signal.SIGABRT)
        worker.process.wait(5)
    return worker.log_path.read_text(errors="replace")[-TOLD_BYTES:]


def processes_of(worker: LocalWorker) -> list[psutil.Process]:
    """Its main process and its children, those that live; none if the main process is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        main = psutil.Process(worker.pid)
        return [one for one in (*main.children(), main) if one.status() != psutil.STATUS_ZOMBIE]
    return []


def connect(cluster: flowq.LocalCluster) -> Connections:
    """Connections beside those of the cluster's own executor."""
    return Connections(flowq.Settings(broker_url=cluster.broker_url))


def queue_of(connections: Connections) -> str:
    """The Redis list that the workers consume."""
    return f"{connections.settings.prefix}:{connections.settings.queue}"
