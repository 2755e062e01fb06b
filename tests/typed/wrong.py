"""Mistakes, one in each line that says so: a type checker refuses these lines and no others."""

from __future__ import annotations

from typing import Any

import flowq


@flowq.parallel_batch_node(max_retries=3)
def score(item: str) -> int:
    return len(item)


score.map([1])  # wrong: the items
score.submit([1])  # wrong: the items
score.stream([1])  # wrong: the items
score.map(["a"], ["b"])  # wrong: two lists
score.map(["a"], on_error="ignore")  # wrong: the policy
score(1)  # wrong: the item
text: str = score.map(["a"])[0]  # wrong: the value
other: str = score.submit(["a"]).result()[0]  # wrong: the value


class Parse(flowq.ParallelBatchNode[int, str]):
    """A node whose methods do not fit what it says of itself."""

    def exec(self, item: int) -> int:  # wrong: the result
        return item

    def exec_fallback(self, item: int, exc: Exception) -> int:  # wrong: the result
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> int:  # wrong: an action is text
        return 1


flowq.parallel_batch_node(exec=len, max_retrys=3)  # wrong: misspelt
flowq.node(exec=len, queue="gpu")  # wrong: no keyword of a node
Parse(on_eror="raise")  # wrong: misspelt
Parse(rate=100)  # wrong: per what time?
flowq.MapNode(len, itmes="lines")  # wrong: misspelt
flowq.FilterNode(bool, outt="kept")  # wrong: misspelt
flowq.ReduceNode(max, initail=0)  # wrong: misspelt
flowq.ParallelBatchNode.of(len, timeot=3)  # wrong: misspelt
flowq.Parallel(score, max_retrys=3)  # wrong: misspelt
flowq.RaceNode(score, max_retrys=3)  # wrong: misspelt
flowq.first_ok(score, max_retrys=3)  # wrong: misspelt
score >> Parse  # wrong: a class
flowq.ParalelBatchNode()  # wrong: misspelt
