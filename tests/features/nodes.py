"""Nodes and hooks written as classes, for tests that run them inline and on workers, which import this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flowq
from tests.nodes import record


@dataclass
class Ledger(flowq.Hook):
    """Writes a line for each event of an item or a node to a file that all processes share."""

    path: str

    def on_item_start(self, event: flowq.Event) -> None:
        fields = [event.kind, event.path, event.item_index, event.attempt, event.worker != ""]
        record(self.path, " ".join(map(str, fields)))

    on_item_end = on_item_error = on_item_retry = on_node_start = on_node_end = on_item_start


class Flaky(flowq.ParallelBatchNode[int, int]):
    """Odd items fail on their first try, item 4 on every one."""

    def prep(self, shared: Any) -> range:
        return range(5)

    def exec(self, item: int) -> int:
        if (item % 2 and self.cur_retry == 0) or item == 4:
            raise ValueError(item)
        return item
