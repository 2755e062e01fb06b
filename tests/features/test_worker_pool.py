"""Row 96: a pool of threads with a short queue."""

from __future__ import annotations

import threading

import pytest

import flowq
from tests.waiting import until


def test_row_096_submit_blocks_while_twice_as_many_are_queued() -> None:
    gate, began = threading.Event(), threading.Semaphore(0)

    def work(number: int) -> int:
        began.release()
        gate.wait(30)
        return number * 2

    with flowq.WorkerPool(2) as pool:
        futures = [pool.submit(work, number) for number in range(6)]  # 2 run, 4 are queued
        seventh: list[int] = []
        submitter = threading.Thread(target=lambda: seventh.append(pool.submit(work, 6).result()))
        submitter.start()
        assert began.acquire(timeout=30)
        assert began.acquire(timeout=30)
        assert not began.acquire(timeout=0.1)
        gate.set()
        assert [future.result() for future in futures] == [0, 2, 4, 6, 8, 10]
        submitter.join(30)
        assert seventh == [12]


def test_row_096_wait_waits_for_everything_and_close_ends_the_pool() -> None:
    done: list[int] = []
    pool = flowq.WorkerPool(0)
    assert pool.n == 1
    for number in range(3):
        pool.submit(done.append, number)
    pool.wait()
    assert done == [0, 1, 2]
    failing = pool.submit(lambda: 1 // 0)
    pool.wait()
    assert isinstance(failing.exception(), ZeroDivisionError)
    pool.submit(done.append, 3)
    pool.close()
    pool.close()
    assert done == [0, 1, 2, 3]
    for _ in range(9):  # a refused submit holds no place
        with pytest.raises(RuntimeError):
            pool.submit(done.append, 4)
    assert until(lambda: not [one for one in threading.enumerate() if one.name.startswith("flowq-pool")], 30)
