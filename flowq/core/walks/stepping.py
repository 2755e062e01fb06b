"""What ``Flow.iter`` yields, and how it drives the calls between two of its steps. The steps themselves are flow.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flowq.core.drive import Steps, drive, drive_async, loop_runs
from flowq.core.lifespan import held_open, long_lived_here, opened
from flowq.core.node import Node
from flowq.errors import LoopRunning

if TYPE_CHECKING:
    from flowq.core.walks.flow import Flow


class Step(NamedTuple):
    """One step of :meth:`Flow.iter`: the copy of the node that was visited, and the action it returned."""

    node: Node[Any, Any]
    action: str | None


def stepper(flow: Flow, stack: contextlib.ExitStack) -> Callable[[Steps[Any]], Any]:
    """The driver for the steps of one :meth:`Flow.iter`; with async nodes it runs all of them in one event loop."""
    nodes = long_lived_here(flow)
    if not flow.has_async():
        stack.enter_context(held_open(nodes))
        return drive
    if loop_runs():
        raise LoopRunning(flow.name)
    runner = stack.enter_context(asyncio.Runner())
    span = opened(nodes)
    runner.run(span.__aenter__())
    stack.callback(lambda: runner.run(span.__aexit__(None, None, None)))
    return lambda steps: runner.run(drive_async(steps))


def one_call(fn: Callable[..., Any], *args: Any) -> Steps[Any]:
    """One call as steps for that driver."""
    return (yield fn, args)
