"""P2, P3: an item that kills its process, crashes in C, eats the memory or never returns is an outcome of its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import flowq
from tests import poison
from tests.nodes import executions

ITEMS = 1000
# A process that is dead, stuck or too large is noticed with its worker's next pulse.
OFTEN = {"FLOWQ_PULSE_S": "0.25"}


def test_nine_deadly_items_in_a_thousand_hurt_nobody_else(tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    with flowq.LocalCluster(slots=2, imports=["tests.poison"], lease_s=3, env=OFTEN, grace_s=0):
        result = poison.Poison(str(oracle), on_error="collect", timeout=1.0).map(range(ITEMS))
    errors = {index: type(error) for index, error in result.errors.items()}
    assert errors == {
        **dict.fromkeys((*poison.KILLED, *poison.SEGFAULT), flowq.WorkerCrashed),
        **dict.fromkeys(poison.OUT_OF_MEMORY, MemoryError),
        **dict.fromkeys(poison.NEVER, flowq.ItemTimeout),
    }
    innocent = [index for index in range(ITEMS) if index not in poison.GUILTY]
    assert [outcome.output for outcome in result.ok] == innocent
    times = Counter(index for index, *_ in executions(oracle))
    assert max(times[index] for index in innocent) <= 2
    assert max(times[index] for index in poison.GUILTY) <= 3


def test_a_process_that_eats_the_memory_is_killed_by_the_watchdog(tmp_path: Path) -> None:
    env = {**OFTEN, "FLOWQ_MEMORY_LIMIT_MIB": "200"}
    with flowq.LocalCluster(slots=1, imports=["tests.poison"], lease_s=3, env=env, grace_s=0):
        result = poison.Hungry(on_error="collect").map([1, 2, 600, 3])
    assert [outcome.status for outcome in result.items] == ["ok", "ok", "failed", "ok"]
    assert isinstance(result.errors[2], flowq.WorkerCrashed)
