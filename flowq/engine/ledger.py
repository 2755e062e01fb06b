"""The interval ledger: the nine acts on a batch's state in Redis, each one Lua script. Nothing else decides.

Redelivery: every act may be called again with the same arguments, late, or by two callers at once; each docstring
says what the second call does. Times are those of Redis' own clock, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient
from flowq.engine.script import call

SCHEMA_VERSION = 2
# A score in `place` is gen * GEN + the commit's first item: more than any batch has items, and still exact numbers.
GEN = 2**40
ACTS = ("append", "claim", "beat", "commit", "wake", "control", "tell", "reopen", "free")

Give = Literal["", "back", "crash", "overtime", "hand", "wait"]
Refusal = Literal["gone", "busy", "paused", "other"]
Control = Literal["cancel", "expire", "pause", "rest", "resume", "redrive", "confirm"]


@dataclass(frozen=True, slots=True)
class Times:
    """The periods that the acts set, in ms."""

    lease_ms: int = 10_000
    wait_ms: int = 10_000  # an unclaimed chunk is published again after this; doubles up to a minute
    aggregate_ms: int = 1_000  # the aggregation of a closed batch is published after this, unless it was before
    feed_ms: int = 10_000  # a producer without a beat for this long counts as dead; no range is then given out


@dataclass(frozen=True, slots=True)
class Appended:
    avail: int
    ended: str
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The ledger stands at another place than the producer expected, or the batch is closed."""

    avail: int
    sealed: bool = False
    closed: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A chunk under lease: items ``start … stop`` remain to be done; ``pages`` are the first indices of their pages.

    ``overtime``: its first item was killed for exceeding its timeout. ``fields``: the values of the ``meta`` fields
    that the claim asked for. ``reached``: the state saved when its item was parked or failed, b"" if there is none.
    ``content``: the content of the pages if the claim brought it, else empty.
    """

    id: str
    start: int
    stop: int
    attempts: int
    crashes: int
    losses: int
    solo: bool
    overtime: bool
    pages: list[int]
    fields: list[bytes | None]
    reached: bytes = b""
    content: Sequence[bytes | None] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit.

    Attributes:
        ended: the batch's final state, if it closed.
        ids: chunks to publish.
        following: the next chunk, lent to the same holder.
        opened: whether the commit opened a chunk.
    """

    ended: str
    ids: list[str]
    following: Claimed | None = None
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """Another commit came first: the ledger stands at ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class Woken:
    """A batch's state, the ids to publish, and ms until something is due next (None: only an event can change it)."""

    state: str
    ids: list[str]
    due_in_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Whether a fact was stored ("ok"), or its batch is closed ("gone") or missing ("lost"); and chunks to publish."""

    done: Literal["ok", "gone", "lost"]
    state: str
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Reopened:
    """Whether a run was reopened ("ok"), its generation, and chunks to publish; "unchanged": it is not closed."""

    done: Literal["ok", "unchanged", "lost"]
    gen: int
    ids: list[str]


class Page(NamedTuple):
    """Consecutive items, encoded: their number (at least one) and their bytes."""

    n: int
    blob: bytes


class Parked(NamedTuple):
    """An item that waits without a slot, until its time has come or one of its facts is told.

    Attributes:
        place: index of the item in the batch.
        attempts: tries it has used.
        due_ms: ms from now; < 0: it is never due by time.
        reason: one word.
        facts: names of the facts it waits for, separated by spaces.
        reached: state to return with its next claim.
    """

    place: int
    attempts: int
    due_ms: int
    reason: str
    facts: str = ""
    reached: bytes = b""


@dataclass(slots=True)
class Tally:
    """The counts and records that a commit stores beside the blob of outcomes."""

    ok: int = 0
    fallback: int = 0
    failed: int = 0
    retried: int = 0
    failed_indices: Sequence[int] = ()
    parked: Sequence[Parked] = ()
    split: Sequence[tuple[int, bytes]] = ()  # (index, what to save of it, or b"")


@cache
def script(act: str) -> str:
    """The source of one act: constants shared with Python, the common head (lib.lua) and the act's own file."""
    folder = resources.files("flowq.engine") / "lua"
    agreed = f"local SCHEMA, GEN = {SCHEMA_VERSION}, {GEN}\n"
    return agreed + (folder / "lib.lua").read_text() + (folder / f"{act}.lua").read_text()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _ids(values: Iterable[Any]) -> list[str]:
    return [_text(value) for value in values]


def _claimed(lent: Sequence[Any]) -> Claimed:
    """Decode the reply of `lend` in lua/lib.lua."""
    chunk_id, start, stop, attempts, crashes, losses, solo, overtime, fields, reached, pages, content = lent
    return Claimed(
        _text(chunk_id), int(start), int(stop), int(attempts), int(crashes), int(losses), bool(solo), bool(overtime),
        pages, fields, reached, content,
    )  # fmt: skip


class Ledger:
    """The acts, on one Redis. Cheap to create; holds no state.

    Args:
        redis: a client that does not decode responses.
        keys: names of the Redis keys.
        times: the periods that the acts set.
        clock_ms: None for Redis' clock; the model test passes its own.
    """

    def __init__(self, redis: RedisClient, keys: Keys, times: Times | None = None, clock_ms: Any = None) -> None:
        self.redis = redis
        self.keys = keys
        self.times = times or Times()
        self._clock_ms = clock_ms

    def _call(self, act: str, batch_id: str, *args: Any) -> list[Any]:
        now = "" if self._clock_ms is None else self._clock_ms()
        return call(self.redis, script(act), self.keys.ledger(batch_id), now, *args)  # type: ignore[no-any-return]

    def append(
        self,
        batch_id: str,
        at: int,
        pages: Sequence[Page] = (),
        *,
        sealed: bool = False,
        window: int = 0,
        create: Mapping[str, Any] | None = None,
    ) -> Appended | Elsewhere | None:
        """Write *pages* of items, the first at place *at*; None if the batch does not exist (lost, or never created).

        Redelivery: returns Elsewhere with the place where the ledger stands, and writes nothing.
        """
        t = self.times
        fields = [part for pair in (create or {}).items() for part in pair]
        reply = self._call(
            "append", batch_id, at, int(sealed), window, t.wait_ms, t.aggregate_ms, t.feed_ms,
            len(pages), *[part for page in pages for part in page], *fields,
        )  # fmt: skip
        match _text(reply[0]):
            case "ok":
                return Appended(int(reply[1]), _text(reply[2]), _ids(reply[3:]))
            case "elsewhere":
                return Elsewhere(int(reply[1]), sealed=bool(int(reply[2])))
            case "closed":
                return Elsewhere(int(reply[2]), closed=_text(reply[1]))
            case _:
                return None

    def claim(
        self,
        batch_id: str,
        chunk_id: str,
        holder: str,
        *,
        most: int = 0,
        or_other: bool = False,
        fields: Sequence[str] = (),
    ) -> Claimed | Refusal:
        """Take an open chunk; with ``chunk_id=""`` the next free range of at most *most* items (0: any). *or_other*:
        if that chunk is no longer available, take another open chunk that nobody holds, or else a free range.

        Redelivery: "busy" while the lease lasts, "gone" once the range is committed. "other": a flowq with another
        ledger schema made the batch, and nothing was changed.
        """
        reply = self._call("claim", batch_id, chunk_id, holder, self.times.lease_ms, most, int(or_other), *fields)
        kind = _text(reply[0])
        return _claimed(reply[1]) if kind == "ok" else kind  # type: ignore[return-value]

    def beat(self, batch_id: str, held: Iterable[tuple[str, str]], lease_ms: int | None = None) -> list[str]:
        """Renew the leases of (chunk id, holder) pairs; returns the ids that are gone. Idempotent."""
        pairs = [part for pair in held for part in pair]
        return _ids(self._call("beat", batch_id, lease_ms or self.times.lease_ms, *pairs))

    def commit(
        self,
        batch_id: str,
        chunk_id: str,
        start: int,
        upto: int,
        holder: str,
        blob: bytes = b"",
        tally: Tally | None = None,
        *,
        part: bytes = b"",
        give: Give = "",
        size: int = 0,
        floor: int = 1,
        wait_ms: int = 0,
        most: int = 0,
        go_on: Sequence[str] | None = None,
    ) -> Committed | Stale | Refusal:
        """Store the outcomes of ``start … upto`` and advance; lua/commit.lua explains every argument.

        The window stays as it is: caretakers set it, as workers come and go.
        With *go_on* the holder takes its next chunk in the same step, if there is one, with these fields of ``meta``.

        Redelivery: Stale (the ledger stands elsewhere) or "gone"; outcomes are stored once.
        """
        tally = tally or Tally()
        t = self.times
        parked = [part for record in tally.parked for part in record]
        reply = self._call(
            "commit", batch_id, chunk_id, start, upto, holder, t.lease_ms, t.wait_ms, t.aggregate_ms,
            size, floor, blob, part, tally.ok, tally.fallback, tally.failed, tally.retried,
            f"wait {wait_ms}" if give == "wait" else give,
            len(tally.failed_indices), *tally.failed_indices, len(tally.parked), *parked,
            len(tally.split), *(part for record in tally.split for part in record), most,
            int(go_on is not None), *(go_on or ()),
        )  # fmt: skip
        kind = _text(reply[0])
        if kind == "ok":
            following = _claimed(reply[3]) if reply[3] else None
            return Committed(_text(reply[1]), _ids(reply[4:]), following, bool(reply[2]))
        if kind == "stale":
            return Stale(int(reply[1]))
        return kind  # type: ignore[return-value]

    def wake(self, batch_id: str, *, window: int = 0, most: int = 500, idle: bool = False) -> Woken:
        """Reopen whatever is due; the caller publishes the ids. Two callers get disjoint ids.

        *idle*: the queue is empty, so that a chunk published long ago and still unclaimed is due as well.
        """
        reply = self._call("wake", batch_id, self.times.wait_ms, window, most, self.times.lease_ms, int(idle))
        return Woken(_text(reply[0]), _ids(reply[2:]), int(reply[1]) if reply[1] else None)

    def control(self, batch_id: str, act: Control, gen: int = 0, *, feeds: bool = False) -> tuple[str, str, list[str]]:
        """Cancel, pause, resume, redrive or confirm; returns ("ok" | "unchanged" | "lost" | "gone", state, ids).

        The ids are to be published. "rest" pauses a batch for as long as its parent is paused, "pause" until it is
        resumed itself. "expire" closes the batch if its deadline has passed. A redrive without stored items returns
        "gone". With *feeds*, the caller of a redrive then appends the items that the close kept from being written.

        Redelivery: "unchanged".
        """
        t = self.times
        reply = self._call("control", batch_id, act, t.wait_ms, t.aggregate_ms, gen, t.feed_ms if feeds else 0)
        return _text(reply[0]), _text(reply[1]), _ids(reply[2:])

    def tell(self, batch_id: str, kind: Literal["fact", "event"], name: str, value: bytes = b"") -> Told:
        """Store a fact that an item of the batch may wait for.

        Redelivery: a fact is stored once; every event is stored as a further one.
        """
        reply = self._call("tell", batch_id, self.times.wait_ms, kind, name, value)
        return Told(_text(reply[0]), _text(reply[1]), _ids(reply[3:]))  # type: ignore[arg-type]

    def free(self, batch_id: str, read: Iterable[tuple[bytes, bytes]], upto: int = -1) -> int:
        """Delete outcomes that were read, by (field of ``out``, entry of ``line``); *upto*: all before it were read.

        Redelivery: deletes nothing more.
        """
        return int(self._call("free", batch_id, upto, *(part for pair in read for part in pair))[0])

    def reopen(self, batch_id: str, reached: bytes = b"") -> Reopened:
        """Continue a closed run from the state *reached*; b"": from its start.

        Redelivery: nothing changes while it runs.
        """
        reply = self._call("reopen", batch_id, self.times.wait_ms, reached)
        return Reopened(_text(reply[0]), int(reply[1]), _ids(reply[2:]))  # type: ignore[arg-type]
