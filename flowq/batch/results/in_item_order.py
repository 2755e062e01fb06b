"""ItemOrder: puts the outcomes of commits, which come in any order, into item order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowq.batch.results.done import Done

PREFETCH = 8
PREFETCH_ITEMS = 5000


class Span(NamedTuple):
    """The range of items of a commit. A later generation, and within it a later record, replaces an earlier one.

    Attributes:
        start, upto: the range of items, *upto* excluded.
        gen: its generation.
        record: 0, or the number of the record if it is that of a parked item.
        ref: the reference by which *fetch* finds its outcomes.
    """

    start: int
    upto: int
    gen: int
    record: int
    ref: Any


class Piece(NamedTuple):
    """The outcomes of the items ``start … stop - 1``, from one commit; None if these items have none."""

    done: Done | None
    start: int
    stop: int


@dataclass(slots=True)
class _Covering:
    span: Span
    done: Done
    holes: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)


Fetch = Callable[[Sequence[Span]], Sequence[Callable[[], Done]]]


class ItemOrder:
    """An iterator over outcomes in item order, which advances as commits become known. Holds few outcomes at a time.

    Args:
        fetch: what gives the outcomes of some spans, one by one.
        at: the first item that is wanted.

    Attributes:
        at: the next item; those before it have been returned.
        read: spans that are no longer needed; the caller clears it.
    """

    def __init__(self, fetch: Fetch, at: int = 0) -> None:
        self.at = at
        self.read: list[Span] = []
        self._fetch = fetch
        self._ahead: list[Span] = []  # sorted, the first ones taken
        self._taken = 0
        self._fetched: dict[Span, Callable[[], Done]] = {}
        self._covering: list[_Covering] = []

    def note(self, span: Span) -> None:
        """Add a commit."""
        if span.upto > self.at:
            insort(self._ahead, span, lo=self._taken)
        else:
            self.read.append(span)

    def pieces(self, gen: int, n: int | None = None) -> Iterator[Piece]:
        """Yield the next outcomes, as far as they are known.

        Args:
            gen: the batch's generation: items that failed in an earlier one are not yielded, as they run again.
            n: the number of items, if the batch has ended and all its commits were added; else None.
        """
        while n is None or self.at < n:
            self._begin()
            piece = self._next(gen, n)
            if piece is None:
                return
            self.at = piece.stop
            self._end()
            yield piece

    def _begin(self) -> None:
        """Fetch the commits that start at or before the next item."""
        while self._taken < len(self._ahead) and self._ahead[self._taken].start <= self.at:
            span = self._ahead[self._taken]
            if span not in self._fetched:
                self._fetched.update(self._some(span))
            self._taken += 1
            fetched = self._fetched.pop(span)
            if span.upto <= self.at:
                self.read.append(span)
                continue
            done = fetched()
            covering = _Covering(span, done, {park.index for park in done.parked})
            covering.failed.update(i for i, outcome in done.notable.items() if outcome.status == "failed")
            self._covering.append(covering)
        if self._taken > 1000:
            del self._ahead[: self._taken]
            self._taken = 0

    def _some(self, first: Span) -> Iterator[tuple[Span, Callable[[], Done]]]:
        spans, items = [first], first.upto - first.start
        for span in self._ahead[self._taken + 1 : self._taken + PREFETCH]:
            items += span.upto - span.start
            if items > PREFETCH_ITEMS:
                break
            if span not in self._fetched:
                spans.append(span)
        return zip(spans, self._fetch(spans), strict=True)

    def _end(self) -> None:
        if any(one.span.upto <= self.at for one in self._covering):
            self.read += [one.span for one in self._covering if one.span.upto <= self.at]
            self._covering = [one for one in self._covering if one.span.upto > self.at]

    def _next(self, gen: int, n: int | None) -> Piece | None:
        at = self.at
        standing = [one for one in self._covering if at not in one.holes]
        best = max(standing, key=lambda one: (one.span.gen, one.span.record), default=None)
        if best is None or (n is None and best.span.gen < gen and at in best.failed):
            if n is None:
                return None
            return Piece(None, at, at + 1 if self._covering else self._next_start(n))
        stop = min(best.span.upto, self._next_start(best.span.upto))
        if len(self._covering) > 1:
            stop = at + 1
        else:
            others = best.holes | best.failed if best.span.gen < gen else best.holes
            stop = min((index for index in others if at < index < stop), default=stop)
        return Piece(best.done, at, stop)

    def _next_start(self, otherwise: int) -> int:
        """The first item of the next known commit."""
        return self._ahead[self._taken].start if self._taken < len(self._ahead) else otherwise
