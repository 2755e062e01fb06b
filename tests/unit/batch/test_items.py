"""What may be given as the items of a batch, and how it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flowq.batch import Items
from flowq.batch.items import Picked
from flowq.errors import BatchInputError


def everything(items: Items) -> list[Any]:
    taken: list[Any] = []
    while some := items.take(3):
        taken += some
    return taken


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, []),
        ([], []),
        ([None, 0, ""], [None, 0, ""]),
        ((1, 2), [1, 2]),
        (range(4), [0, 1, 2, 3]),
        ({1: "a"}.items(), [(1, "a")]),
        (iter("ab"), ["a", "b"]),
    ],
)
def test_any_iterable_is_a_batch_and_none_is_an_empty_one(given: Any, read: list[Any]) -> None:
    assert everything(Items("Parse", given)) == read


async def letters() -> AsyncIterator[str]:
    yield "a"


@pytest.mark.parametrize("given", ["text", b"bytes", bytearray(b"x"), 7, 1.5, object(), {"a": 1}, letters()])
def test_what_is_no_iterable_of_items_is_refused_with_the_nodes_name(given: Any) -> None:
    with pytest.raises(BatchInputError, match="Parse was given"):
        Items("Parse", given)


def test_a_dict_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(BatchInputError, match=r"\.items\(\)"):
        Items("Parse", {"a": 1})


@pytest.mark.parametrize(
    ("module", "way_out"), [("pandas.core.frame", r"itertuples\(name=None\)"), ("polars.dataframe.frame", "iter_rows")]
)
def test_a_data_frame_is_refused_as_its_items_would_be_the_names_of_its_columns(module: str, way_out: str) -> None:
    frame = type("DataFrame", (list,), {"__module__": module})
    of_its_own = type("GeoDataFrame", (frame,), {})
    for given in (frame("ab"), of_its_own("ab")):
        with pytest.raises(BatchInputError, match=f"Parse was given a .*DataFrame, .* its columns. Pass .*{way_out}"):
            Items("Parse", given)
    assert Items("Parse", type("DataFrame", (list,), {"__module__": "shop"})("ab")).total == 2


def test_a_generator_is_read_no_further_than_asked() -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(1000):
            read.append(n)
            yield n

    items = Items("Parse", numbers())
    assert items.take(2) == [0, 1]
    assert read == [0, 1]
    assert items.total is None


def test_the_length_of_a_generator_is_known_at_its_end() -> None:
    items = Items("Parse", iter([1, 2, 3]))
    items.take(3)
    assert not items.ended
    assert items.take(1) == []
    assert [items.total, items.ended] == [3, True]


def test_a_limit_reads_the_first_items_only() -> None:
    items = Items("Parse", range(100), limit=10)
    assert items.total == 10
    assert everything(items) == list(range(10))


def test_too_many_items_are_refused_at_once_where_the_length_is_known() -> None:
    Items("Parse", range(10), max_items=10)
    with pytest.raises(BatchInputError, match="max_items=10"):
        Items("Parse", range(11), max_items=10)
    Items("Parse", range(11), max_items=10, limit=10)


def test_too_many_items_of_a_generator_are_refused_when_they_come() -> None:
    items = Items("Parse", iter(range(11)), max_items=10)
    items.take(10)
    with pytest.raises(BatchInputError, match="max_items=10"):
        items.take(1)


def test_picked_items_come_as_neighbours_under_their_own_indices() -> None:
    picked = Picked("abcdefgh", [1, 2, 5, 6, 7])
    assert picked.take_run(10) == (1, ["b", "c"])
    assert picked.take_run(2) == (5, ["f", "g"])
    assert picked.take_run(2) == (7, ["h"])
    assert picked.take_run(2)[1] == []
