"""The sync path of the runner: the tight loop, and what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from time import perf_counter
from typing import Any

import pytest

from flowq.batch import BatchNode, BatchPolicy, Done, Runner
from flowq.core import ItemContext, Retry, RetryAfter, current_context
from flowq.errors import FlowError, RemoteError


class Square(BatchNode[int, int]):
    def exec(self, x: int) -> int:
        if x < 0:
            raise ValueError(f"{x} is negative")
        return x * x


class Flaky(BatchNode[int, int]):
    """Fails as often as it is told to, per item."""

    def __init__(self, failures: int, **options: Any) -> None:
        super().__init__(**options)
        self.failures = failures
        self.tries: dict[int, int] = {}

    def exec(self, x: int) -> int:
        self.tries[x] = self.tries.get(x, 0) + 1
        if self.tries[x] <= self.failures:
            raise ValueError(f"try {self.tries[x]}")
        return x


def runner(node: BatchNode[Any, Any], **more: Any) -> Runner:
    return Runner(node, node.policy(), **more)


def test_plain_items_leave_nothing_but_their_values() -> None:
    done = runner(Square()).run(range(1000), 50)
    assert done.values == [x * x for x in range(1000)]
    assert (done.start, done.upto, done.notable, done.parked, done.deltas) == (50, 1050, {}, [], None)
    assert done.durations is None
    assert done.seconds > 0
    assert done.started_at > 1_700_000_000


def test_no_items_are_a_run_too() -> None:
    assert runner(Square()).run([], 7).counts() == {"ok": 0, "fallback": 0, "failed": 0, "retried": 0}


def test_a_failed_item_is_an_outcome_and_the_others_go_on() -> None:
    done = runner(Square(on_error="collect")).run([1, -2, 3, -4, 5], 10)
    assert done.values == [1, None, 9, None, 25]
    assert set(done.notable) == {11, 13}
    error = done.outcome(11).error
    assert isinstance(error, ValueError)
    assert error.__notes__ == ["in node Square, item 11, attempt 1"]


def test_the_first_failure_ends_the_run_when_none_is_put_up_with() -> None:
    done = runner(Square()).run([1, -2, 3], 0)
    assert done.values == [1, None]
    assert done.counts()["failed"] == 1


def test_a_run_ends_with_the_failure_after_the_last_that_is_put_up_with() -> None:
    done = runner(Square(on_error="collect")).run([-1] * 10, 0, max_failed=2)
    assert done.counts()["failed"] == 3


def test_an_error_of_an_unknown_class_is_what_it_would_be_on_a_worker() -> None:
    class Local(Exception):
        pass

    class Raises(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            raise Local("here")

    error = runner(Raises(on_error="collect")).run([1], 0).outcome(0).error
    assert isinstance(error, RemoteError)
    assert error.type_name.endswith("Local")
    assert isinstance(error.__cause__, Local)


def test_retries_are_counted_per_item() -> None:
    node = Flaky(2, max_retries=3)
    done = runner(node).run([1, 2, 3], 0)
    assert done.values == [1, 2, 3]
    assert [done.outcome(i).attempts for i in range(3)] == [3, 3, 3]
    assert done.counts() == {"ok": 3, "fallback": 0, "failed": 0, "retried": 3}


def test_the_fallback_answers_after_the_last_try_and_the_error_is_kept() -> None:
    class Guess(Flaky):
        def exec_fallback(self, x: int, exc: Exception) -> int:
            return -x

    done = runner(Guess(5, max_retries=2)).run([4], 0)
    outcome = done.outcome(0)
    assert (outcome.status, outcome.output, outcome.attempts) == ("fallback", -4, 2)
    assert isinstance(outcome.error, ValueError)


def test_a_fallback_that_fails_is_the_items_error() -> None:
    class Worse(Flaky):
        def exec_fallback(self, x: int, exc: Exception) -> int:
            raise KeyError(x)

    outcome = runner(Worse(5, on_error="collect")).run([4], 0).outcome(0)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, KeyError)


def test_the_context_of_the_tight_loop_has_every_field_of_a_context() -> None:
    contexts: list[dict[str, Any]] = []

    class Looks(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            contexts.append({field.name: getattr(current_context(), field.name) for field in fields(ItemContext)})
            return x

    runner(Looks(), batch_id="b").run([1, 2], 7)
    assert [(one["item_index"], one["idempotency_key"], one["on_wait"]) for one in contexts] == [
        (7, "b:7", None),
        (8, "b:8", None),
    ]


def test_the_decision_to_retry_is_asked_on_every_failure() -> None:
    asked: list[tuple[str, int]] = []

    class Asks(Flaky):
        def retry_delay(self, exc: Exception, attempt: int) -> float | None:
            asked.append((str(exc), attempt))
            return 0.0 if attempt < 3 else None

    done = runner(Asks(9, on_error="collect")).run([0], 0)
    assert asked == [("try 1", 0), ("try 2", 1), ("try 3", 2), ("try 4", 3)]
    assert done.outcome(0).attempts == 4


def test_a_decision_that_raises_fails_its_item_alone() -> None:
    class Broken(Flaky):
        def retry_delay(self, exc: Exception, attempt: int) -> float | None:
            raise ZeroDivisionError

    node = Broken(1, on_error="collect")
    node.tries[2] = 1
    done = runner(node).run([1, 2], 0)
    assert isinstance(done.outcome(0).error, ZeroDivisionError)
    assert done.outcome(1).status == "ok"


def test_a_long_wait_parks_the_item_and_the_run_goes_on() -> None:
    class Limited(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            if x == 1:
                raise RetryAfter(30, "slow down")
            return x

    done = runner(Limited(max_retries=3)).run([0, 1, 2], 100, park_over_s=1.0)
    assert done.values == [0, None, 2]
    assert done.counts() == {"ok": 2, "fallback": 0, "failed": 0, "retried": 0}
    (park,) = done.parked
    assert (park.index, park.tries, park.due_in_s) == (101, 1, 30.0)
    assert "slow down" in park.reason


def test_a_parked_item_goes_on_where_it_was() -> None:
    seen: list[int] = []

    class Counts(BatchNode[int, int]):
        def exec(self, x: int, *, ctx: ItemContext) -> int:
            seen.append(ctx.attempt)
            raise ValueError

    done = runner(Counts(max_retries=4, on_error="collect")).run([0, 1], 0, tries=2)
    assert seen == [2, 3, 0, 1, 2, 3]
    assert done.outcome(0).attempts == 4
    node = Flaky(0, max_retries=4)
    assert runner(node).run([0], 0, tries=2).outcome(0).attempts == 3


def test_a_run_ends_early_when_it_is_told_to() -> None:
    asked: list[int] = []

    def stop(values: Sequence[Any], elapsed_s: float) -> bool:
        asked.append(len(values))
        return len(values) >= 1

    done = runner(Square()).run(range(1000), 0, stop=stop)
    assert asked == [1]
    assert done.values == [0]


def test_whoever_watches_hears_of_each_item_before_it_runs() -> None:
    heard: list[Any] = []

    class Says(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            heard.append(f"exec {x}")
            return x

    runner(Says()).run([7, 8], 20, watch=heard.append)
    assert heard == [20, "exec 7", 21, "exec 8"]


@pytest.mark.parametrize("together", [False, True])
def test_whoever_asks_hears_of_each_fallback_before_it_begins(together: bool) -> None:
    heard: list[Any] = []

    class FallsBack(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            raise ValueError(x)

        def exec_fallback(self, x: int, exc: Exception) -> int:
            heard.append(f"fallback of {x}")
            return x

    class Together(FallsBack):
        def exec_many(self, items: list[int]) -> list[int]:
            raise ValueError(items)

    node = Together() if together else FallsBack()
    runner(node, on_fallback=lambda ctx: heard.append(ctx.item_index)).run([7, 8], 20)
    assert heard == [20, "fallback of 7", 21, "fallback of 8"]


@pytest.mark.parametrize("wants", [True, False])
def test_an_item_knows_its_index_and_attempt_whether_it_asks_for_ctx_or_not(wants: bool) -> None:
    seen: list[tuple[int | None, int, str | None]] = []

    def note(ctx: ItemContext | None) -> None:
        assert ctx is not None
        seen.append((ctx.item_index, ctx.attempt, ctx.idempotency_key))
        if ctx.item_index == 6 and ctx.attempt == 0:
            raise ValueError

    class Asks(BatchNode[int, None]):
        def exec(self, x: int, *, ctx: ItemContext) -> None:
            note(ctx)

    class DoesNot(BatchNode[int, None]):
        def exec(self, x: int) -> None:
            note(current_context())

    node: BatchNode[int, None] = (Asks if wants else DoesNot)(max_retries=2)
    runner(node, batch_id="b").run([0, 1, 2], 5)
    assert seen == [(5, 0, "b:5"), (6, 0, "b:6"), (6, 1, "b:6"), (7, 0, "b:7")]
    assert current_context() is None


def test_ctx_has_key_config_run_and_whether_the_batch_is_cancelled() -> None:
    class Tells(BatchNode[str, Any]):
        def exec(self, x: str, *, ctx: ItemContext) -> Any:
            ctx.progress(1, 2)
            return ctx.item_key, ctx.config["depth"], ctx.run_id, ctx.cancelled, ctx.node

    reported: list[Any] = []
    node = Tells(key=str.upper, config={"depth": 3}, name="tells")
    done = runner(
        node,
        run_id="r",
        cancelled=lambda: True,
        on_progress=lambda ctx, done, total: reported.append((ctx.item_index, done, total)),
    ).run(["a"], 4)
    assert done.values == [("A", 3, "r", True, "tells")]
    assert reported == [(4, 1, 2)]


def test_the_fallback_may_ask_for_ctx_as_well() -> None:
    class Late(Flaky):
        def exec_fallback(self, x: int, exc: Exception, *, ctx: ItemContext) -> Any:
            return ctx.item_index, ctx.attempt

    assert runner(Late(9, max_retries=3)).run([1], 8).values == [(8, 2)]


def test_cur_retry_is_the_items_own() -> None:
    class Reads(BatchNode[int, list[int]]):
        def exec(self, x: int) -> list[int]:
            if self.cur_retry < x:
                raise ValueError
            return [self.cur_retry]

    assert runner(Reads(max_retries=4)).run([0, 3, 0, 2], 0).values == [[0], [3], [0], [2]]


def test_slow_items_are_timed_one_by_one_without_their_waits() -> None:
    class Busy(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            until = perf_counter() + 0.002
            while perf_counter() < until:
                pass
            if self.cur_retry < x:
                raise ValueError
            return x

    done = Runner(Busy(), BatchPolicy()).run([0, 0], 0)
    assert done.durations is not None
    assert all(0.002 <= t < 0.05 for t in done.durations)
    waits = Busy(max_retries=2, wait=0.2)
    done = runner(waits).run([0, 1, 0], 0)
    assert done.seconds >= 0.2
    assert done.durations is not None
    assert 0.004 <= done.outcome(1).execution_time < 0.1
    assert done.outcome(2).execution_time < 0.1


def test_a_wait_ends_when_nobody_wants_the_item_any_more() -> None:
    closed = [False]

    def close(index: int) -> None:
        closed[0] = index == 1

    node = Flaky(9, max_retries=2, wait=60)
    node.tries[0] = 9
    done = runner(node, cancelled=lambda: closed[0]).run([0, 1, 2], 0, watch=close)
    assert done.values == [0]


def test_an_exec_that_returns_an_awaitable_without_saying_so_has_failed() -> None:
    async def later(x: int) -> int:
        return x

    class Forgot(BatchNode[int, Any]):
        def exec(self, x: int) -> Any:
            return later(x)

    error = runner(Forgot()).run([1], 0).outcome(0).error
    assert isinstance(error, FlowError)
    assert "async def" in str(error)


@pytest.mark.parametrize("leave", [KeyboardInterrupt, GeneratorExit])
def test_what_is_no_exception_of_an_item_leaves_the_run(leave: type[BaseException]) -> None:
    class Leaves(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            raise leave

    with pytest.raises(leave):
        runner(Leaves(max_retries=3)).run([1], 0)
    assert current_context() is None


def test_a_thousand_items_that_fail_twice_have_exactly_three_attempts() -> None:
    done = runner(Flaky(2, max_retries=3)).run(range(1000), 0)
    assert {done.outcome(i).attempts for i in range(1000)} == {3}
    assert done.counts()["ok"] == 1000
    done = runner(Flaky(2, retry=Retry(2), on_error="collect")).run(range(1000), 0)
    assert {done.outcome(i).attempts for i in range(1000)} == {2}
    assert done.counts()["failed"] == 1000


def test_what_was_done_before_a_broken_item_is_kept_whatever_the_size_of_the_block() -> None:
    def expected(f: Callable[[int], int], items: list[int]) -> list[int | None]:
        return [None if x < 0 else f(x) for x in items]

    items = [-1 if x % 37 == 5 else x for x in range(5000)]
    done: Done = runner(Square(on_error="collect")).run(items, 0)
    assert done.values == expected(lambda x: x * x, items)
    assert set(done.notable) == {x for x in range(5000) if items[x] < 0}
