"""A worker whose rounds come late, on a machine that is busy with others: what its own processes held is no loss."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from flowq.local import EmbeddedRedis
from tests.programs import Program

# A program of its own: it forks, as the pool does.
LATE = """
    import os, sys
    import flowq
    from flowq.client.executor import CeleryExecutor
    from flowq.engine.batches import Headers
    from flowq.worker.caretaker import Caretaker
    from flowq.worker.leases import Leases
    from flowq.worker.boards import Boards
    from tests.nodes import Square
    from tests.waiting import until

    executor = CeleryExecutor(flowq.Settings(broker_url=sys.argv[1], lease_s=1, pulse_s=0.5))
    handle = executor.submit(Square(chunk_size=1).job(range(2)))
    connections, boards = executor.connections, Boards()
    redis, keys, ledger = connections.redis, connections.keys, connections.ledger
    headers = Headers(redis, keys)
    leases = Leases(connections, headers, boards)
    caretaker = Caretaker(connections, headers, "one", leases.keep_up)
    leases.tick()
    died, lives = "0:0-1", "0:1-2"
    end, until_end = os.pipe()
    for number, (chunk, holder) in enumerate([(died, "dead"), (lives, "alive")]):
        if (child := os.fork()) == 0:
            os.close(until_end)
            boards.own(number).hold(handle.id, chunk, holder)
            if chunk == lives:
                os.read(end, 1)
            os._exit(0)
        if chunk == died:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    until(lambda: len(boards.used()) == 2, 10, "both hold what they hold")
    for chunk, holder in ((died, "dead"), (lives, "alive")):
        ledger.claim(handle.id, chunk, holder)

    def has_lapsed(chunk):
        seconds, micros = redis.time()
        return redis.zscore(keys.of(handle.id, "wake"), chunk) < seconds * 1000 + micros / 1000

    until(lambda: has_lapsed(lives), 10, "the leases have lapsed")
    caretaker.tick()
    state = handle.state()
    print(state.crashes, state.losses, has_lapsed(lives), flush=True)
    os.close(until_end)
    os.waitpid(child, 0)
"""


def test_a_round_that_comes_late_frees_and_beats_before_it_calls_anything_lost(
    redis_server: EmbeddedRedis, redis: Redis, tmp_path: Path
) -> None:
    program = Program(tmp_path / "late.py", LATE, redis_server.url)
    assert program.line() == "1 0 False"
    assert program.end()[0] == 0


# A child takes a chunk and dies of it while the main process is busy freeing another's.
SUDDEN = """
    import os, sys
    import flowq
    from flowq.client.executor import CeleryExecutor
    from flowq.engine.batches import Headers
    from flowq.worker.leases import Leases
    from flowq.worker.boards import Boards
    from tests.nodes import Square
    from tests.waiting import until

    executor = CeleryExecutor(flowq.Settings(broker_url=sys.argv[1]))
    handle = executor.submit(Square(chunk_size=1).job(range(2)))
    connections = executor.connections
    chunk, holder = "0:0-1", "sudden"
    go, told = os.pipe()

    class Seen(Boards):
        def used(self):
            views = super().used()
            os.close(told)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
            return views

    boards = Seen()
    if (child := os.fork()) == 0:
        os.close(told)
        own = boards.own(0)
        os.read(go, 1)
        own.hold(handle.id, chunk, holder)
        os._exit(0)
    until(lambda: Boards.used(boards), 10, "the child has its board")
    connections.ledger.claim(handle.id, chunk, holder)
    Leases(connections, Headers(connections.redis, connections.keys), boards).tick()
    print(handle.state().crashes, handle.held(), flush=True)
"""


def test_what_a_child_takes_and_dies_of_during_a_round_is_freed_by_that_round(
    redis_server: EmbeddedRedis, redis: Redis, tmp_path: Path
) -> None:
    program = Program(tmp_path / "sudden.py", SUDDEN, redis_server.url)
    assert program.line() == "1 {}"
    assert program.end()[0] == 0
