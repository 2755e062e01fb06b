"""The pool of flowq's own workers: Celery's prefork pool, with children that exit and are replaced without delay."""

from __future__ import annotations

import gc
import os
import threading
from typing import Any

from billiard import pool as billiard_pool
from celery import platforms
from celery.concurrency import asynpool, prefork
from kombu.asynchronous import get_event_loop

from flowq.worker.parent_death import die_with_parent

# As in Celery: how often timers (heartbeats) and pending acknowledgements are processed while the pool drains.
FIRE_TIMERS_EVERY_S = 0.5

LOOK_AGAIN_AFTER_S = (0.02, 0.1, 0.5, 2.0)


class PromptProcess(asynpool.Worker):
    """A child process that exits as soon as it has ended.

    billiard's child reports its end and then sleeps until the main process kills it, for up to a second; a main process
    that is stopping never does. Waiting is not needed: the pool notices the exit.
    """

    def after_fork(self) -> None:
        """As billiard's, but what has this process die with its parent is a single call.

        Celery's parses C for it where cffi is installed, which cryptography brings along: 30 ms of CPU and 3 MB in
        every child.
        """
        platforms.set_pdeathsig = lambda name: die_with_parent()
        super().after_fork()

    def _do_exit(self, pid: int, exitcode: int | None, exc: BaseException | None = None) -> None:
        status = (billiard_pool.EX_FAILURE if exc else billiard_pool.EX_OK) if exitcode is None else exitcode
        try:
            if self.on_exit is not None:
                self.on_exit(pid, status)
        finally:
            os._exit(status)


class PromptProcesses(asynpool.AsynPool):
    """A prefork pool that replaces a dead child at once."""

    Worker = PromptProcess

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        """Called when a child has closed its files, on a busy machine a moment before it can be reaped.

        Celery checks once, and then every five seconds, during which a slot would be missing. Whether that check found
        it is seen in the pool's list only: asked for its exit code again, the child may have one by now.
        """
        super()._event_process_exit(hub, proc)
        if proc in self._pool:
            for delay_s in LOOK_AGAIN_AFTER_S:
                hub.call_later(delay_s, self.maintain_pool)


class PromptPool(prefork.TaskPool):
    """The ``worker_pool`` of flowq's own workers; a team's app keeps its pool."""

    Pool = PromptProcesses
    _pool: Any

    def on_start(self) -> None:
        """As Celery's, but no collection of garbage looks at what the worker has imported.

        Celery collects before every fork, which costs more than all the rest of it; and a child that went over those
        objects would copy their pages.
        """
        gc.freeze()
        super().on_start()

    def on_stop(self) -> None:
        """As Celery's, but returns as soon as the children have ended, not at the next half second."""
        hub = get_event_loop()
        if self._pool is None or hub is None or self._pool._state not in (prefork.RUN, prefork.CLOSE):
            super().on_stop()
            return
        self._pool.close()
        ended = threading.Event()
        timers = threading.Thread(target=_fire_timers, args=(hub, ended), daemon=True, name="flowq-draining")
        timers.start()
        try:
            self._pool.join()
        finally:
            ended.set()
            timers.join(timeout=1.0)
        # The results that the join waited for queued their acknowledgements after the thread's last pass.
        prefork._run_ready_callbacks(hub)
        self._pool = None


def _fire_timers(hub: Any, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            hub.fire_timers()
            prefork._run_ready_callbacks(hub)
        except Exception:
            prefork.logger.warning("a timer failed while the pool drains", exc_info=True)
        ended.wait(FIRE_TIMERS_EVERY_S)
