"""SinkResult: the result of a batch with a sink. Holds the addresses of the parts and reads the values on demand."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Generic, Unpack

from flowq.batch.policies.policy import OnError
from flowq.batch.results.account import Account, Known, R
from flowq.batch.results.done import Done
from flowq.batch.results.sink import PartValues
from flowq.errors import EncodeError
from flowq.registry import sent_in_parts

MOST_SENT = 2**24
"""Most items of a result that can be sent: the receiver allocates up to 64 MiB before it has validated the result."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of JSON lines: one value per line, in item order.

    Attributes:
        address: its path or URL.
        start, stop: the range of its items, *stop* excluded.
        n: number of values; fewer than items if some of these failed or are in another part.
    """

    address: str
    start: int
    stop: int
    n: int


@sent_in_parts
class SinkResult(Account, Generic[R]):
    """The result of a batch with a ``sink``: the values are in parts, which are read in item order by iterating.

    As in a BatchResult the value of a failed or cancelled item is None; with ``on_error="skip"`` such items are left
    out. Values are read back as JSON: a tuple as a list, a model as a dict. In memory are the outcomes, a few bytes per
    item, and one part at a time while it is read.

    Sent to another process, as in the store of a flow on workers, it remains a SinkResult that reads the same parts.
    Not sent are the items with their keys (without them ``retry_failed`` raises), the changes of a BatchFlow's items to
    the store, and the time of each item, which becomes the average of its part.
    """

    _skips: bool = False

    @classmethod
    def assemble(
        cls, dones: Iterable[Done], n: int, *, on_error: OnError = "raise", **known: Unpack[Known]
    ) -> SinkResult[R]:
        """Assemble the result of a batch; see ``BatchResult.assemble``."""
        result = cls()
        result._skips = on_error == "skip"
        result._account(list(dones), n, **known)
        return result

    @property
    def parts(self) -> list[Part]:
        """The parts, sorted by their first item. Together their lines are all values, each once."""
        sunk = [done for done in self._runs if isinstance(done.values, PartValues)]
        parts = [Part(_address(d), d.start, d.upto, len(d.values) - len(d.without_value())) for d in sunk]
        return sorted(parts, key=lambda part: part.start)

    def __len__(self) -> int:
        n = self._n
        return n - len(self._failed) - len(self._cancelled) if self._skips else n

    def __iter__(self) -> Iterator[Any]:
        at = 0
        for owner, owned in groupby(self._owners):
            stop = at + sum(1 for _ in owned)
            if owner < 0:
                values = [None] * (stop - at)
            else:
                done = self._runs[owner]
                values = list(done.values[at - done.start : stop - done.start])
            if self._skips:
                values = [value for index, value in enumerate(values, at) if self._status(index) in ("ok", "fallback")]
            yield from values
            at = stop

    def to_plain(self) -> tuple[Any, ...]:
        """The data that is sent, as plain data (and exceptions) for the codec.

        Raises:
            EncodeError: it has more than ``MOST_SENT`` items.
        """
        if self._n > MOST_SENT:
            raise EncodeError("", f"a result of more than {MOST_SENT:,} items is not sent; send what .parts says")
        runs = [replace(d, seconds=d.item_seconds, durations=None, deltas=None).to_plain() for d in self._runs]
        return self._n, self._skips, self.label, self.seconds, self.reason, self.cut_short, runs

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> SinkResult[R]:
        """The inverse of ``to_plain``.

        Raises:
            ValueError: *plain* is not valid.
        """
        n, skips, label, seconds, reason, cut_short, runs = plain
        dones = [Done.from_plain(run) for run in runs]
        if not 0 <= n <= MOST_SENT or sum(len(done.values) for done in dones) > 4 * MOST_SENT:
            raise ValueError(f"a result of {n} items")
        if not all(0 <= done.start <= done.upto <= n for done in dones):
            raise ValueError(f"a result of {n} items, with others among them")
        on_error: OnError = "skip" if skips else "raise"
        return cls.assemble(
            dones, n, on_error=on_error, label=label, seconds=seconds, reason=reason, cut_short=cut_short
        )

    def __eq__(self, other: object) -> bool:
        # Compared to find changes to a store. Without times, which sending changes, and errors, which are never equal.
        return self._told() == other._told() if isinstance(other, SinkResult) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.label, self._n))

    def __deepcopy__(self, memo: dict[int, Any]) -> SinkResult[R]:
        return copy.copy(self)  # immutable

    def _told(self) -> tuple[Any, ...]:
        noted = [[(i, one.status, one.attempts) for i, one in done.notable.items()] for done in self._runs]
        runs = [(done.start, done.upto, getattr(done.values, "address", "")) for done in self._runs]
        return self._n, self._skips, self.label, self.reason, self.cut_short, runs, noted

    def __repr__(self) -> str:
        return f"<SinkResult of {self.label or 'a batch'}: {len(self)} values in {len(self.parts)} parts>"


def _address(done: Done) -> str:
    assert isinstance(done.values, PartValues)
    address: str = done.values.address
    return address
