"""BatchPolicy: how the items of a batch are run. A frozen value, with one meaning in this process and on workers."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, field_validator

from flowq.batch.policies.breaker import Breaker
from flowq.batch.policies.cache import Cache
from flowq.batch.policies.rate import Rate
from flowq.core.retry import Retry
from flowq.registry import register

OnError = Literal["raise", "collect", "skip"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
NUMBERS = (
    "timeout", "deadline", "max_failures", "concurrency", "in_flight", "cache", "chunk_size", "priority", "retention_s",
    "max_items",
)  # fmt: skip
LONGEST_QUEUE = 200  # characters; the field for it in a message holds 255
GROUP = 100  # items per call of ``exec_many`` where no ``chunk_size`` says it; many services accept as many
Rates: TypeAlias = str | Rate | Sequence[str | Rate]


@register
class BatchPolicy(BaseModel):
    """How the items of a batch are run.

    Attributes:
        retry: when and how often a failed item is tried again.
        timeout: seconds that one try of one item may take (None: no limit). In the main thread of a process a blocking
            try is interrupted; in any other thread it runs to its end and then fails.
        deadline: seconds that the whole batch may take; items without an outcome by then are cancelled.
        on_error: "raise": the first failure stops the batch, which raises BatchError; "collect": every outcome is kept
            and nothing is raised; "skip": failed items are left out of the result.
        max_failures: number of failures (an int), or share of the items (a float between 0 and 1), that is tolerated;
            one more stops the batch. Default: 0 with "raise", else no limit.
        concurrency: number of items in flight at once on all workers together, including those of batches inside an
            item's process (None: the executor decides).
        in_flight: number of items that one process keeps in flight: in one event loop if ``exec`` is async, else in as
            many threads. A blocking ``exec`` runs one item at a time unless a number is given.
        rate: limit on the starts of tries on all workers together: "100/s", "30/min", "5000/h", a Rate, or several, all
            of which hold.
        breaker: circuit breaker for a service that keeps failing.
        cache: a Cache, or the seconds for which results are reused for items with the same key.
        chunk_size: number of items that a process takes at a time; "auto" adapts it to their duration.
        priority: 0 to 9, higher first (None: as 9, the broker's default; so give what may wait a lower one).
        queue: name of the batch's queue (None: the default one).
        retention_s: seconds for which a finished batch is kept.
        max_items: a batch with more items is refused (None: no limit).
        sink: a folder (str or path), or a URL for fsspec, to which results are written as JSON lines. They are stored
            nowhere else then, and the result is a :class:`~flowq.batch.results.sink_result.SinkResult` (None: no sink).
        item_events: on workers, True shows every item in Flower as a task, at about 0.1 ms per item; None shows only
            failed items, at most 100 per worker process; False shows none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retry: InstanceOf[Retry] = Field(default_factory=Retry)
    timeout: Seconds | None = None
    deadline: Seconds | None = None
    on_error: OnError = "raise"
    max_failures: int | float | None = None
    concurrency: Count | None = None
    in_flight: Count = 100
    rate: str | InstanceOf[Rate] | list[str | InstanceOf[Rate]] | tuple[str | InstanceOf[Rate], ...] | None = None
    breaker: InstanceOf[Breaker] | None = None
    cache: Seconds | InstanceOf[Cache] | None = None
    chunk_size: Literal["auto"] | Count = "auto"
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    queue: str | None = None
    retention_s: Seconds = 86_400.0
    max_items: Annotated[int, Field(ge=0)] | None = None
    sink: Annotated[str, Field(min_length=1)] | None = None
    item_events: bool | None = None

    @field_validator(*NUMBERS, mode="before")
    @classmethod
    def _no_flag(cls, value: object) -> object:
        # True would count as 1: concurrency=True would mean one item at a time.
        if isinstance(value, bool):
            raise ValueError(f"it takes a number, not {value}")
        return value

    @field_validator("queue")
    @classmethod
    def _queue_of_a_worker(cls, value: str | None) -> str | None:
        if value is not None and (not 0 < len(value) <= LONGEST_QUEUE or "," in value or not value.isprintable()):
            raise ValueError(
                f"a queue has a name of 1 to {LONGEST_QUEUE} printable characters without a comma, as workers take it "
                "(`flowq worker -Q name`); None is the default one"
            )
        return value

    @field_validator("max_failures")
    @classmethod
    def _count_or_share(cls, value: int | float | None) -> int | float | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("a share of the items must be between 0 and 1; give a count as an int")
        if value is not None and value < 0:
            raise ValueError("a count of failures is 0 or more")
        return value

    @field_validator("rate", mode="before")
    @classmethod
    def _spelled_rate(cls, value: object) -> object:
        # One error instead of one for each type in the union.
        for one in value if isinstance(value, list | tuple) else () if value is None else (value,):
            if not isinstance(one, str | Rate):
                given = one if isinstance(one, int | float) else 100
                raise ValueError(
                    f'a rate says per what time: rate="{given}/s", "30/min", "5000/h", or a Rate, not {one!r}'
                )
        return value

    @field_validator("sink", mode="before")
    @classmethod
    def _path_as_text(cls, value: object) -> object:
        return os.fspath(value) if isinstance(value, os.PathLike) else value

    @field_validator("rate")
    @classmethod
    def _known_rate(cls, value: Rates | None) -> Rates | None:
        _rates(value)
        return value

    @property
    def group_size(self) -> int:
        """Most items per call of ``exec_many``."""
        return GROUP if self.chunk_size == "auto" else self.chunk_size

    def failure_budget(self) -> tuple[int | None, float | None]:
        """The tolerated failures as ``(count, share)``; None for a limit that is not set."""
        if isinstance(self.max_failures, float):
            return None, self.max_failures
        if self.max_failures is None and self.on_error == "raise":
            return 0, None
        return self.max_failures, None

    def failures_allowed(self, total: int | None) -> float:
        """The number of *total* items that may fail before the batch stops.

        ``inf`` without a limit, or if the limit is a share and *total* is not known yet (None): a share is checked once
        the last item has been read.
        """
        return allowed(*self.failure_budget(), total)

    def places(self, *, is_async: bool) -> int:
        """The number of items that one process keeps in flight."""
        return self.in_flight if is_async or "in_flight" in self.model_fields_set else 1

    def rates(self) -> tuple[Rate, ...]:
        """The rates, all of which hold; () if there are none."""
        return _rates(self.rate)

    def cached(self) -> Cache | None:
        """The Cache; None if results are not cached."""
        return None if self.cache is None else Cache.of(self.cache)


def _rates(given: Rates | None) -> tuple[Rate, ...]:
    if given is None:
        return ()
    return tuple(Rate.of(one) for one in (given if isinstance(given, list | tuple) else (given,)))


def allowed(count: int | None, share: float | None, total: int | None) -> float:
    """See :meth:`BatchPolicy.failures_allowed`; *count* and *share* are the values of ``failure_budget``."""
    if count is not None:
        return count
    if share is None or total is None:
        return math.inf
    # Rounded first: 0.29 * 100 is 28.999999999999996, but 29 failures of 100 are allowed.
    return math.floor(round(share * total, 9))
