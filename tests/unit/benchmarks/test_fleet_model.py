"""The model of a fleet, and the protocol that its simulation speaks."""

from __future__ import annotations

import pytest

from benchmarks.fleet import Fleet, Prices
from benchmarks.lines import Incomplete, pack, parse


def test_short_items_ride_together_and_long_ones_alone() -> None:
    assert Fleet(1, 0.001).chunk_items == pytest.approx(200)
    assert Fleet(1, 3.0).chunk_items == 1


def test_the_load_of_redis_grows_with_the_slots_and_not_with_the_speed_of_short_items() -> None:
    prices = Prices()
    one, ten = Fleet(10, 0.01).load(prices), Fleet(100, 0.01).load(prices)
    assert ten.work == pytest.approx(10 * one.work)
    assert ten.cpu < 10 * one.cpu, "a server at work is not woken"
    assert Fleet(10, 0.0001).load(prices).chunks == pytest.approx(one.chunks)
    assert Fleet(10, 10.0).load(prices).work < one.work / 10


def test_every_slot_of_a_small_fleet_reads_the_item_of_every_other() -> None:
    assert Fleet(8, 1.0, 100).read_bytes == 800
    assert Fleet(1000, 1.0, 100).read_bytes == 4194
    assert Fleet(8, 0.001, 10_000).read_bytes == 2_000_000, "a chunk's own items are more than a page"


def test_a_redis_is_full_where_the_load_says() -> None:
    prices = Prices()
    slots = Fleet(1000, 1.0).full_at(prices, full=0.9)
    assert Fleet(slots, 1.0).load(prices).cpu == pytest.approx(0.9, rel=0.01)


def test_an_answer_is_read_once_all_of_it_is_there() -> None:
    raw = b"*3\r\n$2\r\nok\r\n:7\r\n*-1\r\n+PONG\r\n"
    assert parse(raw) == ([b"ok", 7, None], 21)
    assert parse(raw, 21) == (b"PONG", len(raw))
    for upto in range(21):
        with pytest.raises(Incomplete):
            parse(raw[:upto])


def test_a_command_is_spelled_as_redis_reads_it() -> None:
    assert pack("SET", "k", 7, b"\x00") == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n7\r\n$1\r\n\x00\r\n"
