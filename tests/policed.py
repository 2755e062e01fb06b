"""Nodes under rates, breakers and caches, which the tests' workers import. What they did stands in a file."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import flowq
from tests.nodes import record


class Call(flowq.ParallelBatchNode[Any, Any]):
    """Notes when a try begins and ends. An item is a dict: ``key``; ``raises``, once; ``seconds``."""

    def __init__(self, path: str, seconds: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds = path, seconds

    def key_of(self, item: Any) -> str:
        return str(item["key"])

    def service(self, item: Any) -> str:
        """What has a limit of its own: the key without what follows a dot."""
        return str(item["key"]).partition(".")[0]

    def exec(self, item: Any) -> Any:
        self.begin(item)
        time.sleep(self.seconds)
        return self.end(item)

    def begin(self, item: Any) -> None:
        """Note it, and raise what is to be raised."""
        record(self.path, f"begin {item['key']} {os.getpid()} {time.time():.6f}")
        raises = item.get("raises")
        if raises is not None and once(f"{self.path}.{item['key']}"):
            raise raises
        # A service that is down as long as the file is there.
        if Path(f"{self.path}.down").exists():
            raise ConnectionError("down")

    def end(self, item: Any) -> Any:
        record(self.path, f"end {item['key']} {os.getpid()} {time.time():.6f}")
        return item["key"]


class AsyncCall(Call):
    async def exec(self, item: Any) -> Any:
        self.begin(item)
        await asyncio.sleep(self.seconds)
        return self.end(item)


class CallMany(Call):
    """Notes how many items a call had; the service is down for the first one."""

    def exec_many(self, items: list[Any]) -> list[Any]:
        record(self.path, f"begin {len(items)} {os.getpid()} {time.time():.6f}")
        if once(f"{self.path}.first"):
            raise ConnectionError("down")
        return [item["key"] for item in items]


class AsyncCallMany(CallMany):
    async def exec_many(self, items: list[Any]) -> list[Any]:  # type: ignore[override]
        return CallMany.exec_many(self, items)


class Weighed(Call):
    def weigh(self, item: Any) -> float:
        """Each item is worth four."""
        return 4


class Nests(flowq.ParallelBatchNode[int, int]):
    """Each item is a batch of three calls under a rate that they all share."""

    def __init__(self, path: str, name: str, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.name_of_rate = path, name

    def exec(self, item: int) -> int:
        calls = Call(self.path, rate=flowq.Rate(20, burst=1, name=self.name_of_rate))
        return len(calls.map([{"key": f"{item}.{i}"} for i in range(3)]))


class Priced(flowq.ParallelBatchNode[int, int]):
    """Items times a param."""

    def prep(self, shared: Any) -> list[int]:
        return [1, 2]

    def key_of(self, item: int) -> str | None:
        return None if item == 1 else str(item)

    def exec(self, item: int) -> int:
        return int(item * self.params["price"])

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"of {self.params['price']}"] = list(exec_res)


class PriceLists(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"price": price} for price in (1, 10, 100)]


@flowq.register
def tens(number: int) -> str:
    """The key of a number: how many tens are in it."""
    return str(number // 10)


@flowq.parallel_batch_node(cache=60, key=tens, rate=flowq.Rate(10_000, key=tens), concurrency=1)
def rounded(number: int) -> int:
    """The first of its ten that was asked for."""
    return number


def once(path: str) -> bool:
    """Whether nobody has asked for this path before."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def noted(path: str | Path, what: str = "begin") -> list[tuple[str, int, float]]:
    """What was noted: (key, pid, seconds since the epoch), in the order of time."""
    if not Path(path).exists():
        return []
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    return sorted(((key, int(pid), float(at)) for kind, key, pid, at in rows if kind == what), key=lambda row: row[2])


def most_in(starts: list[float], window_s: float) -> int:
    """The most starts in any such window."""
    return max(sum(first <= one < first + window_s for one in starts) for first in starts)


def most_at_once(path: str | Path) -> int:
    """The most tries between their begin and their end at any moment; a try that was killed has no end."""
    moments = [(at, 1) for _, _, at in noted(path)] + [(at, -1) for _, _, at in noted(path, "end")]
    running = most = 0
    for _, step in sorted(moments):
        running += step
        most = max(most, running)
    return most
