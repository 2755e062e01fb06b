"""Parked items whose time has come: how soon they are given out, and that they stand in nobody's way. Own clock."""

from __future__ import annotations

import pytest
from redis import Redis

from flowq.engine.keys import Keys
from flowq.engine.ledger import Claimed, Committed, Ledger, Page, Parked, Tally, Times
from tests.births import birth
from tests.integration.engine.conftest import Clock

BATCH = "parked"
N = 1000
PARKED = 600  # more than one wake looks at


@pytest.fixture
def ledger(redis: Redis, clock: Clock) -> Ledger:
    """A batch whose first items are parked, due in a second; one chunk may be open, and it is the one after them."""
    ledger = Ledger(redis, Keys("test"), Times(lease_ms=1000, wait_ms=1000), clock_ms=clock)
    create = birth(BATCH, size=PARKED, fixed=1)
    ledger.append(BATCH, 0, [Page(N, b"page")], sealed=True, window=1, create=create)
    first = claimed(ledger, f"0:0-{PARKED}", "a")
    parked = [Parked(index, 1, 1000, "retry") for index in range(PARKED)]
    reply = ledger.commit(BATCH, first.id, 0, PARKED, "a", b"outcomes", Tally(parked=parked), size=1)
    assert reply == Committed("", [f"0:{PARKED}-{N}"], opened=True)
    return ledger


def claimed(ledger: Ledger, chunk_id: str, holder: str) -> Claimed:
    claim = ledger.claim(BATCH, chunk_id, holder)
    assert isinstance(claim, Claimed)
    return claim


def test_a_lost_chunk_is_found_behind_any_number_of_them(ledger: Ledger, clock: Clock) -> None:
    clock.ms += 500
    lost = claimed(ledger, f"0:{PARKED}-{N}", "b")
    clock.ms += 5000
    assert ledger.wake(BATCH, most=50).ids == [lost.id]


def test_a_commit_gives_them_out_once_they_are_due(ledger: Ledger, clock: Clock) -> None:
    held = claimed(ledger, f"0:{PARKED}-{N}", "b")
    clock.ms += 999
    assert ledger.commit(BATCH, held.id, PARKED, N, "b", b"outcomes", Tally(ok=N - PARKED)) == Committed("", [])
    clock.ms += 1
    (again,) = ledger.wake(BATCH).ids
    for _ in range(PARKED - 1):
        claim = claimed(ledger, again, "b")
        assert claim.attempts == 1
        reply = ledger.commit(BATCH, again, claim.start, claim.stop, "b", b"outcomes", Tally(ok=1))
        assert isinstance(reply, Committed)
        (again,) = reply.ids
    claim = claimed(ledger, again, "b")
    reply = ledger.commit(BATCH, again, claim.start, claim.stop, "b", b"outcomes", Tally(ok=1))
    assert reply == Committed("succeeded", [])


def test_they_go_before_items_that_nobody_has_had(redis: Redis, ledger: Ledger, clock: Clock) -> None:
    held = claimed(ledger, f"0:{PARKED}-{N}", "b")
    clock.ms += 1000
    reply = ledger.commit(BATCH, held.id, PARKED, PARKED + 10, "b", b"outcomes", Tally(ok=10), give="back")
    assert isinstance(reply, Committed)
    assert [name.rpartition("~")[2] for name in reply.ids] == ["1"]
