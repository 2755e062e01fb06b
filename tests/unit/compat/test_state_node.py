"""flowq.compat.state_node: nodes of one method that returns a dict of updates."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import flowq
from flowq.compat.state_node import AsyncBaseNode, BaseNode, State


class Add(BaseNode):
    def execute(self, state: Any) -> dict[str, Any]:
        return {"n": state.n + 1}


class Double(AsyncBaseNode):
    async def execute(self, state: Any, config: Any, runtime: Any) -> dict[str, Any]:
        return {"n": state["n"] * config["factor"], "attempt": runtime.attempt}


def test_the_updates_are_merged_into_the_store() -> None:
    add = Add()
    add >> Double(config={"factor": 3})
    shared = {"n": 1, "kept": True}
    flowq.Flow(start=add).run(shared)
    assert shared == {"n": 6, "kept": True, "attempt": 0}


def test_a_key_with_a_reducer_is_reduced() -> None:
    class Store(BaseModel):
        messages: Annotated[list[str], flowq.Append] = []

    class Says(BaseNode):
        def execute(self, state: Any) -> dict[str, Any]:
            return {"messages": [f"after {len(state.messages)}"]}

    says = Says()
    says >> Says()
    shared = flowq.SharedStore(schema=Store)
    flowq.Flow(start=says).run(shared)
    assert shared["messages"] == ["after 0", "after 1"]


def test_a_node_is_tried_again_like_any_other() -> None:
    class Flaky(BaseNode):
        def execute(self, state: Any, runtime: Any) -> dict[str, Any]:
            if runtime.attempt < 2:
                raise ValueError
            return {"tries": runtime.attempt + 1}

    shared: dict[str, Any] = {}
    Flaky(max_retries=3).run(shared)
    assert shared == {"tries": 3}


@pytest.mark.parametrize("names", [("runtime",), ("config",), ("config", "runtime"), ("runtime", "config")])
def test_what_execute_asks_for_is_passed_by_name(names: tuple[str, ...]) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def execute(self, state, {', '.join(names)}): return {{'got': [{', '.join(names)}]}}", namespace)
    Asks = type("Asks", (BaseNode,), {"execute": namespace["execute"], "__module__": "somewhere"})
    got = Asks(config={"a": 1})({}, runtime="the runtime")["got"]
    assert got == [{"config": {"a": 1}, "runtime": "the runtime"}[name] for name in names]


@pytest.mark.parametrize(
    ("base", "source", "says"),
    [
        (BaseNode, "pass", "must define execute"),
        (BaseNode, "def execute(self, state, other): ...", "asks for 'other'"),
        (BaseNode, "def execute(self, store): ...", r"takes \(self, state"),
        (BaseNode, "def execute(this, state): ...", r"takes \(self, state"),
        (BaseNode, "async def execute(self, state): ...", "AsyncBaseNode"),
        (AsyncBaseNode, "def execute(self, state): ...", "async def execute"),
    ],
)
def test_a_wrong_signature_is_refused_when_the_class_is_made(base: type, source: str, says: str) -> None:
    body: dict[str, Any] = {}
    exec(source, {}, body)
    with pytest.raises(TypeError, match=says):
        type("Wrong", (base,), {**body, "__module__": "somewhere"})


async def test_what_is_no_dict_is_refused() -> None:
    class Wrong(BaseNode):
        def execute(self, state: Any) -> Any:
            return [1]

    class WrongAsync(AsyncBaseNode):
        async def execute(self, state: Any) -> Any:
            return None

    for call in (lambda: Wrong().run({}), lambda: Wrong()({})):
        with pytest.raises(TypeError, match=r"Wrong\.execute returned list"):
            call()
    with pytest.raises(TypeError, match=r"WrongAsync\.execute returned NoneType"):
        await WrongAsync()({})


async def test_a_node_can_be_called_like_a_function() -> None:
    assert Add()(State({"n": 1})) == {"n": 2}
    assert await Double()({"n": 2}, {"factor": 2}, flowq.ItemContext(attempt=7)) == {"n": 4, "attempt": 7}


def test_it_logs_only_when_it_is_verbose(caplog: pytest.LogCaptureFixture) -> None:
    class Logs(BaseNode):
        def execute(self, state: Any, config: Any) -> dict[str, Any]:
            self.log("working", thread=self.get_thread_id(config), tags=self.get_tags(config))
            return {}

    config = {"configurable": {"thread_id": "t1"}, "tags": ["a"]}
    with caplog.at_level(logging.INFO, "flowq.node"):
        Logs(config=config).run({})
        assert caplog.records == []
        Logs(config=config, verbose=True).run({})
    assert caplog.records[0].fields == {"thread": "t1", "tags": ["a"]}  # type: ignore[attr-defined]


def test_a_state_shows_keys_that_are_named_like_methods() -> None:
    state = State({"items": [1], "get": 2})
    assert (state.items, state.get, len(state), "items" in state) == ([1], 2, 2, True)  # type: ignore[comparison-overlap]
    assert State({"a": 1}).get("b", 3) == 3
