"""Account: the outcomes, errors and statistics of a batch that has ended, and the retry of its failed items."""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self, TypeAlias, TypedDict, TypeVar, Unpack, overload

from flowq.batch.policies.policy import BatchPolicy, OnError
from flowq.batch.results.done import Done
from flowq.batch.results.outcome import Outcome, key_for_people
from flowq.batch.results.stats import Stats, item_times, quantile
from flowq.core.drive import Steps, drive, drive_async
from flowq.core.store.compare import same
from flowq.core.store.reducers import MISSING
from flowq.errors import BatchError, ItemCancelled

R = TypeVar("R")

Again: TypeAlias = Callable[[Sequence[int]], Steps[Any]]

_NOBODY = -1

_log = logging.getLogger("flowq.batch")


class Known(TypedDict, total=False):
    """Facts about a batch besides its ``Done`` records.

    Attributes:
        label: the displayed name of the batch.
        seconds: its wall time.
        reason: why it ended before its last item; "" if it did not.
        cut_short: whether it ended before all its items were read.
        inputs: the items that are still available, by index.
        key_of: the node's ``key=`` function.
        again: runs the items at these indices again; called by ``retry_failed``.
        over_store: whether the items ran on overlays of a store of the caller.
    """

    label: str
    seconds: float
    reason: str
    cut_short: bool
    inputs: Mapping[int, Any] | Sequence[Any] | None
    key_of: Callable[[Any], str] | None
    again: Again | None
    over_store: bool


class Account:
    """The outcomes of the items of a batch that has ended.

    Attributes:
        items: a lazy sequence with one ``Outcome`` per item, whatever ``on_error`` says. An item that had no outcome
            when the batch ended is "cancelled".
        label: the displayed name of the batch.
        seconds: its wall time.
        reason: why it ended before its last item; "" if it did not.
        cut_short: whether it ended before all its items were read, so that there may be more items than these.
        delta: for a BatchFlow, the merged changes of its items to the store.
    """

    label: str = ""
    seconds: float = 0.0
    reason: str = ""
    cut_short: bool = False
    delta: Any = None

    _runs: list[Done]
    _n: int
    _inputs: Mapping[int, Any] | Sequence[Any] | None = None
    _key_of: Callable[[Any], str] | None = None
    _again: Again | None = None
    _over_store: bool = False

    @property
    def items(self) -> Outcomes:
        """One outcome per item, created on access."""
        return Outcomes(self, range(self._n))

    @property
    def ok(self) -> Outcomes:
        """The outcomes that have an output: "ok" and "fallback"."""
        without = {*self._failed, *self._cancelled}
        return Outcomes(self, [index for index in range(self._n) if index not in without])

    @property
    def failed(self) -> Outcomes:
        """The outcomes of the items that failed."""
        return Outcomes(self, self._failed)

    @property
    def cancelled(self) -> Outcomes:
        """The outcomes of the items that did not end before the batch did."""
        return Outcomes(self, self._cancelled)

    @property
    def errors(self) -> dict[int, Exception]:
        """The exception of each failed item, by its index."""
        found = ((index, self._standing[index].error) for index in self._failed)
        return {index: error for index, error in found if error is not None}

    def stats(self) -> Stats:
        """The batch's statistics."""
        noted = Counter(outcome.status for outcome in self._standing.values())
        n, cancelled = self._n, len(self._cancelled)
        times = item_times(self._runs)
        wall_s = max(self.seconds, 1e-9)
        return Stats(
            n=n,
            ok=n - cancelled - noted["fallback"] - noted["failed"],
            fallback=noted["fallback"],
            failed=noted["failed"],
            cancelled=cancelled,
            retried=sum(outcome.attempts > 1 for outcome in self._standing.values()),
            p50_s=quantile(times, 0.5),
            p95_s=quantile(times, 0.95),
            max_s=times[-1] if times else 0.0,
            seconds=self.seconds,
            items_per_s=(n - cancelled) / wall_s,
            speedup=sum(run.item_seconds for run in self._runs) / wall_s,
        )

    def retry_failed(self) -> Self:
        """Run the failed and cancelled items again; returns the result of the whole batch with their new outcomes.

        They run where the batch ran, or in the calling process in the ``post`` of a submitted flow. Items that fail
        again do not raise: check ``.failed``, or call ``raise_for("raise")``. No store is changed: ``.delta`` holds the
        changes of all items of a BatchFlow, and a warning is logged if it has changed. ``flow.take(shared, result)``
        applies them to a store that has none of them, as after a BatchError; if the flow went on
        (``on_error="collect"``), the store already has the changes of the items that succeeded.

        Raises:
            ValueError: this result no longer holds the items.
        """
        return drive(self._retried())

    async def retry_failed_async(self) -> Self:
        """Like ``retry_failed``, in the running event loop."""
        return await drive_async(self._retried())

    def _retried(self, again: Again | None = None) -> Steps[Self]:
        again = again or self._again
        indices = sorted([*self._failed, *self._cancelled])
        if not indices:
            return self
        if self._inputs is not None:  # otherwise `_again` has them
            indices = [index for index in indices if self._has_input(index)]
        if again is None or not indices:
            raise ValueError("this result does not hold its items any more: run the batch again from its source")
        result: Self = yield from again(indices)
        if self._over_store and result.delta and not same(result.delta, self.delta):
            _log.warning(
                "%s: the changes of the items that ran again are in no store; flow.take(shared, result) applies the "
                "changes of all items to a store that has none of them", self.label or "a batch",
            )  # fmt: skip
        return result

    def raise_for(self, on_error: OnError, max_failures: int | float | None = None) -> None:
        """Raise the BatchError that a batch with these policies raises.

        "collect" never raises. "raise" and "skip" raise if the batch ended before its last item, or has more failures
        than *max_failures* allows (None: no failure with "raise", any number with "skip").

        Raises:
            BatchError: with the exceptions of the failed items by index, and this result as ``.results``.
        """
        if on_error == "collect":
            return
        policy = BatchPolicy(on_error=on_error, max_failures=max_failures)
        if self._cancelled or self.cut_short or len(self._failed) > policy.failures_allowed(self._n):
            raise BatchError(self._summary(), self.errors or self._first_cancelled(), self)

    def outcome(self, index: int) -> Outcome:
        """The outcome of the item at *index* (0 ≤ index < n)."""
        owner = self._owners[index]
        item = self._input(index)
        key = None if item is MISSING else key_for_people(self._key_of, item)
        item = None if item is MISSING else item
        if owner == _NOBODY:
            return Outcome(index, "cancelled", error=ItemCancelled(self._why()), attempts=0, key=key, input=item)
        return self._runs[owner].outcome(index, key=key, input=item)

    def _input(self, index: int) -> Any:
        if self._inputs is None:
            return MISSING
        try:
            return self._inputs[index]
        except LookupError:  # the item was dropped; a LookupError would end an iteration over the outcomes
            return MISSING

    def _has_input(self, index: int) -> bool:
        if self._inputs is None:
            return False
        return index in self._inputs if isinstance(self._inputs, Mapping) else index < len(self._inputs)

    @cached_property
    def _owners(self) -> array[int]:
        """For each item the number of the ``Done`` that holds its outcome; computed only if outcomes are read."""
        owners = array("i", [_NOBODY]) * self._n
        for number, done in enumerate(self._runs):
            before = [(park.index, owners[park.index]) for park in done.parked]
            owners[done.start : done.upto] = array("i", [number]) * len(done.values)
            for index, owner in before:
                owners[index] = owner
        return owners

    @cached_property
    def _standing(self) -> dict[int, Outcome]:
        """The outcomes other than first-try successes, unless a later ``Done`` replaces them."""
        return {
            index: outcome
            for number, run in enumerate(self._runs)
            for index, outcome in run.notable.items()
            if self._owners[index] == number
        }

    @cached_property
    def _failed(self) -> list[int]:
        return sorted(index for index, outcome in self._standing.items() if outcome.status == "failed")

    @cached_property
    def _cancelled(self) -> list[int]:
        if _cover_all(self._runs, self._n) or _NOBODY not in self._owners:
            return []
        return [index for index, owner in enumerate(self._owners) if owner == _NOBODY]

    def _status(self, index: int) -> str:
        if self._owners[index] == _NOBODY:
            return "cancelled"
        noted = self._standing.get(index)
        return "ok" if noted is None else noted.status

    def _why(self) -> str:
        return self.reason or "the batch ended before this item had an outcome"

    def _first_cancelled(self) -> dict[int, Exception]:
        index = self._cancelled[0] if self._cancelled else self._n
        return {index: ItemCancelled(self._why())}

    def _summary(self) -> str:
        parts = [f"{len(self._failed)} of {self._n} items failed"]
        if self._failed:
            first = self._failed[0]
            error = self._standing[first].error
            parts.append(f"first item {first}: {type(error).__name__}: {error}")
        if self._cancelled:
            parts.append(f"{len(self._cancelled)} cancelled: {self._why()}")
        elif self.cut_short:
            parts.append(f"those that follow were never read: {self._why()}")
        return f"{self.label or 'batch'}: {'; '.join(parts)}"

    def _account(self, runs: list[Done], n: int, **known: Unpack[Known]) -> None:
        """Set the ``Done`` records and facts of the batch; see ``BatchResult.assemble`` for the arguments."""
        self._runs, self._n = runs, n
        self.label, self.seconds = known.get("label", ""), known.get("seconds", 0.0)
        self.reason, self.cut_short = known.get("reason", ""), known.get("cut_short", False)
        self._inputs, self._key_of, self._again = known.get("inputs"), known.get("key_of"), known.get("again")
        self._over_store = known.get("over_store", False)


def _cover_all(runs: Sequence[Done], n: int) -> bool:
    """Whether *runs*, in order, cover all *n* items without a parked one."""
    covered = 0
    for done in runs:
        if done.parked or done.start > covered:
            return False
        covered = max(covered, done.upto)
    return covered >= n


class Outcomes(Sequence[Outcome]):
    """A lazy sequence of a result's outcomes, each created on access."""

    __slots__ = ("_indices", "_result")

    def __init__(self, result: Account, indices: Sequence[int]) -> None:
        self._result = result
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, at: int) -> Outcome: ...
    @overload
    def __getitem__(self, at: slice) -> Outcomes: ...
    def __getitem__(self, at: int | slice) -> Outcome | Outcomes:
        if isinstance(at, slice):
            return Outcomes(self._result, self._indices[at])
        return self._result.outcome(self._indices[at])

    def __repr__(self) -> str:
        return f"<{len(self)} outcomes of {self._result.label or 'a batch'}>"
