"""The interval ledger: the nine acts on a batch's state in Redis, each one Lua script. Nothing else decides.

Redelivery: every act may be called again with the same arguments, late, or by two callers at once; each docstring
says what the second call does. Times are Redis' own clock, in milliseconds.
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
    """The waits that the acts set, in ms."""

    lease_ms: int = 10_000
    wait_ms: int = 10_000  # an unclaimed chunk is published again after this; doubles up to a minute
    aggregate_ms: int = 1_000  # a closed batch's aggregation is due after this, if nobody published it before
    feed_ms: int = 10_000  # a producer that has not beaten for this long allocates nothing more


@dataclass(frozen=True, slots=True)
class Appended:
    avail: int
    ended: str
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The ledger does not stand where the producer thought."""

    avail: int
    sealed: bool = False
    closed: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An open chunk, held: items ``start … stop`` are still to do; ``pages`` are the pages they lie in.

    ``overtime`` says that its first item was killed for running past its timeout. ``fields`` are the fields of
    ``meta`` that the claim asked for. ``reached`` is what was saved of its item when that was parked or failed, b"" for
    an item that begins. ``content`` is that of the pages, where it came along; else there is none.
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
    """What a commit led to.

    Attributes:
        ended: the batch's final state, if it closed.
        ids: chunks to publish.
        following: the chunk that the holder of the range goes on with.
        opened: whether there was room for any chunk, and one to open.
    """

    ended: str
    ids: list[str]
    following: Claimed | None = None
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody committed first: the ledger stands at ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class Woken:
    """A batch's state, what is to be published, and ms until something is due next (None: nothing is, by itself)."""

    state: str
    ids: list[str]
    due_in_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a fact: "ok", or the batch is closed ("gone") or not there ("lost"); and chunks to publish."""

    done: Literal["ok", "gone", "lost"]
    state: str
    ids: list[str]


@dataclass(frozen=True, slots=True)
class Reopened:
    """Whether a run was reopened ("ok"), its generation, and chunks to publish."""

    done: Literal["ok", "unchanged", "lost"]
    gen: int
    ids: list[str]


class Page(NamedTuple):
    """Consecutive items, encoded: how many, at least one, and their bytes."""

    n: int
    blob: bytes


class Parked(NamedTuple):
    """An item that waits without a slot, until its time has come or one of its facts is there.

    Attributes:
        place: index of the item in the batch.
        attempts: tries it has used.
        due_ms: ms from now on; < 0: never by itself.
        reason: one word.
        facts: names of the facts it waits for, with a space between them.
        reached: what is answered with its next claim.
    """

    place: int
    attempts: int
    due_ms: int
    reason: str
    facts: str = ""
    reached: bytes = b""


@dataclass(slots=True)
class Tally:
    """What a commit says of its outcomes, other than the blob itself."""

    ok: int = 0
    fallback: int = 0
    failed: int = 0
    retried: int = 0
    failed_indices: Sequence[int] = ()
    parked: Sequence[Parked] = ()
    split: Sequence[tuple[int, bytes]] = ()  # (index, what to save of it, or b"")


@cache
def script(act: str) -> str:
    """The source of one act: what both sides must agree on, the shared head and the act's own file."""
    folder = resources.files("flowq.engine") / "lua"
    agreed = f"local SCHEMA, GEN = {SCHEMA_VERSION}, {GEN}\n"
    return agreed + (folder / "lib.lua").read_text() + (folder / f"{act}.lua").read_text()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _ids(values: Iterable[Any]) -> list[str]:
    return [_text(value) for value in values]


def _claimed(lent: Sequence[Any]) -> Claimed:
    """What `lend` in lua/lib.lua answers."""
    chunk_id, start, stop, attempts, crashes, losses, solo, overtime, fields, reached, pages, content = lent
    return Claimed(
        _text(chunk_id), int(start), int(stop), int(attempts), int(crashes), int(losses), bool(solo), bool(overtime),
        pages, fields, reached, content,
    )  # fmt: skip


class Ledger:
    """The acts, on one Redis. Cheap to make; holds no state.

    Args:
        redis: a client that does not decode responses.
        keys: where things lie.
        times: the waits the acts set.
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
        """Write *pages* of items, the first at place *at*; None when the batch is not there (lost, or never created).

        Redelivery: answers Elsewhere with the place the ledger stands at, and writes nothing.
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
        where that chunk is not to be had any more, another that was opened and not begun, or else a free range.

        Redelivery: "busy" while the lease lives, "gone" once the range is committed. "other": the batch was made by a
        flowq of another schema, and nothing of it was touched.
        """
        reply = self._call("claim", batch_id, chunk_id, holder, self.times.lease_ms, most, int(or_other), *fields)
        kind = _text(reply[0])
        return _claimed(reply[1]) if kind == "ok" else kind  # type: ignore[return-value]

    def beat(self, batch_id: str, held: Iterable[tuple[str, str]], lease_ms: int | None = None) -> list[str]:
        """Keep the leases of (chunk id, holder) pairs; answers the ids that are gone. Idempotent."""
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
        """Store the outcomes of ``start … upto`` and move on; see lua/commit.lua for every argument.

        The window stays as it is: the caretakers set it, as workers come and go.
        With *go_on* the holder takes another chunk in the same step, if there is one, with these fields of ``meta``.

        Redelivery: Stale (the ledger stands elsewhere) or "gone"; outcomes are stored once.
        """
        tally = tally or Tally()
        t = self.times
        parked = [part for record in tally.parked for part in record]
        reply = self._call(
            "commit", batch_id, chunk_id, start, upto, holder, t.lease_ms, t.wait_ms, t.aggregate_ms, 0,
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
        """Make ready whatever is due; the caller publishes the ids. Two callers get disjoint ids.

        *idle*: no message lies in the queue, so that what was published long ago and is not claimed is due as well.
        """
        reply = self._call("wake", batch_id, self.times.wait_ms, window, most, self.times.lease_ms, int(idle))
        return Woken(_text(reply[0]), _ids(reply[2:]), int(reply[1]) if reply[1] else None)

    def control(self, batch_id: str, act: Control, gen: int = 0, *, feeds: bool = False) -> tuple[str, str, list[str]]:
        """Cancel, pause, resume, redrive or confirm; ("ok" | "unchanged" | "lost", state, ids to publish).

        "rest" pauses a batch for as long as its parent is, "pause" until it is resumed itself. "expire" closes the
        batch if its deadline has passed. "gone" is answered to a redrive without its items. Who redrives and *feeds*
        appends, from then on, the items that were not written yet when the batch was closed.

        Redelivery: "unchanged".
        """
        t = self.times
        reply = self._call("control", batch_id, act, t.wait_ms, t.aggregate_ms, gen, t.feed_ms if feeds else 0)
        return _text(reply[0]), _text(reply[1]), _ids(reply[2:])

    def tell(self, batch_id: str, kind: Literal["fact", "event"], name: str, value: bytes = b"") -> Told:
        """Let a fact stand that an item of the batch may wait for.

        Redelivery: a fact stands once; every event is one more.
        """
        reply = self._call("tell", batch_id, self.times.wait_ms, kind, name, value)
        return Told(_text(reply[0]), _text(reply[1]), _ids(reply[3:]))  # type: ignore[arg-type]

    def free(self, batch_id: str, read: Iterable[tuple[bytes, bytes]], upto: int = -1) -> int:
        """Drop outcomes that were read, by (field of ``out``, place in ``line``); *upto*: all before it were.

        Redelivery: drops nothing more.
        """
        return int(self._call("free", batch_id, upto, *(part for pair in read for part in pair))[0])

    def reopen(self, batch_id: str, reached: bytes = b"") -> Reopened:
        """Let a closed run go on from the state *reached*, b"": from its start.

        Redelivery: nothing changes while it runs.
        """
        reply = self._call("reopen", batch_id, self.times.wait_ms, reached)
        return Reopened(_text(reply[0]), int(reply[1]), _ids(reply[2:]))  # type: ignore[arg-type]
