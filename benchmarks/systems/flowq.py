"""flowq as a user has it: a LocalCluster of one worker, nodes with the default policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import flowq
from benchmarks import nodes
from benchmarks.systems.system import System

NODES: dict[str, type[flowq.ParallelBatchNode[Any, Any]]] = {
    "noop": nodes.Noop,
    "burn": nodes.Burn,
    "nap": nodes.Nap,
    "turned": nodes.Turn,
}

PARTS = 16


class Flowq(System):
    name: ClassVar[str] = "flowq"
    setting: ClassVar[str] = (
        "LocalCluster with one worker, everything at its default; `in_flight=` where a workload says how many; "
        f"a shared store in {PARTS} keys, all of them read by every item"
    )

    def __init__(self) -> None:
        self._cluster: flowq.LocalCluster | None = None
        self._slots = 0

    def start(self, redis_url: str, slots: int) -> None:
        self._slots = slots
        self._cluster = flowq.LocalCluster(slots=slots, imports=["benchmarks.nodes"], broker_url=redis_url).start()
        self.map("noop", range(1000))

    def stop(self) -> None:
        if self._cluster is not None:
            self._cluster.stop()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return NODES[function]().map(items)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        values = nodes.AsyncNap(in_flight=in_flight // self._slots).map(seconds)
        assert values == list(seconds)

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        # Under sixteen keys, as a store has them; one value may take 64 MiB with all that belongs to it.
        size = -(-len(store) // PARTS)
        shared: dict[str, Any] = {f"part {n}": store[n * size : (n + 1) * size] for n in range(PARTS)}
        shared |= {"parts": PARTS, "count": len(items)}
        nodes.StoreFlow(start=nodes.UseStore()).run(shared)
        return [shared["weights"][n] for n in items]

    def nested(self, groups: Sequence[Sequence[float]]) -> list[list[float]]:
        shared: dict[str, Any] = {"groups": groups}
        nodes.NapGroups(start=nodes.GroupNap()).run(shared)
        return [shared["naps"][n] for n in range(len(groups))]
