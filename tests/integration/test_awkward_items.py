"""Items that end in ways of their own: each is its own outcome, and the same inline and on workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import awkward
from tests.programs import Program


def ended(node: flowq.ParallelBatchNode[Any, Any] | flowq.BatchFlow, items: Any) -> flowq.BatchResult[Any]:
    """The result of a batch that ends within seconds."""
    handle = node.submit(items)
    assert handle.wait(20), handle.progress()
    return handle.result()


def statuses(result: flowq.BatchResult[Any]) -> list[str]:
    return [outcome.status for outcome in result.items]


def error_of(result: flowq.BatchResult[Any], index: int = 2) -> tuple[type[Exception], str, int]:
    outcome = result.items[index]
    assert outcome.error is not None
    return type(outcome.error), str(outcome.error), outcome.attempts


ONE_FAILED = ["ok", "ok", "failed", "ok"]
CANCELLED = (flowq.ItemCancelled, "exec ended with CancelledError, though nobody cancelled it", 1)
PANIC = (flowq.RemoteError, "tests.awkward.Panic: no more", 1)
EXIT = (flowq.RemoteError, "builtins.SystemExit: 3", 1)


# -- what is no Exception ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [awkward.Breaks, awkward.BreaksAsync, awkward.BreaksInFallback])
@pytest.mark.parametrize(
    ("how", "error"),
    [("cancelled", CANCELLED), ("panic", PANIC), ("exit", EXIT)],
    ids=["cancelled", "panic", "exit"],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"timeout": 20}, {"in_flight": 4}, {"max_retries": 3, "wait": 2}, {"breaker": flowq.Breaker(failures=9)}],
    ids=lambda options: " ".join(options) or "plain",
)
def test_an_item_that_ends_with_no_exception_fails_alone_and_is_not_tried_again(
    executor: str,
    kind: type[awkward.Breaks],
    how: str,
    error: tuple[type[Exception], str, int],
    options: dict[str, Any],
) -> None:
    if kind is awkward.BreaksInFallback:
        options = {name: value for name, value in options.items() if name not in ("max_retries", "wait")}
    result = ended(kind(how, on_error="collect", **options), range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == error


def test_so_does_one_of_a_call_of_many(executor: str) -> None:
    result = ended(awkward.BreaksAll("panic", on_error="collect", max_retries=2), range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == PANIC


def test_a_call_of_many_that_ends_with_no_exception_fails_for_all_its_items(executor: str) -> None:
    node = awkward.BreaksCalls("cancelled", on_error="collect", chunk_size=2)
    result = ended(node, range(4))
    assert statuses(result)[2] == "failed"
    assert {error_of(result, index) for index, one in enumerate(result.items) if one.status == "failed"} == {CANCELLED}


def test_so_does_an_item_of_a_batch_flow(executor: str) -> None:
    flow = awkward.BreakingFlow(awkward.BreakingStep(), on_error="collect")
    shared: dict[str, Any] = {}
    flow.run(shared)
    assert shared["seen"] == [0, 1, 3]


def test_without_leave_to_fail_such_an_item_ends_the_batch(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        ended(awkward.Breaks("cancelled"), range(4))
    assert isinstance(raised.value.errors[2], flowq.ItemCancelled)


def test_an_item_that_ends_its_process_is_still_told_as_that(cluster: flowq.LocalCluster) -> None:
    result = ended(awkward.EndsItsProcess(on_error="collect"), range(4))
    assert statuses(result) == ONE_FAILED
    assert isinstance(result.errors[2], flowq.WorkerCrashed)


def test_an_item_that_exits_says_what_to_raise_instead(executor: str) -> None:
    result = ended(awkward.Breaks("exit", on_error="collect"), range(4))
    assert "raise an Exception that says why" in "".join(result.errors[2].__notes__)
    assert "sys.exit(3)" in result.items[2].traceback


@pytest.mark.parametrize("kind", [awkward.Breaks, awkward.BreaksAsync, awkward.BreaksInFallback])
def test_an_item_that_raises_what_ctrl_c_does_fails_alone_on_a_worker(
    cluster: flowq.LocalCluster, kind: type[awkward.Breaks]
) -> None:
    result = ended(kind("interrupt", on_error="collect"), range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == (flowq.RemoteError, "builtins.KeyboardInterrupt: ", 1)
    assert "nobody pressed Ctrl-C" in "".join(result.errors[2].__notes__)


def test_an_item_that_exits_in_a_submitted_flow_fails_the_run(executor: str) -> None:
    flow = flowq.Flow(awkward.Exits())
    with pytest.raises(flowq.RemoteError, match=r"builtins\.SystemExit: 3"):
        flow.submit({}).result(timeout=20)


def test_a_child_that_an_item_forks_may_exit(tmp_path: Path) -> None:
    source = """
        from tests import awkward
        print(list(awkward.ForksAndExits().map(range(4))), flush=True)
        """
    one = Program(tmp_path / "forks.py", source)
    assert one.line() == "[0, 1, 7, 3]"
    assert one.end()[0] == 0  # Python 3.12 warns on stderr of any fork beside threads


def test_a_worker_that_is_told_to_end_in_the_middle_of_an_item_is_no_failure_of_it(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    result = ended(awkward.ToldToEnd(str(tmp_path / "told"), on_error="collect"), range(4))
    assert list(result) == [0, 1, 2, 3]
    assert (tmp_path / "told").exists()


@pytest.mark.parametrize("handler", ["at_once", "lambda *told: sys.exit(9)", "functools.partial(leave, 9)"])
def test_a_program_that_is_told_to_end_in_the_middle_of_an_item_ends(tmp_path: Path, handler: str) -> None:
    one = Program(
        tmp_path / "told.py",
        f"""
        import functools, signal, sys
        import flowq
        from tests import awkward

        def leave(status, signum, frame):
            sys.exit(status)

        def at_once(signum, frame):
            sys.exit(9)

        signal.signal(signal.SIGTERM, {handler})
        print(awkward.ToldToEnd({str(tmp_path / "told")!r}, on_error="collect").map(range(4)))
        """,
    )
    assert one.end() == (9, "")


@pytest.mark.parametrize("kind", [awkward.ClosesItself, awkward.ClosesItselfAsync])
def test_nothing_that_an_item_raises_keeps_its_batch_from_ending(cluster: flowq.LocalCluster, kind: Any) -> None:
    result = ended(kind(on_error="collect"), range(4))
    assert statuses(result) == ONE_FAILED


# -- what nobody awaits -----------------------------------------------------------------------------------------------


UNAWAITED = "returned an awaitable (coroutine): declare it `async def`."


@pytest.mark.parametrize("at", [0, 1, 777])
@pytest.mark.parametrize(
    "options",
    [{}, {"timeout": 20}, {"in_flight": 4}, {"max_retries": 3}, {"breaker": flowq.Breaker(failures=9)}],
    ids=lambda options: " ".join(options) or "plain",
)
def test_a_blocking_item_that_returns_an_awaitable_fails_alone(executor: str, at: int, options: dict[str, Any]) -> None:
    items = [1] * at + [2] + [1] * (3000 - at)
    result = ended(awkward.Forgets(on_error="collect", **options), items)
    assert list(result.errors) == [at]
    assert error_of(result, at) == (flowq.FlowError, f"Forgets.exec {UNAWAITED}", 1)
    assert (result[at], sum(value for value in result if value)) == (None, 3000)


def test_so_does_one_whose_fallback_does(executor: str) -> None:
    result = ended(awkward.Forgets(on_error="collect"), range(4))
    assert statuses(result) == ["ok", "ok", "failed", "failed"]
    assert error_of(result, 3) == (flowq.FlowError, f"Forgets.exec_fallback {UNAWAITED}", 1)


def test_so_does_one_of_a_call_of_many_and_all_of_a_call_that_is_none(executor: str) -> None:
    result = ended(awkward.ForgetsInCalls(on_error="collect", max_retries=2), range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == (flowq.FlowError, f"ForgetsInCalls.exec_many {UNAWAITED}", 1)
    result = ended(awkward.ForgetsCalls(on_error="collect"), range(4))
    assert {error_of(result, index) for index in range(4)} == {
        (flowq.FlowError, f"ForgetsCalls.exec_many {UNAWAITED}", 1)
    }


def test_the_first_such_item_ends_a_batch_that_puts_up_with_none(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        ended(awkward.Forgets(), [1, 2, 1, 1])
    assert list(raised.value.errors) == [1]


# -- what is raised beside the tries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [awkward.Refuses, awkward.RefusesAll])
def test_a_trip_on_that_fails_is_the_failure_of_its_item(executor: str, kind: type[awkward.Refuses]) -> None:
    node = kind(breaker=flowq.Breaker(trip_on=awkward.cannot_tell), on_error="collect", max_retries=2)
    result = ended(node, range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == (LookupError, "cannot tell", 1)


@pytest.mark.parametrize("kind", [awkward.WaitsForever, awkward.WaitsForeverAll])
def test_so_is_a_retry_delay_that_is_no_number(executor: str, kind: type[awkward.Refuses]) -> None:
    result = ended(kind(on_error="collect", max_retries=2), range(4))
    assert statuses(result) == ONE_FAILED
    name = kind.__name__
    message = (
        f"{name}.retry_delay returned datetime.timedelta(seconds=2): it returns seconds, or None for no more tries"
    )
    assert error_of(result) == (TypeError, message, 1)


def test_an_exception_with_odd_notes_is_its_items_error_all_the_same(executor: str) -> None:
    result = ended(awkward.RaisesOdd(on_error="collect"), range(4))
    assert statuses(result) == ONE_FAILED
    assert error_of(result) == (awkward.Odd, "", 1)


@pytest.mark.parametrize("wait", [0.0, 1.2])
def test_so_is_one_without_a_text_after_its_last_try(executor: str, wait: float) -> None:
    result = ended(awkward.RaisesMute(on_error="collect", max_retries=2, wait=wait), range(4))
    assert statuses(result) == ONE_FAILED
    kind, text, attempts = error_of(result)
    assert (kind, attempts) == (flowq.RemoteError, 2)
    assert "its __str__ raised RuntimeError" in text


@pytest.mark.parametrize("hooks", [None, [awkward.Listens()]], ids=["", "with a hook"])
def test_an_item_of_a_batch_flow_that_has_no_key_fails_alone(executor: str, hooks: Any) -> None:
    flow = awkward.BreakingFlow(awkward.Passes(), key=awkward.key_of_place, on_error="collect", hooks=hooks)
    result = ended(flow, [{"n": n} for n in range(4)])
    assert statuses(result) == ONE_FAILED
    assert error_of(result)[0] is KeyError
    assert [outcome.key for outcome in result.items] == ["key-0", "key-1", None, "key-3"]
    assert [outcome.key for outcome in result.failed] == [None]


# -- what cannot be made or opened ------------------------------------------------------------------------------------

NO_DATABASE = (ConnectionRefusedError, "no database")


@pytest.mark.parametrize("kind", [awkward.CannotOpen, awkward.CannotOpenAsync])
@pytest.mark.parametrize("n", [1, 30])
def test_items_of_which_no_worker_can_open_what_they_need_have_failed(
    cluster: flowq.LocalCluster, kind: type[awkward.CannotOpen], n: int
) -> None:
    result = ended(kind(on_error="collect", in_flight=4), range(n))
    assert statuses(result) == ["failed"] * n
    assert {error_of(result, index)[:2] for index in range(n)} == {NO_DATABASE}


def test_the_first_of_them_ends_a_batch_that_puts_up_with_none(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        ended(awkward.CannotOpen(), range(30))
    assert {(type(error), str(error)) for error in raised.value.errors.values()} == {NO_DATABASE}


def test_so_have_those_whose_node_can_be_made_by_no_worker(cluster: flowq.LocalCluster) -> None:
    result = ended(awkward.CannotBeMade(os.getpid(), on_error="collect"), range(3))
    assert statuses(result) == ["failed"] * 3
    assert error_of(result, 0)[:2] == (LookupError, "no key")


@pytest.mark.parametrize("kind", [awkward.CannotBeMadeOfNothing, awkward.CannotBeMadeOfAnother])
def test_so_have_those_whose_constructor_raises_a_type_error_of_its_own(
    cluster: flowq.LocalCluster, kind: type[awkward.CannotBeMade]
) -> None:
    result = ended(kind(os.getpid(), on_error="collect"), range(3))
    assert {error_of(result, index)[0] for index in range(3)} == {TypeError}


def test_so_have_those_of_a_batch_flow_and_its_changes_are_merged(cluster: flowq.LocalCluster) -> None:
    shared: dict[str, Any] = {"before": 1}
    awkward.CannotOpenFlow(awkward.Passes(), on_error="collect").run(shared)
    assert shared == {"before": 1}
