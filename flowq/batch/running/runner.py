"""Runner: runs items of a batch under its policy, in this thread or in the running event loop.

The local BatchNode, the inline executor and the workers all run their items here, so that they behave the same. Which
items come next, and where outcomes are stored, is decided by the caller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.done import Done
from flowq.batch.running.budget import within_share
from flowq.batch.running.gate import Gate
from flowq.batch.running.in_flight import InFlight, Sink, Source
from flowq.batch.running.in_order import InOrder, Stop, Watch
from flowq.batch.running.together import TriesTogether
from flowq.batch.running.told_tries import ToldTries, ToldTriesTogether
from flowq.batch.running.tries import Tries
from flowq.core.callables import is_async
from flowq.core.context import ItemContext

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout


class Runner:
    """Runs items of one batch.

    Args:
        node: the batch node; ``node.item_call()`` is called for each item.
        policy: how its items are run.
        batch_id: part of ``ctx.idempotency_key``, ``batch:index``.
        run_id: id of the durable run the batch belongs to, if any.
        worker: the name of this process in outcomes; "" for the producer's own.
        cancelled: returns whether the items are no longer needed, for ``ctx.cancelled``.
        on_progress: called for ``ctx.progress(done, total)`` with ``(ctx, done, total)``.
        on_heartbeat: called for ``ctx.heartbeat()`` with ``(ctx)``.
        on_fallback: called with the ``ctx`` before each call of ``exec_fallback``.
        gate: the checks before every try: cache, rates, circuit breaker; None for no checks.
        share: number of items that batches inside an item may have in flight (None: no limit).

    Attributes:
        is_async: whether items need an event loop, so that only ``run_async`` can run them.
        group_size: most items per call; above 1 only if the node has ``exec_many``.
    """

    def __init__(
        self,
        node: Fanout[Any, Any],
        policy: BatchPolicy,
        *,
        batch_id: str = "",
        run_id: str | None = None,
        worker: str = "",
        cancelled: Callable[[], bool] | None = None,
        on_progress: Callable[[ItemContext, float, float | None], None] | None = None,
        on_heartbeat: Callable[[ItemContext], None] | None = None,
        on_fallback: Callable[[ItemContext], None] | None = None,
        gate: Gate | None = None,
        share: int | None = None,
    ) -> None:
        self.worker = worker
        self._share = share
        self._policy = policy
        kind: Callable[..., Tries] = Tries if node.exec_many is None else TriesTogether
        listeners = node._listeners
        if listeners is not None and listeners.want("item"):
            told = ToldTries if node.exec_many is None else ToldTriesTogether
            kind = partial(told, listeners=listeners, worker=worker)
        self._tries = kind(
            node,
            policy,
            batch_id=batch_id,
            run_id=run_id,
            cancelled=cancelled,
            on_progress=on_progress,
            on_heartbeat=on_heartbeat,
            on_fallback=on_fallback,
            gate=gate,
            travels=bool(worker),
        )
        self.is_async = self._tries.is_async
        self.group_size = 1 if node.exec_many is None else policy.group_size

    def run(
        self,
        items: Sequence[Any],
        start: int,
        *,
        tries: int = 0,
        stop: Stop | None = None,
        watch: Watch | None = None,
        park_over_s: float | None = None,
        retry_over_s: float | None = None,
        max_failed: float | None = None,
    ) -> Done:
        """Run blocking items one after another in this thread.

        Args:
            items: consecutive items of the batch.
            start: index of the first.
            tries: tries that the first one has used already (it was parked).
            stop: ``stop(values, elapsed_s)`` is asked after an item, at most once a millisecond, and ends the run
                when true.
            watch: ``watch(index)`` is called before each item.
            park_over_s: an item that must wait longer for its next try is parked, and the run continues; None: it
                sleeps for any time.
            retry_over_s: the same for waits between two tries, not for those at the gate (None: as *park_over_s*).
            max_failed: number of failures that are tolerated in this run; the next one ends it. None: no limit, or 0 if
                the policy tolerates no failure, so that no item runs after the failure that ends the batch.

        Returns:
            The outcomes: of fewer items than given if the run ended early, or an item is held (``Done.held_s``).
        """
        if max_failed is None:
            max_failed = 0 if self._policy.failure_budget()[0] == 0 else float("inf")
        done = Done(start, worker=self.worker, started_at=time.time())
        with within_share(self._share):
            run = InOrder(
                self._tries, items, done, max_failed=max_failed, park_over_s=park_over_s, retry_over_s=retry_over_s
            )
            run.run(tries, stop, watch)
        return done

    @property
    def goes_straight(self) -> bool:
        """Whether async items can run one after another as plain calls: without ``ctx``, timeout, hooks and gate."""
        tries = self._tries
        return type(tries) is Tries and tries.is_plain and tries.gate is None and is_async(tries.exec)

    async def run_straight(self, items: Sequence[Any], done: Done, *, stop: Stop, max_failed: float) -> None:
        """:meth:`run` for async items where :attr:`goes_straight`, in the running event loop.

        Args:
            items, stop, max_failed: as for ``run``; before *stop* is called, the loop's other tasks get a turn.
            done: receives the outcomes, also when this is cancelled; the item that was running then has none.
        """
        done.worker, done.started_at = self.worker, time.time()
        with within_share(self._share):
            await InOrder(self._tries, items, done, max_failed=max_failed, park_over_s=None).run_async(stop)

    async def run_async(
        self,
        source: Source,
        in_flight: int,
        sink: Sink,
        *,
        park_over_s: float | None = None,
        retry_over_s: Callable[[], float | None] | None = None,
    ) -> float:
        """Run items concurrently: async ones as tasks, blocking ones in threads.

        Args:
            source: yields ``(index, item, tries_used)``; the next is read only when a place is free.
            in_flight: number of items running at once.
            sink: ``sink(index, item_done)`` is called in the loop when an item ends. An exception of the sink or the
                source ends the run.
            park_over_s: as for ``run``.
            retry_over_s: as for ``run``, asked for each item.

        Returns:
            Seconds until the last item of the source, which was not started, may start; 0.0 if all were started.

        Cancelling this cancels the items and waits for them. A blocking item cannot be cancelled: it runs to its end,
        with ``ctx.cancelled`` true, and its outcome still goes to the sink.
        """
        with within_share(self._share):
            run = InFlight(self._tries, in_flight, sink, park_over_s=park_over_s, retry_over_s=retry_over_s)
            return await run.run(source)
