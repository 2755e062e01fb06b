"""The model of a fleet, and the protocol that its simulation speaks."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fleet import Fleet, Prices
from benchmarks.lines import Actor, Line, Loop, pack


def test_short_items_ride_together_and_long_ones_alone() -> None:
    assert Fleet(1, 0.001).chunk_items == pytest.approx(200)
    assert Fleet(1, 3.0).chunk_items == 1


def test_the_load_of_redis_grows_with_the_slots_and_not_with_the_speed_of_short_items() -> None:
    prices = Prices()
    one, ten = Fleet(10, 0.01).load(prices), Fleet(100, 0.01).load(prices)
    assert ten.work == pytest.approx(10 * one.work)
    assert ten.cpu < 10 * one.cpu, "a server at work is not woken"
    assert Fleet(10, 0.0001).load(prices).chunks == pytest.approx(one.chunks)
    assert Fleet(10, 10.0).load(prices).work < one.work / 5, "beats stay"


def test_a_process_that_goes_on_by_itself_needs_half_the_messages() -> None:
    prices = Prices(gap_s=0.0)
    short, long = Fleet(100, 0.19).load(prices), Fleet(100, 0.2).load(prices)
    assert short.chunks == pytest.approx(long.chunks)
    assert short.trips < 0.75 * long.trips


def test_pages_of_large_fleets_come_with_the_claim() -> None:
    assert Fleet(1000, 1.0, 500).reads == 0
    assert Fleet(100, 1.0, 1000).reads == 1
    assert Fleet(8, 1.0, 1000).reads < 0.1, "a page serves many items"


def test_every_slot_of_a_small_fleet_reads_the_item_of_every_other() -> None:
    assert Fleet(8, 1.0, 100).read_bytes == 800
    assert Fleet(1000, 1.0, 100).read_bytes == 4194
    assert Fleet(8, 0.001, 10_000).read_bytes == 2_000_000, "a chunk's own items are more than a page"


def test_a_redis_is_full_where_the_load_says() -> None:
    prices = Prices()
    slots = Fleet(1000, 1.0).full_at(prices, full=0.9)
    assert Fleet(slots, 1.0).load(prices).cpu == pytest.approx(0.9, rel=0.01)


def test_a_redis_with_part_of_a_core_does_that_part_and_no_more() -> None:
    prices = Prices()
    fits, twice = Fleet(100, 1.0), Fleet(4000, 0.25)
    assert fits.load(prices).held_to(0.5) == fits.load(prices)
    held = twice.load(prices).held_to(0.5)
    assert (held.work, held.cpu) == (0.5, 0.5)
    assert held.chunks < 0.6 * twice.load(prices).held_to(1.0).chunks
    assert held.chunks == pytest.approx(Fleet(4000, 0.5).load(prices).held_to(0.5).chunks, rel=0.1)
    full = Fleet(twice.most(prices, 0.5), 0.25).load(prices)
    assert full.work == pytest.approx(0.5, rel=0.01)


def test_a_slot_waits_for_the_network_some_round_trips_a_message() -> None:
    prices = Prices(gap_s=0.0)
    near, far = Fleet(1000, 1.0, 500), Fleet(1000, 1.0, 500, network_s=0.01)
    assert far.cycle_s(prices) - near.cycle_s(prices) == pytest.approx(0.06)
    assert far.load(prices).chunks == pytest.approx(near.load(prices).chunks / 1.06)


def test_an_item_larger_than_a_page_is_one_that_is_fetched() -> None:
    large = Fleet(1000, 1.0, 100_000)
    assert (large.page, large.read_bytes, large.reads) == (100_000, 100_000, 1)


def test_what_lies_there_before_and_is_read_later_costs_nothing_meanwhile() -> None:
    prices = Prices()
    fed, lying = Fleet(100, 1.0, 16_000).load(prices), Fleet(100, 1.0, 16_000, is_fed=False).load(prices)
    moved = 16_000 * fed.chunks
    assert fed.in_bytes - lying.in_bytes == pytest.approx(moved)
    assert fed.out_bytes - lying.out_bytes == pytest.approx(moved)
    assert fed.work > lying.work


def test_an_answer_is_read_once_all_of_it_is_there(tmp_path: Path) -> None:
    address, loop, got = str(tmp_path / "redis"), Loop(), list[Any]()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        line = Line(loop, address)

        def ask() -> Actor:
            got.append((yield line.ask(b"PING", 2)))

        loop.spawn(ask())
        peer, _ = server.accept()
        with peer:
            for part in (b"*3\r\n$2\r\no", b"k\r\n:7\r\n*-1\r\n+PO", b"NG\r\n"):
                assert got == []
                peer.sendall(part)
                loop.run(time.monotonic() + 0.02)
            assert peer.recv(100) == b"PING"
    loop.close()
    assert got == [[[b"ok", 7, None], b"PONG"]]


def test_a_network_that_is_played_delays_what_is_asked(tmp_path: Path) -> None:
    address, loop, got = str(tmp_path / "redis"), Loop(network_s=0.1), list[float]()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        line = Line(loop, address)

        def ask() -> Actor:
            yield line.ask(b"PING")
            got.append(time.monotonic())

        peer, _ = server.accept()
        with peer:
            loop.spawn(ask())
            began = time.monotonic()
            loop.run(began + 0.02)
            with pytest.raises(BlockingIOError):
                peer.recv(100, socket.MSG_DONTWAIT)
            loop.run(time.monotonic() + 0.15)
            assert peer.recv(100) == b"PING"
            peer.sendall(b"+PONG\r\n")
            loop.run(time.monotonic() + 0.02)
    loop.close()
    assert got[0] - began >= 0.1


def test_a_command_is_spelled_as_redis_reads_it() -> None:
    assert pack("SET", "k", 7, b"\x00") == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n7\r\n$1\r\n\x00\r\n"
