"""The pool of flowq's own workers: which ends of its processes it may not miss. Replacing them: test_shutdown.py."""

from __future__ import annotations

from types import SimpleNamespace

from billiard.context import ForkProcess
from billiard.pool import CLOSE
from kombu.asynchronous import Hub

from flowq.worker.pool import LOOK_AGAIN_AFTER_S, PromptProcesses


def test_a_child_that_is_missed_as_it_ends_is_looked_for_again_though_it_can_be_reaped_by_then() -> None:
    child = ForkProcess(target=int)
    child.start()
    child.join()
    assert child.exitcode == 0
    pool, hub = pool_that_replaces_nobody(), Hub()
    pool._pool = [child]
    pool._event_process_exit(hub, child)
    assert len(hub.timer) == len(LOOK_AGAIN_AFTER_S)


def test_a_child_that_was_replaced_is_not_looked_for() -> None:
    pool, hub = pool_that_replaces_nobody(), Hub()
    pool._pool = []
    pool._event_process_exit(hub, ForkProcess(target=int))
    assert len(hub.timer) == 0


def pool_that_replaces_nobody() -> PromptProcesses:
    """Its state says so: what it does on a busy machine, where a child that has ended cannot be reaped for a moment."""
    pool = PromptProcesses.__new__(PromptProcesses)
    pool._state, pool._worker_handler = CLOSE, SimpleNamespace(_state=CLOSE)
    return pool
