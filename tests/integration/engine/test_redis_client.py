"""The client that the engine sends its commands with: which connection each of them goes through."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from flowq.engine.redis_client import RedisClient, make_client
from flowq.local import EmbeddedRedis


class Interrupted(BaseException):
    """What the signal raises."""


@pytest.fixture
def client(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[RedisClient]:
    client = make_client(redis_server.url)
    yield client
    client.close()


def test_one_command_after_the_other_goes_through_one_connection(client: RedisClient) -> None:
    assert len({client.client_id() for _ in range(10)}) == 1


def test_commands_of_threads_go_through_connections_of_their_own(client: RedisClient) -> None:
    def push_and_pop(number: int) -> Any:
        client.rpush(f"list:{number}", number)
        return client.blpop([f"list:{number}"], timeout=5)[1]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(push_and_pop, range(400))) == [b"%d" % number for number in range(400)]


def test_a_connection_that_redis_has_closed_meanwhile_costs_no_command(
    redis: Redis, redis_server: EmbeddedRedis
) -> None:
    client = make_client(redis_server.url, answer_within_s=5)  # it tries nothing twice
    before = client.client_id()
    redis.client_kill_filter(_id=before)
    client.incr("count")
    assert client.get("count") == b"1"
    assert client.client_id() != before
    client.close()


def test_an_interrupted_command_leaves_its_answer_to_no_other(client: RedisClient, redis: Redis) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    client.ping()
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Interrupted):
            client.blpop(["nothing"], timeout=5)
    finally:
        signal.signal(signal.SIGALRM, before)
    redis.rpush("nothing", "something")
    assert client.echo("this") == b"this"
    assert client.lrange("nothing", 0, -1) == [b"something"]


def test_a_refused_command_leaves_the_connection_to_the_next(client: RedisClient) -> None:
    client.set("text", "no number")
    for _ in range(3):
        with pytest.raises(Exception, match="not an integer"):
            client.incr("text")
        assert client.get("text") == b"no number"


def test_a_forked_process_has_connections_of_its_own(client: RedisClient) -> None:
    of_parent = client.client_id()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(client.client_id()).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    of_child = int(os.read(read, 100))
    os.close(read)
    assert of_child != of_parent
    assert client.client_id() == of_parent
