"""What was measured, as values: cells, comparisons, and the file of JSON lines they are kept in. Measures nothing."""

from __future__ import annotations

import json
import statistics
from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Unit = Literal["s", "MB", "MiB", "/s"]
Versions = dict[str, str]


@dataclass(frozen=True)
class Cell:
    """What several runs of one system came to.

    Attributes:
        system: as the table calls it.
        values: one a run, in the unit of the comparison; scaled ones are already scaled.
        setting: how that system was set up.
        scaled_from: the number of items that were run where *values* are scaled up from fewer; None: all of them.
    """

    system: str
    values: tuple[float, ...]
    setting: str = ""
    scaled_from: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True)
class Comparison:
    """flowq beside one peer at one workload: runs that were interleaved with each other, and with the ideal.

    Attributes:
        workload: its key, such as ``W1-100k``.
        what: the workload in words.
        peer: the system it is measured against, by its name in `benchmarks.systems`; or any other name.
        way: how that peer was used: ``map`` (one task an item), ``chunks`` (by hand), or ``""`` where there is one way.
        name: what the table calls the peer; ``""``: by *peer*.
        unit: of all values. Less is better, but for ``/s``.
        flowq: flowq itself; None: it was not run, since the peer could not.
        other: the peer; None: it could not run, or there is nobody beside.
        ideal: what the machine allows, run in turn with the others; None: nothing is.
        why: why the peer could not run.
        limit: the most (``/s``: the least) that flowq's median may come to by the bar; None: the bar is a ratio.
        machine: what it ran on, and the versions of what ran.
    """

    workload: str
    what: str
    peer: str
    way: str
    flowq: Cell | None = None
    other: Cell | None = None
    ideal: Cell | None = None
    name: str = ""
    unit: Unit = "s"
    why: str | None = None
    limit: float | None = None
    machine: Versions = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a later measurement of the same replaces."""
        return self.workload, self.peer, self.way, self.unit

    @property
    def ratio(self) -> float | None:
        """How many times as good as the peer flowq was, by medians. None: one of them was not run."""
        return None if self.flowq is None or self.other is None else times_as_good(self.flowq, self.other, self.unit)

    @property
    def of_ideal(self) -> float | None:
        """Which share of the ideal flowq reached, by medians; 1 is all of it."""
        return None if self.flowq is None or self.ideal is None else times_as_good(self.flowq, self.ideal, self.unit)


def times_as_good(ours: Cell, other: Cell, unit: Unit) -> float:
    """The ratio of the medians, so that more is better for *ours*."""
    return ours.median / other.median if unit == "/s" else other.median / ours.median


def scaled(values: Iterable[float], measured: int, wanted: int) -> tuple[float, ...]:
    """What *measured* items took, for *wanted* items."""
    return tuple(value * wanted / measured for value in values)


def append(path: Path, comparison: Comparison) -> None:
    """Add a line to the file; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(comparison)) + "\n")


def forget(path: Path, keys: Container[tuple[str, str, str]]) -> None:
    """Take out of the file what is of these workloads, peers and ways; nothing happens if it is not there."""
    if path.exists():
        kept = [one for one in read(path) if one.key[:3] not in keys]
        path.unlink()
        for one in kept:
            append(path, one)


def read(*paths: Path) -> list[Comparison]:
    """All comparisons of the files, in the order they were first measured; a later line of the same key stands.

    A file that is not there has none.
    """
    found: dict[tuple[str, str, str, str], Comparison] = {}
    for path in filter(Path.exists, paths):
        for line in path.read_text(encoding="utf-8").splitlines():
            one = _comparison(json.loads(line))
            found[one.key] = one
    return list(found.values())


def _comparison(data: dict[str, Any]) -> Comparison:
    for name in ("flowq", "other", "ideal"):
        if data[name] is not None:
            data[name] = Cell(**{**data[name], "values": tuple(data[name]["values"])})
    return Comparison(**data)
