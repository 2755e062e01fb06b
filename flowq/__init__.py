"""flowq: distributed batch processing on Celery and Redis. Nodes, flows, and batches of many items on many workers.

Importing it does not import Celery or Redis: they are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import Secret

from flowq.batch import (
    BatchFlow,
    BatchNode,
    BatchPolicy,
    BatchResult,
    Breaker,
    Cache,
    Executor,
    FilterNode,
    Handle,
    InlineExecutor,
    MapNode,
    Outcome,
    Parallel,
    ParallelBatchNode,
    Part,
    Progress,
    RaceNode,
    Rate,
    ReduceNode,
    SinkResult,
    WorkerPool,
    activate,
    deactivate,
    first_ok,
    parallel_batch_node,
    race,
    set_default,
    to_list,
)
from flowq.core import (
    DEFAULT,
    Add,
    Append,
    Event,
    EventStream,
    First,
    Flow,
    FlowSpec,
    Hook,
    ItemContext,
    Last,
    Max,
    Min,
    Node,
    Retry,
    RetryAfter,
    Run,
    RunResult,
    SharedStore,
    Union,
    node,
)
from flowq.errors import (
    BatchError,
    BatchInputError,
    BatchLost,
    CannotTravel,
    CircuitOpen,
    ConfigError,
    DecodeError,
    EncodeError,
    FewerItems,
    FlowError,
    FlowqError,
    ItemCancelled,
    ItemError,
    ItemTimeout,
    LoopRunning,
    MergeConflict,
    NoRedis,
    RedisFull,
    RemoteError,
    ResultsFreed,
    RunCancelled,
    SinkFailed,
    UnknownAction,
    UnknownNode,
    WorkerCrashed,
    WorkerLost,
)
from flowq.registry import register
from flowq.settings import Settings

if TYPE_CHECKING:
    from flowq.client import BatchHandle, connect, get_batch, get_run
    from flowq.engine.feeding.scheduled import scheduled
    from flowq.local import LocalCluster
    from flowq.worker.install import install

_LOADED_WHEN_USED = {
    "BatchHandle": "flowq.client",
    "connect": "flowq.client",
    "get_batch": "flowq.client",
    "get_run": "flowq.client",
    "scheduled": "flowq.engine.feeding.scheduled",
    "LocalCluster": "flowq.local",
    "install": "flowq.worker.install",
}

__version__ = "0.1.0"

__all__ = [
    "DEFAULT",
    "Add",
    "Append",
    "BatchError",
    "BatchFlow",
    "BatchHandle",
    "BatchInputError",
    "BatchLost",
    "BatchNode",
    "BatchPolicy",
    "BatchResult",
    "Breaker",
    "Cache",
    "CannotTravel",
    "CircuitOpen",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "Event",
    "EventStream",
    "Executor",
    "FewerItems",
    "FilterNode",
    "First",
    "Flow",
    "FlowError",
    "FlowSpec",
    "FlowqError",
    "Handle",
    "Hook",
    "ItemCancelled",
    "ItemContext",
    "ItemError",
    "ItemTimeout",
    "Last",
    "LocalCluster",
    "LoopRunning",
    "MapNode",
    "Max",
    "MergeConflict",
    "Min",
    "NoRedis",
    "Node",
    "Outcome",
    "Parallel",
    "ParallelBatchNode",
    "Part",
    "Progress",
    "RaceNode",
    "Rate",
    "RedisFull",
    "ReduceNode",
    "RemoteError",
    "ResultsFreed",
    "Retry",
    "RetryAfter",
    "Run",
    "RunCancelled",
    "RunResult",
    "Secret",
    "Settings",
    "SharedStore",
    "SinkFailed",
    "SinkResult",
    "Union",
    "UnknownAction",
    "UnknownNode",
    "WorkerCrashed",
    "WorkerLost",
    "WorkerPool",
    "activate",
    "connect",
    "deactivate",
    "first_ok",
    "get_batch",
    "get_run",
    "install",
    "node",
    "parallel_batch_node",
    "race",
    "register",
    "scheduled",
    "to_list",
]


# PocketFlow's classes that have another name here.
_IN_POCKETFLOW = {
    "AsyncBatchFlow": "flowq.BatchFlow",
    "AsyncBatchNode": "flowq.BatchNode",
    "AsyncFlow": "flowq.Flow",
    "AsyncNode": "flowq.Node",
    "AsyncParallelBatchFlow": "flowq.BatchFlow",
    "AsyncParallelBatchNode": "flowq.ParallelBatchNode",
    "BaseNode": "flowq.Node",
}


if not TYPE_CHECKING:  # a type checker that sees it takes every misspelt name for one that it returns

    def __getattr__(name: str) -> Any:
        module = _LOADED_WHEN_USED.get(name)
        if module is None:
            here = _IN_POCKETFLOW.get(name)
            if here is not None:
                # For an AttributeError, `from flowq import AsyncNode` would be told only that there is none.
                raise ImportError(
                    f"flowq has no {name}. A PocketFlow program runs as it is with `from flowq.compat.pocketflow "
                    f"import {name}`; flowq's own class is {here}, whose methods may be `async def`: "
                    "docs/howto/from-pocketflow.md"
                )
            raise AttributeError(f"module 'flowq' has no attribute {name!r}")
        return getattr(import_module(module), name)


def _default_executor() -> Executor:
    """The executor used when none is active: workers of the configured broker; without a broker, this process."""
    settings = Settings()
    if settings.broker_url is None:
        return InlineExecutor(announce=True)
    executor: Executor = import_module("flowq.client").connect(settings)
    return executor


set_default(_default_executor)
