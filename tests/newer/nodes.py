"""A newer program: node and item classes that workers of last week do not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flowq


@flowq.register
@dataclass(frozen=True)
class Parcel:
    weight: int


class Late(flowq.ParallelBatchNode[int, int]):
    """An older worker does not know it."""

    def __init__(self, offset: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.offset = offset

    def exec(self, item: int) -> int:
        return item * 7 + self.offset


class LateAddress(flowq.Node):
    """A step of a BatchFlow that an older worker does not know."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["addresses"] = [*shared.get("addresses", []), self.params["n"]]


class LateFlow(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]
