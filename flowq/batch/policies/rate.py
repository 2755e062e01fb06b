"""Rate: how many items may start in a time, as a value. The starts are booked by Permits (running/gate.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from flowq.core.given import is_number, require_text
from flowq.registry import register

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|sec|second|m|min|minute|h|hour)\s*")
_PERIOD_S = {"s": 1.0, "m": 60.0, "h": 3600.0}

CATCH_UP_S = 0.02
"""Seconds of starts that may be caught up without a burst, so that a sleep that ends late does not lower the rate."""

OfItem: TypeAlias = Callable[[Any], Any] | str


@register
@dataclass(frozen=True)
class Rate:
    """At most *limit* starts in *per* seconds on all workers together; a retry counts as a start.

    Starts are spaced evenly, by the generic cell rate algorithm (ITU-T I.371): its only state is one time per key, and
    every start is booked for a time, so that an item knows how long to wait.

    Attributes:
        limit: starts, or weight, in *per* seconds.
        per: seconds.
        burst: starts that may happen at once after a pause (None: as many as the rate allows in 20 ms, at least one).
            In any *per* seconds there are at most ``limit + burst``.
        key: function of the item, or name of a method of the node: items with different keys have separate limits
            (None: one limit for all items). To be sent to workers a function must be registered.
        weight: the share of the limit that an item uses: a function, or the name of a method (None: 1 each).
        name: batches whose rates have the same name share the limit (None: every batch has its own).

    Raises:
        ValueError: *limit* or *per* is not finite and above 0, or *burst* is below 1.
        TypeError: *key* or *weight* is neither a function nor a name.
    """

    limit: float
    per: float = 1.0
    burst: float | None = None
    key: OfItem | None = None
    weight: OfItem | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for field in ("limit", "per", "burst"):
            value = getattr(self, field)
            if value is None and field == "burst":
                continue
            if not is_number(value) or value <= 0:
                raise ValueError(f"{field} of a rate is finite and > 0, not {value!r}")
        if self.burst is not None and self.burst < 1:
            raise ValueError(f"burst counts starts, at least 1, not {self.burst!r}")
        if self.name is not None:
            require_text("the name of a rate", self.name)
        for field in ("key", "weight"):
            value = getattr(self, field)
            if not (value is None or isinstance(value, str) or callable(value)):
                raise TypeError(f"{field} takes a function of the item or the name of a method, not {value!r}")

    @classmethod
    def of(cls, given: Rate | str) -> Rate:
        """*given*, or the Rate of a text such as "100/s", "30/min" or "5000/h".

        Raises:
            ValueError: the text is not a rate.
        """
        if isinstance(given, Rate):
            return given
        match = _TEXT.fullmatch(given)
        if match is None or float(match[1]) == 0:
            raise ValueError(f'a rate reads like "100/s", "30/min" or "5000/h", not {given!r}')
        return cls(float(match[1]), _PERIOD_S[match[2][0]])

    @property
    def per_s(self) -> float:
        """Starts per second."""
        return self.limit / self.per

    @property
    def step_s(self) -> float:
        """Seconds from one start to the next."""
        return self.per / self.limit

    @property
    def burst_size(self) -> float:
        """Number of starts that may happen at once after a pause."""
        return max(1.0, CATCH_UP_S * self.per_s) if self.burst is None else self.burst


class Charge(NamedTuple):
    """The charge of one start of an item under one rate.

    Attributes:
        rate: index of the rate among the batch's rates.
        key: the item's key under it; "" if all items share it.
        weight: the share of the limit it uses.
    """

    rate: int
    key: str
    weight: float


class Charges:
    """Computes the charges of items.

    Args:
        node: the node whose methods keys and weights may name.
        rates: the batch's rates.

    Attributes:
        keyed: whether a rate has keys, so that items may wait for different times.
        plain: whether all items have the weight 1 and no rate has keys.

    Raises:
        AttributeError: the node has no method of that name.
    """

    def __init__(self, node: Any, rates: tuple[Rate, ...]) -> None:
        self._functions = [(_bound(node, rate.key), _bound(node, rate.weight)) for rate in rates]
        self._same = tuple(Charge(i, "", 1.0) for i in range(len(rates)))
        self.plain = all(key is None and weight is None for key, weight in self._functions)
        self.keyed = any(key is not None for key, _ in self._functions)

    def meant(self, charges: Sequence[Charge]) -> Sequence[Charge]:
        """The *charges* to pause if a service asks an item to wait: those with keys, else all."""
        return [one for one in charges if self._functions[one.rate][0] is not None] or charges

    def of(self, item: Any) -> tuple[Charge, ...]:
        """The charges of *item*; raises the exception of a key or weight function."""
        if self.plain:
            return self._same
        return tuple(
            Charge(i, "" if key is None else str(key(item)), 1.0 if weight is None else float(weight(item)))
            for i, (key, weight) in enumerate(self._functions)
        )


def _bound(node: Any, given: OfItem | None) -> Callable[[Any], Any] | None:
    if not isinstance(given, str):
        return given
    method: Callable[[Any], Any] = getattr(node, given)
    return method
