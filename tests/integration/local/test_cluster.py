"""A LocalCluster's processes, from their start to the end of the program that started them. Its batches: elsewhere."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.errors import ConfigError
from flowq.local import EmbeddedRedis, LocalCluster

from .conftest import Program, runs

Start = Callable[[str], Program]
AllEnd = Callable[[list[int]], bool]
ProcessesOf = Callable[[int], list[int]]

HOLDS_A_CLUSTER = """
    import signal
    from flowq.local import LocalCluster
    if __name__ == "__main__":
        with LocalCluster(slots=2, workers=2) as cluster:
            print(cluster.redis.folder, flush=True)
            signal.pause()
"""


def test_its_workers_consume_when_the_block_is_entered_and_are_gone_when_it_is_left(
    all_end: AllEnd, processes_of: ProcessesOf
) -> None:
    with LocalCluster(slots=2, workers=2) as cluster:
        assert [worker.name for worker in cluster.workers] == ["local-1", "local-2"]
        assert all(worker.ready for worker in cluster.workers)
        everything = [pid for worker in cluster.workers for pid in (worker.pid, *processes_of(worker.pid))]
        assert len(everything) >= 2 * (1 + 2)
        redis, folders = cluster.redis.pid, [cluster.redis.folder, cluster.workers[0].log_path.parent]
    assert all_end([*everything, redis])
    assert not any(folder.exists() for folder in folders)
    assert cluster.workers == ()


def test_a_killed_program_takes_every_process_with_it(
    program: Start, all_end: AllEnd, processes_of: ProcessesOf
) -> None:
    one = program(HOLDS_A_CLUSTER)
    one.line()
    everything = processes_of(one.pid)
    assert len(everything) >= 1 + 2 * (1 + 2)
    one.signal(signal.SIGKILL)
    one.end()
    assert all_end(everything)


def test_ctrl_c_ends_every_process_and_leaves_no_folder(
    program: Start, all_end: AllEnd, processes_of: ProcessesOf
) -> None:
    one = program(HOLDS_A_CLUSTER)
    folder = Path(one.line())
    everything = processes_of(one.pid)
    one.signal(signal.SIGINT)
    assert "KeyboardInterrupt" in one.end()[1]
    assert all_end(everything)
    assert not folder.exists()


def test_a_program_that_forgets_to_stop_it_ends_cleanly(program: Start) -> None:
    one = program("""
        from flowq.local import LocalCluster
        if __name__ == "__main__":
            cluster = LocalCluster(slots=1).start()
            print(cluster.redis.folder, flush=True)
    """)
    folder = Path(one.line())
    assert one.end() == (0, "")
    assert not folder.exists()


def test_a_killed_worker_dies_with_its_children_and_another_can_take_its_place(
    all_end: AllEnd, processes_of: ProcessesOf
) -> None:
    with LocalCluster(slots=1, grace_s=0, workers=2) as cluster:
        first, second = cluster.workers
        group = [first.pid, *processes_of(first.pid)]
        cluster.kill_worker(0)
        assert not first.ready
        assert all_end(group)
        assert second.ready
        third = cluster.add_worker()
        assert third.ready
        assert [worker.name for worker in cluster.workers] == ["local-1", "local-2", "local-3"]


def test_a_stopped_worker_is_killed_once_the_grace_is_over(all_end: AllEnd) -> None:
    with LocalCluster(slots=1, grace_s=0.2) as cluster:
        cluster.kill_worker(0, signal.SIGSTOP)
        pid = cluster.workers[0].pid
        assert runs(pid)
    assert all_end([pid])


def test_a_worker_that_cannot_start_is_an_error_that_shows_its_log(all_end: AllEnd) -> None:
    cluster = LocalCluster(slots=1, imports=["no_such_module"])
    with pytest.raises(ConfigError, match=r"(?s)worker local-1 ended with status .*no_such_module"):
        cluster.start()
    assert cluster.workers == ()


def test_a_program_that_starts_a_cluster_as_it_is_imported_is_told_so(program: Start) -> None:
    one = program("""
        from flowq.local import LocalCluster
        LocalCluster(slots=1).start()
    """)
    status, stderr = one.end()
    assert status == 1
    assert "Put that part under `if __name__ == '__main__':`" in stderr


def test_on_anothers_redis_it_starts_workers_alone_and_leaves_that_redis_running() -> None:
    with EmbeddedRedis() as server:
        with LocalCluster(slots=1, grace_s=0, broker_url=server.url) as cluster:
            assert cluster.broker_url == server.url
            assert cluster.workers[0].name.startswith("local-")
            with pytest.raises(RuntimeError, match="no embedded Redis"):
                _ = cluster.redis
        assert runs(server.pid)


def test_it_outlives_the_thread_that_started_it_and_ends_from_another() -> None:
    cluster = LocalCluster(slots=1, grace_s=0)
    for step in (cluster.start, cluster.add_worker):
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
    assert [worker.ready for worker in cluster.workers] == [True, True]
    pids = [worker.pid for worker in cluster.workers]
    cluster.stop()
    assert not any(map(runs, pids))


def test_one_can_follow_the_other() -> None:
    cluster = LocalCluster(slots=1, grace_s=0)
    for _ in range(2):
        with cluster:
            assert cluster.workers[0].ready


def test_the_machines_cores_are_shared_out_among_the_workers() -> None:
    cores = len(os.sched_getaffinity(0))
    assert LocalCluster().slots == cores
    assert LocalCluster(workers=2).slots == max(1, cores // 2)
    assert LocalCluster(workers=100 * cores).slots == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slots": 0}, "slots is 1 or more, not 0"),
        ({"slots": -1}, "slots is 1 or more, not -1"),
        ({"workers": -1}, "workers is 0 or more, not -1"),
        ({"imports": "jobs"}, r"imports is a list of names: imports=\['jobs'\]"),
        ({"queues": [3]}, "each of queues is text, not 3"),
        ({"broker_url": 3}, "broker_url is text, not 3"),
        ({"broker_url": "http://x"}, "it is no URL of a Redis"),
        ({"broker_url": "redis://127.0.0.1:1/0"}, "no Redis answers at redis://127.0.0.1:1/0"),
        ({"log_level": 3}, "a log level is DEBUG, INFO, WARNING, ERROR or CRITICAL, not 3"),
        ({"log_level": "LOUD"}, "a log level is DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'"),
        ({"lease_s": "10"}, "lease_s is a number of seconds, not '10'"),
        ({"lease_s": True}, "lease_s is a number of seconds, not True"),
        ({"lease_s": 0}, "lease_s is 1 or more seconds, not 0"),
        ({"grace_s": None}, "grace_s is a number of seconds, not None"),
        ({"grace_s": math.nan}, "grace_s is 0 or more seconds, not nan"),
        ({"ready_timeout_s": "soon"}, "ready_timeout_s is a number of seconds, not 'soon'"),
        ({"env": ["A=1"]}, r"env is a dict of texts by name, not \['A=1'\]"),
        ({"env": {"A": 1}}, r"env\['A'\] is text, not 1"),
        ({"redis_options": {"maxmemory": 5}}, r"redis_options\['maxmemory'\] is text, not 5"),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict) else "",
)
def test_what_a_cluster_cannot_take_is_said_before_anything_is_started(options: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError, flowq.ConfigError), match=said):
        LocalCluster(**{"slots": 1, **options}).start()


def test_a_worker_to_be_killed_that_is_not_there_is_said() -> None:
    asked: list[tuple[Any, type[Exception], str]] = [
        (1, IndexError, "there is no worker 1: this cluster has started 1, from 0 on"),
        (-1, ValueError, "the index of a worker is 0 or more, not -1"),
        ("0", TypeError, "the index of a worker is a whole number, not '0'"),
    ]
    with LocalCluster(workers=1, slots=1, grace_s=0) as cluster:
        for index, kind, said in asked:
            with pytest.raises(kind, match=said):
                cluster.kill_worker(index)
        assert cluster.workers[0].ready


CHILDREN = {
    "exits": "sys.exit()",
    "raises": 'raise ValueError("in the child")',
    "leaves at once": "os._exit(0)",
    "stops the cluster": "cluster.stop(); sys.exit()",
    "begins a cluster of its own": "flowq.LocalCluster(workers=0).start().stop(); sys.exit()",
}


def test_a_forked_child_that_ends_leaves_the_cluster_to_its_parent(program: Start) -> None:
    one = program(f"""
        import os, sys
        import flowq
        from tests import nodes

        if __name__ == "__main__":
            with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"]) as cluster:
                print(nodes.Square().map([2]), flush=True)
                for name, end in {CHILDREN}.items():
                    if os.fork() == 0:
                        sys.stderr.close()
                        exec(end)
                    os.wait()
                    print(name, nodes.Square().map([3]), cluster.workers[0].ready, flush=True)
    """)
    assert one.line() == "[4]"
    for name in CHILDREN:
        assert one.line() == f"{name} [9] True"
    assert one.end()[0] == 0


def test_children_of_multiprocessing_leave_the_cluster_to_its_parent(program: Start) -> None:
    one = program("""
        import multiprocessing
        import flowq
        from tests import nodes

        if __name__ == "__main__":
            with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"]) as cluster:
                for method in ("fork", "spawn", "forkserver"):
                    context = multiprocessing.get_context(method)
                    with context.Pool(2) as pool:
                        print(method, pool.map(len, ["a", "bb"]), flush=True)
                    for target in (exit, open):  # open() without a name raises
                        child = context.Process(target=target)
                        child.start()
                        child.join()
                    print(method, nodes.Square().map([3]), cluster.workers[0].ready, flush=True)
    """)
    for method in ("fork", "spawn", "forkserver"):
        assert one.line() == f"{method} [1, 2]"
        assert one.line() == f"{method} [9] True"
    assert one.end()[0] == 0


def test_a_program_that_runs_a_batch_as_it_is_imported_is_told_so(program: Start) -> None:
    one = program("""
        import flowq

        @flowq.parallel_batch_node
        def score(item):
            return item

        print(score.map([1, 2]), flush=True)
        if __name__ == "__main__":
            with flowq.LocalCluster(slots=1):
                pass
    """)
    assert one.line() == "[1, 2]"
    status, stderr = one.end()
    assert status == 1
    assert "runs a batch (score) as it is imported" in stderr


QUEUES = """
    import logging
    import flowq

    class Trains(flowq.ParallelBatchNode):
        def prep(self, shared):
            return [1, 2]

        def exec(self, item):
            return item

        def post(self, shared, prep_res, exec_res):
            shared["trained"] = list(exec_res)

    if __name__ == "__main__":
        logging.basicConfig(format="%(message)s")
        with flowq.LocalCluster(slots=1{options}) as cluster:
            node = Trains(queue="gpu")
            batch = node.submit([1, 2])
            print(batch.wait(None if cluster.queues else 0), flush=True)
            batch.cancel()
            run = flowq.Flow(node).submit({{}})
            print(run.result(30).shared["trained"] if cluster.queues else "not waited for", flush=True)
            run.cancel()
"""


def test_its_workers_consume_the_queues_that_it_is_given(program: Start) -> None:
    one = program(QUEUES.format(options=', queues=["flowq", "gpu"]'))
    assert [one.line(), one.line()] == ["True", "[1, 2]"]
    assert one.end() == (0, "")


def test_a_queue_that_none_of_its_workers_consumes_is_said_with_how_they_would(program: Start) -> None:
    one = program(QUEUES.format(options=""))
    assert [one.line(), one.line()] == ["False", "not waited for"]
    said = (
        "no worker consumes queue 'gpu' yet: the batch waits for one "
        '(`flowq.LocalCluster(queues=["flowq", "gpu"])`, or `flowq worker --queue gpu`)'
    )
    status, text = one.end()
    assert (status, text.splitlines()) == (0, [said, said]), "for the batch, and for the run whose node is sent there"


def test_with_no_worker_at_all_it_says_that_one_is_to_be_added(caplog: pytest.LogCaptureFixture) -> None:
    with LocalCluster(workers=0, queues=["gpu"]):
        flowq.parallel_batch_node(exec=abs, queue="gpu").submit([1]).cancel()
    assert "(`cluster.add_worker()`, or `flowq worker --queue gpu`)" in caplog.text
