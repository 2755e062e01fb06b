"""The systems that are up, each with a Redis of its own: started when they are needed, ended when they are not.

Who costs something while it is idle is stopped (SIGSTOP) between its turns.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

from benchmarks.systems import kind, version_of
from benchmarks.systems.system import System
from flowq.local import EmbeddedRedis

SLOTS = 2
MIB = 1 << 20
# What one run leaves in a system's Redis must not slow the runs of the next workload.
REDIS_FULL_BYTES = 256 * MIB
# Timers that came due while a system was stopped all fire when it goes on, and must not fire in its run.
SETTLE_S = 0.05


@dataclass(frozen=True)
class Running:
    """A system that is up.

    Attributes:
        processes: those it has, kept only for who is to be stopped between its turns.
    """

    system: System
    server: EmbeddedRedis
    redis: Redis
    processes: set[psutil.Process] = field(default_factory=set)

    def traffic_bytes(self) -> int:
        """Bytes that went through its Redis so far, in and out."""
        info: Any = self.redis.info("stats")
        return int(info["total_net_input_bytes"]) + int(info["total_net_output_bytes"])

    def received_bytes(self) -> int:
        """Bytes its Redis was sent so far."""
        info: Any = self.redis.info("stats")
        return int(info["total_net_input_bytes"])

    def held_bytes(self) -> int:
        """Bytes its Redis holds now."""
        info: Any = self.redis.info("memory")
        return int(info["used_memory"])

    def signal(self, signum: signal.Signals) -> None:
        """Send *signum* to its processes; those that have ended are forgotten."""
        for process in list(self.processes):
            try:
                process.send_signal(signum)
            except psutil.NoSuchProcess:
                self.processes.discard(process)


class Stage:
    """Who is up now, by name. A context manager: all of them end with it."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._slots = slots
        self._up: dict[str, Running] = {}

    def use(self, name: str) -> Running:
        """That system, started if it is not up.

        Raises:
            CannotRun: it is not installed, or does not start here.
        """
        if name not in self._up:
            system = kind(name)()
            # TCP, because not every system takes a socket; a Redis each, so that its bytes are its own.
            server = EmbeddedRedis(port=0).start()
            running = self._up[name] = Running(system, server, Redis.from_url(server.redis_url))
            try:
                with _begun(running):
                    system.start(server.redis_url, self._slots)
            except BaseException:
                self.end(name)
                raise
        return self._up[name]

    def end(self, name: str) -> None:
        """Stop it, and its Redis, if it is up."""
        running = self._up.pop(name, None)
        if running is not None:
            running.signal(signal.SIGCONT)
            with contextlib.ExitStack() as last_to_first:
                last_to_first.callback(running.server.stop)
                last_to_first.callback(running.redis.close)
                last_to_first.callback(running.system.stop)

    def keep(self, names: Container[str]) -> None:
        """End all but those."""
        for name in list(self._up):
            if name not in names:
                self.end(name)

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[Running]:
        """For one run of that system: afterwards it stays up, but does nothing if that would cost something."""
        running = self.use(name)
        if running.processes:
            running.signal(signal.SIGCONT)
            time.sleep(SETTLE_S)
        with _begun(running):
            yield running
        running.signal(signal.SIGSTOP)

    def tidy(self) -> None:
        """End those whose Redis is full of what they ran: they start anew when they are needed."""
        for name, running in list(self._up.items()):
            if running.held_bytes() > REDIS_FULL_BYTES:
                self.end(name)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.keep(())


@contextlib.contextmanager
def _begun(running: Running) -> Iterator[None]:
    """Keeps the processes that begin meanwhile, if they are to be stopped between turns. Nobody else may begin any."""
    before = _children() if running.system.costs_idle else set()
    yield
    if running.system.costs_idle:
        running.processes.update(_children() - before)


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def machine(running: Running, *names: str) -> dict[str, str]:
    """What all of it runs on, for the page."""
    info: Any = running.redis.info("server")
    versions = {name: version for name in names if (version := version_of(name))}
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "redis-server": str(info["redis_version"]),
        **versions,
    }


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
