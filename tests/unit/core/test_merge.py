"""Deltas: taken, merged in any grouping, applied."""

from __future__ import annotations

import copy
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Sequence
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowq.codec import dumps, loads
from flowq.core.store.merge import (
    MISSING,
    Add,
    Append,
    Delta,
    First,
    Last,
    Max,
    Min,
    Reducers,
    Union,
    apply_delta,
    diff_value,
    merge_deltas,
)
from flowq.errors import MergeConflict
from flowq.registry import sent_as_list

REDUCERS: Reducers = {
    "append": Append,
    "add": Add,
    "union": Union,
    "first": First,
    "last": Last,
    "max": Max,
    "min": Min,
    "joined": operator.add,
}


def diff(base: dict[str, Any], new: dict[str, Any], index: int, reducers: Reducers = REDUCERS) -> Delta:
    ops = {key: ("del", None, index) for key in base if key not in new}
    for key, value in new.items():
        op = diff_value(base.get(key, MISSING), value, index, reducers.get(key))
        if op is not None:
            ops[key] = op
    return ops


def merged(deltas: Sequence[Delta], last: bool = False) -> Delta:
    return reduce(lambda a, b: merge_deltas(a, b, REDUCERS, last), deltas, {})


def outcome(base: dict[str, Any], *items: dict[str, Any], last: bool = False) -> dict[str, Any]:
    """The store after items that each began with *base* and left what is given."""
    store = copy.deepcopy(base)
    apply_delta(store, merged([diff(base, item, index) for index, item in enumerate(items)], last), REDUCERS)
    return store


@pytest.mark.parametrize(
    ("base", "new", "op"),
    [
        (1, 1, None),
        (1, 2, ("set", 2, 7)),
        (MISSING, None, ("set", None, 7)),
        ([1], [1, 2], ("extend", [2], 7)),
        (MISSING, [2], ("extend", [2], 7)),
        (MISSING, [], ("extend", [], 7)),
        ([1], [2], ("set", [2], 7)),
        ([1], [], ("set", [], 7)),
        ({"a": 1}, {"a": 2, "c": [3]}, ("merge", {"a": ("set", 2, 7), "c": ("extend", [3], 7)}, 7)),
        ({"a": 1, "b": 1}, {"a": 1}, ("merge", {"b": ("del", None, 7)}, 7)),
        (MISSING, {}, ("merge", {}, 7)),
        (5, [1], ("set", [1], 7)),
        (5, {"a": 1}, ("set", {"a": 1}, 7)),
        (MISSING, Counter("a"), ("set", Counter("a"), 7)),
        (Counter("a"), Counter("aa"), ("set", Counter("aa"), 7)),
        (Counter("a"), Counter("a"), None),
        ({"c": Counter("a")}, {"c": Counter("b")}, ("merge", {"c": ("set", Counter("b"), 7)}, 7)),
        ({"a": 1}, OrderedDict(a=1), ("set", OrderedDict(a=1), 7)),
        (defaultdict(list), defaultdict(list, a=[1]), ("set", defaultdict(list, a=[1]), 7)),
        (deque([1], 2), deque([1, 2], 2), ("set", deque([1, 2], 2), 7)),
    ],
)
def test_a_difference_is_the_smallest_op_that_says_it(base: Any, new: Any, op: Any) -> None:
    found = diff_value(base, new, 7)
    assert found == op
    assert found is None or type(found[1]) is type(op[1])


@sent_as_list
class Listed(list[Any]):
    """A list to whoever is sent it."""


@pytest.mark.parametrize("base", [MISSING, [1], Listed([1])])
def test_what_is_sent_as_a_list_changes_as_one(base: Any) -> None:
    before = [] if base is MISSING else list(base)
    assert diff_value(base, Listed(before), 3) == (("extend", [], 3) if base is MISSING else None)
    assert diff_value(base, Listed([*before, 2]), 3) == ("extend", [2], 3)
    assert diff_value({}, Listed([0]), 3) == ("set", [0], 3)
    shared = {} if base is MISSING else {"a": base}
    apply_delta(shared, {"a": ("extend", [2], 3)}, {})
    assert shared == {"a": [*before, 2]}
    assert type(shared["a"]) is list
    assert type(diff_value({}, Listed([0]), 3)[1]) is list  # type: ignore[index]


def test_lists_extend_in_item_order_and_dicts_merge_deeply() -> None:
    base = {"xs": [0], "tree": {"a": {"n": 1}, "log": []}}
    first = {"xs": [0, 1], "tree": {"a": {"n": 1, "m": 2}, "log": ["x"]}}
    second = {"xs": [0, 2, 3], "tree": {"a": {"n": 1}, "log": ["y"]}, "new": 5}
    assert outcome(base, first, second) == {
        "xs": [0, 1, 2, 3],
        "tree": {"a": {"n": 1, "m": 2}, "log": ["x", "y"]},
        "new": 5,
    }


def test_counters_that_are_added_up_lose_nothing_that_became_less() -> None:
    base = {"add": Counter(a=2, debt=-3)}
    items = [{"add": Counter(a=1, debt=-3, b=1)}, {"add": Counter(a=0, debt=-2)}, {"add": Counter(a=2, debt=-3, b=4)}]
    after = outcome(base, *items)["add"]
    assert (type(after), after) == (Counter, Counter(a=-1, debt=-2, b=5))
    deltas = [diff(base, item, index) for index, item in enumerate(items)]
    right = merge_deltas(deltas[0], merge_deltas(deltas[1], deltas[2], REDUCERS), REDUCERS)
    assert right == merged(deltas)
    assert base == {"add": Counter(a=2, debt=-3)}
    assert outcome({}, *items)["add"] == Counter(a=3, debt=-8, b=5)


def test_items_may_begin_a_list_or_a_dict_that_was_not_there() -> None:
    assert outcome({}, {"xs": [1]}, {"xs": [2]}, {"d": {"a": 1}}, {"d": {"b": 2}}) == {
        "xs": [1, 2],
        "d": {"a": 1, "b": 2},
    }


def test_two_items_that_set_a_key_alike_agree() -> None:
    assert outcome({"a": 0}, {"a": 1}, {"a": 0}, {"a": 1}) == {"a": 1}
    assert outcome({"a": 0}, {}, {}) == {}


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {}, "a"),
        ({"a": [1]}, {"a": {"x": 1}}, "a"),
        ({"a": 0, "d": {"e": {"f": 1}}}, {"a": 0, "d": {"e": {"f": 2}}}, "d.e.f"),
    ],
)
def test_items_that_disagree_are_an_error_that_names_key_and_both(first: Any, second: Any, key: str) -> None:
    base: dict[str, Any] = {"a": 0} if first.get("a") != [1] else {}
    deltas: list[Delta] = [{}, diff(base, first, 3), {}, diff(base, second, 9)]
    with pytest.raises(MergeConflict) as caught:
        merged(deltas)
    assert (caught.value.key, caught.value.first, caught.value.second) == (key, 3, 9)


@pytest.mark.parametrize(
    ("base", "first", "second", "said"),
    [
        ({}, {"seen": {1}}, {"seen": {2}}, "A set is not united by itself: give it merge={'seen': flowq.Union}"),
        ({"n": 1}, {"n": 2}, {"n": 3.5}, "A number is not added up by itself: give it merge={'n': flowq.Add}"),
        (
            {},
            {"c": Counter("a")},
            {"c": Counter("b")},
            "A Counter is not added up by itself: give it merge={'c': flowq.Add}",
        ),
        ({"in": {}}, {"in": {"n": 2}}, {"in": {"n": 3}}, "give it flowq.Add, under a key of its own"),
        ({"l": [1]}, {"l": [2]}, {"l": [3]}, "only append to the one that is there"),
        ({}, {"on": True}, {"on": False}, "Give the key a reducer: merge={'on': ...}"),
        ({}, {"a.b": 1}, {"a.b": 2}, "merge={'a.b': flowq.Add}"),
    ],
)
def test_a_conflict_names_the_reducer_that_keeps_what_both_brought(
    base: Any, first: Any, second: Any, said: str
) -> None:
    with pytest.raises(MergeConflict) as caught:
        merged([diff(base, first, 0, {}), diff(base, second, 1, {})])
    assert said in str(caught.value)
    assert said in str(loads(dumps(caught.value)))


def test_under_last_the_later_item_stands() -> None:
    assert outcome({"a": 0}, {"a": 1}, {"a": 2}, last=True) == {"a": 2}
    assert outcome({"a": 0}, {"a": 1}, {}, last=True) == {}
    assert outcome({}, {"a": 5}, {"a": [1]}, last=True) == {"a": [1]}
    assert outcome({}, {"a": [1]}, {"a": [2]}, last=True) == {"a": [1, 2]}


def test_reducers_put_the_items_changes_together() -> None:
    base = {"append": [0], "add": 10, "union": {0}, "first": "base", "last": "base", "max": 5, "min": 5, "joined": "."}
    first = {"append": [0, 1], "add": 11, "union": {0, 1}, "first": "a", "last": "a", "max": 7, "min": 9, "joined": "a"}
    second = {"append": [0, 2], "add": 15, "union": {2}, "first": "b", "last": "b", "max": 6, "min": 1, "joined": "b"}
    expected = {"append": [0, 1, 2], "add": 16, "union": {0, 1, 2}, "first": "base", "last": "b", "max": 7, "min": 1}
    assert outcome(base, first, second) == {**expected, "joined": ".ab"}


def test_reducers_begin_with_the_first_items_change_where_the_key_was_missing() -> None:
    first = {"append": [1], "add": 1, "union": {1}, "first": "a", "last": "a", "max": 7, "min": 9, "joined": "a"}
    second = {"append": [2], "add": 5, "union": {2}, "first": "b", "last": "b", "max": 6, "min": 1, "joined": "b"}
    expected = {"append": [1, 2], "add": 6, "union": {1, 2}, "first": "a", "last": "b", "max": 7, "min": 1}
    assert outcome({}, first, second) == {**expected, "joined": "ab"}


def test_a_change_that_a_reducer_cannot_express_is_refused() -> None:
    with pytest.raises(ValueError, match="only append"):
        diff_value([1, 2], [2], 0, Append)


def test_something_that_is_no_reducer_is_refused() -> None:
    with pytest.raises(TypeError, match="a reducer is"):
        diff_value(1, 2, 0, "sum")  # type: ignore[arg-type]


def test_applying_changes_lists_and_dicts_in_place() -> None:
    xs: list[int] = [1]
    d: dict[str, Any] = {"ys": [1]}
    ys = d["ys"]
    apply_delta({"xs": xs, "d": d}, diff({"xs": [1], "d": {"ys": [1]}}, {"xs": [1, 2], "d": {"ys": [1, 2]}}, 0), {})
    assert (xs, d, ys) == ([1, 2], {"ys": [1, 2]}, [1, 2])


# -- any grouping gives the same ---------------------------------------------------------------------------------------

leaf = st.integers(0, 2) | st.sampled_from(["x", "y"]) | st.none()
value = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
numbers = st.integers(-3, 3)
stores = st.fixed_dictionaries(
    {},
    optional={
        "k": value,
        "m": value,
        "add": numbers,
        "max": numbers,
        "first": leaf,
        "last": leaf,
        "union": st.frozensets(numbers, max_size=2),
        "joined": st.text("ab", max_size=2),
    },
)


@st.composite
def left_behind(draw: st.DrawFn, base: dict[str, Any]) -> dict[str, Any]:
    """What an item may leave of *base*: keys changed, deleted, added; lists mostly appended to."""
    new = copy.deepcopy(base)
    for key, changed in draw(stores).items():
        if isinstance(new.get(key), list) and draw(st.booleans()):
            new[key].append(changed)
        else:
            new[key] = changed
    for key in draw(st.lists(st.sampled_from(["k", "m", "add"]), max_size=1)):
        new.pop(key, None)
    return new


@st.composite
def runs(draw: st.DrawFn) -> tuple[dict[str, Any], list[Delta]]:
    base = draw(stores)
    items = draw(st.lists(left_behind(base), min_size=2, max_size=5))
    return base, [diff(base, item, index) for index, item in enumerate(items)]


def try_merge(first: Delta | None, second: Delta | None, last: bool) -> Delta | None:
    """The merged delta; None for a conflict, which stays one whatever it is merged with."""
    if first is None or second is None:
        return None
    try:
        return merge_deltas(first, second, REDUCERS, last)
    except MergeConflict:
        return None


def merged_in_order(deltas: Sequence[Delta], last: bool) -> Delta | None:
    whole: Delta | None = {}
    for delta in deltas:
        whole = try_merge(whole, delta, last)
    return whole


@given(run=runs(), last=st.booleans())
def test_merging_is_associative_down_to_who_is_named(run: tuple[dict[str, Any], list[Delta]], last: bool) -> None:
    a, b, c = [*run[1], {}][:3]
    left = try_merge(try_merge(a, b, last), c, last)
    right = try_merge(a, try_merge(b, c, last), last)
    assert left == right


@given(run=runs(), last=st.booleans(), data=st.data())
def test_any_tree_of_merges_in_item_order_gives_the_same_store(
    run: tuple[dict[str, Any], list[Delta]], last: bool, data: st.DataObject
) -> None:
    base, deltas = run
    before = copy.deepcopy(deltas)
    groups: list[Delta | None] = list(deltas)
    while len(groups) > 1:
        at = data.draw(st.integers(0, len(groups) - 2))
        groups[at : at + 2] = [try_merge(groups[at], groups[at + 1], last)]
    in_order = merged_in_order(deltas, last)
    assert (groups[0] is None) is (in_order is None)
    assert deltas == before
    if groups[0] is not None and in_order is not None:
        first, second = copy.deepcopy(base), copy.deepcopy(base)
        apply_delta(first, copy.deepcopy(groups[0]), REDUCERS)
        apply_delta(second, copy.deepcopy(in_order), REDUCERS)
        assert first == second
        assert list(first) == list(second)


@given(run=runs(), last=st.booleans())
def test_one_merged_delta_does_what_the_items_deltas_do_one_after_another(
    run: tuple[dict[str, Any], list[Delta]], last: bool
) -> None:
    base, deltas = run
    whole = merged_in_order(deltas, last)
    if whole is None:
        return
    at_once, one_by_one = copy.deepcopy(base), copy.deepcopy(base)
    apply_delta(at_once, copy.deepcopy(whole), REDUCERS)
    for delta in deltas:
        apply_delta(one_by_one, copy.deepcopy(delta), REDUCERS)
    assert at_once == one_by_one


@given(base=stores, data=st.data())
def test_a_lone_items_delta_turns_the_base_into_what_it_left(base: dict[str, Any], data: st.DataObject) -> None:
    new = data.draw(left_behind(base))
    store = copy.deepcopy(base)
    apply_delta(store, diff(base, new, 0, {}), {})
    assert store == new
