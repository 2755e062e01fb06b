"""Which attributes of a node its items read that workers do not have: its ``prep`` sets them, or other code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import pytest

import flowq
from flowq.core.left_behind import left_behind, set_outside


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


class Calls(flowq.ParallelBatchNode[int, int]):
    rate = 1
    loaded: list[int] | None = None

    def prep(self, shared: Any) -> list[int]:
        self.read(shared)
        self.load()
        return [1]

    def load(self) -> list[int]:
        if self.loaded is None:
            self.loaded = [1]
        return self.loaded

    def read(self, shared: Any) -> None:
        self.rate = shared["rate"]

    def exec(self, item: int) -> int:
        return self.rated(item) + len(self.load())

    def rated(self, item: int) -> int:
        return item * self.rate


class CallsItsBase(Calls):
    def prep(self, shared: Any) -> list[int]:
        return super().prep(shared)


class Keyed(flowq.ParallelBatchNode[int, int]):
    def prep(self, shared: Any) -> Any:
        self.params = {}
        return shared["items"]

    def exec(self, item: int) -> int:
        return item


class Heir(Keyed):
    def exec(self, item: int) -> int:
        return item + len(self.params)


class Takes(flowq.ParallelBatchNode[int, int]):
    mode = "plain"
    helper: Any = None

    def __init__(self, factor: int = 2, *, unit: str = "", places: int = 0, model: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor
        self.unit = unit
        self.places = places or 3
        self.model = model if places else None
        self.title = str(unit)
        self.of_post = factor

    @functools.cached_property
    def table(self) -> int:
        return self.factor

    def exec(self, item: int) -> int:
        return self.weighed(item) + len(self.unit) + self.table + self.places + len(self.title) + bool(self.model)

    def weighed(self, item: int) -> int:
        return item * self.factor + len(self.mode)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["told"] = self.of_post


class TakesMore(Takes):
    def __init__(self, factor: int) -> None:
        super().__init__(factor + 1)

    def exec(self, item: int) -> int:
        return super().exec(item) + self.extra  # type: ignore[attr-defined]


class HandsItselfOn(Takes):
    def exec(self, item: int) -> int:
        return helped(self, item)


@dataclasses.dataclass
class Declared(flowq.ParallelBatchNode[int, int]):
    factor: int = 1
    seen: list[int] = dataclasses.field(default_factory=list)

    def exec(self, item: int) -> int:
        return item * self.factor + len(self.seen)


def passes_a_factor(fn: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(fn)
    def made(self: Any, **options: Any) -> None:
        fn(self, 7, **options)

    return made


class IsPassed(flowq.ParallelBatchNode[int, int]):
    mode = "plain"

    @passes_a_factor
    def __init__(self, factor: int, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def exec(self, item: int) -> int:
        return item * self.factor + len(self.mode)


def helped(node: Any, item: int) -> int:
    node.mode = "helped"
    return item + len(node.mode)


def test_what_prep_sets_and_items_read_is_found_also_beneath_decorators_and_inside_of_comprehensions() -> None:
    assert left_behind(Keeps()) == ["rate", "unit"]


def test_what_a_method_sets_for_prep_and_one_reads_for_exec_is_found_but_not_what_items_set_for_themselves() -> None:
    assert left_behind(Calls()) == left_behind(CallsItsBase()) == ["rate"]


def test_what_setup_makes_on_workers_what_only_post_reads_what_others_own_and_params_are_not() -> None:
    assert left_behind(Keyed()) == left_behind(Heir()) == []
    assert left_behind(flowq.ParallelBatchNode()) == []
    assert left_behind(flowq.parallel_batch_node(exec=len)) == []
    assert left_behind(flowq.parallel_batch_node(exec=functools.partial(max, 1))) == []


@pytest.mark.parametrize("name", ["factor", "unit", "mode", "weighed"])
def test_what_is_set_after_the_constructor_and_read_by_items_is_found(name: str) -> None:
    node = Takes(5, unit="s")
    assert set_outside(node, is_whole=False) == []
    setattr(node, name, "another")
    assert set_outside(node, is_whole=False) == [name]


def test_what_only_prep_and_post_read_is_found_where_these_run_on_workers() -> None:
    node = Takes()
    node.of_post = 7
    assert set_outside(node, is_whole=False) == []
    assert set_outside(node, is_whole=True) == ["of_post"]


def test_what_the_constructor_may_have_made_of_its_arguments_is_not_found_nor_what_is_computed() -> None:
    node = Takes(model="small", places=1)
    node.places, node.title, node.model, _ = 5, "title", "large", node.table
    assert set_outside(node, is_whole=True) == []


def test_a_class_that_hands_itself_on_may_be_set_by_others_and_what_its_constructor_takes_is_its_own() -> None:
    node = HandsItselfOn(3)
    node.exec(1)
    assert set_outside(node, is_whole=True) == []


def test_what_a_constructor_hands_to_that_of_its_base_is_not_found_but_what_no_class_sets_is() -> None:
    node = TakesMore(1)
    assert set_outside(node, is_whole=False) == []
    node.extra = node.factor = 5  # type: ignore[attr-defined]
    assert set_outside(node, is_whole=False) == ["extra"]


def test_what_a_constructor_beneath_a_decorator_sets_to_a_parameter_is_not_found() -> None:
    node = IsPassed()
    assert set_outside(node, is_whole=False) == []
    node.factor, node.mode = 3, "another"
    assert set_outside(node, is_whole=False) == ["mode"]


def test_a_field_of_a_dataclass_that_is_set_later_is_found() -> None:
    node = Declared(2)
    assert set_outside(node, is_whole=False) == []
    node.factor = 3
    node.seen = [1]
    assert set_outside(node, is_whole=False) == ["factor"]
