"""The items' work, the same for every system: a calibrated CPU loop, a sleep, nothing. Imports nothing of flowq."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import zlib
from collections.abc import Iterable, Sequence

BLOCK = bytes(range(250)) * 8  # small enough for the GIL to be kept


def noop(item: int) -> int:
    """Nothing."""
    return item


def burn(loops: int) -> int:
    """CPU work of *loops* checksums; `loops_per_s` says how many a second this machine does.

    A loop of C calls, not of Python's integers: how fast those are differs by a quarter from one process to the next,
    by where its memory happens to lie.
    """
    total = 0
    for _ in range(loops):
        total = zlib.crc32(BLOCK, total)
    return total


def burned(numbers: Iterable[int]) -> dict[int, int]:
    """What `burn` returns for each of these numbers of loops, by the work of the largest alone."""
    found, total, done = dict[int, int](), 0, 0
    for loops in sorted(set(numbers)):
        for _ in range(loops - done):
            total = zlib.crc32(BLOCK, total)
        found[loops], done = total, loops
    return found


def turned(text: str) -> str:
    """A payload in, the same size out: its first character comes last."""
    return text[1:] + text[:1]


def weigh(store: str, item: int) -> int:
    """Something that needs the whole shared store, and does nothing else."""
    return len(store) + item


def gather(share: tuple[Sequence[float], int]) -> int:
    """What one process can do with asyncio alone: so many sleeps, so many at once. Returns how many it did."""
    seconds, at_once = share

    async def all_of_them() -> None:
        places = asyncio.Semaphore(at_once)

        async def one(seconds: float) -> None:
            async with places:
                await asyncio.sleep(seconds)

        await asyncio.gather(*(one(each) for each in seconds))

    asyncio.run(all_of_them())
    return len(seconds)


def loops_per_s() -> int:
    """Turns of `burn` that one core does in a second, the median of five tries."""
    rates = []
    for _ in range(5):
        loops = 100_000
        began = time.perf_counter()
        burn(loops)
        rates.append(loops / (time.perf_counter() - began))
    return int(sorted(rates)[2])


def nap(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


def record(number: int) -> tuple[int, str]:
    """An item of about 130 bytes, always the same for its number."""
    return number, hashlib.blake2b(number.to_bytes(8, "little")).hexdigest()


def digest(item: tuple[int, str]) -> int:
    """What is to be made of a record."""
    number, text = item
    return zlib.crc32(text.encode(), number & 0xFFFFFFFF)


def begun(log_path: str) -> int:
    """Note in a file that this call begins, when and in which process. The first one then waits for its end."""
    with open(log_path, "a") as log:
        log.write(f"{os.getpid()} {time.monotonic()}\n")
    with open(log_path) as log:
        calls = len(log.readlines())
    if calls == 1:
        time.sleep(120)
    return calls
