"""What stands before and after a try: cache, permits, circuit. The ports, and the order in which they are asked.

Never here: where their state is kept (here_* for this process, engine/ for a fleet), or what a try is (tries).
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from flowq.batch.breaker import Breaker
from flowq.batch.rate import Charge, Charges
from flowq.core.drive import Steps
from flowq.core.retry import asked_wait_s
from flowq.errors import CircuitOpen

KEPT_OVER_S = 0.1
TOGETHER_OVER_S = 0.02
"""Rates that would let an item wait for no longer than this are booked in one go."""
LATE_S = 1.0
"""A start that nobody came for is lost: those of a long standstill must not all happen at once."""


class Permits(Protocol):
    """Books starts under the batch's rates."""

    def book(self, index: int, charges: Sequence[Charge]) -> tuple[float, bool]:
        """Take the next free start of the item at *index*: ``(seconds until it, whether that is the last word)``.

        Without the last word the item asks again then, and has kept its place: a start that is more than
        ``KEPT_OVER_S`` away may be put off by a pause; and of several rates the one that lets it wait longest is booked
        first, so that nobody waits for another's key under a rate that they share.
        """
        ...

    def pause(self, charges: Sequence[Charge], seconds: float) -> None:
        """Let nothing with these keys start for so long, whatever was booked."""
        ...

    def may_part(self) -> bool:
        """Whether there is room to put one more item aside by itself."""
        ...


class Circuit(Protocol):
    """The state of a breaker. A *ticket* is the name of one try."""

    def ask(self, ticket: str) -> float:
        """Seconds to wait before asking again; 0.0: go on."""
        ...

    def is_probe(self, ticket: str) -> bool:
        """Whether the circuit is open but for this try, by which it is judged. Asks nobody."""
        ...

    def succeeded(self, ticket: str) -> None: ...
    def failed(self, ticket: str) -> None: ...


class Memo(Protocol):
    """Results by key, encoded or copied: what is taken out is the taker's own."""

    def expect(self, keys: Iterable[str]) -> None:
        """Look these up in one go: they will be asked for soon."""
        ...

    def get(self, key: str) -> tuple[Any, ...]:
        """``(value,)``, or ``()`` where there is none."""
        ...

    def put(self, key: str, value: Any) -> None: ...


class Go(NamedTuple):
    """The try may begin; *probes*: and no other one before it has ended."""

    ticket: str
    charges: tuple[Charge, ...]
    key: str | None
    probes: bool = False


class Hit(NamedTuple):
    """There is a result already."""

    value: Any


class Refused(NamedTuple):
    """The item ends without a try."""

    error: Exception


class Later(NamedTuple):
    """The item is to ask again after so long; those behind it need not wait for that."""

    seconds: float


class Held(NamedTuple):
    """The try may not begin for so long; *alone*: which says nothing of the items behind it."""

    seconds: float
    reason: str
    alone: bool


Entry: TypeAlias = Go | Hit | Refused | Later | Held


@dataclass(slots=True)
class Gate:
    """What the tries of one batch pass through, in this process.

    Attributes:
        charges: what an item takes of the rates; None: there are none.
        permits, circuit, memo: None where the policy asks for none.
        breaker: whose circuit it is.
        key_of: makes an item's key of it, for the memo.
        per_s: starts per second that hold for all items together; None: none do, or keys have limits of their own.
        refused: why no item of the batch is run, each of which ends with that error; None: they are run.
    """

    charges: Charges | None = None
    permits: Permits | None = None
    breaker: Breaker | None = None
    circuit: Circuit | None = None
    memo: Memo | None = None
    key_of: Callable[[Any], str] | None = None
    per_s: float | None = None
    refused: Exception | None = None

    def expect(self, items: Iterable[Any]) -> None:
        """*items* come next."""
        if self.memo is not None and self.key_of is not None:
            keys = []
            for item in items:
                try:
                    key = self._key(item)
                except Exception:  # it is the item's own failure, when its time comes
                    continue
                if key is not None:
                    keys.append(key)
            self.memo.expect(keys)

    def enter(
        self,
        index: int,
        item: Any,
        wait: Callable[[float], Any],
        part_over_s: float | None,
        *,
        first: bool = True,
        apart: bool = False,
    ) -> Steps[Entry]:
        """Ask whether a try of *item* may begin, and wait for it.

        Args:
            wait: passes the time, in whichever way the driver needs.
            part_over_s: a longer wait is answered as Held; None: every wait is waited for.
            first: it is the item's first try, for which a result may be there.
            apart: the wait for a key's permit is answered as Later: others can begin meanwhile.
        """
        if self.refused is not None:
            return Refused(copy.copy(self.refused))  # of its own: a note says which item it is
        try:
            key = self._key(item)
            charges = () if self.charges is None else self.charges.of(item)
        except Exception as error:
            return Refused(error)
        if self.memo is not None and key is not None and first:
            found = yield self.memo.get, (key,)
            if found:
                return Hit(found[0])
        if self.permits is not None and self.charges is not None:
            put_off = yield from self._permitted(self.permits, self.charges, index, charges, wait, part_over_s, apart)
            if put_off is not None:
                return put_off
        if self.circuit is None:
            return Go("", charges, key)
        ticket = secrets.token_hex(6)
        refused = yield from self._closed(self.circuit, ticket, wait, part_over_s)
        return Go(ticket, charges, key, self.circuit.is_probe(ticket)) if refused is None else refused

    def _permitted(
        self,
        permits: Permits,
        kinds: Charges,
        index: int,
        charges: Sequence[Charge],
        wait: Callable[[float], Any],
        part_over_s: float | None,
        apart: bool,
    ) -> Steps[Held | Later | None]:
        """Book a start and wait for it; what is answered instead of waiting for long."""
        is_last = False
        while not is_last:
            seconds, is_last = yield permits.book, (index, charges)
            if part_over_s is not None and seconds > part_over_s:
                alone = kinds.keyed and (yield permits.may_part, ())
                # Back in time to wait for the very moment.
                return Held(seconds - part_over_s, "permit", alone)
            if apart and kinds.keyed and not is_last:
                return Later(seconds)
            if seconds > 0:
                yield wait, (seconds,)
        return None

    def _closed(
        self, circuit: Circuit, ticket: str, wait: Callable[[float], Any], part_over_s: float | None
    ) -> Steps[Refused | Held | None]:
        """Wait until the circuit lets this try through; what is answered instead of waiting for long, or at all."""
        waited_s = 0.0
        while (seconds := (yield circuit.ask, (ticket,))) > 0:
            if self.breaker is not None and self.breaker.fail_fast:
                return Refused(CircuitOpen(seconds))
            waited_s += seconds
            if part_over_s is not None and waited_s > part_over_s:
                return Held(max(seconds, part_over_s), "breaker", False)
            yield wait, (seconds,)
        return None

    def _key(self, item: Any) -> str | None:
        """The item's key for the memo; None: there is no memo, or the item is like no other."""
        key = None if self.memo is None or self.key_of is None else self.key_of(item)
        return None if key is None else str(key)

    def succeeded(self, go: Go, value: Any) -> Steps[None]:
        """The try returned *value*."""
        if self.circuit is not None:
            yield self.circuit.succeeded, (go.ticket,)
        if self.memo is not None and go.key is not None:
            yield self.memo.put, (go.key, value)

    def failed(self, go: Go, exc: Exception) -> Steps[Exception | None]:
        """The try raised *exc*. Answers what ``trip_on`` raised when it was asked of that, if it did."""
        wrong: Exception | None = None
        if self.permits is not None and self.charges is not None:
            asked_s = asked_wait_s(exc)
            if asked_s:
                yield self.permits.pause, (self.charges.meant(go.charges), asked_s)
        if self.circuit is not None and self.breaker is not None:
            # What does not count against the service shows that it answers.
            try:
                counts = self.breaker.counts(exc)
            except Exception as error:
                counts, wrong = True, error
            yield self.circuit.failed if counts else self.circuit.succeeded, (go.ticket,)
        return wrong
