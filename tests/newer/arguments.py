"""Nodes whose constructors take one argument more than those of last week, for workers to import.

A worker of last week is told by its environment.
"""

from __future__ import annotations

import os
from typing import Any

import flowq

IS_OLDER = "FLOWQ_TEST_IS_OLDER"


class Base(flowq.ParallelBatchNode[int, int]):
    if IS_OLDER in os.environ:

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)

    else:

        def __init__(self, offset: int, **options: Any) -> None:  # type: ignore[misc]
            super().__init__(**options)
            self.offset = offset

    def exec(self, item: int) -> int:
        return item + self.offset


class PassesOn(Base):
    """Its own constructor takes whatever comes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
