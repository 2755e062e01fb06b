"""What a process remembers of the chunks of a graph, without the graph."""

from __future__ import annotations

import sys

from flowq.engine.known_sizes import REMEMBERED, KnownSizes, Sizes


def test_a_graph_is_not_kept_for_the_sizes_of_its_chunks() -> None:
    known, spec = KnownSizes(), b"the graph" * 1000
    before = sys.getrefcount(spec)
    known.note(spec, Sizes(7, 2))
    assert sys.getrefcount(spec) == before
    assert known.get(spec) == Sizes(7, 2)


def test_of_many_graphs_the_sizes_of_those_used_last_are_known() -> None:
    known = KnownSizes()
    for number in range(REMEMBERED + 1):
        known.note(b"graph %d" % number, Sizes(number))
    assert known.get(b"graph 0") is None
    assert known.get(b"graph 1") == Sizes(1)
