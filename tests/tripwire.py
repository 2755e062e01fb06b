"""A module that must never be imported because a message names it: its import leaves a file."""

from __future__ import annotations

import os
from pathlib import Path

import flowq

if "FLOWQ_TEST_TRIPWIRE" in os.environ:
    Path(os.environ["FLOWQ_TEST_TRIPWIRE"]).touch()


class Tripped(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return item
