"""The thread that starts a cluster's processes, so that they are killed with the program and not earlier.

The kernel's parent-death signal follows the *thread* that started a child. A thread of the caller may end at any time;
this one lives until `close`, and as a daemon thread it still runs while exit handlers do.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from flowq.errors import ConfigError
from flowq.local.child_process import ChildProcess

TETHER = Path(__file__).with_name("tether.py")

_Request = tuple[partial[ChildProcess], "Future[ChildProcess]"]


class Spawner:
    """Starts processes that are killed when this process ends, however it ends (Linux), and at `close`.

    On other systems they end at `close` and at a regular exit of the program, but survive its SIGKILL.
    """

    def __init__(self) -> None:
        self._owner_pid = os.getpid()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        # Including those whose `spawn` was interrupted (Ctrl-C) before it returned them.
        self._children: list[ChildProcess] = []
        self._thread = threading.Thread(target=self._serve, name="flowq-spawner", daemon=True)
        self._thread.start()

    def spawn(self, command: Sequence[str], *, log_path: Path, env: Mapping[str, str] | None = None) -> ChildProcess:
        """Start *command* (an absolute path and its arguments) in a session of its own.

        Args:
            log_path: where its stdout and stderr are appended.
            env: its whole environment; None: the program's.

        Raises:
            ConfigError: called in a process that was forked from the creator of the spawner.
            OSError: the process could not be started.
        """
        if os.getpid() != self._owner_pid:
            raise ConfigError(
                "this process was forked from the one that runs the cluster: make a cluster of its own here"
            )
        started: Future[ChildProcess] = Future()
        self._requests.put((partial(self._start, list(command), log_path, env), started))
        return started.result()

    def close(self) -> None:
        """Kill all that still run and end the thread. A second call does nothing."""
        if os.getpid() != self._owner_pid:
            return
        self._requests.put(None)
        self._thread.join()
        for child in self._children:
            child.kill()
        self._children.clear()

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            start, started = request
            try:
                started.set_result(start())
            except BaseException as exc:
                started.set_exception(exc)

    def _start(self, command: list[str], log_path: Path, env: Mapping[str, str] | None) -> ChildProcess:
        tethered = [sys.executable, "-I", "-S", str(TETHER), str(self._owner_pid), *command]
        with log_path.open("ab") as log:
            popen = subprocess.Popen(
                tethered, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        child = ChildProcess(popen, log_path)
        self._children = [one for one in self._children if one.running]
        self._children.append(child)
        return child
