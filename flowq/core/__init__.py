"""Nodes, flows and the shared store: the graph, in one process. Imports errors and registry only, never Redis."""

from flowq.core.actions import DEFAULT
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Steps, drive, drive_async
from flowq.core.event_stream import EventStream
from flowq.core.flow import Flow, Step
from flowq.core.functional import node  # the decorator; the module of this name stays importable by its path
from flowq.core.hooks import Event, Hook
from flowq.core.merge import Delta, Op, apply_delta, diff_value, merge_deltas
from flowq.core.node import Node
from flowq.core.overlay import Base, MappingBase, Overlay
from flowq.core.reducers import MISSING, Add, Append, First, Last, Max, Min, Reducer, Union
from flowq.core.retry import Retry, RetryAfter
from flowq.core.run_result import RunResult, RunStep
from flowq.core.runs import Checkpoint, Run
from flowq.core.spec import FlowSpec, NodeSpec, build, spec_of
from flowq.core.store import SharedStore

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
