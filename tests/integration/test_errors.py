"""Errors that say what to do next, as the program that made the mistake sees them: with real workers, Redis or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

import flowq
from flowq.engine.connection import Connections
from flowq.local import EmbeddedRedis
from tests import faulty, nodes
from tests.faulty import trace
from tests.programs import ROOT, Program
from tests.submitting import submit
from tests.waiting import until

NOBODY_ANSWERS = "redis://producer:a-secret@127.0.0.1:1/0"

StartProgram = Callable[..., Program]


@pytest.fixture(scope="module")
def remote() -> Iterator[flowq.LocalCluster]:
    """A fleet as a program finds it that did not start it: its workers know tests.nodes and tests.faulty."""
    with flowq.LocalCluster(slots=2, lease_s=3, imports=["tests.nodes", "tests.faulty"], grace_s=0) as cluster:
        yield cluster


@pytest.fixture
def program(tmp_path: Path) -> Iterator[StartProgram]:
    """Start a program from its source, with FLOWQ_BROKER_URL set if one is given."""
    started: list[Program] = []

    def start(source: str, *, broker_url: str | None = None) -> Program:
        env = {} if broker_url is None else {"FLOWQ_BROKER_URL": broker_url}
        started.append(Program(tmp_path / f"program_{len(started)}.py", source, env=env))
        return started[-1]

    yield start
    for one in started:
        one.abandon()


# -- Redis -----------------------------------------------------------------------------------------------------------


def test_no_redis_is_said_as_one_connects() -> None:
    with pytest.raises(flowq.NoRedis, match="FLOWQ_BROKER_URL") as raised:
        flowq.connect(NOBODY_ANSWERS)
    assert "a-secret" not in str(raised.value)
    assert "127.0.0.1:1" in str(raised.value)
    assert "LocalCluster" in str(raised.value)


def test_no_redis_is_said_by_a_program_whose_settings_name_it(program: StartProgram) -> None:
    status, stderr = program(
        """
        from tests import nodes
        nodes.Square().map(range(3))
        """,
        broker_url=NOBODY_ANSWERS,
    ).end()
    assert status == 1
    assert "flowq.errors.NoRedis: no Redis answers at redis://producer:***@127.0.0.1:1/0" in stderr
    assert "a-secret" not in stderr


def test_a_redis_that_ends_is_said_at_the_next_batch() -> None:
    with EmbeddedRedis() as server:
        executor = flowq.connect(server.url)
        server.kill()
        with pytest.raises(flowq.NoRedis, match="no Redis answers"):
            executor.submit(nodes.Square().job(range(3), key="needs to look first"))


# -- items -----------------------------------------------------------------------------------------------------------


def open_batches(cluster: flowq.LocalCluster) -> set[str]:
    """The batches that the caretakers still look after."""
    connections = Connections(flowq.Settings(broker_url=cluster.broker_url))
    try:
        return {name.decode() for name in connections.redis.zrange(connections.keys.batches, 0, -1)}
    finally:
        connections.close()


@contextmanager
def nothing_is_submitted(cluster: flowq.LocalCluster) -> Iterator[None]:
    before = open_batches(cluster)
    yield
    assert open_batches(cluster) <= before


def with_one_bad(n: int, bad: int) -> list[Any]:
    return [{"user": ["ok", lambda: None]} if i == bad else i for i in range(n)]


def test_an_item_that_cannot_travel_is_named_with_the_path_inside_it(remote: flowq.LocalCluster) -> None:
    with nothing_is_submitted(remote), pytest.raises(flowq.EncodeError, match="item 7") as raised:
        nodes.Echo().map(with_one_bad(10, 7))
    assert (raised.value.index, raised.value.path) == (7, '["user"][1]')


@pytest.mark.parametrize("given", [list, iter], ids=["list", "generator"])
def test_a_batch_whose_later_item_cannot_travel_is_cancelled(
    remote: flowq.LocalCluster, tmp_path: Path, given: Callable[[Any], Any]
) -> None:
    oracle = str(tmp_path / "executions")
    items = with_one_bad(2000, 1500)
    with pytest.raises(flowq.EncodeError, match="item 1500"):
        submit(faulty.Traced(oracle, seconds=0.005), given(items)).result(timeout=30)
    until(lambda: not open_batches(remote), 10, "the cancelled batch is confirmed")
    until(lambda: all(one.ended is not None for one in trace(oracle)), 5, "what ran has ended")
    assert len(trace(oracle)) < 1000


def test_a_batch_cancelled_before_its_items_were_read_is_no_result(remote: flowq.LocalCluster) -> None:
    submitted: list[flowq.BatchHandle[int]] = []

    def items() -> Iterator[int]:
        yield from range(50)
        until(lambda: submitted and submitted[0].state().ok == 50, 10, "what there is so far is done")
        submitted[0].cancel()
        yield 50

    submitted.append(submit(nodes.Square(), items()))
    with pytest.raises(flowq.BatchError, match="never read: the batch was cancelled") as raised:
        submitted[0].result(timeout=30)
    assert raised.value.results == [i * i for i in range(50)]
    assert raised.value.results.cut_short


def test_a_batch_whose_source_hangs_can_be_cancelled(remote: flowq.LocalCluster) -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield from range(50)
        goes_on.wait()

    handle = submit(nodes.Square(), items())
    until(lambda: handle.state().ok == 50, 10, "what there is so far is done")
    handle.cancel()
    ended: list[BaseException] = []

    def result() -> None:
        try:
            handle.result()
        except BaseException as error:
            ended.append(error)

    waiting = threading.Thread(target=result, daemon=True)
    waiting.start()
    waiting.join(10)
    goes_on.set()
    assert [type(error) for error in ended] == [flowq.BatchError]


# -- nodes -----------------------------------------------------------------------------------------------------------


class OnlyHere(flowq.ParallelBatchNode[int, int]):
    """A class in a module that no worker imports."""

    def exec(self, item: int) -> int:
        return item


def test_a_class_that_no_worker_knows_is_named_with_the_module_to_import(remote: flowq.LocalCluster) -> None:
    with nothing_is_submitted(remote), pytest.raises(flowq.UnknownNode) as raised:
        OnlyHere().map([1, 2])
    assert f"{__name__}:OnlyHere" in str(raised.value)
    assert f"FLOWQ_IMPORTS={__name__}" in str(raised.value)


def test_a_node_of_another_modules_function_is_not_looked_for_in_that_module(remote: flowq.LocalCluster) -> None:
    for fn in (int, os.path.basename):
        with nothing_is_submitted(remote), pytest.raises(flowq.UnknownNode) as raised:
            flowq.parallel_batch_node(exec=fn).map(["1"])
        assert "import the module in which this node is made" in str(raised.value)
        assert f"FLOWQ_IMPORTS={fn.__module__}" not in str(raised.value)


def test_with_no_worker_on_a_queue_the_command_that_starts_one_is_said(
    remote: flowq.LocalCluster, caplog: pytest.LogCaptureFixture
) -> None:
    submit(nodes.Square(queue="nobody-here"), [1]).cancel()
    assert (
        '(`flowq.LocalCluster(queues=["flowq", "nobody-here"])`, or `flowq worker --queue nobody-here`)' in caplog.text
    )


TYPED = """
import flowq

@flowq.parallel_batch_node
def same(item):
    return item

with flowq.LocalCluster(workers=0):
    same.map([1])
"""


@pytest.mark.parametrize("words", [["-"], ["-c", TYPED]], ids=["on stdin", "as an argument"])
def test_a_node_that_was_typed_at_a_prompt_is_said_to_belong_into_a_file(words: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLOWQ_")}
    env["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, *words]
    ended = subprocess.run(command, input=TYPED, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert ended.returncode == 1
    assert "workers cannot import what was typed here. Write the node into a .py file and import it" in ended.stderr


SCRIPT = """
    import sys, flowq

    class InTheScript(flowq.ParallelBatchNode):
        def exec(self, item):
            return item + 1

    if __name__ == "__main__":
        if "--local" in sys.argv:
            with flowq.LocalCluster(slots=1, grace_s=0):
                print(InTheScript().map(range(3)))
        else:
            print(InTheScript().map(range(3)))
"""


def test_a_class_of_the_program_itself_runs_on_its_own_cluster(tmp_path: Path) -> None:
    one = Program(tmp_path / "script.py", SCRIPT, "--local")
    assert one.line() == "[1, 2, 3]"
    assert one.end() == (0, "")


def test_a_class_of_the_program_itself_is_refused_for_anothers_fleet(
    remote: flowq.LocalCluster, program: StartProgram
) -> None:
    status, stderr = program(SCRIPT, broker_url=remote.broker_url).end()
    assert status == 1
    assert "flowq.errors.UnknownNode" in stderr
    assert "__main__:InTheScript" in stderr
    assert "move it to a module" in stderr
    assert "LocalCluster" in stderr


def test_an_argument_that_cannot_travel_is_named_with_its_node(remote: flowq.LocalCluster) -> None:
    with nothing_is_submitted(remote), pytest.raises(flowq.CannotTravel, match="argument 1 of node Scaled"):
        nodes.Scaled(lambda: 3).map([1])  # type: ignore[arg-type]
    with nothing_is_submitted(remote), pytest.raises(flowq.CannotTravel, match="argument 'factor' of node Scaled"):
        nodes.Scaled(factor=lambda: 3).map([1])  # type: ignore[arg-type]


def test_a_value_of_the_store_that_cannot_travel_is_named_with_its_key(remote: flowq.LocalCluster) -> None:
    with nothing_is_submitted(remote), pytest.raises(flowq.EncodeError, match=r"shared\['base'\]"):
        nodes.count_all().run({"base": lambda: 3, "count": 2, "log": []})


def test_an_action_without_successor_is_an_error_under_strict_here_and_on_workers(remote: flowq.LocalCluster) -> None:
    class Lost(flowq.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return "nowhere"

    lost = Lost()
    lost - "somewhere" >> nodes.Last()
    with pytest.raises(flowq.UnknownAction, match=r"'nowhere', which is not among \['somewhere'\]"):
        flowq.Flow(start=lost, strict=True).run({})

    first = nodes.Count()
    first - "even" >> nodes.Last()
    with pytest.raises(flowq.BatchError) as raised:
        nodes.CountAll(start=first, strict=True).run({"base": 10, "count": 2, "log": []})
    (error,) = raised.value.exceptions
    assert isinstance(error, flowq.UnknownAction)
    assert (error.node, error.action, error.known) == ("Count", "odd", ("even",))


# -- Celery apps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broker", "backend", "reason"),
    [
        ("redis://127.0.0.1/0", None, "set result_backend='redis://"),
        ("redis://127.0.0.1/0", "rpc://", "needs a Redis result backend, this app has rpc"),
        ("amqp://127.0.0.1", "redis://127.0.0.1/0", "needs Redis as broker, this app has amqp"),
    ],
)
def test_flowq_is_not_installed_on_an_app_without_redis(broker: str, backend: str | None, reason: str) -> None:
    app = Celery("elsewhere", broker=broker, backend=backend, set_as_current=False)
    with pytest.raises(flowq.ConfigError, match=reason):
        flowq.install(app)


@contextmanager
def celery_worker(
    url: str, *options: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """``celery -A tests.integration.team_app worker``, killed with its children at the end of the block."""
    env = {**os.environ, "TEAM_REDIS_URL": url, "PYTHONPATH": str(ROOT), **(env or {})}
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.team_app", "worker", "-l", "INFO", *options]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, cwd=log.parent, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_worker_with_another_pool_than_prefork_does_not_start_and_says_why(tmp_path: Path, pool: str) -> None:
    log = tmp_path / "log"
    with celery_worker(NOBODY_ANSWERS, "--pool", pool, log=log) as worker:
        assert worker.wait(30) != 0
    assert "start it with --pool prefork" in log.read_text()


def test_a_time_limit_of_the_command_line_is_known_to_the_processes_of_the_worker(
    redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """By half of it a turn ends: else Celery would kill the process with all that it runs."""
    app = Celery("asks", broker=redis_server.url, backend=redis_server.url, set_as_current=False)
    options = ("--time-limit", "70", "--soft-time-limit", "60", "--concurrency", "1")
    with celery_worker(redis_server.url, *options, log=tmp_path / "log"):
        told = until(lambda: app.control.inspect(timeout=1).conf(), 30, "the worker answers")
    (conf,) = told.values()
    assert (conf["task_time_limit"], conf["task_soft_time_limit"]) == (70, 60)


TEAMS_PROGRAM = """
    import flowq
    from flowq.batch.executor import activate
    from tests import nodes
    from tests.integration.team_app import URL, add, app
    from tests.waiting import until

    executor = flowq.connect(app=app)
    activate(executor)
    until(lambda: executor.fleet.workers("flowq", fresh=True), 20, "the worker is there")
    sums = [add.delay(n, n) for n in range(20)]
    print(nodes.Picky(on_error="collect").map(range(200)).stats().n)
    shared = {"base": 1, "count": 30, "log": []}
    nodes.count_all().run(shared)
    print(shared["found"] == [1 + n for n in range(30)])
    print([one.get(timeout=10) for one in sums] == [2 * n for n in range(20)])
    try:
        flowq.connect(URL).submit(nodes.Square().job(range(3)))
    except flowq.ConfigError as error:
        print(error)
"""


@contextmanager
def team(log: Path, activates: str = "") -> Iterator[Callable[[str], Program]]:
    """A team's app and its worker; starts a program that has TEAM_REDIS_URL set."""
    env, producers = {"TEAM_ACTIVATES": activates}, list[Program]()
    with EmbeddedRedis() as server, celery_worker(server.url, "--pool", "prefork", "-c", "2", log=log, env=env):

        def start(source: str) -> Program:
            producers.append(Program(log.parent / "producer.py", source, env={"TEAM_REDIS_URL": server.url}))
            return producers[-1]

        try:
            yield start
        finally:
            for producer in producers:
                producer.abandon()


def test_a_program_with_flowq_on_its_app_is_told_that_its_batches_do_not_go_to_the_apps_workers(tmp_path: Path) -> None:
    said = {}
    for name, activates in (("nothing said", ""), ("run here on purpose", "flowq.activate(flowq.InlineExecutor())")):
        source = f"""
            import flowq
            from tests import nodes
            from tests.integration import team_app

            {activates}
            for _ in range(2):
                print(nodes.Square().map([3]), flush=True)
        """
        producer = Program(tmp_path / "producer.py", source)
        assert [producer.line(), producer.line()] == ["[9]", "[9]"]
        status, said[name] = producer.end()
        assert status == 0
    assert said["nothing said"].count("not on the workers of the Celery app 'team'") == 1
    assert "flowq.activate(flowq.connect(app=app))" in said["nothing said"]
    assert said["run here on purpose"] == ""


SUBMITTING_TASKS_PROGRAM = """
    import flowq
    from flowq.client.overview import batches
    from tests import nodes
    from tests.integration.team_app import app, begin, squares
    from tests.waiting import until

    executor = flowq.connect(app=app)
    flowq.activate(executor)
    until(lambda: executor.fleet.workers("flowq", fresh=True), 20, "the worker is there")
    handle = flowq.get_batch(begin.delay(30).get(timeout=20))
    print(handle.result(timeout=20) == [n * n for n in range(30)])
    print(squares.delay(40).get(timeout=20) == [n * n for n in range(40)])
    print(nodes.Nested().submit([3, 4]).result(timeout=20))
    print(*sorted(one.label for one in batches(executor.connections)), sep=", ")
"""


def sends_batches_and_an_item_runs_them_itself(producer: Program) -> bool:
    assert [producer.line() for _ in range(3)] == ["True", "True", "[[0, 1, 4], [0, 1, 4, 9]]"]
    assert producer.line() == "Nested, Square, mapped in a task"
    return producer.end() == (0, "")


def test_a_teams_own_app_runs_its_own_tasks_and_flowqs_batches_and_a_task_may_send_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with team(log) as start:
        assert sends_batches_and_an_item_runs_them_itself(start(SUBMITTING_TASKS_PROGRAM))
        producer = start(TEAMS_PROGRAM)
        assert [producer.line() for _ in range(3)] == ["200", "True", "True"]
        # A program that sends with flowq's own app would send where nobody reads.
        assert "flowq.connect(app=that_app)" in producer.line()
        assert producer.end() == (0, "")
    assert "Traceback" not in log.read_text()


def test_a_teams_task_sends_batches_to_the_fleet_also_with_an_executor_active_in_the_apps_module(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with team(log, activates="1") as start:
        assert sends_batches_and_an_item_runs_them_itself(start(SUBMITTING_TASKS_PROGRAM))
    assert "Traceback" not in log.read_text()
