"""Items that take their process with them: each is an outcome of its own, and its neighbours' work is not lost.

Those that never return, in C too, are in tests/integration/test_poison.py.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowq
from tests.chaos.exactness import assert_once_each, assert_values
from tests.chaos.fleet import connect, new_cluster
from tests.chaos.lengths import SEEDS
from tests.chaos.witness import Poisonous, executions, times_run, value_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

N = 1000


@pytest.fixture(scope="module")
def cluster() -> Iterator[flowq.LocalCluster]:
    # The default lease: no worker is lost here, and a process that starts slowly must not look like one.
    with new_cluster(workers=2, slots=2, lease_s=10) as cluster:
        yield cluster


def anywhere(seed: int) -> list[int]:
    return random.Random(seed).sample(range(N), 7)


PLACES = {
    "apart": [100, 400, 700, 200, 600, 300, 800],
    "side by side": [500, 501, 503, 502, 504, 505, 506],
    "at the ends": [0, 999, 998, 1, 997, 2, 996],
    **{f"seed {seed}": anywhere(seed) for seed in range(SEEDS)},
}


@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES.keys())
def test_items_that_kill_segfault_or_run_out_of_memory_fail_alone(
    cluster: flowq.LocalCluster, tmp_path: Path, places: list[int]
) -> None:
    oracle = str(tmp_path / "executions")
    killing, crashing, too_large = places[:3], places[3:5], places[5:]
    node = Poisonous(oracle, killing, crashing, too_large, on_error="collect")
    handle = cluster.executor.submit(node.job(range(N)))
    result = handle.result(timeout=240)

    kinds = {**dict.fromkeys([*killing, *crashing], flowq.WorkerCrashed), **dict.fromkeys(too_large, MemoryError)}
    assert {index: type(error) for index, error in result.errors.items()} == kinds
    assert_values(result, [value_of(item) for item in range(N)], failed=places)
    connections = connect(cluster)
    state = assert_once_each(connections, handle.id, N)
    connections.close()
    assert (state.ok, state.failed, state.losses) == (N - 7, 7, 0)

    runs = {index: count for (_, index), count in times_run(oracle).items()}
    innocent = Counter(count for index, count in runs.items() if index not in places)
    print(
        f"\n{state.seconds:.1f} s, {state.crashes} processes died; executions: guilty "
        f"{ {index: runs[index] for index in sorted(places)} }, innocent {dict(innocent)} of {len(executions(oracle))}"
    )
    assert len(runs) == N
    assert max(innocent) <= 2
    assert max(runs[index] for index in places) <= 3
