"""A walk that is left after any of its nodes goes on there in another process, and ends as if it had never stopped."""

from __future__ import annotations

from typing import Any

import pytest

from flowq.codec import dumps, loads
from flowq.core.drive import drive
from flowq.core.journey import Frame, Journey, Left
from flowq.core.node import Node
from flowq.core.spec import build, spec_of
from flowq.core.walks.flow import Flow
from flowq.errors import FlowError


class Mark(Node[Any, Any]):
    def __init__(self, mark: str, action: str | None = None) -> None:
        super().__init__(name=mark)
        self.mark, self.action = mark, action

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str | None:
        shared["log"].append(self.mark)
        return self.action


class Prepared(Flow):
    def prep(self, shared: Any) -> Any:
        shared["log"].append("prep")
        return ("prepared", len(shared["log"]))

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["log"].append(f"{prep_res[0]} {exec_res}")
        return "on"


class Loop(Node[Any, Any]):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["log"].append("loop")
        return "again" if shared["log"].count("loop") < 3 else "enough"


class FlakyOnce(Node[Any, Any]):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["log"].append("flaky")
        if shared["log"].count("flaky") == 1:
            raise ValueError("once")


class LeaveAfter(Journey):
    """Leaves after a number of nodes."""

    def __init__(self, root: Flow, frames: list[Frame], steps: int, leave_at: int) -> None:
        super().__init__(root, frames, steps)
        self.leave_at = leave_at

    def reached(self, shared: Any, name: str) -> None:
        if self.steps == self.leave_at:
            state = dumps(([frame.to_plain() for frame in self.frames], self.steps))
            raise Left("event", ("go-on",), state)


def nested() -> Flow:
    first, loop, last = Mark("first"), Loop(), Mark("last", "end")
    inner = Prepared(first)
    first >> Mark("second")
    innermost = Flow(Mark("deep"))
    outer = Flow(inner)
    inner - "on" >> innermost >> loop
    loop - "again" >> loop
    loop - "enough" >> last
    return outer


def retried() -> Flow:
    start = Mark("a")
    inner = Flow(start, max_retries=2)
    start >> FlakyOnce() >> Mark("b")
    return Flow(inner)


def walked(flow: Flow, leave_at: int) -> tuple[Any, list[str], int]:
    """Walk *flow*, leaving it after every node from the *leave_at*-th on; each leg in a graph made anew."""
    spec = spec_of(flow)
    shared: dict[str, Any] = {"log": []}
    frames: list[Frame] = []
    steps = legs = 0
    while True:
        legs += 1
        root = build(spec)
        assert isinstance(root, Flow)
        root.journey = journey = LeaveAfter(root, frames, steps, max(leave_at, steps + 1))
        journey.enter(root)
        try:
            return drive(root.walk(shared)), shared["log"], legs
        except Left as left:
            plain, steps = loads(left.reached)
            frames = [Frame(*one) for one in plain]
            shared = loads(dumps(shared))


@pytest.mark.parametrize("make", [nested, retried])
@pytest.mark.parametrize("leave_at", range(1, 12))
def test_a_walk_left_after_any_node_goes_on_there(make: Any, leave_at: int) -> None:
    plain: dict[str, Any] = {"log": []}
    action = make().run(plain)
    assert walked(make(), leave_at)[:2] == (action, plain["log"])


def test_a_flow_s_own_prep_runs_once_and_its_result_is_kept() -> None:
    action, log, legs = walked(nested(), 1)
    assert legs > 5
    assert action == "end"
    assert log.count("prep") == 1
    assert "prepared None" in log


def test_a_flow_s_tries_are_not_counted_anew_after_it_was_left() -> None:
    _, log, _ = walked(retried(), 1)
    assert log == ["a", "flaky", "a", "flaky", "b"]


def test_no_retry_and_no_fallback_catches_that_a_walk_is_left() -> None:
    class Stubborn(Flow):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> str:
            return "caught"

    flow = Flow(Stubborn(Mark("a"), max_retries=3))
    flow.journey = journey = LeaveAfter(flow, [], 0, 1)
    journey.enter(flow)
    with pytest.raises(Left, match="waits for go-on"):
        drive(flow.walk({"log": []}))


def test_a_place_that_the_graph_does_not_have_is_an_error() -> None:
    flow = Flow(Mark("a"))
    flow.journey = journey = Journey(flow, [Frame(7)])
    journey.enter(flow)
    with pytest.raises(FlowError, match="node 7 of a graph of 1"):
        drive(flow.walk({"log": []}))
