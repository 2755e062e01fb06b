"""flowq.compat.grapheteria: its node, its edges, its ways to run several items."""

# ruff: noqa: B015 - `a > b` wires an edge here
from __future__ import annotations

import asyncio
from typing import Any

import pytest

import flowq
from flowq.compat.conditions import condition
from flowq.compat.grapheteria import Node


class Score(Node):
    def prepare(self, shared: Any, request_input: Any) -> Any:
        return shared["score"] + self.config.get("bonus", 0)

    async def execute(self, prepared: int) -> int:
        await asyncio.sleep(0)
        return prepared

    def cleanup(self, shared: Any, prepared: Any, result: Any) -> str:
        shared["score"] = result
        return "what cleanup returns does not matter"


class Says(Node):
    def cleanup(self, shared: Any, prepared: Any, result: Any) -> None:
        shared.setdefault("said", []).append(self.id)


def flow() -> flowq.Flow:
    score = Score(config={"bonus": 1})
    score - "shared['score'] > 80" > Says(id="high") > Says(id="after high")
    score - "shared['score'] > 50" > Says(id="middle")
    score > Says(id="low")
    return flowq.Flow(start=score)


@pytest.mark.parametrize(("score", "said"), [(90, ["high", "after high"]), (50, ["middle"]), (3, ["low"])])
def test_the_first_condition_that_holds_is_taken_else_the_default_way(score: int, said: list[str]) -> None:
    shared = {"score": score}
    flow().run(shared)
    assert shared == {"score": score + 1, "said": said}


def test_the_literal_true_comes_before_all_others() -> None:
    start = Says(id="start")
    start - "shared['x'] == 1" > Says(id="one")
    start - "True" > Says(id="always")
    shared: dict[str, Any] = {"x": 1}
    flowq.Flow(start=start).run(shared)
    assert shared["said"] == ["start", "always"]


def test_two_conditions_may_lead_to_one_node() -> None:
    start, target = Says(id="start"), Says(id="target")
    start - "shared['x'] == 1" > target
    start - "shared['x'] == 2" > target
    for x in (1, 2):
        shared: dict[str, Any] = {"x": x}
        flowq.Flow(start=start).run(shared)
        assert shared["said"] == ["start", "target"]


def test_a_condition_that_fails_does_not_hold(caplog: pytest.LogCaptureFixture) -> None:
    start = Says(id="start")
    start - "shared['nothing'] > 1" > Says(id="never")
    start > Says(id="default")
    shared: dict[str, Any] = {}
    flowq.Flow(start=start).run(shared)
    assert shared["said"] == ["start", "default"]
    assert caplog.records[0].condition == "shared['nothing'] > 1"  # type: ignore[attr-defined]


def test_a_graph_with_conditions_is_data() -> None:
    spec = flow().spec()
    assert spec.nodes[1].edges.keys() == {"shared['score'] > 80", "shared['score'] > 50", "default"}
    assert spec.content_hash() == flow().spec().content_hash()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("shared['n'] > 2 and shared['n'] <= 3", True),
        ("1 < shared['n'] < 3", False),
        ("not shared['flag'] or shared['name'].startswith('a')", True),
        ("shared['name'] in ['ada', 'bob']", True),
        ("len(shared['list']) + 1 == 3", True),
        ("shared.get('missing', 7) == 7", True),
        ("shared['missing'] is None if True else False", ValueError),
        ("shared['list'][-1] == 'b'", True),
        ("'x' not in shared['list']", True),
        ("shared['list'] == ['a', 'b']", True),
        ("shared['version'] == (3, 12)", True),
        ("shared['version'] >= (3, 11)", True),
        ("shared['tags'] == {'b', 'a'}", True),
        ("shared['grid'][1, 2] == 'x'", True),
        ("__import__('os').system('true')", ValueError),
        ("shared.__class__", ValueError),
        ("[x for x in shared]", ValueError),
        ("open('/etc/passwd')", ValueError),
        ("shared['n'] **  9", ValueError),
        ("shared['n'] >", ValueError),
    ],
)
def test_conditions_compare_and_do_nothing_else(text: str, holds: Any) -> None:
    shared = {"n": 3, "flag": True, "name": "ada", "list": ["a", "b"], "tags": {"a", "b"}}
    shared |= {"version": (3, 12), "grid": {(1, 2): "x"}}
    if isinstance(holds, bool):
        assert condition(text)(shared) is holds
    else:
        with pytest.raises(holds):
            Says() - text


def test_a_condition_is_a_text() -> None:
    with pytest.raises(TypeError, match=r"node\.when"):
        Says() - (lambda shared: True)  # type: ignore[operator]


class Flaky(Node):
    tries: list[Any]

    def execute(self, item: Any) -> Any:
        self.tries.append((item, self.cur_retry))
        if self.cur_retry < 2:
            raise ValueError(item)
        return item

    async def exec_fallback(self, prepared: Any, exc: Exception) -> str:
        return f"fallback: {exc}"

    def cleanup(self, shared: Any, prepared: Any, result: Any) -> None:
        shared["result"] = result


class BatchNode(Flaky):
    def prepare(self, shared: Any, request_input: Any) -> list[int]:
        return [1, 2]

    async def _execute_with_retry(self, items: Any) -> list[Any]:
        return [await super(BatchNode, self)._process_item(item) for item in items]


class ParallelNode(BatchNode):
    async def _execute_with_retry(self, items: Any) -> list[Any]:
        return await asyncio.gather(*(self._process_item(item) for item in items))


@pytest.mark.parametrize("kind", [BatchNode, ParallelNode])
@pytest.mark.parametrize(("max_retries", "result"), [(3, [1, 2]), (2, ["fallback: 1", "fallback: 2"])])
def test_each_item_of_a_hand_written_batch_has_its_own_tries(
    kind: type[Flaky], max_retries: int, result: list[Any]
) -> None:
    node = kind(max_retries=max_retries)
    node.tries = []
    shared: dict[str, Any] = {}
    flowq.Flow(start=node).run(shared)
    assert shared["result"] == result
    assert sorted(node.tries) == [(item, tried) for item in (1, 2) for tried in range(max_retries)]


async def test_standalone_runs_have_one_try_and_no_fallback() -> None:
    assert await Score().run_standalone({"score": 1}) == {"score": 1}
    node = Flaky(max_retries=3)
    node.tries = []
    with pytest.raises(ValueError, match="None"):
        await node.run_standalone()
    assert node.tries == [(None, 0)]


async def test_standalone_runs_cannot_ask_a_person() -> None:
    class Asks(Node):
        async def prepare(self, shared: Any, request_input: Any) -> Any:
            return await request_input(prompt="Name?", request_id="name")

    with pytest.raises(NotImplementedError, match="request_input"):
        await Asks().run_standalone()
