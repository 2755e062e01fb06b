"""The port that every compared system implements, one file a system. Never here: what is measured, and how.

A method a system lacks raises `CannotRun`, whose words stand in its cell. Values are checked by who calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar


class CannotRun(Exception):
    """Why a system cannot do a workload: shown in its cell."""


class System(ABC):
    """Something that runs functions of `benchmarks.work` for many items, with its best sensible setting.

    Attributes:
        name: how the table calls it.
        setting: in one line, its best sensible setting and how it is waited on.
        costs_idle: it takes a noticeable share of a core while it does nothing, so its processes are stopped between
            its turns; those of others are not.
    """

    name: ClassVar[str]
    setting: ClassVar[str]
    costs_idle: ClassVar[bool] = False

    @abstractmethod
    def start(self, redis_url: str, slots: int) -> None:
        """Start its workers, processes of its own, and return when they are warm.

        Args:
            redis_url: an empty Redis of its own, ``redis://127.0.0.1:port/0``; who needs none ignores it.
            slots: worker processes that execute at a time.

        Raises:
            CannotRun: it is not installed, or does not run here.
        """

    @abstractmethod
    def stop(self) -> None:
        """End all that `start` began, by pid. Also after a `start` that failed; a second call does nothing."""

    @abstractmethod
    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        """The values of the function of that name in `benchmarks.work`, in item order, by ONE task an item."""

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        """The same, chunked by hand with the size that serves it best (said in its setting)."""
        raise CannotRun("no chunks by hand")

    def one(self, item: int) -> Any:
        """One no-op task and back."""
        return self.map("noop", [item])[0]

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        """One asyncio.sleep an item, *in_flight* in all its workers together."""
        raise CannotRun("no async items")

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        """``work.weigh(store, item)`` of each item; the store gets there in the way that serves it best."""
        raise CannotRun("no shared store")

    def nested(self, groups: Sequence[Sequence[float]]) -> list[list[float]]:
        """``work.nap`` of each item of each group, each group a batch that an item of the outer batch begins."""
        raise CannotRun("not nested")
