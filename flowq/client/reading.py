"""Reading a batch while it runs: outcomes as they are committed, or values in item order. Memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.in_item_order import PREFETCH, PREFETCH_ITEMS, ItemOrder, Span
from flowq.batch.results.outcome import Outcome
from flowq.batch.results.values import Values, plain_values
from flowq.engine.connection import Connections
from flowq.engine.patience import when_there
from flowq.engine.reading.commit_line import CommitLine, read_commits
from flowq.engine.reading.results import read_state
from flowq.errors import BatchLost, ResultsFreed

WAIT_S = 1.0


class Reading:
    """One reader of a batch, from its first outcome on, or (*free*) from the first that was not freed yet.

    Args:
        connections: this process's connections.
        batch_id: the batch.
        policy: the batch's policy.
        check: called while there is nothing to read, and at the end with True; raises what ended the feeding.
        free: delete from Redis what was read; if the batch's items have keys, only once all of them have an outcome.
    """

    def __init__(
        self, connections: Connections, batch_id: str, policy: BatchPolicy, check: Callable[[bool], None], *, free: bool
    ) -> None:
        self._connections, self._batch_id, self._policy = connections, batch_id, policy
        self._check, self._free = check, free
        self._unfreed: list[Span] = []
        self._keeps_all = False

    def outcomes(self) -> Iterator[list[Outcome]]:
        """The outcomes as they are committed; last, failures from before a known redrive whose items did not rerun."""
        self._begin()
        line = CommitLine(self._connections, self._batch_id)
        redriven: dict[int, Outcome] = {}
        for spans in self._commits(line):
            for some in _groups(spans):
                for span, fetched in zip(some, self._fetch(some), strict=True):
                    outcomes = list(fetched().outcomes())
                    yield _standing(outcomes, span.gen < line.gen, redriven) if line.gen else outcomes
                    self._drop([span], -1)
            if not spans:
                yield []
        yield list(redriven.values())
        self._drop([], -1, all_of_them=True)

    def values(self, total: Callable[[], int], error: Callable[[Values], Exception | None]) -> Iterator[list[Any]]:
        """The values in item order, as ``BatchResult`` would hold them.

        Args:
            total: the number of items, asked once the batch has ended.
            error: returns what the batch raises, or None; called last.
        """
        order = ItemOrder(self._fetch, self._begin())
        values = Values(self._policy, plain_values)
        line = CommitLine(self._connections, self._batch_id)
        for spans in self._commits(line):
            for span in spans:
                order.note(span)
            for piece in order.pieces(line.gen, total() if line.ended else None):
                yield values.of(piece)
                self._drop(order.read, order.at)
                order.read = []
                if values.broken:
                    break
            if values.broken:
                break
            if not spans:
                yield []
        self._drop(order.read, order.at, all_of_them=True)
        raised = error(values)
        if raised is not None:
            raise raised

    def _begin(self) -> int:
        """The first item to read."""
        freed, keyed = when_there(self._connections, self._said)
        # An item's outcome may be needed for a twin of it until the last item has ended, after a redrive perhaps.
        self._keeps_all = keyed == b"1"
        if freed is None:
            return 0
        if not self._free:
            raise ResultsFreed(self._batch_id)
        return max(0, int(freed))

    def _said(self) -> list[bytes | None]:
        meta = self._connections.keys.meta(self._batch_id)
        said: list[bytes | None] = self._connections.redis.hmget(meta, ["freed", "keyed"])
        return said

    def _commits(self, line: CommitLine) -> Iterator[list[Span]]:
        while not line.ended:
            spans = line.take(WAIT_S)
            if not spans:
                self._check(line.ended)
            yield spans

    def _fetch(self, spans: Any) -> Any:
        try:
            return when_there(self._connections, lambda: read_commits(self._connections, self._batch_id, spans))
        except BatchLost:
            if when_there(self._connections, self._said)[0] is None:
                raise
            raise ResultsFreed(self._batch_id) from None  # by another reader, meanwhile

    def _is_cut_short(self) -> bool:
        state = when_there(self._connections, lambda: read_state(self._connections, self._batch_id))
        return state.cut or state.done < state.avail

    def _drop(self, spans: list[Span], upto: int, *, all_of_them: bool = False) -> None:
        """Free what was read, several commits at a time."""
        if not self._free:
            return
        self._unfreed += spans
        enough = sum(span.upto - span.start for span in self._unfreed) >= PREFETCH_ITEMS
        enough = (enough or len(self._unfreed) >= PREFETCH) and not self._keeps_all
        if self._unfreed and (enough or (all_of_them and not (self._keeps_all and self._is_cut_short()))):
            read = [(span.ref.field, span.ref.place) for span in self._unfreed]
            when_there(self._connections, lambda: self._connections.ledger.free(self._batch_id, read, upto))
            self._unfreed = []


def _standing(outcomes: list[Outcome], is_earlier: bool, redriven: dict[int, Outcome]) -> list[Outcome]:
    """Those of *outcomes* that are final; failures of an earlier generation wait in *redriven* for a newer outcome."""
    standing: list[Outcome] = []
    for outcome in outcomes:
        if is_earlier and outcome.status == "failed":
            redriven[outcome.index] = outcome
        else:
            redriven.pop(outcome.index, None)
            standing.append(outcome)
    return standing


def _groups(spans: list[Span]) -> Iterator[list[Span]]:
    """*spans* in groups, each to be fetched at once."""
    group: list[Span] = []
    items = 0
    for span in spans:
        items += span.upto - span.start
        if group and (items > PREFETCH_ITEMS or len(group) >= PREFETCH):
            yield group
            group, items = [], span.upto - span.start
        group.append(span)
    if group:
        yield group
