"""The pulse of a worker: a bootstep whose thread renews leases and presence and makes the caretaker's rounds."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import bootsteps
from celery.concurrency.prefork import TaskPool

from flowq import __version__
from flowq.core.hooks import Hook
from flowq.core.node import Node
from flowq.engine.app import queue_list
from flowq.engine.batches import Headers
from flowq.engine.connection import Connections
from flowq.engine.fleet.presence import WorkerRecord, announce, withdraw
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import ConfigError
from flowq.registry import names_in, registered_names
from flowq.worker.caretaker import Caretaker
from flowq.worker.leases import Leases
from flowq.worker.quiet_forks import QuietForks

log = logging.getLogger("flowq.pulse")

READY_POLL_S = 0.1
END_S = 5.0
CARED_FOR = 512
"""Batches whose headers are cached: a round visits all of them each second."""


class Beat:
    """A part of the pulse that must be on time, however long the other parts take."""

    def __init__(self, part: Callable[[], None], every_s: float) -> None:
        self._part, self._every_s = part, every_s
        self._at = float("-inf")

    def __call__(self) -> None:
        """Run the part now."""
        self._at = time.monotonic()
        self._part()

    def keep_up(self) -> None:
        """Run the part now, if its last run is longer ago than it should be."""
        if time.monotonic() - self._at > self._every_s:
            self()


class Pulse(bootsteps.StartStopStep):
    """Created before the worker's pool forks, started before or after that, ended after the pool has ended."""

    label = "flowq pulse"

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._forks = QuietForks()

    def include_if(self, parent: Any) -> bool:
        pool = parent.pool_cls
        if not (isinstance(pool, type) and issubclass(pool, TaskPool)):
            raise ConfigError(
                f"flowq runs on celery's prefork pool, this worker uses {getattr(pool, '__module__', pool)}: "
                "start it with --pool prefork. "
                "(A node with async methods or in_flight > 1 keeps hundreds of calls going in each process.)"
            )
        return True

    def create(self, parent: Any) -> None:
        """Create what the pool's processes share. (Celery does not define the order in which steps start.)"""
        parent.app.flowq.share_blobs(parent.max_concurrency or parent.concurrency)

    def start(self, parent: Any) -> None:
        room = parent.app.flowq
        self._forks.register()
        self._thread = threading.Thread(target=self._run, args=(parent, room), name="flowq-pulse", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def stop(self, parent: Any) -> None:
        """Do nothing yet: items may run until the pool has ended, and need beats until then."""

    terminate = stop

    def _end(self) -> None:
        """Called at process exit, after the children: frees what a killed child held, and withdraws the worker."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=END_S)

    def _run(self, parent: Any, room: Any) -> None:
        connections = Connections(room.settings, parent.app)
        headers = Headers(connections.redis, connections.keys, CARED_FOR, specs=False)
        name = parent.hostname
        leases = Leases(connections, headers, room.boards)
        pulse_s = room.settings.pulse_s
        started_at = time.time()
        announced = Beat(partial(self._announce, connections, parent, started_at), pulse_s)

        def keep_up() -> None:
            # With thousands of batches a round may take longer than the time after which this worker counts as gone.
            leases.keep_up()
            announced.keep_up()

        caretaker = Caretaker(connections, headers, name, keep_up)
        while not room.ready.wait(READY_POLL_S):
            if self._stop.is_set():
                return
        while not self._stop.is_set():
            leases.stopping = room.stopping
            self._end_overdue(room)
            for part in (leases.tick, announced, caretaker.tick, room.unknown.release):
                try:
                    with self._forks.busy():
                        part()
                except REDIS_ERRORS as exc:
                    log.warning("Redis did not answer a beat", extra={"error": repr(exc)})
                except Exception:
                    log.exception("a beat failed")
            self._rest(pulse_s, caretaker)
        leases.stopping = room.stopping
        try:
            leases.tick()
            withdraw(connections.redis, connections.keys, record(parent, started_at))
        except REDIS_ERRORS:
            pass
        connections.close()

    def _rest(self, pulse_s: float, caretaker: Caretaker) -> None:
        """Wait for the next beat, and care for batches that are due before it."""
        until = time.monotonic() + pulse_s
        while (left_s := until - time.monotonic()) > 0 and not self._stop.is_set():
            due_s = caretaker.until_due_s()
            if due_s is None or due_s >= left_s:
                self._stop.wait(left_s)
                return
            self._stop.wait(due_s)
            try:
                with self._forks.busy():
                    caretaker.tick_due()
            except REDIS_ERRORS as exc:
                log.warning("Redis did not answer a beat", extra={"error": repr(exc)})
                self._stop.wait(max(0.0, until - time.monotonic()))
            except Exception:
                log.exception("a beat failed")

    def _end_overdue(self, room: Any) -> None:
        """End a stopping worker whose items exceed the soft-shutdown time; what they hold is given back.

        Celery's warm shutdown (SIGTERM) waits for running tasks without limit, its cold one (SIGQUIT) does not.
        """
        if not room.stopping or room.until is None:
            return
        if time.monotonic() > room.until:
            room.until = None
            room.app.conf.worker_soft_shutdown_timeout = 0  # that time is over
            log.warning("items still run after the soft-shutdown time; they are handed back")
            os.kill(os.getpid(), signal.SIGQUIT)

    def _announce(self, connections: Connections, parent: Any, started_at: float) -> None:
        try:
            announce(connections.redis, connections.keys, record(parent, started_at))
        finally:
            parent.app.flowq.announced()


def record(worker: Any, started_at: float) -> WorkerRecord:
    """This worker's record for the fleet."""
    # All names of a local program's own script: a producer then knows that no worker will ever have others of it.
    nodes = tuple(dict.fromkeys((*registered_names(Node), *registered_names(Hook), *names_in("__main__"))))
    queues = {name: queue_list(worker.app, name) for name in worker.app.amqp.queues.consume_from}
    pid = worker.pid if hasattr(worker, "pid") else 0
    return WorkerRecord(
        worker.hostname, socket.gethostname(), pid, worker.concurrency, queues, nodes, __version__, started_at
    )
