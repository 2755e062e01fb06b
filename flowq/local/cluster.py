"""Redis and workers on this machine for the length of a ``with`` block. How a worker is started: local_worker.py."""

from __future__ import annotations

import atexit
import base64
import functools
import itertools
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr

from flowq.batch.executor import activate, deactivate
from flowq.client import CeleryExecutor, connect
from flowq.client.unknown_node import worker_of
from flowq.core.given import names_of, require_seconds, require_text, require_whole, texts_of
from flowq.errors import ConfigError
from flowq.local.child_process import end_all
from flowq.local.local_worker import LocalWorker, is_local_worker
from flowq.local.private_folder import PrivateFolder
from flowq.local.program import import_path, main_module, main_path
from flowq.local.redis_server import EmbeddedRedis
from flowq.local.spawner import Spawner
from flowq.settings import Settings, level_of

ENDED = (
    "the LocalCluster that it belonged to has ended",
    "All that it held ended with it: read results before its `with` block ends.",
)


class LocalCluster:
    """An embedded redis-server and worker processes, to which the flows of this program send their batches.

    All of it ends with the ``with`` block, at the latest with the program, even if that is killed (Linux).

    Args:
        slots: items that each worker runs at a time, one process each; None: this machine's cores, divided among the
            workers.
        workers: how many workers; 0: only Redis, workers are added by `add_worker`.
        imports: modules that the workers import, so that they know the node classes in them. Those of the program's own
            script are known anyway.
        queues: that the workers consume, as ``celery worker -Q`` has it: these and no others, so name "flowq", the
            default queue, beside those of nodes with a ``queue=``; none: the default queue.
        broker_url: an existing Redis; None: an embedded one.
        log_level: of the workers' logs (``cluster.workers[0].log_path``); what items print is logged at "INFO".
        lease_s: seconds after which a lost worker's items are given to another; None: from the settings.
        env: further environment variables of the workers.
        redis_server: the redis-server to embed; None: FLOWQ_REDIS_SERVER, or the first one found.
        redis_options: directives of redis.conf for the embedded server.
        ready_timeout_s: how many seconds the workers may take until they consume.
        grace_s: how many seconds running items may take at `stop` before the workers are killed.
    """

    def __init__(
        self,
        slots: int | None = None,
        workers: int = 1,
        *,
        imports: Sequence[str] = (),
        queues: Sequence[str] = (),
        broker_url: str | None = None,
        log_level: str = "WARNING",
        lease_s: float | None = None,
        env: Mapping[str, str] | None = None,
        redis_server: str | Path | None = None,
        redis_options: Mapping[str, str] | None = None,
        ready_timeout_s: float = 30.0,
        grace_s: float = 5.0,
    ) -> None:
        require_whole("workers", workers, 0)
        if slots is not None:
            require_whole("slots", slots, 1)
        if broker_url is not None:
            require_text("broker_url", broker_url)
        if lease_s is not None:
            require_seconds("lease_s", lease_s, 1)
        require_seconds("ready_timeout_s", ready_timeout_s, 0)
        require_seconds("grace_s", grace_s, 0)
        self.slots = slots if slots is not None else max(1, _cores() // max(1, workers))
        self.queues = names_of("queues", queues)
        self._wanted = workers
        self._imports = names_of("imports", imports)
        self._broker_url = broker_url
        self._log_level = level_of(log_level)
        self._lease_s = lease_s
        self._env = texts_of("env", env)
        self._redis_server = redis_server
        self._redis_options = texts_of("redis_options", redis_options)
        self._ready_timeout_s = ready_timeout_s
        self._grace_s = grace_s

        # Reentrant: an exit handler may interrupt this very thread while it starts or stops the cluster.
        self._lock = threading.RLock()
        self._owner_pid = os.getpid()
        self._names: Iterator[str] = iter(())
        self._workers: list[LocalWorker] = []
        self._redis: EmbeddedRedis | None = None
        self._spawner: Spawner | None = None
        self._folder: PrivateFolder | None = None
        self._active = False
        self._executor: CeleryExecutor | None = None

    @property
    def broker_url(self) -> str:
        """The URL of its Redis, for ``broker_url`` of settings."""
        return self._broker_url if self._broker_url is not None else self.redis.url

    @property
    def redis(self) -> EmbeddedRedis:
        """The embedded redis-server. RuntimeError if the cluster uses another Redis, or is not started."""
        if self._redis is None:
            raise RuntimeError("this cluster has no embedded Redis: it is not started, or was given a broker_url")
        return self._redis

    @property
    def executor(self) -> CeleryExecutor:
        """The executor that sends batches to this cluster. RuntimeError if the cluster is not started."""
        if self._executor is None:
            raise RuntimeError("this cluster is not started: use it in a with statement, or call start()")
        return self._executor

    @property
    def workers(self) -> tuple[LocalWorker, ...]:
        """All workers that were started, in that order, including dead ones."""
        return tuple(self._workers)

    def start(self) -> LocalCluster:
        """Start Redis and the workers, and wait until all of them consume. A second call does nothing.

        Raises:
            ConfigError: there is no redis-server, it or a worker does not start, or this process is a worker itself.
        """
        if is_local_worker():
            raise ConfigError(
                "a worker imported this program, and the program starts a LocalCluster as it is imported. "
                "Put that part under `if __name__ == '__main__':`."
            )
        with self._lock:
            if self._spawner is None:
                try:
                    self._start()
                except BaseException:
                    self.stop()
                    raise
        return self

    def add_worker(self) -> LocalWorker:
        """Start one more worker and wait until it consumes.

        Raises:
            ConfigError: it does not start; shows the end of its log.
        """
        with self._lock:
            worker = self._start_worker()
        try:
            worker.await_ready(self._ready_timeout_s)
        except BaseException:
            worker.kill()
            raise
        return worker

    def kill_worker(self, index: int, sig: int = signal.SIGKILL) -> None:
        """Send *sig* to the whole process group of ``workers[index]``; after SIGKILL, wait until it is gone.

        Raises:
            IndexError: there is no such worker.
        """
        require_whole("the index of a worker", index, 0)
        if index >= len(self._workers):
            raise IndexError(f"there is no worker {index}: this cluster has started {len(self._workers)}, from 0 on")
        self._workers[index].kill(signal.Signals(sig))

    def stop(self) -> None:
        """End the workers, then Redis, and remove their files. Running items get ``grace_s`` seconds.

        A second call, or one in a forked child, does nothing. If a call is interrupted (a second Ctrl-C), the rest is
        done when the program ends.
        """
        if os.getpid() != self._owner_pid:
            return
        with self._lock:
            if self._active:
                self._active = False
                self._deactivate()
            end_all([worker.process for worker in self._workers], self._grace_s)
            self._workers.clear()
            if self._redis is not None:
                self._redis.stop()
            if self._spawner is not None:
                self._spawner.close()
            if self._folder is not None:
                self._folder.remove()
            self._redis = self._spawner = self._folder = None
            atexit.unregister(self.stop)

    def __enter__(self) -> LocalCluster:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _activate(self) -> None:
        """Make this cluster the executor of the program's batches."""
        lease: dict[str, Any] = {} if self._lease_s is None else {"lease_s": self._lease_s}
        self._executor = connect(Settings(broker_url=self.broker_url, secret_key=self._secret_key(), **lease))
        self._executor.start_worker = self._start_of_worker
        activate(self._executor)

    def _start_of_worker(self, queue: str) -> str:
        """See ``CeleryExecutor.start_worker``."""
        consumed = self.queues or (Settings().queue,)
        names = ", ".join(f'"{name}"' for name in (*consumed, queue))
        here = "cluster.add_worker()" if queue in consumed else f"flowq.LocalCluster(queues=[{names}])"
        return f"`{here}`, or `{worker_of(queue)}`"

    def _deactivate(self) -> None:
        """Restore the executor that was active before."""
        if self._executor is not None:
            deactivate(self._executor)
            if self._broker_url is None:
                self._executor.connections.end(*ENDED)
            else:
                self._executor.connections.close()
            self._executor = None

    def _start(self) -> None:
        self._owner_pid = os.getpid()
        # A Redis that others use may have workers of another cluster already, and names must differ.
        stem = "local" if self._broker_url is None else f"local-{secrets.token_hex(3)}"
        self._names = (f"{stem}-{number}" for number in itertools.count(1))
        self._folder = PrivateFolder()
        self._spawner = Spawner()
        if self._broker_url is None:
            setting = self._redis_server if self._redis_server is not None else Settings().redis_server
            self._redis = EmbeddedRedis(redis_server=setting, options=self._redis_options, spawner=self._spawner)
            self._redis.start()
        else:
            connect(
                self._broker_url
            ).connections.close()  # raises if no Redis answers: its workers would try to reach it until the time is up
        # After Redis has registered its own: exit handlers run last in, first out, and the workers must end first.
        atexit.register(self.stop)
        for _ in range(self._wanted):
            self._start_worker()
        deadline = time.monotonic() + self._ready_timeout_s
        for worker in self._workers:
            worker.await_ready(max(0.0, deadline - time.monotonic()))
        self._activate()
        self._active = True

    def _start_worker(self) -> LocalWorker:
        if self._spawner is None or self._folder is None:
            raise RuntimeError("this cluster is not started: use it in a with statement, or call start()")
        worker = LocalWorker.start(
            next(self._names),
            slots=self.slots,
            queues=self.queues,
            folder=self._folder.path,
            env=self._worker_env(),
            spawner=self._spawner,
        )
        self._workers.append(worker)
        return worker

    def _secret_key(self) -> SecretStr | None:
        """The key of the settings; for an embedded Redis without one, a key generated by this program."""
        key = Settings().secret_key
        return key if key is not None or self._broker_url is not None else _program_key()

    def _worker_env(self) -> dict[str, str]:
        main = main_path()
        key = self._secret_key()
        ours = {
            "FLOWQ_BROKER_URL": self.broker_url,
            "FLOWQ_LOG_LEVEL": self._log_level,
            "FLOWQ_MAIN_PATH": None if main is None else str(main),
            "FLOWQ_MAIN_MODULE": main_module(),
            "FLOWQ_IMPORTS": ",".join(self._imports) or None,
            # On an embedded Redis only this program sends items, so any sink is allowed.
            "FLOWQ_SINKS": "*" if self._broker_url is None else None,
            "FLOWQ_SECRET_KEY": None if key is None else key.get_secret_value(),
            "FLOWQ_LEASE_S": None if self._lease_s is None else str(self._lease_s),
            "PYTHONPATH": os.pathsep.join(import_path()),
        }
        env = {**os.environ}
        # Not the script of the worker or cluster that may have started this program.
        env.pop("FLOWQ_MAIN_PATH", None)
        env.pop("FLOWQ_MAIN_MODULE", None)
        return {**env, **{name: value for name, value in ours.items() if value is not None}, **self._env}


@functools.cache
def _program_key() -> SecretStr:
    """One key for all clusters of this program: what it seals for one of them may be sent to another."""
    return SecretStr(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def _cores() -> int:
    """The cores that this process may use: in a container or under ``taskset`` fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
