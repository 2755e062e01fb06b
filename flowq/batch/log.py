"""What a batch of this process has brought so far, for its result, its progress and whoever watches it.

Never here: deciding what that means for the batch (inline).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

from flowq.batch.chunk import Done, ItemDone
from flowq.batch.outcome import Outcome


class Log:
    """Runs and single items in the order they ended. One thread writes; others may read meanwhile.

    Attributes:
        ok: plain successes and those after a retry; ``fallback`` and ``failed`` likewise count outcomes.
    """

    def __init__(self) -> None:
        self.ok = 0
        self.fallback = 0
        self.failed = 0
        self._runs: list[Done] = []
        self._items: list[tuple[int, ItemDone]] = []
        self._closed = False
        self._changed = threading.Condition()

    @property
    def done(self) -> int:
        """Items with an outcome."""
        return self.ok + self.fallback + self.failed

    def add_run(self, run: Done) -> None:
        """A run over consecutive items has ended."""
        counts = run.counts()
        with self._changed:
            self._runs.append(run)
            self.ok += counts["ok"]
            self.fallback += counts["fallback"]
            self.failed += counts["failed"]
            self._changed.notify_all()

    def add_item(self, index: int, item: ItemDone) -> None:
        """One item has ended, in whatever order."""
        status = "ok" if item.outcome is None else item.outcome.status
        with self._changed:
            self._items.append((index, item))
            self.ok += status == "ok"
            self.fallback += status == "fallback"
            self.failed += status == "failed"
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def runs(self) -> list[Done]:
        """Everything as runs; single items are joined where they are neighbours."""
        items = sorted(self._items, key=lambda each: each[0])
        cuts = [at for at, (a, b) in enumerate(pairwise(items), 1) if b[0] != a[0] + 1]
        bounds = [0, *cuts, len(items)] if items else []
        joined = [
            Done.gather(items[start][0], [item for _, item in items[start:upto]]) for start, upto in pairwise(bounds)
        ]
        return [*self._runs, *joined]

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes as they come, until nothing more will come. Blocks the reader's thread."""
        runs_seen = items_seen = 0
        closed = False
        while not closed:
            with self._changed:
                while not self._closed and len(self._runs) == runs_seen and len(self._items) == items_seen:
                    self._changed.wait()
                runs, items, closed = self._runs[runs_seen:], self._items[items_seen:], self._closed
            runs_seen, items_seen = runs_seen + len(runs), items_seen + len(items)
            for run in runs:
                yield from run.outcomes()
            for index, item in items:
                yield from Done.gather(index, [item]).outcomes()
