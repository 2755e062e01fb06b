"""Nodes and hooks written as classes, for tests that run them inline and on workers, which import this module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

import flowq
from tests.features import graphs
from tests.nodes import record

__all__ = ["graphs"]  # workers know its nodes by this import


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


class Calls(flowq.ParallelBatchNode[Any, Any]):
    """Uses a secret of its own and one of each item, logs and fails with both, and brings one back."""

    def __init__(self, token: SecretStr, **options: Any) -> None:
        super().__init__(**options)
        self.token = token

    def exec(self, item: dict[str, Any]) -> Any:
        self.log("calling", token=self.token, item=item)
        if item["n"] == 1:
            raise ValueError(f"refused with {self.token} and {item}")
        return {"secret": item["secret"], "length": len(self.token.get_secret_value())}


class UsesToken(flowq.Node):
    """One step of a BatchFlow's item."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"length {self.params['n']}"] = len(shared.get_secret("token"))
        shared[f"made {self.params['n']}"] = flowq.Secret(f"{shared.get_secret('token')} {self.params['n']}")


class UseTokens(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(3)]
