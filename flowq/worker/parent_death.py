"""Dying with one's parent: a worker's children must not outlive its main process. Pure ctypes, imports nothing else."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int | None = None) -> bool:
    """Have the kernel SIGKILL this process when its parent ends, however that ends.

    For a child of a prefork pool, in ``worker_process_init``: children that outlive a killed main process would go on
    with items whose leases nobody beats. It is not handed down to this process' own children.

    Args:
        parent_pid: the parent, as the child was told before the fork. If it is gone by now, this process is killed at
            once: the kernel reports no death that came before the request. None: not checked.

    Returns:
        Whether the system can do it (Linux).
    """
    if sys.platform != "linux":
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent_pid is not None and os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)
    return done == 0
