"""Crash points: places between two I/O calls where a test may kill the process. Off by default.

docs/guarantees.md says what follows from a crash at each.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Literal

CrashPoint = Literal[
    "claimed",
    "ran",
    "going on",
    "committed",
    "closed",
    "folded",
    "reduced",
    "told",
    "confirmed",
    "appended",
    "controlled",
    "woken",
    "freed",
    "kept",
]


class CrashPoints:
    """The crash points of one process.

    Args:
        folder: a file in it that is named like a point arms that point, for the batches whose id begins with the file's
            text; the first process to reach it is killed, and the point disarmed. None: no point is ever armed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def reached(self, point: CrashPoint, batch_id: str) -> None:
        """Kill this process with SIGKILL if the point is armed for this batch."""
        if self._folder is None:
            return
        armed = self._folder / point
        try:
            if not batch_id.startswith(armed.read_text()):
                return
            armed.unlink()  # if several processes reach it at once, only one dies
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
