"""Dying with the parent: a worker's children must not outlive its main process. Uses ctypes only."""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> bool:
    """Have the kernel SIGKILL this process when its parent ends, however that ends.

    For the children of a prefork pool, in ``worker_process_init``: children that outlive a killed main process would
    run items whose leases nobody renews. This process's own children do not inherit it.

    Returns:
        Whether the system supports it (Linux).
    """
    if sys.platform != "linux":
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return done == 0
