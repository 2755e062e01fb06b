"""Hooks and events of runs and nodes, RunResult, and the stream of a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import dataclass
from typing import Any

import pytest

import flowq
from flowq import Event, Hook


class Parse(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return "parsed"


class Save(flowq.Node):
    async def exec(self, prep_res: Any) -> None:
        await asyncio.sleep(0)


class Fails(flowq.Node):
    def exec(self, prep_res: Any) -> None:
        raise ValueError(f"try {self.cur_retry}")


class Steps(Hook):
    """Keeps kind and path of what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def on_run_start(self, event: Event) -> None:
        self.seen.append((event.kind, event.path))

    on_run_end = on_run_error = on_node_start = on_node_end = on_node_error = on_node_retry = on_run_start


def nested() -> flowq.Flow:
    parse, again = Parse(), Parse()
    inner = flowq.Flow(start=again, name="Inner")
    parse - "parsed" >> inner
    inner - "parsed" >> Save()
    return flowq.Flow(start=parse, name="Outer")


def test_a_hook_of_a_flow_is_told_of_every_node_with_its_path() -> None:
    steps = Steps()
    flow = nested()
    flow.listen([steps])
    flow.run({})
    assert steps.seen == [
        ("run_start", "Outer"),
        ("node_start", "Outer/Parse"),
        ("node_end", "Outer/Parse"),
        ("node_start", "Outer/Inner"),
        ("node_start", "Outer/Inner/Parse"),
        ("node_end", "Outer/Inner/Parse"),
        ("node_end", "Outer/Inner"),
        ("node_start", "Outer/Save"),
        ("node_end", "Outer/Save"),
        ("run_end", "Outer"),
    ]


async def test_a_run_in_an_event_loop_tells_the_same() -> None:
    first, second = Steps(), Steps()
    flow = nested()
    flow.listen([first])
    await asyncio.to_thread(flow.run, {})
    flow = nested()
    flow.listen([second])
    await flow.run_async({})
    assert first.seen == second.seen


def test_a_hook_of_a_node_is_told_of_that_node_alone() -> None:
    steps = Steps()
    parse = Parse(hooks=[steps])
    parse - "parsed" >> Save()
    flowq.Flow(start=parse, name="Flow").run({})
    assert steps.seen == [("node_start", "Flow/Parse"), ("node_end", "Flow/Parse")]


def test_a_flow_that_is_taken_step_by_step_tells_the_same() -> None:
    whole, stepped, dropped = Steps(), Steps(), Steps()
    for steps in (whole, stepped, dropped):
        flow = nested()
        flow.listen([steps])
        if steps is whole:
            flow.run({})
        elif steps is stepped:
            list(flow.iter({}))
        else:
            next(flow.iter({}))
    assert whole.seen == stepped.seen
    assert dropped.seen == whole.seen[:3]


def test_failed_tries_are_told_with_their_errors() -> None:
    events: list[Event] = []
    flow = flowq.Flow(start=Fails(max_retries=3, wait=0.001), hooks=[events.append])
    with pytest.raises(ValueError, match="try 2"):
        flow.run({})
    assert [event.kind for event in events] == [
        "run_start", "node_start", "node_retry", "node_retry", "node_error", "run_error",
    ]  # fmt: skip
    retries = [event for event in events if event.kind == "node_retry"]
    assert [(str(event.error), event.attempt, event.delay_s) for event in retries] == [
        ("try 0", 0, 0.001), ("try 1", 1, 0.001),
    ]  # fmt: skip
    assert str(events[-1].error) == "try 2"
    assert all(event.seconds is not None for event in events if event.kind.endswith("error"))


def test_a_hook_that_fails_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Hook):
        def on_node_end(self, event: Event) -> None:
            raise RuntimeError("the hook's own")

    assert flowq.Flow(start=Parse(), hooks=[Broken]).run({}) == "parsed"
    assert [record.message for record in caplog.records] == ["a hook failed"]
    assert caplog.records[0].levelno == logging.ERROR


@pytest.mark.parametrize("wrong", [3, "name", object()])
def test_what_is_no_hook_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"flowq\.Hook"):
        Parse(hooks=[wrong])


def test_hooks_are_a_list() -> None:
    with pytest.raises(TypeError, match="a list"):
        Parse(hooks=Steps())  # type: ignore[arg-type]


def test_a_hook_is_not_awaited() -> None:
    with pytest.raises(TypeError, match="on_run_start is async"):

        class Waits(Hook):
            async def on_run_start(self, event: Event) -> None: ...

    async def waits(event: Event) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        Parse(hooks=[waits])


def test_hooks_are_no_part_of_the_graph_and_only_those_that_can_travel_go_with_it() -> None:
    @dataclass
    class WithFields(Hook):
        path: str

        def on_item_end(self, event: Event) -> None: ...

    class Plain(Hook):
        def on_item_end(self, event: Event) -> None: ...

    plain = flowq.Flow(start=Parse())
    watched = flowq.Flow(start=Parse(hooks=[Plain]), hooks=[WithFields("x"), print, Steps()])
    assert plain.spec().content_hash() == watched.spec().content_hash()
    assert [spec.hooks for spec in watched.spec().nodes] == [(WithFields("x"),), (Plain,)]
    assert "hooks" not in plain.spec().to_plain()["nodes"][0]


# -- RunResult ---------------------------------------------------------------------------------------------------------


def test_a_run_result_has_the_steps() -> None:
    result = nested().run({"a": 1}, run_result=True)
    assert (result.status, result.action, result.error, result.shared) == ("succeeded", None, None, {"a": 1})
    assert [(step.path, step.action) for step in result.steps] == [
        ("Outer/Parse", "parsed"),
        ("Outer/Inner/Parse", "parsed"),
        ("Outer/Inner", "parsed"),
        ("Outer/Save", None),
    ]
    assert result.seconds >= sum(step.seconds for step in result.steps if "Inner/" not in step.path)
    assert result.raise_for_error() is result


async def test_a_run_result_of_a_failed_run_has_the_error() -> None:
    parse = Parse()
    parse - "parsed" >> Fails()
    for result in (
        await asyncio.to_thread(flowq.Flow(start=parse).run, {}, run_result=True),
        await flowq.Flow(start=parse).run_async({}, run_result=True),
    ):
        assert result.status == "failed"
        assert [step.error is None for step in result.steps] == [True, False]
        with pytest.raises(ValueError, match="try 0"):
            result.raise_for_error()


def test_a_recorded_run_leaves_the_flow_as_it_was() -> None:
    flow = nested()
    flow.run({}, run_result=True)
    assert len(flow.run({}, run_result=True).steps) == 4


# -- the stream --------------------------------------------------------------------------------------------------------


def test_the_events_of_a_run_can_be_read_as_they_happen() -> None:
    shared: dict[str, Any] = {}

    class Waits(flowq.Node):
        def exec(self, prep_res: Any) -> None:
            assert begun.wait(10)

    begun = threading.Event()
    seen = []
    for event in flowq.Flow(start=Waits()).stream(shared):
        seen.append(event.kind)
        if event.kind == "node_start":
            begun.set()  # the node is under way while its event is read
    assert seen == ["run_start", "node_start", "node_end", "run_end"]


async def test_the_events_of_a_run_can_be_read_in_an_event_loop() -> None:
    begun = asyncio.Event()

    class Waits(flowq.Node):
        async def exec(self, prep_res: Any) -> None:
            await asyncio.wait_for(begun.wait(), 10)

    seen = []
    async for event in flowq.Flow(start=Waits()).stream({}):
        seen.append(event.kind)
        if event.kind == "node_start":
            begun.set()
    assert seen == ["run_start", "node_start", "node_end", "run_end"]


async def test_what_a_streamed_run_raises_comes_after_its_events() -> None:
    flow = flowq.Flow(start=Fails())
    seen: list[str] = []

    def read() -> None:
        for event in flow.stream({}):
            seen.append(event.kind)

    with pytest.raises(ValueError, match="try 0"):
        await asyncio.to_thread(read)

    async def read_async() -> None:
        async for event in flow.stream({}):
            seen.append(event.kind)

    with pytest.raises(ValueError, match="try 0"):
        await read_async()
    assert seen == ["run_start", "node_start", "node_error", "run_error"] * 2


def test_a_stream_that_is_left_ends_the_run_before_the_next_node() -> None:
    ran = []

    class Runs(flowq.Node):
        def exec(self, prep_res: Any) -> None:
            ran.append(self.name)

    first = Runs(name="first")
    first >> Runs(name="second") >> Runs(name="third")
    events = iter(flowq.Flow(start=first).stream({}))
    assert next(event.path for event in events if event.kind == "node_end") == "Flow/first"
    events.close()  # type: ignore[attr-defined]
    assert "third" not in ran
    assert not [thread for thread in threading.enumerate() if thread.name == "flowq-stream"]


def test_a_stream_that_is_left_by_two_interrupts_keeps_no_program_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Items(flowq.BatchNode[int, None]):
        def prep(self, shared: Any) -> range:
            return range(1000)

        def exec(self, item: int) -> None:
            pass

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    events = iter(flowq.Flow(start=Items()).stream({}))
    next(event for event in events if event.kind == "item_end")
    (thread,) = (one for one in threading.enumerate() if one.name == "flowq-stream")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "is_alive", interrupted)
        patched.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            events.close()  # type: ignore[attr-defined]
    thread.join(10)
    assert not thread.is_alive()


async def test_a_stream_that_is_left_in_an_event_loop_cancels_the_run() -> None:
    cancelled = []

    class Sleeps(flowq.Node):
        async def exec(self, prep_res: Any) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

    async with contextlib.aclosing(aiter(flowq.Flow(start=Sleeps()).stream({}))) as events:  # type: ignore[type-var]
        async for event in events:
            if event.kind == "node_start":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                break
    assert cancelled == [True]
