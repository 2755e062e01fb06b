"""Which attributes a class's ``prep`` sets and its ``exec`` reads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flowq
from flowq.core.left_behind import left_behind


def loud(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def called(*args: Any) -> Any:
        return fn(*args)

    return called


class Keeps(flowq.ParallelBatchNode[int, int]):
    rate = 1
    unit = ""
    factor = 1
    client: Any = None

    @loud
    def prep(self, shared: Any) -> list[int]:
        self.rate, self.unit = shared["rate"], "s"
        self.client = "of this process"
        self.seen_by_post = len(self.unit)
        shared.factor = 2
        return [1]

    def setup(self) -> None:
        self.client = "of the worker"

    def exec(self, item: int) -> int:
        return sum(item * self.rate for _ in range(self.factor)) + len(self.client)

    def exec_fallback(self, item: int, exc: Exception) -> int:
        return len(self.unit)


class Keyed(flowq.ParallelBatchNode[int, int]):
    def prep(self, shared: Any) -> Any:
        self.params = {}
        return shared["items"]

    def exec(self, item: int) -> int:
        return item


class Heir(Keyed):
    def exec(self, item: int) -> int:
        return item + len(self.params)


def test_what_prep_sets_and_items_read_is_found_also_beneath_decorators_and_inside_of_comprehensions() -> None:
    assert left_behind(Keeps) == ("rate", "unit")


def test_what_setup_makes_on_workers_what_only_post_reads_what_others_own_and_params_are_not() -> None:
    assert left_behind(Keyed) == left_behind(Heir) == ()
    assert left_behind(flowq.ParallelBatchNode) == ()
    assert left_behind(type(flowq.parallel_batch_node(exec=len))) == ()
    assert left_behind(type(flowq.parallel_batch_node(exec=functools.partial(max, 1)))) == ()
