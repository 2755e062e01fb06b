"""BatchFlow: each item on its own view of the store, the changes merged in item order."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from flowq.batch import BatchFlow, BatchResult, Done, fold_deltas, merge_done
from flowq.core import Add, Append, Flow, Max, Node, SharedStore, build, spec_of
from flowq.errors import BatchError, MergeConflict

pytestmark = pytest.mark.usefixtures("inline")


class Load(Node):
    def prep(self, shared: Any) -> Any:
        return self.params["n"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["loaded"] = prep_res


class AsyncLoad(Load):
    async def exec(self, n: int) -> int:
        await asyncio.sleep(0)
        return n


class Grade(Node):
    """Appends to a list in place, writes into a nested dict, and fails on demand."""

    def exec(self, prep_res: Any) -> Any:
        if self.params["n"] == self.params.get("fails"):
            raise ValueError("this one")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        n = shared["loaded"]
        shared.setdefault("grades", []).append(n)
        shared.setdefault("by_name", {})[f"s{n}"] = {"grade": n}
        del shared["loaded"]
        return "even" if n % 2 == 0 else "odd"


class Students(BatchFlow):
    def prep(self, shared: Any) -> Any:
        return shared["students"]

    def post(self, shared: Any, prep_res: Any, exec_res: BatchResult[Any]) -> str:
        shared["actions"] = list(exec_res)
        shared["seen_in_post"] = list(shared.get("grades", []))
        return "done"


def students(cls: type[Node] = Load, **options: Any) -> Students:
    load = cls()
    load >> Grade()
    return Students(load, **options)


def run(flow: Any, shared: Any, driven_async: bool) -> Any:
    return asyncio.run(flow.run_async(shared)) if driven_async else flow.run(shared)


ALL_WAYS = pytest.mark.parametrize(
    ("cls", "options", "driven_async"),
    [
        (Load, {}, False),
        (Load, {"concurrency": 4}, False),
        (Load, {}, True),
        (AsyncLoad, {}, False),
        (AsyncLoad, {"concurrency": 3}, True),
    ],
)


@ALL_WAYS
def test_items_change_the_store_in_item_order_before_post(cls: Any, options: Any, driven_async: bool) -> None:
    shared: dict[str, Any] = {"students": [{"n": n} for n in range(20)], "grades": [99]}
    assert run(students(cls, **options), shared, driven_async) == "done"
    assert shared["grades"] == [99, *range(20)]
    assert shared["seen_in_post"] == shared["grades"]
    assert shared["by_name"] == {f"s{n}": {"grade": n} for n in range(20)}
    assert shared["actions"] == ["even", "odd"] * 10
    assert "loaded" not in shared


@ALL_WAYS
def test_no_item_sees_what_another_wrote(cls: Any, options: Any, driven_async: bool) -> None:
    class Peeks(cls):  # type: ignore[misc]
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            seen = len(shared["log"])
            shared["log"].append(prep_res)
            return str(seen)

    shared: dict[str, Any] = {"students": [{"n": n} for n in range(9)], "log": ["before"]}
    run(Students(Peeks(), **options), shared, driven_async)
    assert shared["actions"] == ["1"] * 9
    assert shared["log"] == ["before", *range(9)]


@ALL_WAYS
def test_two_items_that_disagree_are_an_error_that_names_both(cls: Any, options: Any, driven_async: bool) -> None:
    shared: dict[str, Any] = {"students": [{"n": 1}, {"n": 1}, {"n": 2}]}
    with pytest.raises(MergeConflict, match=r"items 0 and 2 .*'loaded'"):
        run(Students(cls(), **options), shared, driven_async)
    assert "actions" not in shared


@ALL_WAYS
def test_merge_last_lets_the_last_item_win(cls: Any, options: Any, driven_async: bool) -> None:
    shared: dict[str, Any] = {"students": [{"n": n} for n in (3, 1, 2)]}
    run(Students(cls(), merge="last", **options), shared, driven_async)
    assert shared["loaded"] == 2


class Counts(Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["total"] += self.params["n"]
        shared["best"] = max(shared.get("best", 0), self.params["n"])


def test_reducers_by_key_put_changes_together() -> None:
    for merge in ({"total": Add, "best": Max}, {"total": "Add", "best": "Max"}):
        shared: dict[str, Any] = {"students": [{"n": n} for n in (3, 9, 1)], "total": 100}
        Students(Counts(), merge=merge).run(shared)
        assert (shared["total"], shared["best"]) == (113, 9)


def test_reducers_of_the_stores_schema_put_changes_together() -> None:
    class Schema(BaseModel):
        students: list[dict[str, int]]
        total: Annotated[int, Add] = 0
        best: Annotated[int, Max] = 0
        grades: Annotated[list[int], Append] = []

    shared = SharedStore({"students": [{"n": 3}, {"n": 9}]}, schema=Schema)
    Students(Counts()).run(shared)
    assert (shared["total"], shared["best"]) == (12, 9)


def test_a_merge_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="merge"):
        BatchFlow(merge="first")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no reducer is called 'Sum'"):
        BatchFlow(merge={"n": "Sum"})


def test_built_in_reducers_travel_by_name() -> None:
    flow = Students(Counts(), merge={"total": Add})
    twin = build(spec_of(flow))
    assert isinstance(twin, Students)
    assert spec_of(flow).nodes[0].kwargs["merge"] == {"total": "Add"}
    assert twin.reducers == {"total": Add}


@ALL_WAYS
def test_an_item_that_failed_changes_nothing(cls: Any, options: Any, driven_async: bool) -> None:
    shared: dict[str, Any] = {"students": [{"n": n, "fails": 2} for n in range(4)]}
    run(students(cls, on_error="collect", **options), shared, driven_async)
    assert shared["grades"] == [0, 1, 3]
    assert shared["actions"] == ["even", "odd", None, "odd"]


def test_an_item_that_is_no_dict_of_params_says_what_prep_returns() -> None:
    with pytest.raises(BatchError, match=r"prep of a BatchFlow returns dicts of params, .*, not 5"):
        students().run({"students": [5]})


def test_a_batch_that_raises_changes_nothing() -> None:
    shared: dict[str, Any] = {"students": [{"n": n, "fails": 2} for n in range(4)]}
    with pytest.raises(BatchError) as caught:
        students().run(shared)
    assert shared.keys() == {"students"}
    notes = caught.value.errors[2].__notes__
    assert any("in node Grade, item 2" in note for note in notes)


def test_a_retried_item_starts_from_the_store_as_it_was() -> None:
    class Twice(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["log"].append(self.cur_retry)
            if len(attempts) < 3:
                attempts.append(1)
                raise ValueError

    attempts: list[int] = []
    shared: dict[str, Any] = {"students": [{"n": 0}], "log": []}
    Students(Twice(), max_retries=4).run(shared)
    assert len(shared["log"]) == 1


def test_a_fallback_gives_a_value_and_no_change() -> None:
    class Forgiving(Students):
        def exec_fallback(self, params: Any, exc: Exception) -> str:
            return f"sorry {params['n']}"

    load = Load()
    load >> Grade()
    shared: dict[str, Any] = {"students": [{"n": n, "fails": 1} for n in range(3)]}
    Forgiving(load).run(shared)
    assert shared["actions"] == ["even", "sorry 1", "even"]
    assert shared["grades"] == [0, 2]


def test_a_value_may_be_a_key_of_the_items_store() -> None:
    shared: dict[str, Any] = {"students": [{"n": 4}, {"n": 5}]}
    Students(Load(), collect="loaded", merge="last").run(shared)
    assert shared["actions"] == [4, 5]


def test_an_items_params_stand_over_the_flows_own_and_reach_nested_flows() -> None:
    class Reads(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return f"{self.params['lang']}-{self.params['n']}"

    flow = Students(Flow(Reads()))
    flow.set_params({"lang": "en", "n": 0})
    shared: dict[str, Any] = {"students": [{"n": 1}, {"n": 2, "lang": "de"}]}
    flow.run(shared)
    assert shared["actions"] == ["en-1", "de-2"]


def test_batch_flows_nest_and_their_changes_come_up_level_by_level() -> None:
    class Terms(BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"term": term} for term in ("a", "b")]

    class Note(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared.setdefault("notes", []).append(f"{self.params['n']}{self.params['term']}")

    shared: dict[str, Any] = {"students": [{"n": 1}, {"n": 2}]}
    Students(Terms(Note())).run(shared)
    assert shared["notes"] == ["1a", "1b", "2a", "2b"]


@pytest.mark.parametrize("nothing", [None, [], iter(())])
def test_no_params_are_a_batch_too(nothing: Any) -> None:
    shared: dict[str, Any] = {"students": nothing}
    assert students().run(shared) == "done"
    assert shared["actions"] == []


def test_a_batch_flow_without_a_post_leads_on_by_the_default_action() -> None:
    class Plain(BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"n": 1}]

    class After(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["after"] = shared["loaded"]

    plain = Plain(Load())
    plain >> After()
    shared: dict[str, Any] = {}
    Flow(plain).run(shared)
    assert shared["after"] == 1


def test_a_batch_flow_can_be_mapped_without_a_store() -> None:
    result = BatchFlow(Load(), merge="last", collect="loaded").map([{"n": 1}, {"n": 2}])
    assert result == [1, 2]
    assert result.delta == {"loaded": ("set", 2, 1)}


def test_deltas_may_be_merged_in_segments() -> None:
    runs = [
        Done(start, [None] * 5, deltas=[{"log": ("extend", [n], n)} for n in range(start, start + 5)])
        for start in range(0, 50, 5)
    ]
    whole = merge_done(runs, {})
    assert whole["log"][1] == list(range(50))
    for cut in (1, 3, 7):
        assert fold_deltas([merge_done(runs[:cut], {}), merge_done(runs[cut:], {})], {}) == whole
    assert merge_done(reversed(runs), {}) == whole
    assert merge_done([], {}) == {}


def test_many_items_that_append_to_one_list_merge_in_passable_time() -> None:
    runs = [Done(0, [None] * 50_000, deltas=[{"log": ("extend", [n], n)} for n in range(50_000)])]
    assert len(merge_done(runs, {})["log"][1]) == 50_000
