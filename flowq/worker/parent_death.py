"""Dying with one's parent: a worker's children must not outlive its main process. Pure ctypes, imports nothing else."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> bool:
    """Have the kernel SIGKILL this process when its parent ends, however that ends.

    For a child of a prefork pool, in ``worker_process_init``: children that outlive a killed main process would go on
    with items whose leases nobody beats. It is not handed down to this process' own children.

    Returns:
        Whether the system can do it (Linux).
    """
    if sys.platform != "linux":
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return done == 0
