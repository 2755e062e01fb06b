"""How many items the chunks of a batch get when they are opened, and which of them a process may take unasked."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from flowq.engine.ids import span
from flowq.engine.keys import Keys
from flowq.engine.ledger import WAITING, Appended, Claimed, Ledger, Page

BATCH = "sizes"


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, Keys("test"))


def opened(
    ledger: Ledger, *, sealed: bool, size: int = 1000, floor: int = 1, fixed: int = 0, concurrency: int = 0,
    in_flight: int = 1,
) -> list[int]:  # fmt: skip
    """The sizes of the first chunks of 100 items, of which four may be open."""
    birth: dict[str, Any] = {
        "id": BATCH, "budget": -1, "share": -1, "concurrency": concurrency, "in_flight": in_flight, "size": size,
        "floor": floor, "fixed": fixed, "channel": "sizes", "retention_ms": 60_000,
    }  # fmt: skip
    reply = ledger.append(BATCH, 0, [Page(60, b"page"), Page(40, b"page")], sealed=sealed, window=4, create=birth)
    assert isinstance(reply, Appended)
    return [stop - start for start, stop in map(span, reply.ids)]


def test_what_a_producer_has_written_so_far_goes_to_all_places(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False) == [25, 25, 25, 25]


def test_the_rest_of_a_whole_batch_is_shared_out_in_ever_smaller_chunks(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True) == [25, 19, 14, 11]


@pytest.mark.parametrize("sealed", [False, True])
def test_no_chunk_is_cut_below_what_it_costs(ledger: Ledger, sealed: bool) -> None:
    assert opened(ledger, sealed=sealed, floor=60) == [60, 40]


def test_a_size_that_the_user_has_set_is_kept(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False, size=40, fixed=1) == [40, 40, 20]


def test_a_concurrency_counts_what_is_in_flight_and_makes_no_chunk_short(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, concurrency=2) == [25, 19]


def test_where_fewer_places_are_free_than_a_process_has_a_chunk_is_no_longer_than_these(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, concurrency=5, in_flight=3) == [25, 2]


def test_the_first_chunk_that_waits_for_its_message_is_taken_and_none_that_is_held(ledger: Ledger) -> None:
    opened(ledger, sealed=True)
    ledger.claim(BATCH, "0:0-25", "a")
    taken = [ledger.claim(BATCH, WAITING, "b") for _ in range(4)]
    assert [one.id if isinstance(one, Claimed) else one for one in taken] == ["0:25-44", "0:44-58", "0:58-69", "gone"]
    assert ledger.claim(BATCH, "0:25-44", "c") == "busy", "its message finds it taken"


def test_a_chunk_that_waits_for_its_time_or_after_a_crash_is_left_to_its_message(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=60)
    ledger.claim(BATCH, "0:0-60", "a")
    ledger.claim(BATCH, "0:60-100", "b")
    ledger.commit(BATCH, "0:0-60", 0, 0, "a", give="crash")
    ledger.commit(BATCH, "0:60-100", 60, 60, "b", give="wait", wait_ms=60_000)
    assert ledger.claim(BATCH, WAITING, "c") == "gone"
