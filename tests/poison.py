"""Items that take their process with them, and items that never come back: what the poison tests feed the workers."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

import flowq
from tests.nodes import record

KILLED = (100, 400, 700)
SEGFAULT = (200, 600)
OUT_OF_MEMORY = (300, 800)
NEVER = (500, 900)
GUILTY = {*KILLED, *SEGFAULT, *OUT_OF_MEMORY, *NEVER}


class Poison(flowq.ParallelBatchNode[int, int]):
    """1,000 items, nine of which are deadly. Each execution leaves a line in the oracle before it begins."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, item: int) -> int:
        now = time.time()
        record(self.path, f"{item} {os.getpid()} {now:.6f} {now:.6f}")
        if item in KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if item in SEGFAULT:
            ctypes.string_at(0)
        if item in OUT_OF_MEMORY:
            raise MemoryError("no memory left")
        if item == NEVER[0]:
            sum(range(10**15))  # one C call that looks at no signal
        if item == NEVER[1]:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
            time.sleep(10**6)  # a system call that nothing interrupts
        return item


class Hungry(flowq.ParallelBatchNode[int, int]):
    """Takes so many MiB, and keeps them until it is stopped if they are many."""

    def exec(self, item: int) -> int:
        held = bytearray(item << 20)
        held[::4096] = b"x" * len(held[::4096])
        if item > 100:
            time.sleep(60)
        return len(held) >> 20
