"""Crash points: the places between two I/O calls at which a test may have a process die. Off by default.

docs/guarantees.md says of each what follows.
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
        folder: a file in it that is named like a point arms it, for the batches whose id begins with what the file
            says: the next process to reach it there is killed, and the point disarmed. None: nothing is looked for.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def reached(self, point: CrashPoint, batch_id: str) -> None:
        """Die here, as SIGKILL does it, if the point is armed for this batch."""
        if self._folder is None:
            return
        armed = self._folder / point
        try:
            if not batch_id.startswith(armed.read_text()):
                return
            armed.unlink()  # of several processes that come by at once, one dies
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
