"""How many items the chunks of a batch get when they are opened, and which of them a process may take unasked."""

from __future__ import annotations

import pytest
from redis import Redis

from flowq.engine.ids import span
from flowq.engine.keys import Keys
from flowq.engine.ledger import Appended, Claimed, Committed, Ledger, Page, Parked, Tally
from tests.births import birth
from tests.integration.engine.conftest import Clock

BATCH = "sizes"


@pytest.fixture
def ledger(redis: Redis, clock: Clock) -> Ledger:
    return Ledger(redis, Keys("test"), clock_ms=clock)


def opened(
    ledger: Ledger, *, sealed: bool, size: int = 1000, floor: int = 1, fixed: int = 0, concurrency: int = 0,
    in_flight: int = 1, window: int = 4,
) -> list[int]:  # fmt: skip
    """The sizes of the first chunks of 100 items, in a page of 60 and one of 40."""
    create = birth(BATCH, size=size, floor=floor, fixed=fixed, concurrency=concurrency, in_flight=in_flight)
    pages = [Page(60, b"page"), Page(40, b"page")]
    reply = ledger.append(BATCH, 0, pages, sealed=sealed, window=window, create=create)
    assert isinstance(reply, Appended)
    return [stop - start for start, stop in map(span, reply.ids)]


def test_what_a_producer_has_written_so_far_goes_to_all_places(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False) == [25, 25, 25, 25]


def test_what_is_there_is_no_chunk_for_the_one_slot_that_waits(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False, floor=10, window=4) == [50, 25]
    reply = ledger.append(BATCH, 100, [Page(200, b"page")], sealed=False, window=5)  # three slots: one has nothing yet
    assert isinstance(reply, Appended)
    assert reply.ids == ["0:75-150"], "two thirds of what is there are left for the others"


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
    taken = [ledger.claim(BATCH, "0:0-25", "b", or_other=True) for _ in range(4)]
    assert [one.id if isinstance(one, Claimed) else one for one in taken] == ["0:25-44", "0:44-58", "0:58-69", "busy"]
    assert ledger.claim(BATCH, "0:25-44", "c") == "busy", "its message finds it taken"


def test_a_chunk_that_waits_for_its_time_or_after_a_crash_is_left_to_its_message(ledger: Ledger) -> None:
    opened(ledger, sealed=True, size=30, fixed=1)
    for chunk, holder in (("0:0-30", "a"), ("0:30-60", "b"), ("0:60-90", "c"), ("0:90-100", "c")):
        ledger.claim(BATCH, chunk, holder)
    ledger.commit(BATCH, "0:0-30", 0, 0, "a", give="crash")
    ledger.commit(BATCH, "0:30-60", 30, 30, "b", give="wait", wait_ms=60_000)
    assert ledger.claim(BATCH, "0:60-90", "d", or_other=True) == "busy"


def test_a_chunk_ends_with_a_page_where_that_costs_less_than_half_of_it(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, size=70, window=1) == [60]


def test_of_items_that_are_known_to_be_short_one_chunk_a_slot_is_published(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, floor=10, window=6) == [17, 14, 12]


def commit(ledger: Ledger, claim: object, *, go_on: bool = True) -> Committed:
    """All of a chunk, by holder "a"."""
    assert isinstance(claim, Claimed)
    n = claim.stop - claim.start
    fields = ["avail"] if go_on else None
    reply = ledger.commit(BATCH, claim.id, claim.start, claim.stop, "a", b"done", Tally(ok=n), go_on=fields)
    assert isinstance(reply, Committed)
    return reply


def test_a_commit_takes_the_first_that_waits_and_leaves_its_message_to_the_range_it_opens(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=30, window=4)
    reply = commit(ledger, ledger.claim(BATCH, "0:0-30", "a"))
    assert reply.following is not None
    assert (reply.following.id, reply.following.fields, reply.ids, reply.opened) == ("0:30-60", [b"100"], [], True)
    assert ledger.claim(BATCH, "0:30-60", "b") == "busy", "it is held"
    other = ledger.claim(BATCH, "0:30-60", "b", or_other=True)
    assert isinstance(other, Claimed)
    assert other.id == "0:60-90"
    assert commit(ledger, reply.following, go_on=False).ids == ["0:90-100"]


def test_with_nothing_that_waits_a_commit_takes_the_range_it_opens(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=30, window=2)
    reply = commit(ledger, ledger.claim(BATCH, "0:0-50", "a"))
    assert reply.following is not None
    assert (reply.following.id, reply.ids, reply.opened) == ("0:50-80", [], True)


def test_with_nothing_left_to_open_a_commit_takes_what_waits(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=50, window=4)
    reply = commit(ledger, ledger.claim(BATCH, "0:0-50", "a"))
    assert reply.following is not None
    assert (reply.following.id, reply.opened) == ("0:50-100", False)
    assert commit(ledger, reply.following).ended == "succeeded"


def test_of_a_paused_batch_a_commit_takes_nothing(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=50, window=4)
    claim = ledger.claim(BATCH, "0:0-50", "a")
    ledger.control(BATCH, "pause")
    assert commit(ledger, claim).following is None


def test_the_message_of_a_chunk_that_is_taken_stands_for_another(ledger: Ledger) -> None:
    opened(ledger, sealed=True, floor=30, window=4)
    ledger.claim(BATCH, "0:0-30", "a")
    waiting, free = (ledger.claim(BATCH, "0:0-30", holder, or_other=True) for holder in ("b", "c"))
    assert [one.id for one in (waiting, free) if isinstance(one, Claimed)] == ["0:30-60", "0:60-90"]


def test_who_has_free_places_takes_what_waits_where_nothing_else_is_left(ledger: Ledger, clock: Clock) -> None:
    opened(ledger, sealed=True, floor=30, window=8)
    ledger.claim(BATCH, "0:0-30", "a")
    assert ledger.claim(BATCH, "", "a") == "gone"
    clock.ms += 51
    late = ledger.claim(BATCH, "", "a")
    assert isinstance(late, Claimed)
    assert late.id == "0:30-60"


def test_what_waits_is_taken_before_a_free_range_and_its_message_stands_for_another(
    ledger: Ledger, clock: Clock
) -> None:
    opened(ledger, sealed=True, floor=10, window=3)
    ledger.claim(BATCH, "0:0-34", "a")
    clock.ms += 51
    first = ledger.claim(BATCH, "", "a", most=10)
    assert isinstance(first, Claimed)
    assert first.id == "0:34-56", "a reader in item order waits for it"
    assert ledger.claim(BATCH, "0:34-56", "b") == "busy", "it is held"
    other = ledger.claim(BATCH, "0:34-56", "b", or_other=True)
    assert isinstance(other, Claimed)
    assert other.id == "0:56-71", "opened for that message, beyond the window"


def test_the_message_of_a_retried_item_stands_for_another_chunk_too(ledger: Ledger, clock: Clock) -> None:
    opened(ledger, sealed=True, floor=10, window=2)
    first = ledger.claim(BATCH, "0:0-50", "a")
    assert isinstance(first, Claimed)
    parked = Parked(0, 1, 0, "retry")
    ledger.commit(BATCH, first.id, 0, 50, "a", tally=Tally(ok=49, parked=[parked]))
    clock.ms += 51
    taken = [ledger.claim(BATCH, "", "b"), ledger.claim(BATCH, "", "b")]
    assert [one.id for one in taken if isinstance(one, Claimed)] == ["0:0-1~1", "0:50-75"]
    assert isinstance(ledger.claim(BATCH, "0:0-1~1", "c", or_other=True), Claimed)


def test_what_waits_among_many_chunks_that_are_held_is_found(ledger: Ledger, clock: Clock) -> None:
    """With a holder's name of that length Redis hashes the records, so that a look sees some of them."""
    opened(ledger, sealed=True, size=1, fixed=1, window=100)
    taken = {f"0:{at}-{at + 1}" for at in range(0, 100, 2)}
    for one in taken:
        ledger.claim(BATCH, one, "celery@a-worker-with-the-name-of-its-pod-7d9f8b6c5d-abcde/12345")
    for _ in range(1000):
        clock.ms += 51
        claim = ledger.claim(BATCH, "", "b")
        if isinstance(claim, Claimed):
            taken.add(claim.id)
    assert len(taken) == 100


def test_messages_do_not_pile_up_where_chunks_are_taken_without_them(ledger: Ledger, clock: Clock) -> None:
    """Under a concurrency nothing can be opened for the message of a chunk that is taken so."""
    opened(ledger, sealed=True, size=5, fixed=1, concurrency=10, in_flight=5, window=4)
    messages, held = 2, ledger.claim(BATCH, "0:0-5", "a")
    for _ in range(15):
        reply = commit(ledger, held, go_on=False)
        messages += len(reply.ids)
        clock.ms += 51
        held = ledger.claim(BATCH, "", "a")
    assert messages <= 4


def test_a_message_that_is_left_over_takes_nothing_that_another_message_brings(ledger: Ledger, clock: Clock) -> None:
    """Else a batch could keep all slots with such messages, before those of another."""
    opened(ledger, sealed=True, size=5, fixed=1, concurrency=10, in_flight=5, window=4)  # with two messages
    first = ledger.claim(BATCH, "0:0-5", "a")
    clock.ms += 51
    assert isinstance(ledger.claim(BATCH, "", "a"), Claimed)
    assert ledger.claim(BATCH, "0:5-10", "b", or_other=True) == "busy"
    assert commit(ledger, first, go_on=False).ids == ["0:10-15"], "that message is gone: the next chunk has its own"
    clock.ms += 51
    third = ledger.claim(BATCH, "", "a")
    assert commit(ledger, third, go_on=False).ids == [], "the message of the third stands for the fourth"
    other = ledger.claim(BATCH, "0:10-15", "b", or_other=True)
    assert isinstance(other, Claimed)
    assert other.id == "0:15-20"


def test_after_a_pause_every_chunk_that_waits_has_a_message(ledger: Ledger, clock: Clock) -> None:
    opened(ledger, sealed=True, size=5, fixed=1, concurrency=10, in_flight=5, window=4)
    first = ledger.claim(BATCH, "0:0-5", "a")
    clock.ms += 51
    assert isinstance(ledger.claim(BATCH, "", "a"), Claimed)
    ledger.control(BATCH, "pause")
    assert ledger.claim(BATCH, "0:5-10", "b", or_other=True) == "paused", "and its message is gone"
    assert ledger.control(BATCH, "resume")[2] == []
    assert commit(ledger, first, go_on=False).ids == ["0:10-15"]


def test_messages_of_a_queue_that_was_emptied_stand_for_nothing(ledger: Ledger, clock: Clock) -> None:
    opened(ledger, sealed=True, size=5, fixed=1, concurrency=10, in_flight=5, window=4)
    first = ledger.claim(BATCH, "0:0-5", "a")
    clock.ms += 51
    assert isinstance(ledger.claim(BATCH, "", "a"), Claimed)
    ledger.wake(BATCH, idle=True)
    assert commit(ledger, first, go_on=False).ids == ["0:10-15"]


def test_parked_items_that_are_due_fill_free_places_beyond_the_window(ledger: Ledger, clock: Clock) -> None:
    opened(ledger, sealed=True, size=100, fixed=1, window=2)
    parked = [Parked(index, 1, 1000, "retry") for index in range(10)]
    first = ledger.claim(BATCH, "0:0-100", "a")
    assert isinstance(first, Claimed)
    ledger.commit(BATCH, first.id, 0, 99, "a", tally=Tally(ok=89, parked=parked))
    assert ledger.claim(BATCH, "", "a") == "gone", "they wait for their time"
    clock.ms += 1001
    claims = [ledger.claim(BATCH, "", "a") for _ in range(11)]
    assert {one.id for one in claims if isinstance(one, Claimed)} == {f"0:{index}-{index + 1}~1" for index in range(10)}


@pytest.mark.parametrize("chunk_id", ["0:100-200", "7:0-30", "0:0-2~3"])
def test_a_message_of_a_chunk_that_never_was_stands_for_none(ledger: Ledger, chunk_id: str) -> None:
    opened(ledger, sealed=True, floor=30, window=4)
    assert ledger.claim(BATCH, chunk_id, "a", or_other=True) == "gone"


def test_one_slot_goes_on_with_chunks_of_full_length_while_its_producer_feeds(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False, size=60, floor=3, window=2) == [60]
    reply = commit(ledger, ledger.claim(BATCH, "0:0-60", "a"))
    assert reply.following is not None
    assert reply.following.id == "0:60-100"


def test_where_concurrency_lets_one_chunk_run_it_leaves_nothing_to_others(ledger: Ledger) -> None:
    assert opened(ledger, sealed=False, size=25, concurrency=1, window=32) == [25]
    reply = commit(ledger, ledger.claim(BATCH, "0:0-25", "a"))
    assert reply.following is not None
    assert reply.following.id == "0:25-50"


def test_items_that_run_on_beside_a_chunk_leave_its_slot_to_others(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, size=10, fixed=1, window=2, in_flight=10) == [10, 10]
    claim = ledger.claim(BATCH, "0:0-10", "a")
    assert isinstance(claim, Claimed)
    tally = Tally(ok=6, split=[(index, b"") for index in range(4)])
    reply = ledger.commit(BATCH, claim.id, 0, 10, "a", b"done", tally)
    assert isinstance(reply, Committed)
    assert reply.ids == ["0:20-30"], "four run on, and a slot has no chunk"
    assert isinstance(ledger.commit(BATCH, "0:0-1~1", 0, 0, "a", give="hand"), Committed)
    reply = ledger.commit(BATCH, "0:1-2~1", 1, 2, "a", b"done", Tally(ok=1))
    assert isinstance(reply, Committed)
    assert reply.ids == [], "what was given back is for a slot as any other chunk"


def test_single_items_keep_no_slot_as_busy_as_a_rate_allows_for(ledger: Ledger) -> None:
    assert opened(ledger, sealed=True, size=100, fixed=1, window=4, in_flight=10) == [100]
    claim = ledger.claim(BATCH, "0:0-100", "a")
    assert isinstance(claim, Claimed)
    tally = Tally(ok=95, parked=[Parked(index, 1, 0, "retry") for index in range(5)])
    reply = ledger.commit(BATCH, claim.id, 0, 100, "a", b"done", tally, most=2)
    assert isinstance(reply, Committed)
    assert [len(reply.ids), len(ledger.wake(BATCH).ids), len(ledger.wake(BATCH).ids)] == [2, 2, 0], "up to the window"
