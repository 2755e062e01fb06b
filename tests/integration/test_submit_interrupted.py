"""A submit that is cut short: Redis dies, freezes or forgets between two appends, or the producer is killed.

Either the feeding goes on and no item is doubled, or the batch is resumed by its key, or it is lost and says so.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

import flowq
from flowq.batch.executor import activate, activated, deactivate
from flowq.client import CeleryExecutor, left_alone
from flowq.client.overview import batches
from flowq.codec import loads
from flowq.engine import patience, redis_client
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.feeding.birth import birth_fields
from flowq.engine.feeding.feed import KEPT_BYTES, Feeder
from flowq.engine.keys import Keys
from flowq.engine.ledger import Ledger, Page, Times
from flowq.engine.reading.results import read_state
from flowq.engine.stored.pages import PAGE_BYTES
from flowq.local import EmbeddedRedis
from tests import faulty
from tests.births import birth
from tests.faulty import runs_of
from tests.heavy import Heavy, heavy
from tests.programs import Program
from tests.waiting import until

LEASE_S = 3.0
PAGE = 64  # items of the first page
KEPT_PAGES = KEPT_BYTES // PAGE_BYTES


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """A Redis that keeps what it was told, and comes back with it."""
    with EmbeddedRedis(appendonly=True, options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def cluster(server: EmbeddedRedis) -> Iterator[flowq.LocalCluster]:
    imports = ["tests.faulty", "tests.heavy"]
    with flowq.LocalCluster(
        workers=1, slots=2, lease_s=LEASE_S, broker_url=server.url, imports=imports, grace_s=0
    ) as cluster:
        yield cluster


@pytest.fixture
def oracle(tmp_path: Path) -> str:
    return str(tmp_path / "executions")


def producer(server: EmbeddedRedis) -> CeleryExecutor:
    return flowq.connect(flowq.Settings(broker_url=server.url, lease_s=LEASE_S))


def lapses_soon(executor: CeleryExecutor) -> None:
    """Once it does not beat any more, it is taken for dead within a lease, and not within the ten seconds of others."""
    ledger = executor.connections.ledger
    ledger.times = replace(ledger.times, feed_ms=int(LEASE_S * 1000))


def interrupted(items: Sequence[Any], at: int, strike: Callable[[], Any]) -> Iterator[Any]:
    """*items*, with *strike* called before the one at *at*: some pages are written by then, others not."""
    for index, item in enumerate(items):
        if index == at:
            strike()
        yield item


def once_each(n: int) -> dict[int, int]:
    return dict.fromkeys(range(n), 1)


def test_redis_killed_between_two_appends_doubles_no_item(
    server: EmbeddedRedis, cluster: flowq.LocalCluster, oracle: str
) -> None:
    items = [heavy(index) for index in range(200)]

    def strike() -> None:
        server.kill()
        server.restart()

    handle = Heavy(oracle).submit(interrupted(items, 100, strike))
    assert handle.result() == list(range(200))
    assert runs_of(oracle).keys() == once_each(200).keys()
    assert handle.progress().ok == handle.progress().total == 200


def test_an_append_that_timed_out_is_not_written_twice(
    server: EmbeddedRedis, cluster: flowq.LocalCluster, oracle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [heavy(index) for index in range(200)]

    def freeze() -> None:
        # Longer than a call waits for its answer: it is sent again while the first one still lies in the socket.
        os.kill(server.pid, signal.SIGSTOP)
        threading.Timer(2.5, os.kill, [server.pid, signal.SIGCONT]).start()

    monkeypatch.setattr(redis_client, "ANSWERS_WITHIN_S", 1.0)
    with activated(producer(server)) as executor:
        handle = Heavy(oracle).submit(interrupted(items, 100, freeze))
        assert handle.result() == list(range(200))
        assert handle.progress().ok == handle.progress().total == 200
    executor.connections.close()


def test_redis_that_stays_away_is_said_and_the_batch_goes_on_under_its_key(
    server: EmbeddedRedis, oracle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "AWAY_FOR_S", 1.0)
    items = [heavy(index) for index in range(200)]
    executor = producer(server)
    lapses_soon(executor)
    activate(executor)
    try:
        handle = Heavy(oracle).submit(interrupted(items, 100, server.kill), key="away")
        with pytest.raises(flowq.NoRedis, match=r"no Redis answers at .*redis\.sock"):
            handle.wait(timeout=60)
    finally:
        deactivate(executor)
        executor.connections.close()
    server.restart()
    with flowq.LocalCluster(workers=1, slots=2, broker_url=server.url, imports=["tests.heavy"], grace_s=0):
        again = Heavy(oracle).submit(items, key="away")
        assert again.id == handle.id
        assert again.result() == list(range(200))
    assert runs_of(oracle) == once_each(200)


def source_breaks() -> None:
    raise OSError("the source broke")


@pytest.mark.parametrize("kind", [list, iter])
def test_a_source_that_is_shorter_than_what_is_written_under_its_key_is_refused_and_the_batch_stays(
    cluster: flowq.LocalCluster, oracle: str, kind: Callable[[Sequence[Any]], Any]
) -> None:
    items = [heavy(index) for index in range(200)]
    broken = Heavy(oracle).submit(interrupted(items, 100, source_breaks), key="shorter")
    with pytest.raises(OSError, match="the source broke"):
        broken.result(timeout=30)
    with pytest.raises(flowq.FewerItems, match=r"Heavy was given 10 items, but \d+ of its batch are written"):
        Heavy(oracle).submit(kind(items[:10]), key="shorter").result(timeout=30)
    assert broken.progress().state == "running"
    again = Heavy(oracle).submit(kind(items), key="shorter")
    assert again.id == broken.id
    assert again.result(timeout=30) == list(range(200))
    assert runs_of(oracle) == once_each(200)


def test_redis_that_comes_back_empty_has_lost_the_batch_and_says_so(oracle: str) -> None:
    with EmbeddedRedis() as server:

        def forget() -> None:
            server.kill()
            server.restart()

        executor = producer(server)
        activate(executor)
        try:
            items = [heavy(index) for index in range(200)]
            handle = Heavy(oracle).submit(interrupted(items, 100, forget), key="lost")
            with pytest.raises(flowq.BatchLost, match=rf"{handle.id}.*appendonly yes"):
                handle.result(timeout=60)
            with pytest.raises(flowq.BatchLost):
                handle.state()
            assert executor.connections.redis.keys("flowq:*lost*") == []
            # The key is free: nothing hinders the next try.
            assert Heavy(oracle).submit(items, key="lost").progress().total == 200
        finally:
            deactivate(executor)
            executor.connections.close()


PRODUCER = """
    import sys, time, flowq
    from dataclasses import replace
    from flowq.batch.executor import activate
    from tests import faulty
    def items():
        for i in range(384):
            if i % 64 == 0:
                time.sleep(0.15)  # as a slow source: the page so far is written with the next item
            yield i
        print("read", flush=True)
        sys.stdin.read()  # for ever: the test holds on to the other end
    executor = flowq.connect(flowq.Settings(broker_url=sys.argv[1], lease_s=3))
    ledger = executor.connections.ledger
    ledger.times = replace(ledger.times, feed_ms=3000)  # taken for dead so soon after it was killed, and not in ten
    activate(executor)
    handle = faulty.Traced(sys.argv[2], seconds=0.03).submit(items(), key="nightly")
    handle.wait()
"""


def test_a_killed_producers_batch_stands_still_and_is_whole_after_a_submit_under_its_key(
    server: EmbeddedRedis,
    cluster: flowq.LocalCluster,
    oracle: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n = 400
    dies = Program(tmp_path / "producer.py", PRODUCER, server.url, oracle)
    connections = Connections(flowq.Settings(broker_url=server.url, lease_s=LEASE_S))
    redis, keys = connections.redis, connections.keys
    try:
        assert dies.line() == "read"
        (batch_id,) = (name.decode() for name in redis.zrange(keys.batches, 0, -1))
        until(lambda: read_state(connections, batch_id).avail >= 320, 10, "most of what it has read is written")
        dies.signal(signal.SIGKILL)
        dies.end()
        until(lambda: redis.zscore(keys.of(batch_id, "wake"), "feed") is None, 15, "its beat lapses")
        until(lambda: not read_state(connections, batch_id).open_chunks, 10, "what was open is done")
        stands = read_state(connections, batch_id)
        # Nothing more is given out, though there is more, and workers with nothing to do.
        assert stands.done == int(redis.hget(keys.meta(batch_id), "cur")) < stands.avail < n
        # Who waits for it is told so, once; only who writes the rest is not.
        monkeypatch.setattr(left_alone, "LOOK_EVERY_S", 0.05)
        waiting = flowq.get_batch(batch_id)
        gone = f"the producer of {batch_id} is gone before it had written all items"
        until(lambda: waiting.wait(0.05) or gone in caplog.text, 10, "it is said")
        assert not waiting.wait(0.2)
        assert [one.getMessage() for one in caplog.records if gone in one.getMessage()] == [
            f"{gone}: a submit of the same items under its key writes the rest"
        ]
        caplog.clear()
        handle = faulty.Traced(oracle, seconds=0.005).submit((i for i in range(n)), key="nightly")
        assert handle.id == batch_id
        assert handle.result(timeout=60) == [i * 3 for i in range(n)]
        assert gone not in caplog.text
    finally:
        dies.abandon()
        connections.close()
    assert runs_of(oracle) == once_each(n)


def test_a_generator_that_raises_under_a_key_is_gone_on_with_once_it_does_not(
    cluster: flowq.LocalCluster, oracle: str
) -> None:
    class Broken(Exception):
        pass

    def break_down() -> None:
        raise Broken

    node = faulty.Traced(oracle, seconds=0.001)
    with pytest.raises(Broken):
        node.submit(interrupted(range(1000), 500, break_down), key="mended").wait(timeout=30)
    again = node.submit(iter(range(1000)), key="mended")
    assert again.result() == [i * 3 for i in range(1000)]
    assert runs_of(oracle) == once_each(1000)


class Forgetful(Sequence[bytes]):
    """Items, before one of which Redis goes back to where it stood at an earlier one."""

    def __init__(self, redis: Redis, names: list[str], n: int, remember_at: int, forget_at: int) -> None:
        self._redis, self._names = redis, names
        self._items = [heavy(index, 100 * 1024) for index in range(n)]
        self._remember_at, self._forget_at = remember_at, forget_at
        self._remembered: dict[str, bytes] | None = None
        self.forgot = False

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, where: Any) -> Any:
        first = where.start if isinstance(where, slice) else where
        if self._remembered is None and first >= self._remember_at:
            self._remembered = {name: blob for name in self._names if (blob := self._redis.dump(name)) is not None}
        if not self.forgot and first >= self._forget_at:
            self.forgot = True
            self._redis.delete(*self._names)
            for name, blob in (self._remembered or {}).items():
                self._redis.restore(name, 0, blob)
        return self._items[where]


@pytest.mark.parametrize("forgotten", [10, 3 * KEPT_PAGES], ids=["a few pages", "more pages than are kept"])
def test_items_that_redis_forgot_are_written_again(redis: Redis, redis_server: EmbeddedRedis, forgotten: int) -> None:
    connections = Connections(flowq.Settings(broker_url=redis_server.url))
    feeder = feeder_of(connections, "b-forgot")
    names = connections.keys.own("b-forgot")
    n = 6 * KEPT_PAGES
    items = Forgetful(redis, names, n, remember_at=10, forget_at=10 + forgotten)
    feeder.feed(items)
    assert items.forgot
    state = read_state(connections, "b-forgot")
    assert (state.avail, state.sealed) == (n, True)
    written = [index for page in redis.hvals(connections.keys.of("b-forgot", "pages")) for index in indices(page)]
    assert sorted(written) == list(range(n))
    connections.close()


def test_what_ended_the_feeding_is_known_before_its_batch_has_ended(
    redis: Redis, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(flowq.Settings(broker_url=redis_server.url))
    feeder = feeder_of(connections, "b-untold")
    known: list[BaseException | None] = []
    control = connections.ledger.control

    def noted(*args: Any) -> Any:
        known.append(feeder.error)
        return control(*args)

    monkeypatch.setattr(connections.ledger, "control", noted)
    with pytest.raises(flowq.EncodeError) as raised:
        feeder.feed([*range(100_000), threading.Lock()])
    assert known == [raised.value]
    connections.close()


def test_who_gives_up_late_leaves_a_batch_alone_that_was_redriven_meanwhile(
    redis: Redis, redis_server: EmbeddedRedis
) -> None:
    connections = Connections(flowq.Settings(broker_url=redis_server.url))
    steps = feeder_of(connections, "b-redriven").steps(range(100_000))
    next(steps)
    connections.ledger.control("b-redriven", "cancel")
    connections.ledger.control("b-redriven", "redrive")
    steps.close()
    state = read_state(connections, "b-redriven")
    assert (state.state, state.gen) == ("running", 1)
    assert redis.exists(connections.keys.of("b-redriven", "pages"))
    connections.close()


def test_who_gives_up_a_batch_ends_it(redis: Redis, redis_server: EmbeddedRedis) -> None:
    connections = Connections(flowq.Settings(broker_url=redis_server.url))
    steps = feeder_of(connections, "b-given-up").steps(range(100_000))
    next(steps)
    steps.close()
    assert read_state(connections, "b-given-up").state == "cancelled"
    connections.close()


def test_what_ended_the_feeding_of_a_batch_with_a_key_is_raised_however_late_it_is_asked_for(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    """Such a batch does not end by it."""

    def items() -> Iterator[int]:
        yield from range(10)
        raise LookupError("the source is gone")

    handle = faulty.Traced(str(tmp_path / "trace")).submit(items(), key="late")
    until(lambda: not handle.is_fed_here, 20, "the end of the source")
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            handle.result()
        except LookupError as error:
            raised.append(error)

    threading.Thread(target=ask, daemon=True).start()  # it would wait for ever
    until(lambda: raised, 20, "the source's error")


def feeder_of(connections: Connections, batch_id: str) -> Feeder:
    header = Header(batch_id, batch_id, "Echo", "flowq", None, b"")
    return Feeder(connections, header, birth_fields(connections, header, flowq.BatchPolicy(), 1), 2)


def indices(page: bytes) -> list[int]:
    return [int.from_bytes(item[:8], "big") for item in loads(page)]


def test_a_batch_that_nobody_feeds_on_is_cancelled_after_its_retention(redis: Redis) -> None:
    clock = {"ms": 1_000_000}
    ledger = Ledger(redis, Keys("orphan"), Times(feed_ms=3000), clock_ms=lambda: clock["ms"])

    def wake_after(ms: int) -> str:
        clock["ms"] += ms
        return ledger.wake("b").state

    ledger.append("b", 0, [Page(10, b"page")], window=1, create=birth("b", retention_ms=60_000))
    assert wake_after(4000) == "running"  # its producer has lapsed
    assert wake_after(59_000) == "running"
    ledger.append("b", 10, [Page(10, b"page")], window=1)  # somebody feeds it on, and lapses too
    assert wake_after(4000) == "running"
    assert wake_after(59_000) == "running"
    assert wake_after(2000) == "cancelled"
    assert redis.hget(Keys("orphan").meta("b"), "state") == b"cancelled"


def test_ctrl_c_right_after_the_last_page_cancels_a_batch_that_can_be_run_again(
    server: EmbeddedRedis, cluster: flowq.LocalCluster, oracle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(point: str, batch_id: str) -> None:
        if point == "appended":
            raise KeyboardInterrupt

    with activated(producer(server)) as executor:
        with monkeypatch.context() as pressing:
            pressing.setattr(executor.connections.crash_points, "reached", pressed)
            with pytest.raises(KeyboardInterrupt):
                Heavy(oracle).map([heavy(index) for index in range(3)])
        (listed,) = batches(executor.connections)
        handle = flowq.get_batch(listed.id)
        assert handle.progress().state == "cancelled"
        assert handle.retry_failed().result(timeout=30) == [0, 1, 2]
    executor.connections.close()
