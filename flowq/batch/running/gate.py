"""Gate: checks the cache, the rates and the circuit breaker before a try, and reports to them after it.

The state of these three is kept by here_*.py for this process, and by engine/limits for workers.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from flowq.batch.policies.breaker import Breaker
from flowq.batch.policies.rate import Charge, Charges
from flowq.core.drive import Steps
from flowq.core.retry import asked_wait_s
from flowq.errors import CircuitOpen

KEPT_OVER_S = 0.1
TOGETHER_OVER_S = 0.02
"""Rates whose waits are no longer than this are booked in one step."""
LATE_S = 1.0
"""Unused starts older than this are lost, so that those of a long standstill do not all happen at once."""


class Permits(Protocol):
    """Books starts under the batch's rates."""

    def book(self, index: int, charges: Sequence[Charge]) -> tuple[float, bool]:
        """Book the next free start for the item at *index*; returns ``(seconds until it, whether that is final)``.

        If it is not final, the item keeps its place and asks again after that time: a pause may delay a start that is
        more than ``KEPT_OVER_S`` away, and of several rates the one with the longest wait is booked first, so that no
        item is delayed by another's key under a rate they share.
        """
        ...

    def pause(self, charges: Sequence[Charge], seconds: float) -> None:
        """Delay all starts with these keys for *seconds*, whatever was booked."""
        ...

    def may_park(self) -> bool:
        """Whether one more item may be parked by itself."""
        ...


class Circuit(Protocol):
    """The state of a breaker. A *ticket* identifies one try."""

    def ask(self, ticket: str) -> float:
        """Seconds to wait before asking again; 0.0 if the try may start."""
        ...

    def is_probe(self, ticket: str) -> bool:
        """Whether the circuit is open and this try decides whether it closes. Answers without I/O."""
        ...

    def succeeded(self, ticket: str) -> None: ...
    def failed(self, ticket: str) -> None: ...


class Memo(Protocol):
    """Cached results by key, stored encoded or as copies: ``get`` returns a new object."""

    def expect(self, keys: Iterable[str]) -> None:
        """Prefetch *keys* in one step: ``get`` is called for them soon."""
        ...

    def get(self, key: str) -> tuple[Any, ...]:
        """``(value,)``, or ``()`` if there is none."""
        ...

    def put(self, key: str, value: Any) -> None: ...


class Go(NamedTuple):
    """The try may start. *probes*: no other try may start before it has ended."""

    ticket: str
    charges: tuple[Charge, ...]
    key: str | None
    probes: bool = False


class Hit(NamedTuple):
    """The cache has a result for the item."""

    value: Any


class Refused(NamedTuple):
    """The item ends without a try."""

    error: Exception


class Later(NamedTuple):
    """The item must ask again after *seconds*; later items need not wait for it."""

    seconds: float


class Held(NamedTuple):
    """The try may not start for *seconds*. *alone*: this does not hold for later items."""

    seconds: float
    reason: str
    alone: bool


Entry: TypeAlias = Go | Hit | Refused | Later | Held


@dataclass(slots=True)
class Gate:
    """The checks of one batch's tries in this process.

    Attributes:
        charges: computes the charges of an item under the rates; None without rates.
        permits, circuit, memo: None if the policy does not need it.
        breaker: the breaker of *circuit*.
        key_of: function from an item to its key, for *memo*.
        per_s: rate limit for all items together, in starts per second; None if there is none, or limits are per key.
        refused: if set, no item of the batch is run, and each ends with this error.
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
        """Prefetch the cached results of *items*, which are entered next."""
        if self.memo is not None and self.key_of is not None:
            keys = []
            for item in items:
                try:
                    key = self._key(item)
                except Exception:  # raised again when the item is entered, as its failure
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
        """Wait until a try of *item* may start.

        Args:
            wait: sleeps, in the way the driver needs.
            part_over_s: instead of a longer wait return Held; None waits for any time.
            first: whether it is the item's first try, which may use the cache.
            apart: instead of waiting for a key's permit return Later, so that other items can start meanwhile.
        """
        if self.refused is not None:
            return Refused(copy.copy(self.refused))  # a copy: the item's note is added to it
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
        """Book a start and wait for it; returns Held or Later instead of waiting for long."""
        is_last = False
        while not is_last:
            seconds, is_last = yield permits.book, (index, charges)
            if part_over_s is not None and seconds > part_over_s:
                alone = kinds.keyed and (yield permits.may_park, ())
                # Less by part_over_s: the item comes back in time and waits for the rest.
                return Held(seconds - part_over_s, "permit", alone)
            if apart and kinds.keyed and not is_last:
                return Later(seconds)
            if seconds > 0:
                yield wait, (seconds,)
        return None

    def _closed(
        self, circuit: Circuit, ticket: str, wait: Callable[[float], Any], part_over_s: float | None
    ) -> Steps[Refused | Held | None]:
        """Wait until the circuit allows this try; returns Refused if it fails fast, or Held instead of a long wait."""
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
        """The item's key for the memo; None without a memo or a key."""
        key = None if self.memo is None or self.key_of is None else self.key_of(item)
        return None if key is None else str(key)

    def succeeded(self, go: Go, value: Any) -> Steps[None]:
        """The try returned *value*."""
        if self.circuit is not None:
            yield self.circuit.succeeded, (go.ticket,)
        if self.memo is not None and go.key is not None:
            yield self.memo.put, (go.key, value)

    def failed(self, go: Go, exc: Exception) -> Steps[Exception | None]:
        """The try raised *exc*. Returns the exception of ``trip_on`` if that raised itself."""
        wrong: Exception | None = None
        if self.permits is not None and self.charges is not None:
            asked_s = asked_wait_s(exc)
            if asked_s:
                yield self.permits.pause, (self.charges.meant(go.charges), asked_s)
        if self.circuit is not None and self.breaker is not None:
            # An exception that does not count as a failure shows that the service answers.
            try:
                counts = self.breaker.counts(exc)
            except Exception as error:
                counts, wrong = True, error
            yield self.circuit.failed if counts else self.circuit.succeeded, (go.ticket,)
        return wrong
