"""``SinkResult``: the result of a batch whose values went to a sink. Holds where they are, and reads them on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, Unpack

from flowq.batch.account import Account, Known, R
from flowq.batch.chunk import Done
from flowq.batch.policy import OnError
from flowq.batch.sink import PartValues


@dataclass(frozen=True, slots=True)
class Part:
    """One file of JSON lines: a value a line, in item order.

    Attributes:
        address: its path, or its URL.
        start, stop: the items that it has values of.
        n: how many values it holds; fewer than items if some of these failed or are in another part.
    """

    address: str
    start: int
    stop: int
    n: int


class SinkResult(Account, Generic[R]):
    """What a batch with a ``sink`` brought: the values lie in parts, and iterating reads these in item order.

    As in a BatchResult there is None for an item that failed or was cancelled; under ``on_error="skip"`` such items are
    left out. Values come back as JSON has them: a tuple as a list, a model as a dict. Memory: the outcomes, not the
    values: a few bytes an item, and one part at a time while it is read.
    """

    _skips: bool = False

    @classmethod
    def assemble(
        cls, dones: Iterable[Done], n: int, *, on_error: OnError = "raise", **known: Unpack[Known]
    ) -> SinkResult[R]:
        """Put the runs of a batch together; see ``BatchResult.assemble``."""
        result = cls()
        result._skips = on_error == "skip"
        result._account(list(dones), n, **known)
        return result

    @property
    def parts(self) -> list[Part]:
        """The files, by their first item. All lines of all of them are all values there are, each once."""
        sunk = [done for done in self._runs if isinstance(done.values, PartValues)]
        parts = [Part(_address(d), d.start, d.upto, len(d.values) - len(d.without_value())) for d in sunk]
        return sorted(parts, key=lambda part: part.start)

    def __len__(self) -> int:
        n = len(self._owners)
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

    def __repr__(self) -> str:
        return f"<SinkResult of {self.label or 'a batch'}: {len(self)} values in {len(self.parts)} parts>"


def _address(done: Done) -> str:
    assert isinstance(done.values, PartValues)
    address: str = done.values.address
    return address
