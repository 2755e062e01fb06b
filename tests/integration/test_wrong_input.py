"""What a program asks that cannot be: a sentence that says what to do, the same in one process and on workers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nested, nodes

NO_SECONDS = [
    ("5", TypeError, "not str"),
    (True, TypeError, "not bool"),
    ([], TypeError, "not list"),
    (math.nan, ValueError, "not NaN"),
]


@pytest.mark.parametrize(("timeout", "kind", "said"), NO_SECONDS, ids=repr)
def test_a_timeout_is_a_number_of_seconds(
    executor: str, tmp_path: Path, timeout: Any, kind: type[Exception], said: str
) -> None:
    batch = nodes.Square().submit([2])
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    waits: list[Callable[[Any], object]] = [batch.wait, batch.result, run.wait, run.result]
    for wait in waits:
        with pytest.raises(kind, match=f"timeout is a number of seconds, or None to wait without end, {said}"):
            wait(timeout)
    assert batch.result(20) == [4]
    assert run.wait(20)


def test_a_timeout_may_be_longer_than_any_lock_waits(executor: str) -> None:
    batch = nodes.Square().submit([2])
    assert batch.wait(math.inf)
    assert batch.result(1e300) == [4]
    assert batch.wait(-1), "it has ended"


class Same(flowq.ParallelBatchNode[Any, Any]):
    def exec(self, item: Any) -> Any:
        return item


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"wait": "2"}, ValueError, "wait must be finite and >= 0, not '2'"),
        ({"wait": None}, ValueError, "wait must be finite and >= 0, not None"),
        ({"retry": 3}, TypeError, "retry takes a flowq.Retry, such as flowq.Retry(attempts=3, wait=1), not 3"),
        ({"timeout": True}, ValueError, "timeout is in seconds and above 0, not True"),
        ({"timeout": math.inf}, ValueError, "timeout is in seconds and above 0, not inf"),
        ({"name": 3}, TypeError, "the name of a node is text, not 3"),
        ({"name": "\ud800"}, ValueError, "the name of a node cannot be written as UTF-8"),
        ({"policy": "raise"}, TypeError, "policy takes a flowq.BatchPolicy, not 'raise'"),
        ({"hooks": print}, TypeError, "hooks is a list: hooks=[print]"),
        ({"on_progress": True}, TypeError, "on_progress takes a function, not True"),
        ({"key": "id"}, TypeError, "key takes a function, not 'id'"),
        ({"concurrency": True}, ValueError, "it takes a number, not True"),
        ({"chunk_size": True}, ValueError, "it takes a number, not True"),
        ({"cache": True}, ValueError, "it takes a number, not True"),
        ({"queue": ""}, ValueError, "a queue has a name of 1 to 200 printable characters without a comma"),
        ({"queue": "a,b"}, ValueError, "without a comma, as workers take it"),
        ({"queue": "a\nb"}, ValueError, "printable characters"),
        ({"queue": "q" * 201}, ValueError, "1 to 200"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_wrong_option_is_said_where_the_node_is_made(
    options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        Same(**options)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: flowq.Rate("10"), "limit of a rate is finite and > 0, not '10'"),  # type: ignore[arg-type]
        (lambda: flowq.Rate(True), "limit of a rate is finite and > 0, not True"),
        (lambda: flowq.Breaker(reset=None), "reset is finite and > 0 seconds, not None"),  # type: ignore[arg-type]
        (lambda: flowq.Cache("1h"), "ttl is finite and > 0 seconds, not '1h'"),  # type: ignore[arg-type]
        (lambda: flowq.Retry(backoff="2"), "backoff must be finite and >= 0, not '2'"),  # type: ignore[arg-type]
    ],
)
def test_a_number_is_asked_for_in_words(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


@pytest.mark.parametrize("limit", ["3", -1, 1.5, True, [1]], ids=repr)
def test_a_limit_is_a_number_of_items(executor: str, limit: Any) -> None:
    for call in (nodes.Square().map, nodes.Square().submit, nodes.Square().stream):
        with pytest.raises(ValueError, match=r"limit counts items, a whole number >= 0, or None for all; not "):
            call([1, 2], limit=limit)
    assert nodes.Square().map([1, 2], limit=10**30) == [1, 4]


def test_more_items_than_max_items_are_told_what_to_raise(executor: str) -> None:
    with pytest.raises(flowq.BatchInputError, match=r"more than max_items=1 items\. Give fewer \(limit= takes"):
        nodes.Square(max_items=1).map([1, 2])


def test_names_may_be_as_long_and_as_strange_as_one_likes(executor: str) -> None:
    for name in ("n" * 10_000, "two\nlines", "Übergröße", "a\0b", "[bold]", "{meta}"):
        assert nodes.Square(name=name).submit([2], label=name).result(20) == [4]
        assert nodes.Square(name=name).submit([2], key=name).result(20) == [4]


@pytest.mark.parametrize("what", ["label", "key"])
def test_text_that_no_one_can_write_is_refused(executor: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"the {what} of a batch or run cannot be written as UTF-8"):
        nodes.Square().submit([2], **{what: "\ud800"})


class Marks(flowq.Node[Any, Any]):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["marked"] = True


class Marked(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": 1}]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: flowq.Flow(Marks).run({}), "Marks is a class: give an instance of it, Marks(...)"),  # type: ignore[arg-type]
        (lambda: flowq.Flow(flowq.Flow("Marks")).submit({}), "a flow starts with a node, not str"),  # type: ignore[arg-type]
        (lambda: flowq.Flow().start(3), "a flow starts with a node, not int"),  # type: ignore[type-var]
        (lambda: flowq.Flow(Marks(), max_steps="3"), "max_steps is a whole number, not '3'"),  # type: ignore[arg-type]
        (lambda: flowq.Flow().connect(Marks, "on", Marks()), "Marks is a class"),  # type: ignore[arg-type]
        (lambda: flowq.Flow().connect(Marks(), 3, Marks()), "an action is text, not 3"),  # type: ignore[arg-type]
        (lambda: Marks().set_params([1]), "params are a dict, not [1]"),  # type: ignore[arg-type]
        (lambda: flowq.Flow(Marks()).submit([1]), "the shared store is a dict or a flowq.SharedStore, not list"),
        (lambda: Marked(Marks()).run(None), "the shared store is a dict or a flowq.SharedStore, not NoneType"),
        (lambda: Marked(Marks(), merge=3), 'merge is "last" or reducers by key, not 3'),  # type: ignore[arg-type]
        (lambda: flowq.Parallel(Marks(), merge={"n": 3}), "a reducer is a flowq reducer or a function of two values"),
        (lambda: flowq.activate("redis://here"), "such as flowq.connect(…), or .executor of a started LocalCluster"),  # type: ignore[arg-type]
        (lambda: flowq.connect(["redis://here"]), "connect takes flowq.Settings or the URL of a Redis, not list"),  # type: ignore[arg-type]
        (lambda: flowq.connect("redis://here", app=flowq), "app is a Celery app, celery.Celery(…), not module"),
        (lambda: flowq.install("app"), "app is a Celery app, celery.Celery(…), not str"),  # type: ignore[arg-type]
        (lambda: flowq.LocalCluster(imports="tests.nodes"), "imports is a list of names: imports=['tests.nodes']"),
        (lambda: flowq.LocalCluster(queues="gpu"), "queues is a list of names: queues=['gpu']"),
        (lambda: flowq.LocalCluster(workers="2"), "workers is a whole number, not '2'"),  # type: ignore[arg-type]
        (lambda: flowq.LocalCluster(slots=1.5), "slots is a whole number, not 1.5"),  # type: ignore[arg-type]
        (lambda: flowq.WorkerPool("4"), "the number of threads is a whole number, not '4'"),  # type: ignore[arg-type]
        (lambda: flowq.scheduled(flowq.Flow(Marks()), 5, key=["k"]), "the key of a schedule is text, not ['k']"),  # type: ignore[arg-type]
        (lambda: flowq.scheduled(flowq.Flow(Marks()), 0, key="k"), "a timedelta or a number of seconds above 0, not 0"),
        (lambda: flowq.scheduled(Marks, 5, key="k"), "scheduled takes a flow or a node, not type"),  # type: ignore[arg-type]
        (lambda: flowq.scheduled(Marks(), 5, key="k", shared=[1]), "the shared store is a dict"),  # type: ignore[arg-type]
        (lambda: flowq.scheduled(Marks(), 5, key="k", queue=3), "queue is text, not 3"),  # type: ignore[arg-type]
        (lambda: flowq.SharedStore(3), "a SharedStore begins with what is in a dict, not 3"),  # type: ignore[arg-type]
        (lambda: flowq.Cache(3, name=3), "the name of a cache is text, not 3"),  # type: ignore[arg-type]
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_call_cannot_take_is_said(executor: str, call: Callable[[], object], said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        call()


@pytest.mark.parametrize("name", [3, None, ["go"], b"go", {"go": 1}], ids=repr)
def test_an_event_is_named_by_text(executor: str, tmp_path: Path, name: Any) -> None:
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    with pytest.raises(TypeError, match="the name of an event is text"):
        run.send(name)
    assert run.wait(20)


@pytest.mark.parametrize("step", ["1", 1.5, True, [1]], ids=repr)
def test_a_run_goes_on_from_a_step_that_is_a_whole_number(executor: str, tmp_path: Path, step: Any) -> None:
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    assert run.wait(20)
    for fork in (False, True):
        with pytest.raises(TypeError, match="from_step is a whole number"):
            run.resume(from_step=step, fork=fork)


def test_what_asks_for_a_retry_can_be_printed_whatever_it_asks() -> None:
    assert str(flowq.RetryAfter(timedelta(minutes=1))) == "retry after 60 s"  # type: ignore[arg-type]
    assert str(flowq.RetryAfter("soon", "busy")) == "retry after 'soon': busy"  # type: ignore[arg-type]


def test_a_rate_that_names_a_method_that_is_not_there_says_so(executor: str) -> None:
    for rate in (flowq.Rate(9, key="customer"), flowq.Rate(9, weight="customer")):
        with pytest.raises(flowq.FlowError, match="names a method 'customer', which Square does not have"):
            nodes.Square(rate=rate).submit([1])
