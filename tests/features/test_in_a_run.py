"""Nodes over keys of the store, branches and races in a flow: run here, and handed over as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from tests.features import functions

EXPECTED = {
    "even": [0, 2, 4, 6, 8],
    "tens": [0, 20, 40, 60, 80],
    "top": 80,
    "Doubles": 90,
    "Squares": 285,
    "notes": ["Note", "quick", "last"],
}


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_flow_of_all_of_them_finds_the_same(executor: str, handed_over: bool) -> None:
    shared: dict[str, Any] = {"numbers": list(range(10))}
    if handed_over:
        shared = dict(functions.numbers_flow().submit(shared).result(timeout=60).shared)
    else:
        functions.numbers_flow().run(shared)
    assert {key: shared[key] for key in EXPECTED} == EXPECTED
