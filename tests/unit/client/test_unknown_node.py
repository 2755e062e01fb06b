"""What a program gives to its nodes that workers can know of it alone, and how far it is looked for."""

from __future__ import annotations

import pytest

import flowq
from flowq.client.unknown_node import given_of_main
from flowq.core.spec.describe import spec_of


@pytest.fixture
def pixel() -> type:
    """A registered class of the program itself."""
    return flowq.register(type("Pixel", (), {"__module__": "__main__"}))


class Keeps(flowq.ParallelBatchNode[int, int]):
    def __init__(self, kept: object = None) -> None:
        super().__init__()
        self.kept = kept

    def exec(self, item: int) -> int:
        return item


@pytest.mark.parametrize("within", [lambda one: one, lambda one: [3, (one,)], lambda one: {"a": {"b": [one]}}])
def test_it_is_found_in_arguments_and_in_the_first_item(pixel: type, within) -> None:  # type: ignore[no-untyped-def]
    assert given_of_main(spec_of(Keeps(within(pixel()))), ()) == {"__main__:Pixel"}
    assert given_of_main(spec_of(Keeps()), [within(pixel()), 3]) == {"__main__:Pixel"}
    assert given_of_main(spec_of(Keeps()), [3, within(pixel())]) == set(), "of the first item alone"


def test_an_item_that_is_large_or_holds_itself_is_not_looked_through(pixel: type) -> None:
    itself: list[object] = []
    itself.append(itself)
    assert given_of_main(spec_of(Keeps()), [itself]) == set()
    assert given_of_main(spec_of(Keeps()), [[*range(5000), pixel()]]) == set()
