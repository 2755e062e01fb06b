"""A newer flowq, which has a kind of node and a policy more. Importing this makes the process one of its workers."""

from __future__ import annotations

from dataclasses import dataclass

import flowq


class TomorrowNode(flowq.ParallelBatchNode[int, int]):
    """A kind of node of next year."""

    def exec(self, item: int) -> int:
        return item + 1


@dataclass(frozen=True)
class Budget:
    """A policy of next year."""

    most: int


for cls in (TomorrowNode, Budget):
    cls.__module__ = "flowq.batch.next_year"
    flowq.register(cls)
