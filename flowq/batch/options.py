"""BatchOptions: the keywords of a batch node, for type checkers. Their names in other systems: options_elsewhere.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import Any, Literal, TypedDict

from flowq.batch.executor import Progress
from flowq.batch.policies.breaker import Breaker
from flowq.batch.policies.cache import Cache
from flowq.batch.policies.policy import BatchPolicy, OnError, Rates
from flowq.core.hooks import AnyHook
from flowq.core.options import Functions, Tries


class BatchOptions(TypedDict, total=False):
    """The keywords of a batch node besides those of a node; see :class:`~flowq.batch.fanout.Fanout`."""

    on_error: OnError
    max_failures: int | float | None
    concurrency: int | None
    in_flight: int
    rate: Rates | None
    breaker: Breaker | None
    cache: float | Cache | None
    deadline: float | None
    chunk_size: Literal["auto"] | int
    priority: int | None
    queue: str | None
    retention_s: float
    max_items: int | None
    sink: str | PathLike[str] | None
    item_events: bool | None
    policy: BatchPolicy | None
    hooks: Iterable[AnyHook] | None
    on_progress: Callable[[Progress], object] | None
    key: Callable[[Any], str] | None
    label: str | None
    limit: int | None


class BatchNodeOptions(Tries, BatchOptions, total=False):
    """All keywords of a batch node."""


class BatchFunctionOptions(Functions, BatchNodeOptions, total=False):
    """The keywords of ``@flowq.parallel_batch_node``."""
