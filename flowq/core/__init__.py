"""Nodes, flows and the shared store: the graph, in one process. Imports errors and registry only, never Redis.

This folder holds what a node is and how it runs: its calls, tries, time limits and hooks, and its edges. Each room may
import this folder's own files and the rooms listed before it:

- ``store``: the shared store, and how the changes of many items are merged;
- ``spec``: a graph as data: read from nodes, drawn, checked, built again;
- ``walks``: flows, which visit nodes along the actions they return.
"""

from flowq.core.actions import DEFAULT
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Steps, drive, drive_async
from flowq.core.functional import node  # the decorator; the module of this name stays importable by its path
from flowq.core.hooks import Event, Hook
from flowq.core.node import Node
from flowq.core.retry import Retry, RetryAfter
from flowq.core.spec import FlowSpec, NodeSpec, build, spec_of
from flowq.core.store.merge import Delta, Op, apply_delta, diff_value, merge_deltas
from flowq.core.store.overlay import Base, MappingBase, Overlay
from flowq.core.store.reducers import MISSING, Add, Append, First, Last, Max, Min, Reducer, Union
from flowq.core.store.shared_store import SharedStore
from flowq.core.walks.event_stream import EventStream
from flowq.core.walks.flow import Flow
from flowq.core.walks.run_result import RunResult, RunStep
from flowq.core.walks.runs import Checkpoint, Run
from flowq.core.walks.stepping import Step

__all__ = [
    "DEFAULT",
    "MISSING",
    "Add",
    "Append",
    "Base",
    "Checkpoint",
    "Delta",
    "Event",
    "EventStream",
    "First",
    "Flow",
    "FlowSpec",
    "Hook",
    "ItemContext",
    "Last",
    "MappingBase",
    "Max",
    "Min",
    "Node",
    "NodeSpec",
    "Op",
    "Overlay",
    "Reducer",
    "Retry",
    "RetryAfter",
    "Run",
    "RunResult",
    "RunStep",
    "SharedStore",
    "Step",
    "Steps",
    "Union",
    "apply_delta",
    "build",
    "current_context",
    "diff_value",
    "drive",
    "drive_async",
    "merge_deltas",
    "node",
    "spec_of",
]
