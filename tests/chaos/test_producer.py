"""A producer that is stopped while it writes items, for longer than anybody waits for it, and goes on."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from flowq.engine.reading.results import read_state
from tests.chaos.exactness import assert_once_each
from tests.chaos.fleet import connect, new_cluster
from tests.chaos.load import path_in
from tests.chaos.witness import times_run
from tests.programs import Program
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

N = 1000
PRODUCER = """
    import sys, time, flowq
    from flowq.batch.executor import activate
    from tests.chaos.witness import Witnessed, value_of
    def items():
        for item in range(1000):
            time.sleep(0.005)
            yield item
    activate(flowq.connect(flowq.Settings(broker_url=sys.argv[1], lease_s=3)))
    handle = Witnessed(sys.argv[2], 0.002).submit(items())
    print(handle.id, flush=True)
    print(handle.result(timeout=60) == [value_of(item) for item in range(1000)], flush=True)
"""


def test_a_producer_stopped_for_longer_than_its_lease_writes_the_rest_when_it_goes_on(tmp_path: Path) -> None:
    oracle = path_in(tmp_path)
    with new_cluster(workers=1, slots=2) as cluster:
        connections = connect(cluster)
        program = Program(tmp_path / "producer.py", PRODUCER, cluster.broker_url, oracle)
        try:
            batch_id = program.line()
            until(lambda: read_state(connections, batch_id).ok > N // 4, 20, "it is writing")
            program.signal(signal.SIGSTOP)
            wake = connections.keys.of(batch_id, "wake")
            until(lambda: connections.redis.zscore(wake, "feed") is None, 30, "its beat lapses")
            until(lambda: not read_state(connections, batch_id).open_chunks, 10, "what was open is done")
            stands = read_state(connections, batch_id)
            assert stands.state == "running"
            assert stands.avail < N
            program.signal(signal.SIGCONT)
            assert program.line() == "True"
            assert program.end()[0] == 0
        finally:
            program.abandon()
        assert_once_each(connections, batch_id, N)
        connections.close()
    assert Counter(times_run(oracle).values()) == {1: N}
