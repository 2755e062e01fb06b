"""WorkerPool: a few threads of this process with a short queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from flowq.core.given import require_whole

T = TypeVar("T")


class WorkerPool:
    """*n* threads that run submitted calls; for work that is not a batch, such as calls inside one node.

    Args:
        n: number of threads; below 1 counts as 1.

    ::

        with flowq.WorkerPool(4) as pool:
            pages = [pool.submit(fetch, url) for url in urls]
        print([page.result() for page in pages])
    """

    def __init__(self, n: int) -> None:
        require_whole("the number of threads", n)
        self.n = max(1, n)
        self._threads = ThreadPoolExecutor(self.n, thread_name_prefix="flowq-pool")
        # n running and 2 n queued calls: a further submit waits.
        self._places = threading.Semaphore(3 * self.n)
        self._under_way: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` in a thread; returns its future.

        Blocks while 2 × n calls are queued, so that the caller cannot be faster than the pool.

        Raises:
            RuntimeError: the pool is closed.
        """
        self._places.acquire()
        try:
            future = self._threads.submit(fn, *args, **kwargs)
        except BaseException:
            self._places.release()
            raise
        with self._lock:
            self._under_way.add(future)
        future.add_done_callback(self._ended)
        return future

    def wait(self) -> None:
        """Block until all calls submitted so far have ended, with a value or an exception. The pool stays open."""
        with self._lock:
            under_way = set(self._under_way)
        wait(under_way)

    def close(self) -> None:
        """Wait for all submitted calls and end the threads. Idempotent."""
        self._threads.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _ended(self, future: Future[Any]) -> None:
        with self._lock:
            self._under_way.discard(future)
        self._places.release()
