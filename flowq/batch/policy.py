"""How the items of a batch are run: one frozen value that means the same in this process and on a fleet.

Never here: acting on it (runner, executors) or what became of the items (outcome, chunk, result).
"""

from __future__ import annotations

import math
import os
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, field_validator

from flowq.batch.breaker import Breaker
from flowq.batch.cache import Cache
from flowq.batch.rate import Rate
from flowq.core.retry import Retry
from flowq.registry import register

OnError = Literal["raise", "collect", "skip"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
NUMBERS = (
    "timeout", "deadline", "max_failures", "concurrency", "in_flight", "cache", "chunk_size", "priority", "retention_s",
    "max_items",
)  # fmt: skip
LONGEST_QUEUE = 200  # characters; what names it in a message has room for 255
Rates: TypeAlias = str | Rate | list[str | Rate] | tuple[str | Rate, ...]


@register
class BatchPolicy(BaseModel):
    """How the items of a batch are run.

    Attributes:
        retry: when and how often a failed item is tried again.
        timeout: seconds that one try of one item may take (None: no limit). A blocking try is interrupted in the main
            thread of a process; in any other thread it runs to its end and is judged then.
        deadline: seconds that the whole batch may take; items without an outcome by then are cancelled.
        on_error: "raise": the first failure stops the batch, which raises BatchError; "collect": every outcome is
            kept and nothing is raised; "skip": failed items are left out of the result.
        max_failures: how many failures (an int) or which share of the items (a float between 0 and 1) are tolerated;
            one more stops the batch. Under "raise" the default is 0, else there is no limit.
        concurrency: items in flight at once, over the whole fleet, those of batches inside an item's process included
            (None: what the executor finds right).
        in_flight: items that one process keeps in flight. An async ``exec`` has them in one event loop; a blocking
            one in as many threads, but only if a number is given: else it runs one item at a time.
        rate: tries begun per time over the whole fleet: "100/s", "30/min", "5000/h", a Rate, or several that all hold.
        breaker: leaves a service that keeps failing alone for a while.
        cache: seconds for which a result is used again for items of the same key, or a Cache.
        chunk_size: items that a process takes at a time; "auto" adapts it to the time they take.
        priority: 0 to 9, higher first (None: the broker's default).
        queue: name of the queue the batch goes to (None: the default one).
        retention_s: seconds that a finished batch is kept.
        max_items: a batch of more items is refused (None: no limit).
        sink: a folder (text or a path), or a URL for fsspec, that takes the results as JSON lines; they are not kept
            elsewhere then, and the result is a :class:`~flowq.batch.sink_result.SinkResult` (None: no sink).
        item_events: on workers, True shows every item in Flower as a task of its own, at some 0.1 ms an item; None
            only those that failed, 100 a worker process; False none.
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
        # True would be 1: concurrency=True one item at a time.
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
            raise ValueError("a share of the items lies between 0 and 1; give a count as an int")
        if value is not None and value < 0:
            raise ValueError("a count of failures is 0 or more")
        return value

    @field_validator("rate", mode="before")
    @classmethod
    def _spelled_rate(cls, value: object) -> object:
        # One error instead of one for each kind that a rate may be of.
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

    def failure_budget(self) -> tuple[int | None, float | None]:
        """The failures that are tolerated, as ``(count, share)``; None where there is no such limit."""
        if isinstance(self.max_failures, float):
            return None, self.max_failures
        if self.max_failures is None and self.on_error == "raise":
            return 0, None
        return self.max_failures, None

    def failures_allowed(self, total: int | None) -> float:
        """How many of *total* items may fail before the batch stops.

        ``inf`` when there is no limit, or when the limit is a share and the length is not known yet (None): a
        share is judged once the last item has been given.
        """
        return allowed(*self.failure_budget(), total)

    def places(self, *, is_async: bool) -> int:
        """Items that one process keeps in flight."""
        return self.in_flight if is_async or "in_flight" in self.model_fields_set else 1

    def rates(self) -> tuple[Rate, ...]:
        """The limits on starts, all of which hold; () for none."""
        return _rates(self.rate)

    def cached(self) -> Cache | None:
        """How long results may be used again; None: they may not."""
        return None if self.cache is None else Cache.of(self.cache)


def _rates(given: Rates | None) -> tuple[Rate, ...]:
    if given is None:
        return ()
    return tuple(Rate.of(one) for one in (given if isinstance(given, list | tuple) else (given,)))


def allowed(count: int | None, share: float | None, total: int | None) -> float:
    """See :meth:`BatchPolicy.failures_allowed`, for what ``failure_budget`` says."""
    if count is not None:
        return count
    if share is None or total is None:
        return math.inf
    # Rounded first: 0.29 * 100 is 28.999999999999996, and 29 failures of 100 are 29 %.
    return math.floor(round(share * total, 9))
