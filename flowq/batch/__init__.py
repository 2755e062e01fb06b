"""Batches without any I/O: policies, outcomes, the runner, batch nodes, and the executor interface."""

from flowq.batch.batchflow import BatchFlow
from flowq.batch.breaker import Breaker
from flowq.batch.cache import Cache
from flowq.batch.chunk import Done, FlowItem, ItemDone, Park
from flowq.batch.deltas import fold_deltas, merge_done
from flowq.batch.executor import (
    BatchJob,
    Executor,
    Handle,
    Progress,
    activate,
    activated,
    active,
    deactivate,
    set_default,
)
from flowq.batch.fanout import Fanout
from flowq.batch.filter_node import FilterNode
from flowq.batch.inline import InlineExecutor
from flowq.batch.items import Items, to_list
from flowq.batch.map_node import MapNode
from flowq.batch.nodes import BatchNode, ParallelBatchNode, parallel_batch_node
from flowq.batch.outcome import Outcome, Status
from flowq.batch.parallel import Parallel
from flowq.batch.policy import BatchPolicy, OnError
from flowq.batch.pool import WorkerPool
from flowq.batch.race import RaceNode, first_ok, race
from flowq.batch.rate import Rate
from flowq.batch.reduce_node import ReduceNode
from flowq.batch.result import BatchResult, Outcomes
from flowq.batch.runner import Runner
from flowq.batch.sink_result import Part, SinkResult
from flowq.batch.stats import Stats

__all__ = [
    "BatchFlow",
    "BatchJob",
    "BatchNode",
    "BatchPolicy",
    "BatchResult",
    "Breaker",
    "Cache",
    "Done",
    "Executor",
    "Fanout",
    "FilterNode",
    "FlowItem",
    "Handle",
    "InlineExecutor",
    "ItemDone",
    "Items",
    "MapNode",
    "OnError",
    "Outcome",
    "Outcomes",
    "Parallel",
    "ParallelBatchNode",
    "Park",
    "Part",
    "Progress",
    "RaceNode",
    "Rate",
    "ReduceNode",
    "Runner",
    "SinkResult",
    "Stats",
    "Status",
    "WorkerPool",
    "activate",
    "activated",
    "active",
    "deactivate",
    "first_ok",
    "fold_deltas",
    "merge_done",
    "parallel_batch_node",
    "race",
    "set_default",
    "to_list",
]
