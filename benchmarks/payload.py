"""``python -m benchmarks.payload``: 2,000 items of 100 KiB in and out, beside redis-py alone writing and reading them.

What redis-py does: the items' bytes are written and read, then the results', in pipelines, on the same Redis. Beside
other systems: W6 of workloads.py.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis import Redis

import flowq
from benchmarks import nodes
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import keep

ITEMS = 2000
ITEM_BYTES = 100 * 1024
IN_ONE_PIPELINE = 32
ROUNDS = 5
SLOTS = 2
LETTERS = "abcdefghijklmnopqrstuvwxyz .,"


def contents() -> dict[str, list[Any]]:
    """Items by what they are made of."""
    chance = random.Random(7)
    words = ["".join(chance.choices(LETTERS, k=chance.randrange(3, 9))) for _ in range(2000)]
    return {
        "bytes that cannot be compressed": [chance.randbytes(ITEM_BYTES) for _ in range(ITEMS)],
        "text of random letters": [chance.randbytes(ITEM_BYTES // 2).hex() for _ in range(ITEMS)],
        "text of words": [" ".join(chance.choices(words, k=18_000))[:ITEM_BYTES] for _ in range(ITEMS)],
    }


def through_flowq(items: Sequence[Any]) -> float:
    """Seconds of one batch; what came back is compared outside of them."""
    began = time.perf_counter()
    result = nodes.Echo().map(items)
    seconds = time.perf_counter() - began
    assert result == items
    return seconds


def through_redis(redis: Redis, items: Sequence[bytes]) -> float:
    """Seconds that the same bytes take twice in and twice out, without anything in between."""
    took = 0.0
    for kind in ("item", "result"):
        names = [f"bench:{kind}:{number}" for number in range(len(items))]
        began = time.perf_counter()
        for at in range(0, len(items), IN_ONE_PIPELINE):
            with redis.pipeline(transaction=False) as pipe:
                for name, item in zip(names[at : at + IN_ONE_PIPELINE], items[at : at + IN_ONE_PIPELINE], strict=True):
                    pipe.set(name, item)
                pipe.execute()
        read: list[Any] = []
        for at in range(0, len(items), IN_ONE_PIPELINE):
            with redis.pipeline(transaction=False) as pipe:
                for name in names[at : at + IN_ONE_PIPELINE]:
                    pipe.get(name)
                read += pipe.execute()
        took += time.perf_counter() - began
        assert read == list(items)
        for at in range(0, len(names), 100):
            redis.unlink(*names[at : at + 100])
    return took


def forget(redis: Redis) -> None:
    """Leave the batches before this one no room in Redis."""
    for name in redis.scan_iter("*", count=1000):
        if name.rpartition(b":")[2] in (b"pages", b"out"):
            redis.unlink(name)


def compare(rounds: int = ROUNDS) -> Iterator[Comparison]:
    """Seconds for all items, in turn."""
    with flowq.LocalCluster(slots=SLOTS, workers=1, imports=["benchmarks.nodes"]) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        for what, items in contents().items():
            plain = [item.encode() if isinstance(item, str) else item for item in items]
            systems: dict[str, Callable[[], float]] = {
                "flowq": lambda items=items: through_flowq(items),  # type: ignore[misc]
                "redis-py": lambda plain=plain: through_redis(redis, plain),  # type: ignore[misc]
            }
            seconds: dict[str, list[float]] = {name: [] for name in systems}
            for turn in range(rounds + 1):
                for name, run in systems.items():
                    forget(redis)
                    took_s = run()
                    if turn:
                        seconds[name].append(took_s)
            yield Comparison(
                "W6", f"2,000 items of 100 KiB, in and out: {what}", "redis", what, name="redis-py",
                flowq=Cell("flowq", tuple(seconds["flowq"])), other=Cell("redis-py", tuple(seconds["redis-py"])),
            )  # fmt: skip


if __name__ == "__main__":
    keep("payload", compare())
