"""A process that gets only part of its core, since another one wants it too: a small server, to be seen full. Linux.

Not by a quota: under one, the same chunk cost Redis up to twice as much time as without.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CORE = 0
NICE_STEP = 1.25  # the kernel's: who is one nicer gets so much less beside another


class Waiting:
    """How long a process wanted its core and did not have it."""

    def __init__(self, pid: int) -> None:
        self._told = Path(f"/proc/{pid}/schedstat")

    def seconds(self) -> float:
        """Since it began."""
        return int(self._told.read_text().split()[1]) / 1e9


@contextmanager
def beside(pid: int, share: float) -> Iterator[None]:
    """Process *pid* lives on core 0 with a neighbour that leaves it about *share* of it; all it wants below that.

    This process, and what it starts from now on, keeps to the other cores.
    """
    steps = round(math.log(share / (1 - share)) / math.log(NICE_STEP))
    os.sched_setaffinity(pid, {CORE})
    _yield_by(pid, max(0, -steps))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {CORE})
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        os.sched_setaffinity(neighbour.pid, {CORE})
        _yield_by(neighbour.pid, max(0, steps))
        yield
    finally:
        neighbour.kill()
        neighbour.wait()
        os.sched_setaffinity(0, before)


def _yield_by(pid: int, steps: int) -> None:
    """Make a process nicer, and its session, which some kernels weigh before they weigh its processes."""
    os.setpriority(os.PRIO_PROCESS, pid, steps)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists() and os.getsid(pid) == pid:
        session.write_text(str(steps))
