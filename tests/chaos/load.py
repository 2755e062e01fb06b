"""Work for a fleet under attack: batches of several kinds, submitted one after another, and judged when it is over.

What strikes meanwhile is none of its business. It survives a Redis that goes away: submitting again under a batch's key
doubles nothing.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import flowq
from flowq.batch.fanout import Fanout
from flowq.client.handle import BatchHandle
from flowq.core.store.merge import apply_delta
from flowq.engine.connection import Connections
from flowq.engine.patience import TROUBLE
from flowq.errors import NoRedis
from tests.chaos.exactness import assert_once_each, assert_values
from tests.chaos.fleet import connect
from tests.chaos.witness import (
    AsyncWitnessed,
    Troubled,
    Witnessed,
    executions,
    fails,
    found_by_all,
    times_run,
    value_of,
)
from tests.waiting import until

LOOK_EVERY_S = 0.02
BATCHES_APART = 10_000

COUNTED = ("state", "ok", "fallback", "failed")


@dataclass(frozen=True)
class Kind:
    """A kind of batch.

    Attributes:
        name: for people.
        node: makes its node from the oracle's path.
        sizes: the fewest and the most items of a batch.
        generated: the items come from a generator, while the batch runs already.
    """

    name: str
    node: Callable[[str], Fanout[Any, Any]]
    sizes: tuple[int, int] = (20, 400)
    generated: bool = False

    @property
    def has_failures(self) -> bool:
        return self.name.startswith("troubled")


KINDS = (
    Kind("one by one", lambda path: Witnessed(path, on_error="collect")),
    Kind("chunks of 7", lambda path: Witnessed(path, on_error="collect", chunk_size=7)),
    Kind("in threads", lambda path: Witnessed(path, on_error="collect", in_flight=4)),
    Kind("async", lambda path: AsyncWitnessed(path, on_error="collect")),
    Kind("generated", lambda path: Witnessed(path, on_error="collect"), generated=True),
    Kind("troubled", lambda path: Troubled(path, on_error="collect", max_retries=2)),
    Kind("troubled, retried later", lambda path: Troubled(path, on_error="collect", max_retries=2, wait=1.5)),
    Kind("flow", lambda path: found_by_all(path, on_error="collect")),
)


@dataclass
class Batch:
    """One batch of the load: items ``first … first + n``."""

    kind: Kind
    number: int
    n: int
    handle: BatchHandle[Any]

    @property
    def first(self) -> int:
        return self.number * BATCHES_APART

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + self.n)

    def check(self, connections: Connections) -> None:
        """Every outcome is there once, the values are right and in order, the counters add up."""
        result = self.handle.result(timeout=60)
        expected = [value_of(item) for item in self.numbers]
        failed = [item - self.first for item in self.numbers if fails(item)] if self.kind.has_failures else []
        if self.kind.name == "flow":
            assert [outcome.output for outcome in result.items] == [[value] for value in expected]
            store: dict[str, Any] = {}
            apply_delta(store, result.delta, {})
            assert store == {"found": expected}
        else:
            assert_values(result, expected, failed)
        state = assert_once_each(connections, self.handle.id, self.n)
        assert (state.gen, state.confirmed) == (0, 0), f"{self.handle.id}: its aggregation is not confirmed"


class Load:
    """Keeps *backlog* items unfinished on the cluster's workers within the ``with`` block.

    Attributes:
        batches: all that were submitted.
    """

    def __init__(
        self, cluster: flowq.LocalCluster, oracle: str, rng: random.Random, *, kinds: Sequence[Kind], backlog: int
    ) -> None:
        self._executor = cluster.executor
        self._connections = connect(cluster)
        self._oracle, self._rng, self._kinds, self._backlog = oracle, rng, kinds, backlog
        self.batches: list[Batch] = []
        self._closed: dict[int, int] = {}
        self._done = 0
        self._progress_at = [time.monotonic()]
        self._submitting = threading.Event()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guard, args=(run,)) for run in (self._submit_all, self._watch)]

    def __enter__(self) -> Load:
        self._submitting.set()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._submitting.clear()
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._connections.close()

    @property
    def items(self) -> int:
        """Items submitted so far."""
        return sum(batch.n for batch in self.batches)

    @property
    def done(self) -> int:
        """Outcomes so far, as last seen."""
        return self._done

    def check_alive(self) -> None:
        """Raise what the load's own threads stumbled over."""
        if self._errors:
            raise self._errors[0]

    def finish(self, timeout_s: float) -> float:
        """Submit nothing more and wait until everything has ended, aggregations too; the seconds that took."""
        began = time.monotonic()
        self._submitting.clear()
        self._threads[0].join(timeout_s)

        def all_ended() -> bool:
            self.check_alive()
            try:
                return len(self._closed) == len(self.batches) and not self._connections.redis.exists(
                    self._connections.keys.batches
                )
            except TROUBLE:
                return False

        try:
            until(all_ended, timeout_s, f"all {len(self.batches)} batches have ended")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._open_batches()}") from None
        return time.monotonic() - began

    def longest_stall(self, since: float, upto: float) -> float:
        """The longest time between *since* and *upto* (monotonic) in which outcomes were due and none was committed."""
        upto = min(upto, self._progress_at[-1])
        moments = [since, *(at for at in self._progress_at if since < at < upto), max(since, upto)]
        return max(later - earlier for earlier, later in pairwise(moments))

    def check(self) -> None:
        """Judge every batch, and that the oracle saw each of its items run."""
        runs = times_run(self._oracle)
        for batch in self.batches:
            batch.check(self._connections)
            never = [index for index in range(batch.n) if not runs[batch.handle.id, index]]
            assert not never, f"{batch.handle.id}: items {never[:20]} have outcomes and were never run"

    def summary(self) -> str:
        """What was done, and how much of it more than once."""
        runs = times_run(self._oracle)
        kinds = Counter(batch.kind.name for batch in self.batches)
        again = Counter(count for count in runs.values() if count > 1)
        listed = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        return (
            f"{self.items:,} items in {len(self.batches)} batches ({listed}); "
            f"{len(executions(self._oracle)):,} executions; items run n times: {dict(sorted(again.items()))}"
        )

    def _open_batches(self) -> str:
        """What stands in the ledger of the batches that have not ended, for whoever has to find out why."""
        redis, keys = self._connections.redis, self._connections.keys
        lines = [f"redis clock {redis.time()}, batches {redis.zrange(keys.batches, 0, -1)}"]
        for batch in self.batches:
            if batch.number not in self._closed or redis.zscore(keys.batches, batch.handle.id) is not None:
                lines.append(f"{batch.handle.id} ({batch.kind.name}): {batch.handle.state()}")
                for part in ("open", "parked"):
                    lines.append(f"  {part} {redis.hgetall(keys.of(batch.handle.id, part))}")
                lines.append(f"  wake {redis.zrange(keys.of(batch.handle.id, 'wake'), 0, -1, withscores=True)}")
        return "\n".join(lines)

    # -- its two threads -------------------------------------------------------------------------------------------

    def _guard(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as exc:  # raised by whoever asks
            self._errors.append(exc)

    def _submit_all(self) -> None:
        while self._submitting.is_set():
            if self.items - self._done < self._backlog:
                self.batches.append(self._new_batch(len(self.batches)))
            else:
                self._stop.wait(LOOK_EVERY_S)

    def _new_batch(self, number: int) -> Batch:
        kind = self._rng.choice(self._kinds)
        n = self._rng.randint(*kind.sizes)
        key = f"{self._rng.random()}"
        numbers = range(number * BATCHES_APART, number * BATCHES_APART + n)

        def submitted() -> Any:
            items: Any = [{"item": item} for item in numbers] if kind.name == "flow" else numbers
            node = kind.node(self._oracle)
            shared: dict[str, Any] = {}
            job = node.job((item for item in items) if kind.generated else items, shared=shared, key=key)
            try:
                return self._executor.submit(job)
            except NoRedis:
                return None

        return Batch(kind, number, n, until(submitted, 60, "Redis takes a batch"))

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self._look()
            except TROUBLE:
                continue

    def _look(self) -> None:
        watched = [batch for batch in list(self.batches) if batch.number not in self._closed]
        keys = self._connections.keys
        with self._connections.redis.pipeline(transaction=False) as pipe:
            for batch in watched:
                pipe.hmget(keys.meta(batch.handle.id), COUNTED)
            replies = pipe.execute() if watched else []
        done = sum(self._closed.values())
        for batch, (state, *counters) in zip(watched, replies, strict=True):
            assert state is not None, f"Redis lost {batch.handle.id}"
            here = sum(int(counter) for counter in counters)
            done += here
            if state not in (b"running", b"paused"):
                self._closed[batch.number] = here
        if done != self._done:
            self._done = done
            self._progress_at.append(time.monotonic())


def path_in(folder: Path) -> str:
    """Where a test's oracle lies."""
    return str(folder / "executions")
