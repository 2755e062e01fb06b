"""flowq's own classes are named by what they are, not by where they are defined: a release may move its files.

What a batch leaves in Redis is read by workers and producers of other releases.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.errors import UnknownNode
from tests import nodes, varied
from tests.messages import Log
from tests.newer.own import Budget, TomorrowNode
from tests.overheard import Overheard

# Names of classes and functions, with the module of flowq that is in them. Users import those of `flowq.compat`.
NAME = re.compile(rb"\bflowq(?:\.\w+)*:[A-Za-z_]\w*")
OF_A_FILE = re.compile(rb"\bflowq\.(?!errors:|compat\.)\w+(?:\.\w+)*:[A-Za-z_]\w*")

OPTIONS: dict[str, Any] = {"slots": 1, "lease_s": 2, "grace_s": 0}

# Renaming one, or taking it away, makes what earlier releases have written unreadable. New ones may be added.
NAMES = [
    "flowq:BatchFlow", "flowq:BatchNode", "flowq:BatchOf", "flowq:BatchPolicy", "flowq:Branches", "flowq:Breaker",
    "flowq:Cache", "flowq:Fanout", "flowq:FilterNode", "flowq:FirstOk", "flowq:Flow", "flowq:Keyed",
    "flowq:MapNode", "flowq:Node", "flowq:NodeRef", "flowq:Outcome", "flowq:Parallel", "flowq:ParallelBatchNode",
    "flowq:ParallelBatchOf", "flowq:RaceNode", "flowq:Rate", "flowq:Recorder", "flowq:ReduceNode", "flowq:Retry",
    "flowq:RetryAfter", "flowq:RunFlow", "flowq:SideBySide", "flowq:SinkResult", "flowq:Stats", "flowq:Told",
    "flowq:Worked", "flowq:_Of", "flowq:_Winner", "flowq.compat.grapheteria:Node",
    "flowq.compat.pocketflow:AsyncBatchFlow", "flowq.compat.pocketflow:AsyncBatchNode",
    "flowq.compat.pocketflow:AsyncFlow", "flowq.compat.pocketflow:AsyncNode",
    "flowq.compat.pocketflow:AsyncParallelBatchFlow", "flowq.compat.pocketflow:AsyncParallelBatchNode",
    "flowq.compat.pocketflow:BaseNode", "flowq.compat.pocketflow:BatchFlow", "flowq.compat.pocketflow:BatchNode",
    "flowq.compat.pocketflow:Flow", "flowq.compat.pocketflow:Node", "flowq.compat.pocketflow:_End",
    "flowq.compat.state_node:AsyncBaseNode", "flowq.compat.state_node:BaseNode",
    "flowq.compat.state_node:_StateNode",
]  # fmt: skip
ERRORS = [
    "BatchError", "BatchInputError", "BatchLost", "CannotTravel", "CircuitOpen", "CodecError", "ConfigError",
    "DecodeError", "EncodeError", "FewerItems", "FlowError", "FlowqError", "ItemCancelled", "ItemError",
    "ItemTimeout", "LoopRunning", "MergeConflict", "NoRedis", "RedisFull", "RemoteError", "ResultsFreed",
    "RunCancelled", "SinkFailed", "UnknownAction", "UnknownNode", "WorkerCrashed", "WorkerLost",
]  # fmt: skip

LISTED = """
import importlib, pkgutil
import flowq
from flowq import errors, registry
kept = registry._registry
here = {**kept._classes, **kept._functions}
for one in pkgutil.walk_packages(flowq.__path__, "flowq."):
    if one.name not in ("flowq.__main__", "flowq.worker.app"):
        importlib.import_module(one.name)
late = {name: one for name, one in {**kept._classes, **kept._functions}.items() if name not in here}
of_errors = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
print(*sorted(here), *sorted(late), *sorted(map(registry.class_name, of_errors)))
"""


def test_the_names_of_its_own_classes_are_those_that_earlier_releases_have_written() -> None:
    ran = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    found = [name for name in ran.stdout.split() if not name.startswith("flowq.demo.")]
    assert len(found) == len(set(found)), "two classes of flowq have one name"
    assert set(found) == {*NAMES, *(f"flowq.errors:{name}" for name in ERRORS)}


@pytest.fixture
def workers() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(workers=1, imports=varied.IMPORTS, **OPTIONS) as cluster:
        yield cluster


def test_nothing_that_is_sent_or_stored_says_which_file_of_flowq_a_class_is_in(
    workers: flowq.LocalCluster, tmp_path: Path
) -> None:
    with Overheard(Path(workers.broker_url.removeprefix("redis+socket://"))) as overheard:
        done = varied.outcomes(tmp_path)
        assert overheard.find(OF_A_FILE) == set()
        named = overheard.find(NAME)
    assert done == varied.EXPECTED
    assert {
        *("flowq:BatchPolicy", "flowq:Breaker", "flowq:Cache", "flowq:Flow", "flowq:MapNode", "flowq:NodeRef"),
        *("flowq:Outcome", "flowq:Parallel", "flowq:RaceNode", "flowq:Rate", "flowq:ReduceNode", "flowq:Retry"),
        *("flowq:RetryAfter", "flowq:RunFlow", "flowq:SinkResult"),
        *("flowq.errors:ItemTimeout", "flowq.errors:RemoteError"),
    } <= named


def test_a_release_that_has_moved_its_files_runs_what_another_one_submits_and_is_read_by_it(tmp_path: Path) -> None:
    imports = [*varied.IMPORTS, "tests.newer.moved"]
    with flowq.LocalCluster(workers=1, imports=imports, **OPTIONS) as moved:
        assert varied.outcomes(tmp_path) == varied.EXPECTED
        assert not Log(moved.workers[0].log_path, whole=True).lines("ERROR")


@pytest.mark.parametrize(
    ("node", "items", "lacked"),
    [(TomorrowNode(), [1, 2], "node flowq:TomorrowNode"), (nodes.Echo(), [Budget(1), Budget(2)], "'flowq:Budget'")],
    ids=["a kind of node", "a policy"],
)
def test_what_only_a_newer_flowq_has_waits_for_one_of_its_workers(node: Any, items: list[Any], lacked: str) -> None:
    with flowq.LocalCluster(workers=0, imports=["tests.nodes"], **OPTIONS) as older:
        handle = node.submit(items)
        log = Log(older.add_worker().log_path, whole=True)
        line = log.await_line("left to another worker", lacked)
        assert "this release of flowq does not have" in line
        assert "run the same release on both sides" in line
        with flowq.LocalCluster(
            workers=1, imports=["tests.nodes", "tests.newer.own"], broker_url=older.broker_url, **OPTIONS
        ):
            assert handle.result(timeout=90) == ([2, 3] if node.name == "TomorrowNode" else items)
        assert (handle.state().losses, handle.state().crashes) == (0, 0)


def test_a_submit_to_workers_of_an_older_release_says_that_they_are_one() -> None:
    refused = pytest.raises(UnknownNode, match=r"flowq:TomorrowNode.* another release .* Upgrade the workers first")
    with flowq.LocalCluster(workers=1, imports=["tests.nodes"], **OPTIONS), refused:
        TomorrowNode().submit([1])
