"""Commits that come in any order are handed out in item order, each item once, the newest outcome of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from flowq.batch.results.done import Done, Park
from flowq.batch.results.in_item_order import ItemOrder, Piece, Span
from flowq.batch.results.outcome import Outcome


class Batch:
    """A made-up batch: its commits, and what each item is worth in the end."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.n = self.rng.choice([0, 1, 7, 60])
        self.commits: list[tuple[Span, Done]] = []
        self.worth: dict[int, str] = {}
        at = 0
        while at < self.n:
            upto = min(self.n, at + self.rng.choice([1, 2, 5, 20]))
            self.commit(at, upto, 0, 0)
            at = upto
        self.gen = int(self.rng.random() < 0.5)
        failed = sorted(index for index, value in self.worth.items() if value.startswith("failed"))
        if self.gen:
            self.redrive(failed)

    def commit(self, start: int, upto: int, gen: int, turn: int) -> None:
        done = Done(start)
        for index in range(start, upto):
            value = f"{gen}.{turn}.{index}"
            if self.rng.random() < 0.2 and turn < 3:
                done.parked.append(Park(index, 1, 5.0, "retry"))
            elif self.rng.random() < 0.2:
                done.notable[index] = Outcome(index, "failed", error=ValueError(value))
                self.worth[index] = f"failed {value}"
            else:
                self.worth[index] = value
            done.values.append(value)
        self.commits.append((Span(start, upto, gen, turn, len(self.commits)), done))
        for park in done.parked:
            self.commit(park.index, park.index + 1, gen, turn + 1)

    def redrive(self, failed: list[int]) -> None:
        ranges: list[list[int]] = []
        for index in failed:
            if ranges and ranges[-1][-1] == index - 1 and self.rng.random() < 0.7:
                ranges[-1].append(index)
            else:
                ranges.append([index])
        for some in ranges:
            self.commit(some[0], some[-1] + 1, 1, 0)

    def fetch(self, spans: Sequence[Span]) -> list[Callable[[], Done]]:
        return [partial(self._done, span.ref) for span in spans]

    def _done(self, number: int) -> Done:
        return self.commits[number][1]


def worth(piece: Piece) -> list[str]:
    assert piece.done is not None
    outcomes = [piece.done.outcome(index) for index in range(piece.start, piece.stop)]
    return [f"failed {one.error}" if one.status == "failed" else one.output for one in outcomes]


@pytest.mark.parametrize("seed", range(300))
def test_every_item_comes_once_in_order_with_its_newest_outcome(seed: int) -> None:
    batch = Batch(seed)
    order = ItemOrder(batch.fetch)
    spans = [span for span, _ in batch.commits]
    batch.rng.shuffle(spans)
    seen: list[str] = []
    read: list[Span] = []
    while spans:
        for _ in range(batch.rng.choice([1, 3])):
            if spans:
                order.note(spans.pop())
        for piece in order.pieces(batch.gen):
            assert piece.start == len(seen)
            seen += worth(piece)
        read += order.read
        order.read = []
    for piece in order.pieces(batch.gen, batch.n):
        seen += worth(piece)
    read += order.read
    assert seen == [batch.worth[index] for index in range(batch.n)]
    assert sorted(span.ref for span in read) == list(range(len(batch.commits))), "each commit is let go of once"


def test_items_that_never_had_an_outcome_are_gaps_once_the_batch_has_ended() -> None:
    done = Done(2, ["c", "d"], parked=[Park(3, 1, 9.0, "retry")])
    order = ItemOrder(lambda spans: [lambda: done for _ in spans])
    order.note(Span(2, 4, 0, 0, None))
    assert list(order.pieces(0)) == []
    assert list(order.pieces(0, 6)) == [(None, 0, 2), (done, 2, 3), (None, 3, 4), (None, 4, 6)]


def test_a_reader_may_begin_in_the_middle() -> None:
    done = Done(0, ["a", "b", "c"])
    order = ItemOrder(lambda spans: [lambda: done for _ in spans], at=1)
    order.note(Span(0, 3, 0, 0, None))
    assert list(order.pieces(0)) == [(done, 1, 3)]
