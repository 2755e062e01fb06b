"""Batches and runs of many kinds, with classes of flowq in nodes, items, results, errors and stores. No tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flowq
from tests import nodes, policed, sinking
from tests.features import functions
from tests.features.graphs import Adds, Counting, PocketSays
from tests.features.nodes import Ledger

IMPORTS = ["tests.nodes", "tests.policed", "tests.sinking", "tests.features.functions", "tests.features.nodes"]
"""What workers import to run them."""

RETRY = flowq.Retry(2, retry_on=(ConnectionError, flowq.ItemTimeout), give_up_on=flowq.RetryAfter)
POLICY = flowq.BatchPolicy(retry=RETRY, rate=flowq.Rate(500), breaker=flowq.Breaker(5), cache=flowq.Cache(60))
VALUES = [RETRY, POLICY, flowq.Rate(3), flowq.RetryAfter, flowq.ItemTimeout, flowq.MapNode, flowq.Outcome(0, "ok", 1)]


def outcomes(path: Path) -> dict[str, Any]:
    """Run all of them where the active executor does; what became of each. *path*: a folder of their own."""
    call = policed.Call(
        str(path / "calls"), retry=RETRY, rate=flowq.Rate(500), breaker=flowq.Breaker(5), on_error="collect"
    )
    calls = [{"key": "a"}, {"key": "b", "raises": ConnectionError()}, {"key": "c", "raises": flowq.RetryAfter(0.01)}]
    picky = nodes.Picky(on_error="collect").map([1, 3, 5, 7])
    sink = sinking.Picks(on_error="collect", sink=str(path / "sink"))
    sink >> sinking.Reads()
    sunk = flowq.Flow(sink).submit({}).result(60).shared
    numbers = functions.numbers_flow().submit({"numbers": list(range(10))}).result(60).shared
    counted: dict[str, Any] = {"total": 0, "seen": []}
    Counting(start=Adds(), merge={"total": flowq.Add}, hooks=[Ledger(str(path / "hooks"))]).run(counted)
    return {
        "policies": _statuses(call.map(calls)),
        "errors": {index: type(one).__name__ for index, one in picky.errors.items()},
        "timeout": _statuses(nodes.AsyncSlow(30.0, timeout=0.05, on_error="collect").map([1])),
        "values": list(nodes.Echo().map(VALUES)) == VALUES,
        "map": list(functions.halves.map([2, 8])),
        "sink": (type(sunk["found"]).__name__, list(sunk["found"])),
        "numbers": (numbers["top"], numbers["Doubles"], numbers["notes"]),
        "counted": counted["seen"],
        "policy": list(policed.Call(str(path / "more"), policy=POLICY).map([{"key": "d"}])),
        "pocket": flowq.Flow(PocketSays()).submit({}).result(60).shared["said"],
    }


def _statuses(result: Any) -> list[str]:
    return [f"{one.status} {one.attempts} {type(one.error).__name__}" for one in result.items]


EXPECTED = {
    "policies": ["ok 1 NoneType", "ok 2 NoneType", "failed 1 RetryAfter"],
    "errors": {1: "RemoteError", 3: "Refused"},
    "timeout": ["failed 1 ItemTimeout"],
    "values": True,
    "map": [1, 4],
    "sink": ("SinkResult", [0, 1, 4, None, 16, 25, 36]),
    "numbers": (80, 90, ["Note", "quick", "last"]),
    "counted": [0, 1, 2, 3, 4],
    "policy": ["d"],
    "pocket": ["PocketSays"],
}
