"""What flowq still does with a connection that it has lost: it is told so in words it knows, and lives on.

A Redis that is gone for a moment is no error of the items that ask it for something then, on their way through a flow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Message, Queue
from kombu.asynchronous import Hub
from kombu.common import ignore_errors

import flowq
from flowq.batch.results.done import Done
from flowq.client.executor import CeleryExecutor
from flowq.core.journey import AGAIN_S, OutOfReach
from flowq.engine import patience
from flowq.engine.app import queue_list
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ledger import Claimed, Committed
from flowq.engine.reading.read_ahead import ReadAhead
from flowq.engine.reading.results import FIRST_BLOBS
from flowq.engine.redis_client import make_client
from flowq.engine.running.slot import Slot
from flowq.engine.running.storing import JUDGED, follow
from flowq.engine.running.stream import StreamRun
from flowq.engine.running.work import Work
from flowq.local import EmbeddedRedis
from flowq.settings import Settings
from flowq.worker.boards import Boards
from flowq.worker.transport import CarefulTransport
from tests import nested
from tests.faulty import TracedFlow, runs_of
from tests.messages import Log
from tests.nodes import Square
from tests.waiting import until

log = logging.getLogger("tests.lost_connection")


def careful_connection(server: EmbeddedRedis) -> Connection:
    """A connection to *server* with the transport that flowq's own workers have."""
    connection = Connection(server.url)
    connection.get_transport_cls = lambda: CarefulTransport
    return connection


def take_one(connection: Connection) -> Message:
    """A message that was delivered over *connection* and not acknowledged."""
    tasks = Queue("tasks")
    with connection.clone() as sender:
        sender.Producer(serializer="json").publish({}, routing_key=tasks.name, declare=[tasks])
    taken: list[Message] = []
    remote_control = Queue("told-to-all", Exchange("all", type="fanout"), auto_delete=True)
    Consumer(connection, [tasks, remote_control], on_message=taken.append).consume()
    waiting_for_more = False
    while not (taken and waiting_for_more):
        try:
            connection.drain_events(timeout=0.1)
            waiting_for_more = False
        except TimeoutError:
            waiting_for_more = True  # the state that a worker is in most of the time
    return taken[0]


def test_what_comes_late_over_a_lost_connection_fails_as_a_connection_error() -> None:
    with EmbeddedRedis() as server, careful_connection(server) as connection:
        message = take_one(connection)
        server.kill()
        # As Celery's consumer parts with a connection, and later acknowledges what its children finished meanwhile.
        # An error of any other kind ends the worker.
        ignore_errors(connection, connection.collect)
        ignore_errors(connection, connection.close)
        with pytest.raises(connection.connection_errors):
            message.ack()
        message.ack_log_error(log, connection.connection_errors)
        message.reject_log_error(log, connection.connection_errors, requeue=True)


def test_a_loop_keeps_nothing_of_a_connection_that_was_lost() -> None:
    loop = Hub()
    with EmbeddedRedis() as server:
        for _ in range(3):
            with careful_connection(server) as connection:
                connection.transport.register_with_event_loop(connection.connection, loop)
                take_one(connection)
                assert len(loop.on_tick) == 1
                server.kill()
                ignore_errors(connection, connection.collect)
                ignore_errors(connection, connection.close)
            assert not loop.on_tick
            server.restart()
    loop.close()


def closes_within(seconds: float, connection: Connection) -> bool:
    closing = threading.Thread(target=connection.close, daemon=True)
    closing.start()
    closing.join(seconds)
    return not closing.is_alive()


def test_a_worker_that_stops_does_not_wait_for_a_message_that_may_come() -> None:
    with EmbeddedRedis() as server:
        connection = careful_connection(server)
        channel = connection.default_channel
        channel.brpop_timeout = 300
        take_one(connection).ack()
        server.restart()

        def reads_again() -> bool:
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                return bool(channel._in_poll)
            except connection.connection_errors:
                return False
            return False

        until(reads_again, 10, "it has another connection, of which Redis has another id")
        connection.transport.end_reads()
        assert closes_within(20, connection)


@pytest.mark.parametrize("rules", [["-client"], ["-client", "+client|id"]])
def test_a_read_that_may_not_be_ended_ends_by_itself(rules: list[str]) -> None:
    with EmbeddedRedis() as server:
        with make_client(server.url) as redis:
            redis.execute_command("ACL", "SETUSER", "default", *rules)
        connection = careful_connection(server)
        take_one(connection).ack()
        connection.transport.end_reads()
        assert closes_within(20, connection)


@pytest.mark.parametrize("how", ["ack_log_error", "reject_log_error"])
def test_a_message_that_redis_is_not_told_about_leaves_its_place_to_others(how: str) -> None:
    with EmbeddedRedis() as server, careful_connection(server) as connection:
        message = take_one(connection)
        assert message.channel is not None
        message.channel.basic_qos(prefetch_size=0, prefetch_count=1, apply_global=False)
        assert not message.channel.qos.can_consume()
        server.kill()
        getattr(message, how)(log, connection.connection_errors)
        assert message.channel.qos.can_consume(), "else a worker has a slot less for as long as the connection lives"


def test_a_channel_makes_one_client_for_as_long_as_its_pool_is_open() -> None:
    with EmbeddedRedis() as server, careful_connection(server) as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()
        channel._after_fork()  # as kombu has it called in each child: the parent's sockets are not for both
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.connection_pool is not first.connection_pool
            assert third.ping()
        channel.close()
        with pytest.raises(connection.connection_errors), channel.conn_or_acquire():
            pass


def test_messages_that_cannot_be_published_are_left_to_the_caretaker() -> None:
    with EmbeddedRedis() as server:
        connections = Connections(Settings(broker_url=server.url))
        header = Header("b-1", "b", "b", connections.settings.queue, None, b"")
        publish_chunks(connections, header, ["0:0-1", "0:1-2"])  # the connection is there
        server.kill()
        began = time.monotonic()
        for _ in range(4):
            publish_chunks(connections, header, ["0:0-1", "0:1-2"])
        assert time.monotonic() - began < 10, "kombu's own tries of a new connection: six seconds each, but the first"
        server.restart()
        publish_chunks(connections, header, ["0:0-1", "0:1-2"])
        assert connections.redis.llen(queue_list(connections.app, header.queue)) == 2
        connections.close()


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """One to be killed."""
    with EmbeddedRedis() as made:
        yield made


@pytest.fixture
def slot(server: EmbeddedRedis) -> Iterator[Slot]:
    connections = Connections(Settings(broker_url=server.url))
    yield Slot(connections, "one", Boards().own(0))
    connections.close()


def claimed(slot: Slot) -> tuple[Work, Claimed]:
    """A new batch and its first chunk."""
    header = CeleryExecutor(slot.connections.settings).submit(Square().job([1, 2])).header
    claim = slot.connections.ledger.claim(header.id, "0:0-1", slot.holder, fields=JUDGED)
    assert isinstance(claim, Claimed)
    return slot.work(header.id), claim


def test_what_follows_a_commit_is_left_to_the_caretaker_while_redis_does_not_answer(
    server: EmbeddedRedis, slot: Slot, caplog: pytest.LogCaptureFixture
) -> None:
    work, _ = claimed(slot)
    child = replace(work, header=replace(work.header, root="b-root", parent="b-parent"))
    server.kill()
    follow(slot, child, Committed("succeeded", []), Done(0, [1]))
    left = [one for one in caplog.records if "left to a caretaker" in one.message]
    assert len(left) == 2, "the place that others of its family wait for, and its own confirmation"


def test_a_range_that_was_refused_is_no_sign_of_the_end_while_redis_does_not_answer(
    server: EmbeddedRedis, slot: Slot
) -> None:
    run = StreamRun(slot, *claimed(slot))
    server.kill()
    assert not run._has_ended()


def test_a_result_is_read_on_after_a_short_absence() -> None:
    options = {"appendonly": "yes", "appendfsync": "always"}
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], redis_options=options, grace_s=0) as cluster:
        batch = Square(chunk_size=1).submit(range(FIRST_BLOBS + 2))
        assert batch.wait(30)
        ahead = ReadAhead(cluster.executor.connections, batch.id)
        dones = ahead.dones(ahead.commits()[1])
        first = next(dones)
        cluster.redis.kill()
        back = threading.Timer(0.5, cluster.redis.restart)
        back.start()
        read = [first, *dones]
        back.join()
    assert sorted(done.start for done in read) == list(range(FIRST_BLOBS + 2))


def test_items_in_flight_run_on_when_what_follows_a_commit_fails(tmp_path: Path) -> None:
    oracle = str(tmp_path / "executions")
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.faulty"], lease_s=3, grace_s=0) as cluster:
        redis = Connections(flowq.Settings(broker_url=cluster.broker_url)).redis
        redis.execute_command("ACL", "SETUSER", "default", "-spop")  # what gives others of a family a free place
        TracedFlow(oracle, 12, slow=[0, 2, 4], concurrency=6, in_flight=6).run({})
        state = cluster.executor.latest().state()
    assert (state.ok, state.losses, state.crashes) == (12, 0, 0)
    assert runs_of(oracle) == dict.fromkeys(range(12), 1)


@pytest.fixture
def durable() -> Iterator[flowq.LocalCluster]:
    """A worker whose Redis comes back with all that it had acknowledged."""
    options = {"appendonly": "yes", "appendfsync": "always"}
    imports = ["tests.nested"]
    # A claim whose answer is lost with the connection costs a lease.
    with flowq.LocalCluster(
        slots=2, workers=1, imports=imports, lease_s=3, redis_options=options, grace_s=0
    ) as cluster:
        yield cluster


def away_for_a_moment(cluster: flowq.LocalCluster, path: Path) -> None:
    """Redis is away from the first step on until its worker has asked for it in vain."""
    until(lambda: "one begins" in nested.notes(path), 20, "the first step runs")
    cluster.redis.kill()
    Log(cluster.workers[0].log_path, whole=True).await_line("Redis does not answer")
    cluster.redis.restart()


def test_a_run_whose_step_ends_while_redis_is_away_goes_on_with_it(durable: flowq.LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = nested.six_steps(str(path), first_s=0.5).submit({"numbers": [1, 2]})
    away_for_a_moment(durable, path)
    shared = run.result(timeout=30).shared
    assert (shared["marks"], shared["squares"]) == (["one", "two", "three", "four", "five", "six"], [1, 4])
    assert nested.notes(path).count("one begins") == 1


def read_the_store(path: Path) -> flowq.Node[Any, Any]:
    start = nested.Step("one", str(path), 0.5)
    start >> nested.SlowReader(0.0)
    return start


def begin_a_batch(path: Path) -> flowq.Node[Any, Any]:
    start = nested.Step("one", str(path), 0.5)
    start >> nested.Leaves(3)
    return start


@pytest.mark.parametrize("steps", [read_the_store, begin_a_batch])
def test_what_items_ask_for_while_redis_is_away_they_are_given_when_it_is_back(
    durable: flowq.LocalCluster, tmp_path: Path, steps: Callable[[Path], flowq.Node[Any, Any]]
) -> None:
    path = tmp_path / "notes"
    flow = nested.Level(steps(path), 2, on_error="collect")
    handle = durable.executor.submit(flow.job([{"place": 0}, {"place": 1}], shared={"kept": "value"}))
    away_for_a_moment(durable, path)
    assert [str(one.error) for one in handle.result(timeout=30).items] == ["None", "None"]
    assert nested.notes(path).count("one begins") == 2


@pytest.mark.parametrize("node", [nested.SlowReader(0.0), nested.ReadsInside()], ids=["its own", "one within it"])
def test_an_item_that_redis_stays_away_from_waits_for_its_turn_and_has_no_outcome(
    server: EmbeddedRedis, slot: Slot, monkeypatch: pytest.MonkeyPatch, node: flowq.Node[Any, Any]
) -> None:
    monkeypatch.setattr(patience, "AWAY_FOR_S", 0.0)
    flow = nested.Level(node, 1, max_retries=3)
    header = CeleryExecutor(slot.connections.settings).submit(flow.job([{}], shared={"kept": "value"})).header
    work = slot.work(header.id)
    server.kill()
    done = work.runner.run([{}], 0, tries=1)
    assert not done.notable
    (park,) = done.parked
    assert (park.index, park.tries, park.due_in_s, park.facts) == (0, 1, AGAIN_S, ())
    assert "Redis did not answer" in park.reason


def test_a_run_that_redis_stays_away_from_goes_on_from_where_it_was_kept(slot: Slot, tmp_path: Path) -> None:
    first = nested.Step("one", str(tmp_path / "notes"))
    first >> nested.Step("two", str(tmp_path / "notes"))
    run = CeleryExecutor(slot.connections.settings).submit_run(flowq.Flow(first), {}, None, None)
    work, kept = slot.work(run.id), list[bytes]()
    assert work.journeys is not None

    def keep(index: int, state: bytes) -> None:
        if kept:
            raise OutOfReach("Redis did not answer")
        kept.append(state)

    work.journeys.begin(0, 0, b"", keep)
    (park,) = work.runner.run([{}], 0).parked
    assert park.reached == kept[0]
