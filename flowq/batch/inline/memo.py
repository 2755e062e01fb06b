"""InlineMemo: cached results in the memory of this process. For workers: engine/limits/memo.py."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic
from typing import Any

from flowq.core.drive import in_loop

_MOST_RESULTS = 10_000


class Results:
    """Results by (scope, key); above 10,000 the least recently used are dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[float, Any]] = OrderedDict()

    def get(self, scope: str, key: str) -> tuple[Any, ...]:
        with self._lock:
            until, value = self._kept.get((scope, key), (0.0, None))
            if until <= monotonic():
                return ()
            self._kept.move_to_end((scope, key))
        return (copy.deepcopy(value),)

    def put(self, scope: str, key: str, value: Any, ttl_s: float) -> None:
        try:
            value = copy.deepcopy(value)
        except Exception:  # an open file, a lock: not cached, as workers could not cache it either
            return
        with self._lock:
            self._kept[scope, key] = monotonic() + ttl_s, value
            self._kept.move_to_end((scope, key))
            if len(self._kept) > _MOST_RESULTS:
                self._kept.popitem(last=False)


class InlineMemo:
    """A :class:`~flowq.batch.running.gate.Memo` in the memory of this process."""

    def __init__(self, results: Results, scope: str, ttl_s: float) -> None:
        self._results, self._scope, self._ttl_s = results, scope, ttl_s

    def expect(self, keys: Iterable[str]) -> None:
        """See Memo; there is nothing to prefetch."""

    @in_loop
    def get(self, key: str) -> tuple[Any, ...]:
        """See Memo."""
        return self._results.get(self._scope, key)

    @in_loop
    def put(self, key: str, value: Any) -> None:
        """See Memo."""
        self._results.put(self._scope, key, value, self._ttl_s)
