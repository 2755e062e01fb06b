"""What programs of their own measure (W7, W9, memory, …): kept beside the rest, so that the same table shows it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable

from benchmarks import wording
from benchmarks.comparison import Comparison, append
from benchmarks.peers import FOLDER


def keep(name: str, found: Iterable[Comparison]) -> None:
    """Print each as it comes, and write them all to ``out/benchmarks/NAME.jsonl``, in place of what was there.

    The file is there once all of it was measured, so that a run which was interrupted is not taken for a whole one.
    """
    unfinished = FOLDER / f"{name}.part"
    unfinished.unlink(missing_ok=True)
    for one in found:
        append(unfinished, one)
        print(wording.line(one), flush=True)
    unfinished.replace(FOLDER / f"{name}.jsonl")


def interleaved(systems: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, once a round, in turn, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds + 1):
        for name, run in systems.items():
            gc.collect()
            began = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - began)
    return times
