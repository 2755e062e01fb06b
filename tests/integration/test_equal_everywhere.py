"""P8: the same code runs inline and on workers, with equal results. One suite, two executors."""

from __future__ import annotations

import copy
import pickle
import threading
from array import array
from collections import Counter, OrderedDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.core.node import Node
from tests import nested, nodes


def shape(result: flowq.BatchResult[Any]) -> list[tuple[Any, ...]]:
    """Everything of a result that must not depend on where it ran."""
    return [
        (o.index, o.status, o.output, o.attempts, type(o.error), str(o.error), getattr(o.error, "__notes__", None))
        for o in result.items
    ]


@pytest.mark.parametrize("node", [nodes.Square, nodes.AsyncSquare])
@pytest.mark.parametrize("n", [0, 1, 2, 257, 5000])
def test_values_come_in_item_order(executor: str, node: Callable[[], Any], n: int) -> None:
    assert node().map(range(n)) == [i * i for i in range(n)]


def test_values_of_every_kind_come_back_as_they_were(executor: str) -> None:
    items = [None, True, 2**70, -0.5, "ü", b"\x00", (1, (2,)), [1, [2]], {"a": {1: 2}}, {3, 4}, nodes.Point(1, 2)]
    result = nodes.Echo().map(items)
    assert result == items
    assert [type(value) for value in result] == [type(value) for value in items]


def test_what_is_counted_and_grouped_comes_back_as_it_was(executor: str) -> None:
    result = nodes.Digits().map([range(8, 12), range(0), range(100, 90, -5)])
    assert list(result) == [
        (Counter("891011"), {1: [8, 9], 2: [10, 11]}),
        (Counter(), {}),
        (Counter("10095"), {3: [100], 2: [95]}),
    ]
    for counts, groups in result:
        assert (type(counts), type(groups), groups.default_factory) == (Counter, defaultdict, list)
    assert sum((counts for counts, _ in result), Counter()).most_common(1) == [("1", 4)]


@pytest.mark.parametrize("node", [nodes.Picky, nodes.AsyncPicky])
def test_each_item_has_its_own_outcome(executor: str, node: type[nodes.Picky]) -> None:
    result = node(on_error="collect").map(range(200))
    expected = []
    for item in range(200):
        if item % 5 == 0:
            status = "fallback" if item % 11 == 3 or item % 7 == 0 or item % 5 == 0 else "ok"
        elif item % 11 == 3 or item % 7 == 0:
            status = "failed"
        else:
            status = "ok"
        expected.append(status)
    assert [outcome.status for outcome in result.items] == expected
    assert {type(error) for error in result.errors.values()} == {flowq.RemoteError, nodes.Refused}
    assert all(value is None for value, status in zip(result, expected, strict=True) if status == "failed")


def test_outcomes_are_equal_to_the_letter(cluster: flowq.LocalCluster, request: pytest.FixtureRequest) -> None:
    on_workers = shape(nodes.Picky(on_error="collect").map(range(100)))
    request.getfixturevalue("inline")
    assert shape(nodes.Picky(on_error="collect").map(range(100))) == on_workers


def test_raise_is_a_group_that_keeps_indices_and_finished_work(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        nodes.Picky().map([1, 2, 7, 4])
    assert list(raised.value.errors) == [2]
    assert isinstance(raised.value.errors[2], nodes.Refused)
    assert raised.value.results.items[2].status == "failed"
    assert {outcome.status for outcome in raised.value.results.items} <= {"ok", "failed", "cancelled"}


def test_skip_leaves_failed_items_out(executor: str) -> None:
    result = nodes.Picky(on_error="skip").map([1, 7, 2, 14, 4])
    assert result == [2, 3, 5]
    assert [outcome.status for outcome in result.items] == ["ok", "failed", "ok", "failed", "ok"]


@pytest.mark.parametrize("node", [nodes.FailsTwice, nodes.AsyncFailsTwice])
def test_attempts_are_exact_under_concurrency(executor: str, node: Callable[..., Any]) -> None:
    result = node(max_retries=3).map(range(1000))
    assert result == list(range(1000))
    assert {outcome.attempts for outcome in result.items} == {3}
    failed = node(max_retries=2, on_error="collect").map(range(1000))
    assert {(outcome.status, outcome.attempts) for outcome in failed.items} == {("failed", 2)}


@pytest.mark.parametrize(("bad", "ends_well"), [(49, True), (50, True), (51, False)])
def test_a_share_of_failures_is_put_up_with(executor: str, bad: int, ends_well: bool) -> None:
    node = Fails(bad, on_error="collect", max_failures=0.05)
    result = node.map(range(1000))
    statuses = [outcome.status for outcome in result.items]
    assert statuses.count("ok") + statuses.count("failed") + statuses.count("cancelled") == 1000
    assert (statuses.count("cancelled") == 0) is ends_well
    if ends_well:
        assert statuses.count("failed") == bad


Fails = nodes.FailsFirst


def test_what_cannot_travel_back_fails_alone(cluster: flowq.LocalCluster) -> None:
    result = nodes.Unencodable(on_error="collect").map(range(9))
    assert [outcome.status for outcome in result.items] == ["failed", "ok", "ok"] * 3
    assert isinstance(result.errors[3], flowq.EncodeError)


@pytest.mark.parametrize("given", [None, [], iter(()), (i for i in range(0))])
def test_no_items_still_run_post(executor: str, given: Any) -> None:
    shared: dict[str, Any] = {"items": given}
    nodes.FromStore().run(shared)
    assert shared["result"] == []


def test_a_generator_is_read_lazily_and_works(executor: str) -> None:
    shared: dict[str, Any] = {"items": (i for i in range(3000))}
    nodes.FromStore().run(shared)
    assert shared["result"] == list(range(3000))


class ByIndex(Sequence[Any]):
    """A sequence that takes no slices."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._n:
            raise IndexError(index)
        return index


SEQUENCES: list[Callable[[int], Sequence[Any]]] = [
    ByIndex,
    lambda n: deque(range(n)),
    lambda n: UserList(range(n)),
    lambda n: array("q", range(n)),
]


@pytest.mark.parametrize("n", [1, 700])
@pytest.mark.parametrize("made", SEQUENCES, ids=["by index", "deque", "UserList", "array"])
def test_a_sequence_that_is_no_list_is_read_item_by_item(
    executor: str, made: Callable[[int], Sequence[Any]], n: int
) -> None:
    assert nodes.Echo().map(made(n)) == list(range(n))
    assert nodes.Echo().map(made(n), limit=500) == list(range(min(n, 500)))
    assert nodes.FailsOn([0], on_error="collect").submit(made(n)).result(timeout=20).failed[0].input == 0


@pytest.mark.parametrize("given", [7, "text", {"a": 1}])
def test_what_is_no_batch_is_refused(executor: str, given: Any) -> None:
    with pytest.raises(flowq.BatchInputError, match="FromStore"):
        nodes.FromStore().run({"items": given})


def test_a_node_that_does_nothing_with_its_items_is_refused(executor: str) -> None:
    for begin in (flowq.ParallelBatchNode().map, flowq.ParallelBatchNode().submit):
        with pytest.raises(flowq.FlowError, match=r"define exec\(self, item\)"):
            begin([1, 2])


def test_limit_tries_the_first_items(executor: str) -> None:
    assert nodes.Square().map(range(1000), limit=10) == [i * i for i in range(10)]


def test_too_many_items_are_refused(executor: str) -> None:
    with pytest.raises(flowq.BatchInputError, match="max_items=5"):
        nodes.Square(max_items=5).map(range(6))


async def test_an_async_run_takes_the_same_path(executor: str) -> None:
    assert await nodes.Square().map_async(range(100)) == [i * i for i in range(100)]
    shared: dict[str, Any] = {"items": range(5)}
    await nodes.FromStore().run_async(shared)
    assert shared["result"] == [0, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore:Flow ends")
def test_batch_flow_items_are_isolated_and_merge_in_item_order(executor: str) -> None:
    shared: dict[str, Any] = {"base": 10, "count": 40, "log": ["before"]}
    nodes.count_all().run(shared)
    assert shared["found"] == [10 + n for n in range(40)]
    assert shared["log"] == ["before", *range(0, 40, 2)]
    assert shared["by_n"] == {f"n{n}": 10 + n for n in range(40)}


def test_two_items_that_contradict_each_other_are_named(executor: str) -> None:
    flow = nodes.CountAll(start=nodes.Quarrel())
    with pytest.raises(flowq.MergeConflict, match="winner") as raised:
        flow.run({"count": 5})
    assert (raised.value.first, raised.value.second) == (0, 1)
    shared: dict[str, Any] = {"count": 5}
    nodes.CountAll(start=nodes.Quarrel(), merge="last").run(shared)
    assert shared["winner"] == 4


def tallied(writers: list[int]) -> dict[str, Any]:
    """A store of containers, of which NaN makes two that are not equal to their own copies."""
    containers = {
        "seen": Counter(left=9),
        "groups": defaultdict(list, {"a": [1]}),
        "order": OrderedDict({"b": float("nan"), "a": 1}),
        "recent": deque([float("nan"), 2], maxlen=3),
        "row": array("d", [float("nan"), 1]),
    }
    return {**containers, "read": list(containers), "writers": writers, "count": 4}


TYPES = [["Counter", "defaultdict", "OrderedDict", "deque", "array"]] * 4


def test_a_counter_that_one_item_changed_is_that_counter_in_the_store(executor: str) -> None:
    shared = tallied(writers=[2])
    nodes.CountAll(start=nodes.Tally()).run(shared)
    assert shared["types"] == TYPES
    assert shared["seen"] == Counter(left=8, all=1, n2=1)
    assert type(shared["seen"]) is Counter
    assert (shared["groups"].default_factory, shared["recent"].maxlen, list(shared["order"])) == (list, 3, ["b", "a"])


def test_a_counter_that_two_items_changed_is_not_merged_as_a_dict(executor: str) -> None:
    with pytest.raises(flowq.MergeConflict, match=r"A Counter is not added up by itself.*'seen': flowq\.Add") as raised:
        nodes.CountAll(start=nodes.Tally()).run(tallied(writers=[1, 3]))
    assert (raised.value.first, raised.value.second) == (1, 3)
    shared = tallied(writers=[1, 3])
    nodes.CountAll(start=nodes.Tally(), merge="last").run(shared)
    assert shared["seen"] == Counter(left=8, all=1, n3=1)


def test_counters_are_added_up_where_that_is_asked_for(executor: str) -> None:
    shared = tallied(writers=[0, 1, 3])
    nodes.CountAll(start=nodes.Tally(), merge={"seen": flowq.Add}).run(shared)
    assert shared["types"] == TYPES
    assert (type(shared["seen"]), shared["seen"]) == (Counter, Counter(left=6, all=3, n0=1, n1=1, n3=1))


def test_an_argument_travels_with_its_node(executor: str) -> None:
    assert nodes.Scaled(7).map([1, 2]) == [7, 14]


def test_a_nested_batch_runs_inside_its_item(executor: str) -> None:
    assert nodes.Nested().map([2, 3]) == [[0, 1], [0, 1, 4]]


@pytest.mark.parametrize("node", [nested.RunsFlows, nested.RunsFlowsAsync, nested.RunsFlowsHere])
def test_a_flow_runs_inside_of_an_item(executor: str, node: type[Node[Any, Any]]) -> None:
    assert node().map([1, 5]) == [3, 7]  # type: ignore[attr-defined]


def test_functional_nodes_travel(executor: str) -> None:
    assert isinstance(nodes.triple, Node)
    assert nodes.triple.map([1, 2]) == [3, 6]


def test_the_nodes_of_a_submitted_flow_are_no_items_and_share_no_idempotency_key(executor: str) -> None:
    charge = nodes.SaysWhichItem(name="charge")
    charge >> nodes.SaysWhichItem(name="refund")
    told = flowq.Flow(charge).submit({}).result(timeout=20).shared["told"]
    assert list(told) == [(None, None, None)] * 2
    with pytest.raises(ValueError, match="None, None, None") as failed:
        flowq.Flow(nodes.SaysWhichItem(True, name="charge")).submit({}).result(timeout=20)
    assert failed.value.__notes__[0] == "in node charge, attempt 1"


def _warned_of_prep(executor: str, name: str) -> AbstractContextManager[object]:
    """On workers, expects the warning that items read what ``prep`` sets; anything else is an error in these tests."""
    if executor == "inline":
        return nullcontext()
    return pytest.warns(UserWarning, match=f"sets self.{name}, which its items read.*make it in setup")


def test_items_that_would_silently_run_with_the_default_of_what_prep_sets_are_warned_of(executor: str) -> None:
    flow, shared = flowq.Flow(nodes.DefaultsInPrep()), {"base": 5}
    with _warned_of_prep(executor, "base"):
        flow.run(shared)
    assert shared["sums"] == ([6, 7] if executor == "inline" else [1, 2])
    with _warned_of_prep(executor, "base"):
        run = flow.submit({"base": 5})
    assert run.result(timeout=20).shared["sums"] == shared["sums"]
    assert nodes.DefaultsInPrep().map([1, 2]) == [1, 2]  # without prep, the default is what is meant


def test_an_attribute_that_is_set_after_the_constructor_stays_in_the_program_and_is_warned_of(executor: str) -> None:
    node = nodes.Scaled(7)
    node.factor = 3
    warned = pytest.warns(UserWarning, match="factor of Scaled was set after the node was made.*another self.factor")
    with nullcontext() if executor == "inline" else warned:
        assert node.map([1, 2]) == ([3, 6] if executor == "inline" else [7, 14])


def test_an_attribute_that_prep_sets_stays_in_the_program_and_who_misses_it_is_told(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as failed, _warned_of_prep(executor, "base"):
        nodes.KeepsInPrep().run({"base": 5})
    (error,) = failed.value.exceptions
    assert isinstance(error, AttributeError)
    said = [note for note in error.__notes__ if "setup" in note]
    if executor == "workers":
        assert "no attribute 'base'" in str(error)
        assert said[0].startswith("self.base is a matter of prep, which runs in the program")
    else:
        assert "no attribute 'nowhere'" in str(error)
        assert not said


def test_a_batch_whose_source_raised_is_gone_on_with_under_its_key(executor: str, tmp_path: Path) -> None:
    def numbers(broken: bool) -> Iterator[int]:
        for number in range(300):
            if broken and number == 200:
                raise OSError("the database is away")
            yield number

    first = nodes.Square().submit(numbers(broken=True), key=str(tmp_path))
    with pytest.raises(OSError, match="database is away"):
        first.result(timeout=20)
    second = nodes.Square().submit(numbers(broken=False), key=str(tmp_path))
    assert second.id == first.id
    assert second.result(timeout=20) == [number * number for number in range(300)]
    assert nodes.Square().submit(numbers(broken=True), key=str(tmp_path)).result(timeout=20)[299] == 299 * 299


@pytest.mark.parametrize(
    ("given", "what"), [({"key": 7}, "key"), ({"key": date(2026, 11, 22)}, "key"), ({"label": 5}, "label")]
)
def test_a_key_or_a_label_that_is_no_text_is_refused(executor: str, given: dict[str, Any], what: str) -> None:
    with pytest.raises(TypeError, match=rf"the {what} of a batch or run is text, not .*: give {what}=str"):
        nodes.Square().submit([1], **given)
    with pytest.raises(TypeError, match=rf"the {what} of a batch or run is text, not .*: give {what}=str"):
        flowq.Flow(nodes.SquaresOf()).submit({"n": 1}, **given)


def test_a_result_and_what_it_raises_can_be_pickled_and_copied(executor: str) -> None:
    result = nodes.Picky(on_error="collect").map(range(20))
    assert result.errors
    pickled = pickle.loads(pickle.dumps(result))
    assert (type(pickled), pickled) == (list, list(result))
    for copied in (copy.copy(result), copy.deepcopy(result)):
        assert (type(copied), list(copied.items), copied.errors) == (
            flowq.BatchResult,
            list(result.items),
            result.errors,
        )
    with pytest.raises(flowq.BatchError) as failed:
        nodes.Picky().map(range(20))
    failed.value.add_note("seen here")
    error = pickle.loads(pickle.dumps(failed.value))
    assert (type(error), str(error), error.__notes__) == (flowq.BatchError, str(failed.value), ["seen here"])
    assert {i: str(one) for i, one in error.errors.items()} == {i: str(one) for i, one in failed.value.errors.items()}
    assert error.results == list(failed.value.results)


@pytest.mark.parametrize(("node", "shared"), [(nodes.PutsALock, {}), (nodes.SaysWhichItem, {"lock": threading.Lock()})])
def test_what_the_store_of_a_submitted_flow_cannot_keep_is_named(
    executor: str, node: type[Node[Any, Any]], shared: dict[str, Any]
) -> None:
    with pytest.raises(flowq.FlowqError, match=r"shared\['lock'\]"):
        flowq.Flow(node()).submit(shared).result(timeout=20)


def test_the_items_that_post_is_given_can_be_kept_in_the_store(executor: str) -> None:
    shared = {"items": [{"n": 1}, None, (2, "b")]}
    ended = flowq.Flow(nodes.KeepsItsItems()).submit(shared).result(timeout=20).shared
    assert ended["kept"] == shared["items"]
    assert ended["by name"] == {"kept": shared["items"], "same": True}
    flow = nodes.CountAll(start=nodes.KeepsItsItems(), merge="last")
    within = {**shared, "count": 1}
    flow.run(within)
    assert within["by name"] == {"kept": shared["items"], "same": True}
    assert type(within["kept"]) is list


@pytest.mark.parametrize(
    ("how", "told", "note"),
    [
        ("registered", nodes.Refused, "in node Raises, attempt 1"),
        ("not registered", flowq.RemoteError, "in node Raises, attempt 1"),
        ("holds a lock", flowq.RemoteError, "in node Raises, attempt 1"),
        ("no exception", flowq.ItemCancelled, "in node Flow"),
        ("a batch", flowq.BatchError, "in node Raises, attempt 1"),
    ],
)
def test_a_submitted_flow_fails_with_what_any_process_can_rebuild(
    executor: str, how: str, told: type[Exception], note: str
) -> None:
    run = flowq.Flow(nodes.Raises(how)).submit({})
    with pytest.raises(told) as failed:
        run.result(timeout=20)
    assert run.status == "failed"
    assert type(failed.value) is told
    assert failed.value.__notes__[0] == note
    assert getattr(failed.value, "results", None) is None


@pytest.mark.parametrize("count", [5, 700])
@pytest.mark.parametrize("on_error", ["collect", "skip"])
def test_post_in_a_submitted_flow_is_told_of_every_item_of_a_generator(
    executor: str, on_error: Any, count: int
) -> None:
    run = flowq.Flow(nodes.TellsOutcomes(on_error=on_error)).submit({"count": count})
    ended = run.result(timeout=20).shared
    refused = range(5, count, 7)
    assert ended["told"] == [(item, "failed" if item in refused else "ok") for item in range(count)]
    assert ended["ok"] == [item for item in range(count) if item not in refused]
    assert ended["refused"] == list(refused)


def test_post_that_looks_back_at_items_of_an_iterator_is_told_that_they_are_gone(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(LookupError, match=r"item 0 of 5 is no longer there.*Return a list from prep"):
        flowq.Flow(nodes.LooksBack(on_error="skip")).submit({"count": 5}).result(timeout=20)


def test_a_filter_in_a_submitted_flow_keeps_items_of_what_has_no_length(executor: str) -> None:
    run = flowq.Flow(nodes.KeepsOdd()).submit({"items": nodes.Upto(9)})
    ended = run.result(timeout=20).shared
    assert (ended["filtered"], ended["filtered_count"], ended["original_count"]) == ([1, 3, 5, 7], 4, 9)


@pytest.mark.parametrize("nested", [False, True])
def test_a_further_try_of_a_submitted_flow_runs_its_batches_once_more(
    executor: str, nested: bool, tmp_path: Path
) -> None:
    flow = flowq.Flow(nodes.FailsOnce(str(tmp_path / "tried")), max_retries=2)
    run = (flowq.Flow(flow) if nested else flow).submit({})
    assert run.result(timeout=20).shared["result"] == [0, 1, 2]


def test_a_further_try_of_a_flow_in_a_batch_flow_runs_its_batches_once_more(executor: str, tmp_path: Path) -> None:
    shared = {"count": 1}
    nodes.CountAll(flowq.Flow(nodes.FailsOnce(str(tmp_path / "tried")), max_retries=2)).run(shared)
    assert shared["result"] == [0, 1, 2]  # type: ignore[comparison-overlap]


def test_a_batch_error_within_another_is_split_as_any_group(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        nodes.CountAll(nodes.PickyOf()).run({"count": 2})
    (inner,) = raised.value.exceptions[:1]
    assert isinstance(inner, flowq.BatchError)
    refused, rest = raised.value.split(nodes.Refused)
    assert refused is not None
    assert rest is not None
    for part, kind in ((refused, nodes.Refused), (rest, flowq.RemoteError)):
        assert part.errors.keys() <= raised.value.errors.keys()
        (inner,) = part.exceptions[:1]
        assert isinstance(inner, flowq.BatchError)
        assert {type(one) for one in inner.exceptions} == {kind}


@pytest.mark.parametrize("kind", [defaultdict, Counter])
def test_a_store_that_makes_up_values_is_a_dict_of_what_is_there(executor: str, kind: type[dict[Any, Any]]) -> None:
    def shared() -> dict[Any, Any]:
        return defaultdict(list, count=1) if kind is defaultdict else Counter(count=1)

    found = ["KeyError", 0, {"a": 1}, "gone", ["count", "seen"]]
    within = shared()
    nodes.CountAll(nodes.ReadsWithDefaults()).run(within)
    assert within["found"] == found
    assert sorted(within) == ["count", "found", "seen"]
    ended = flowq.Flow(nodes.ReadsWithDefaults()).submit(shared()).result(timeout=20).shared
    assert ended["found"] == found


def test_a_key_is_told_of_an_item_that_is_none(executor: str) -> None:
    node = nodes.KeyedFromStore(on_error="collect")
    handle = node.submit([None, 7])
    handle.wait(20)
    assert [(one.input, one.key) for one in handle.outcomes(inputs=True)] == [(None, "key-None"), (7, "key-7")]
    assert [one.key for one in handle.result().items] == ["key-None", "key-7"]


def test_keys_of_the_store_come_in_the_order_in_which_items_set_them(executor: str) -> None:
    shared: dict[str, Any] = {"count": 1, "items": [1]}
    first, last = nodes.KeepsItsItems(), nodes.ReadsWithDefaults()
    first >> nodes.FromStore() >> last
    nodes.CountAll(first).run(shared)
    assert list(shared) == ["count", "items", "kept", "by name", "result", "seen", "found"]
