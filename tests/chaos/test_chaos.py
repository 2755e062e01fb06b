"""Faults at random, every two seconds, while batches of every kind keep coming: nothing is lost and nothing doubled."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.chaos.fleet import DURABLE, new_cluster, processes_of
from tests.chaos.lengths import CHAOS_S, SEEDS
from tests.chaos.load import KINDS, Load, path_in
from tests.chaos.strikes import Striker
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(CHAOS_S + 240)]

WORKERS, SLOTS = 3, 2
BACKLOG = 1500
RECOVERS_WITHIN_S = 60.0
# In all seeds of 3 minutes: 20,000 items, and as many in proportion when the time is shorter.
ITEMS_A_SECOND = 20_000 / (5 * 180)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_strikes_every_item_has_one_outcome_and_the_right_one(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with (
        new_cluster(workers=WORKERS, slots=SLOTS, redis_options=DURABLE) as cluster,
        Load(cluster, path_in(tmp_path), rng, kinds=KINDS, backlog=BACKLOG) as load,
    ):
        until(lambda: load.done > 100, 30, "work is under way")
        striker = Striker(cluster, random.Random(seed))
        try:
            striker.run(CHAOS_S, load.check_alive)
            rest_s = load.finish(RECOVERS_WITHIN_S)
        finally:
            print(f"\nseed {seed}:\n{costs(striker, load)}")
        load.check()
        print(f"the rest took {rest_s:.1f} s after the last fault\n{load.summary()}")
        living = until(
            lambda: [len(found) for worker in cluster.workers if len(found := processes_of(worker)) == 1 + SLOTS],
            15,
            "every worker and child is there again",
        )
        assert len(living) == WORKERS
    assert load.items >= ITEMS_A_SECOND * CHAOS_S


def costs(striker: Striker, load: Load) -> str:
    """The time each fault cost: the longest stall of commits between it and the next one."""
    ends = [*(strike.at for strike in striker.strikes[1:]), time.monotonic()]
    lines, by_kind = [], defaultdict(list)
    for strike, upto in zip(striker.strikes, ends, strict=True):
        stall_s = load.longest_stall(strike.at, upto)
        by_kind[" ".join(strike.what.split()[:2])].append(stall_s)
        lines.append(f"  {strike.at - striker.strikes[0].at:6.1f} s  {strike.what:40}  no commit for {stall_s:.2f} s")
    for kind, stalls in sorted(by_kind.items()):
        mean_s = sum(stalls) / len(stalls)
        lines.append(f"  {kind}: {len(stalls)} times, mean {mean_s:.2f} s, at most {max(stalls):.2f} s")
    return "\n".join(lines)
