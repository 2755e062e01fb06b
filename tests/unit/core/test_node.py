"""A node alone: its life cycle, retries, fallback, wiring and copies."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import logging
import threading
import traceback
import warnings
from typing import Any

import pytest

from flowq.core import Flow, ItemContext, Node, Retry, RetryAfter, Steps, current_context
from flowq.core.drive import pause
from flowq.errors import FlowError, ItemTimeout, LoopRunning
from flowq.registry import class_name, registered


class Double(Node[int, int]):
    def prep(self, shared: dict[str, Any]) -> int:
        return int(shared["n"])

    def exec(self, n: int) -> int:
        return 2 * n

    def post(self, shared: dict[str, Any], prep_res: int, exec_res: int) -> str:
        shared["n"] = exec_res
        return "done"


class Failing(Node[Any, Any]):
    """Fails so many times, then returns the number of its last try."""

    def __init__(self, failures: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failures = failures
        self.tries: list[int] = []

    def exec(self, prep_res: Any) -> Any:
        self.tries.append(self.cur_retry)
        if len(self.tries) <= self.failures:
            raise ValueError(f"try {len(self.tries)}")
        return self.tries[-1]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["result"] = exec_res


class AsyncFailing(Failing):
    async def exec(self, prep_res: Any) -> Any:
        return super().exec(prep_res)


def test_prep_exec_post_run_in_order_and_post_gives_the_action() -> None:
    shared = {"n": 21}
    assert Double().run(shared) == "done"
    assert shared == {"n": 42}


def test_every_method_of_a_bare_node_is_a_no_op() -> None:
    assert Node().run({}) is None


async def test_a_bare_node_runs_in_a_loop_without_a_thread() -> None:
    before = threading.active_count()
    assert await Node().run_async({}) is None
    assert threading.active_count() == before


@pytest.mark.parametrize("cls", [Failing, AsyncFailing])
def test_max_retries_counts_all_tries_and_each_sees_its_number(cls: type[Failing]) -> None:
    node = cls(2, 3)
    shared: dict[str, Any] = {}
    node.run(shared)
    assert node.tries == [0, 1, 2]
    assert shared["result"] == 2


@pytest.mark.parametrize("cls", [Failing, AsyncFailing])
def test_the_last_error_is_raised_raw_and_says_node_and_attempt_once(cls: type[Failing]) -> None:
    node = cls(9, 2, name="parse")
    with pytest.raises(ValueError, match="try 2") as caught:
        node.run({})
    assert caught.value.__notes__ == ["in node parse, attempt 2"]


@pytest.mark.parametrize("cls", [Failing, AsyncFailing])
def test_a_traceback_ends_in_the_users_line_and_shows_flowqs_drivers_once(cls: type[Failing]) -> None:
    with pytest.raises(ValueError, match="try 2") as caught:
        Flow(Flow(cls(9, 2))).run({})
    frames = [frame.name for frame in traceback.extract_tb(caught.tb)]
    assert frames[-1] == "exec"
    assert sum(name.startswith("drive") for name in frames) == 1


def test_an_exception_object_that_is_raised_again_gets_the_same_note_once() -> None:
    error = ValueError()

    class Same(Node):
        def exec(self, prep_res: Any) -> None:
            raise error

    for _ in range(3):
        with pytest.raises(ValueError):  # noqa: PT011
            Same().run({})
    assert error.__notes__ == ["in node Same, attempt 1"]


def test_the_number_of_tries_is_gone_after_the_call() -> None:
    node = Failing(1, 2)
    node.run({})
    assert node.cur_retry == 0
    assert current_context() is None


def test_a_fallback_gets_what_exec_got_and_the_last_error() -> None:
    class Careful(Failing):
        def prep(self, shared: Any) -> str:
            return "input"

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return prep_res, str(exc)

    shared: dict[str, Any] = {}
    Careful(9, 2).run(shared)
    assert shared["result"] == ("input", "try 2")


def test_an_error_of_the_fallback_keeps_the_error_it_stood_in_for_as_context() -> None:
    class Worse(Failing):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            raise KeyError("worse")

    with pytest.raises(KeyError) as caught:
        Worse(9).run({})
    assert isinstance(caught.value.__context__, ValueError)
    assert caught.value.__notes__ == ["in node Worse, attempt 1"]


def test_a_base_exception_is_never_retried_and_meets_no_fallback() -> None:
    class Stopped(Failing):
        def exec(self, prep_res: Any) -> Any:
            self.tries.append(self.cur_retry)
            raise KeyboardInterrupt

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            raise AssertionError

    node = Stopped(0, 5)
    with pytest.raises(KeyboardInterrupt):
        node.run({})
    assert node.tries == [0]


def test_prep_and_post_are_not_retried() -> None:
    calls: list[str] = []

    class Picky(Node):
        def prep(self, shared: Any) -> None:
            calls.append("prep")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        Picky(5).run({})
    assert calls == ["prep"]


def test_retry_delay_is_asked_on_every_failure_and_may_decide_by_the_error() -> None:
    asked: list[tuple[str, int]] = []

    class Asking(Failing):
        def retry_delay(self, exc: Exception, attempt: int) -> float | None:
            asked.append((str(exc), attempt))
            return 0 if attempt < 3 else None

    with pytest.raises(ValueError, match="try 4"):
        Asking(9).run({})
    assert asked == [("try 1", 0), ("try 2", 1), ("try 3", 2), ("try 4", 3)]


def drive_without_waiting(steps: Steps[Any]) -> list[float]:
    """Drive *steps* until they raise, as a driver does, but only note the pauses; returns them."""
    pauses: list[float] = []
    fn, args = next(steps)
    while True:
        try:
            value = (pauses.append if fn is pause else fn)(*args)
        except Exception as exc:
            try:
                fn, args = steps.throw(exc)
            except Exception:
                return pauses
        else:
            fn, args = steps.send(value)


def test_waits_are_slept_between_tries_and_not_after_the_last() -> None:
    node = Failing(9, retry=Retry(attempts=3, wait=1.5, backoff=2))
    assert drive_without_waiting(node.visit({})) == [1.5, 3.0]
    assert node.tries == [0, 1, 2]


def test_an_exception_may_say_when_to_come_back() -> None:
    class Limited(Failing):
        def exec(self, prep_res: Any) -> Any:
            raise RetryAfter(7)

    assert drive_without_waiting(Limited(9, 2, 1).visit({})) == [7]


@pytest.mark.parametrize(
    "wrong", [{"max_retries": 0}, {"wait": -1}, {"timeout": 0}, {"timeout": "5"}, {"retry": Retry(), "wait": 2}]
)
def test_nonsense_is_refused_by_the_constructor(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Node(**wrong)


def test_pocketflows_positional_arguments_and_attributes_hold() -> None:
    node = Node(3, 0.5)
    assert (node.max_retries, node.wait, node.params, node.successors) == (3, 0.5, {}, {})
    node.max_retries, node.wait = 4, 1
    assert node.retry == Retry(attempts=4, wait=1)


def test_the_wrong_kind_of_action_is_a_type_error_that_names_the_node() -> None:
    class Chatty(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> dict[str, int]:
            return {"score": 1}

    with pytest.raises(TypeError, match=r"the chatty one\.post returned dict"):
        Chatty(name="the chatty one").run({})


# -- async -------------------------------------------------------------------------------------------------------------


class Everywhere(Node):
    """Notes the thread each of its methods ran in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, threading.Thread] = {}

    def prep(self, shared: Any) -> None:
        self.threads["prep"] = threading.current_thread()

    async def exec(self, prep_res: Any) -> None:
        await asyncio.sleep(0)
        self.threads["exec"] = threading.current_thread()

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        self.threads["post"] = threading.current_thread()


async def test_in_an_async_run_coroutines_stay_in_the_loop_and_blocking_bodies_go_to_threads() -> None:
    node = Everywhere()
    await node.run_async({})
    here = threading.current_thread()
    assert {phase: thread is here for phase, thread in node.threads.items()} == {
        "prep": False,
        "exec": True,
        "post": False,
    }


async def test_a_class_may_keep_its_blocking_bodies_in_the_loop() -> None:
    class InLoop(Everywhere):
        sync_in_thread = False

    node = InLoop()
    await node.run_async({})
    assert set(node.threads.values()) == {threading.current_thread()}


def test_run_drives_async_methods_by_itself() -> None:
    node = Everywhere()
    assert node.run({}) is None
    assert set(node.threads) == {"prep", "exec", "post"}


async def test_run_in_a_running_loop_says_what_to_do_and_leaves_no_coroutine_behind() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LoopRunning, match=r"Everywhere has async methods .* `await run_async"):
            Everywhere().run({})


async def test_run_of_a_sync_node_works_in_a_running_loop() -> None:
    shared = {"n": 1}
    Double().run(shared)
    assert shared["n"] == 2


def test_a_hidden_coroutine_in_a_sync_run_fails_clearly_past_retry_and_fallback() -> None:
    async def later() -> int:
        return 1

    class Hidden(Node):
        def exec(self, prep_res: Any) -> Any:
            return later()

        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            raise AssertionError

    with pytest.raises(FlowError, match=r"Hidden.exec returned an awaitable \(coroutine\)"):
        Hidden(3).run({})


async def test_a_hidden_coroutine_in_an_async_run_is_awaited() -> None:
    async def later() -> str:
        return "later"

    class Hidden(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
            return later()

    assert await Hidden().run_async({}) == "later"


async def test_tries_of_calls_that_run_at_once_are_counted_apart() -> None:
    class Shared(Node):
        seen: list[int]

        async def exec(self, prep_res: Any) -> None:
            self.seen.append(self.cur_retry)
            await asyncio.sleep(0)
            if self.cur_retry < 2:
                raise ValueError

    node = Shared(3)
    node.seen = []
    await asyncio.gather(*(node.run_async({}) for _ in range(20)))
    assert sorted(node.seen) == sorted([0, 1, 2] * 20)


async def test_the_number_of_the_try_reaches_a_blocking_body_in_its_thread() -> None:
    node = Failing(2, 3)
    shared: dict[str, Any] = {}
    await node.run_async(shared)
    assert node.tries == [0, 1, 2]


async def test_an_async_exec_past_its_timeout_is_retried_and_then_fails() -> None:
    tries: list[int] = []

    class Slow(Node):
        async def exec(self, prep_res: Any) -> None:
            tries.append(self.cur_retry)
            await asyncio.Event().wait()

    with pytest.raises(ItemTimeout, match=r"0\.01 s"):
        await Slow(2, timeout=0.01).run_async({})
    assert tries == [0, 1]


async def test_a_timeout_error_of_the_users_own_stays_what_it_is() -> None:
    class Own(Node):
        async def exec(self, prep_res: Any) -> None:
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Own(timeout=60).run_async({})


async def test_a_blocking_exec_past_its_timeout_is_left_to_end_by_itself() -> None:
    release, ended = threading.Event(), threading.Event()

    class Blocking(Node):
        def exec(self, prep_res: Any) -> None:
            release.wait()
            ended.set()

    with pytest.raises(ItemTimeout):
        await Blocking(timeout=0.01).run_async({})
    release.set()
    assert await asyncio.to_thread(ended.wait, 30)


async def test_cancelling_a_run_is_neither_retried_nor_caught() -> None:
    started = asyncio.Event()
    tries: list[int] = []

    class Long(Node):
        async def exec(self, prep_res: Any) -> None:
            tries.append(self.cur_retry)
            started.set()
            await asyncio.Event().wait()

        def exec_fallback(self, prep_res: Any, exc: Exception) -> None:
            raise AssertionError

    task = asyncio.create_task(Long(5).run_async({}))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tries == [0]


class Exhausted(Node):
    """One of its methods raises StopIteration."""

    def __init__(self, method: str, **options: Any) -> None:
        super().__init__(**options)
        self.method = method

    def stop_in(self, method: str) -> None:
        if method == self.method:
            next(iter([]))

    def prep(self, shared: Any) -> None:
        self.stop_in("prep")

    def exec(self, prep_res: Any) -> None:
        self.stop_in("exec")
        if self.method == "exec_fallback":
            raise ValueError

    def exec_fallback(self, prep_res: Any, exc: Exception) -> None:
        self.stop_in("exec_fallback")
        raise exc

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        self.stop_in("post")


class ExhaustedInTheLoop(Exhausted):
    sync_in_thread = False


@pytest.mark.parametrize("kind", [Exhausted, ExhaustedInTheLoop])
@pytest.mark.parametrize("options", [{}, {"timeout": 5.0}, {"max_retries": 2}], ids=["", "timeout", "tries"])
@pytest.mark.parametrize("method", ["prep", "exec", "exec_fallback", "post"])
@pytest.mark.parametrize("around", [lambda node: node, Flow], ids=["alone", "in a flow"])
def test_stop_iteration_is_an_error_of_its_method_and_no_end_in_every_kind_of_run(
    around: Any, method: str, options: dict[str, Any], kind: type[Exhausted]
) -> None:
    def told(run: Any) -> Any:
        with pytest.raises(RuntimeError) as raised:
            run()
        assert type(raised.value.__cause__) is StopIteration
        return str(raised.value), getattr(raised.value, "__notes__", [])

    node = around(kind(method, **options))
    here = told(lambda: node.run({}))
    assert here == told(lambda: asyncio.run(node.run_async({})))
    assert here[0] == f"Exhausted.{method} raised StopIteration"
    attempt = options.get("max_retries", 1)
    if "exec" in method:
        assert here[1] == [f"in node {kind.__name__}, attempt {attempt}"]


# -- ctx ---------------------------------------------------------------------------------------------------------------


def test_each_method_that_declares_ctx_is_given_its_context() -> None:
    seen: list[tuple[str, int, str, Any]] = []

    class Curious(Node):
        def prep(self, shared: Any, *, ctx: ItemContext) -> None:
            seen.append(("prep", ctx.attempt, ctx.node, ctx.config["k"]))

        def exec(self, _: Any, *, ctx: ItemContext) -> None:
            seen.append(("exec", ctx.attempt, ctx.node, ctx.config["k"]))
            raise ValueError

        def exec_fallback(self, _: Any, exc: Exception, *, ctx: ItemContext) -> None:
            seen.append(("fallback", ctx.attempt, ctx.node, ctx.config["k"]))

        async def post(self, shared: Any, *results: Any, ctx: ItemContext) -> None:
            seen.append(("post", ctx.attempt, ctx.node, ctx.config["k"]))

    Curious(2, name="c", config={"k": "v"}).run({})
    assert seen == [
        ("prep", 0, "c", "v"),
        ("exec", 0, "c", "v"),
        ("exec", 1, "c", "v"),
        ("fallback", 1, "c", "v"),
        ("post", 0, "c", "v"),
    ]


def test_the_names_of_positional_parameters_are_the_users_own() -> None:
    class Positional(Node):
        def prep(self, ctx: Any) -> Any:
            return ctx["n"]

        def exec(self, *args: Any) -> Any:
            return args

        def post(self, _: Any, __: Any, result: Any) -> str:
            return str(result)

    assert Positional().run({"n": 5}) == "(5,)"


def test_a_decorator_that_passes_keywords_on_hides_no_ctx() -> None:
    import functools

    def loud(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return wrapper

    class Decorated(Node):
        @loud
        def exec(self, prep_res: Any, *, ctx: ItemContext) -> int:
            return ctx.attempt

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return str(exec_res)

    assert Decorated().run({}) == "0"


def test_logs_carry_node_and_attempt_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    class Talking(Node):
        def exec(self, prep_res: Any) -> None:
            self.log("working", pages=3)
            if self.cur_retry == 0:
                raise ValueError

    with caplog.at_level(logging.INFO, logger="flowq.node"):
        Talking(2, name="talker").run({})
    fields = [(record.message, record.node, record.attempt, record.fields) for record in caplog.records]  # type: ignore[attr-defined]
    assert fields == [("working", "talker", 0, {"pages": 3}), ("working", "talker", 1, {"pages": 3})]
    assert caplog.records[0].funcName == "exec"


# -- wiring, copies, registration --------------------------------------------------------------------------------------


def test_the_operators_wire_and_return_the_target() -> None:
    a, b, c = Node(), Node(), Node()
    assert a >> b is b
    assert a - "again" >> c is c
    assert b.next(c, "x") is c
    assert a.successors == {"default": b, "again": c}
    assert b.successors == {"x": c}


def test_overwriting_an_edge_warns_in_pocketflows_words() -> None:
    a = Node()
    a >> Node()
    with pytest.warns(UserWarning, match="^Overwriting successor for action 'default'$"):
        a >> Node()


def test_an_action_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Action must be a string$"):
        Node() - 3  # type: ignore[operator]


def test_wiring_a_class_or_something_else_says_what_is_wrong() -> None:
    with pytest.raises(TypeError, match=r"Double is a class: give an instance of it, Double\(...\)"):
        Node() >> Double  # type: ignore[type-var]
    with pytest.raises(TypeError, match="an edge leads to a node, not NoneType"):
        Node() >> None  # type: ignore[type-var]


def test_running_a_node_that_has_successors_warns_in_pocketflows_words() -> None:
    a = Double()
    a >> Node()
    with pytest.warns(UserWarning, match=r"^Node won't run successors. Use Flow.$"):
        a.run({"n": 1})


def test_set_params_replaces() -> None:
    node = Node()
    node.set_params({"a": 1})
    node.set_params({"b": 2})
    assert node.params == {"b": 2}


def test_a_copy_shares_what_the_node_holds_and_has_attributes_of_its_own() -> None:
    class Slotted(Double):
        __slots__ = ("extra",)

    node = Slotted(2, config={"k": 1})
    node >> Node()
    node.extra, node.log_lines = "x", []  # type: ignore[attr-defined]
    twin = copy.copy(node)
    assert type(twin) is Slotted
    assert twin.successors is node.successors
    assert twin._arguments == ((2,), {"config": {"k": 1}})
    assert (twin.extra, twin.log_lines) == ("x", node.log_lines)  # type: ignore[attr-defined]
    twin.set_params({"n": 1})
    assert node.params == {}


def test_a_constructor_that_forgets_super_and_a_dataclass_still_make_whole_nodes() -> None:
    class Forgetful(Double):
        def __init__(self) -> None:
            self.extra = 1

    @dataclasses.dataclass
    class Configured(Double):
        factor: int = 3

        def exec(self, n: int) -> int:
            return self.factor * n

    shared = {"n": 1}
    Forgetful().run(shared)
    Configured(5).run(shared)
    assert shared == {"n": 10}


def test_every_node_class_is_registered_under_its_module_and_name() -> None:
    assert registered(class_name(Double)) is Double


def test_a_name_is_the_class_name_until_one_is_given() -> None:
    node = Double()
    assert node.name == "Double"
    node.name = "twice"
    assert (node.name, repr(node)) == ("twice", "<Double 'twice'>")
