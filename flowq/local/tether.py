"""Runs a command that is killed when the requesting process ends: ``python -I -S tether.py PARENT_PID COMMAND…``.

A program of its own: it is run by path in a bare interpreter, and imports nothing of flowq.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        # The setting survives exec. "Parent" means the thread that started us: see spawner.py.
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.exit(f"cannot tie {command[0]} to its parent: {os.strerror(ctypes.get_errno())}")
    # A parent that died before that call is never reported.
    if os.getppid() != parent_pid:
        sys.exit(f"process {parent_pid}, which asked for {command[0]}, is gone")
    # Python ignores these signals, and exec would pass that on.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except OSError as exc:
        sys.exit(f"cannot run {command[0]}: {exc.strerror}")


if __name__ == "__main__":
    main()
