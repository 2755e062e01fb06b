"""joblib with its loky processes: the other one-machine limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import joblib
from joblib.externals.loky import get_reusable_executor

from benchmarks import work
from benchmarks.systems import by_hand
from benchmarks.systems.system import System


class Joblib(System):
    name: ClassVar[str] = "joblib"
    setting: ClassVar[str] = (
        'Parallel(n_jobs=2), loky; batch_size=1 for one task an item, "auto" for chunks; store in one task a slot'
    )

    def __init__(self) -> None:
        self._slots = 0

    def start(self, redis_url: str, slots: int) -> None:
        self._slots = slots
        self.map("noop", range(100))

    def stop(self) -> None:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._run(function, items, batch_size=1)

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._run(function, items, batch_size="auto")

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        # Ten times as fast as one batch of items: each of those makes it pickle the store anew.
        chunks = [joblib.delayed(by_hand.weigh_each)(store, chunk) for chunk in by_hand.cut(items, self._slots)]
        return by_hand.join(joblib.Parallel(n_jobs=self._slots)(chunks))

    def _run(self, function: str, items: Sequence[Any], batch_size: int | str) -> list[Any]:
        call = joblib.delayed(getattr(work, function))
        return list(joblib.Parallel(n_jobs=self._slots, batch_size=batch_size)(call(item) for item in items))
