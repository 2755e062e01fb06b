"""Batches without a server: what they are, how their items run, what they bring, and their nodes.

This folder holds what a batch is: its items, the base class of its nodes, and the interface that executes it. Each room
may import the rooms listed before it; this folder's own files come between the second and the third:

- ``policies``: what is tried again, limited, cached and tolerated, as values without state;
- ``results``: outcomes, values, sinks, statistics, merged changes;
- ``running``: items, one and many, blocking and async, in groups, with retries and limits;
- ``inline``: batches and runs in this process (on workers: ``flowq.engine``);
- ``nodes``: the kinds of nodes.
"""

from flowq.batch.batchflow import BatchFlow
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
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.items import Items, to_list
from flowq.batch.nodes.batch_node import BatchNode, ParallelBatchNode, parallel_batch_node
from flowq.batch.nodes.filter_node import FilterNode
from flowq.batch.nodes.map_node import MapNode
from flowq.batch.nodes.parallel import Parallel
from flowq.batch.nodes.race import RaceNode, first_ok, race
from flowq.batch.nodes.reduce_node import ReduceNode
from flowq.batch.policies.breaker import Breaker
from flowq.batch.policies.cache import Cache
from flowq.batch.policies.policy import BatchPolicy, OnError
from flowq.batch.policies.rate import Rate
from flowq.batch.pool import WorkerPool
from flowq.batch.results.deltas import fold_deltas, merge_done
from flowq.batch.results.done import Done, FlowItem, ItemDone, Park
from flowq.batch.results.outcome import Outcome, Status
from flowq.batch.results.result import BatchResult, Outcomes
from flowq.batch.results.sink_result import Part, SinkResult
from flowq.batch.results.stats import Stats
from flowq.batch.running.runner import Runner

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
