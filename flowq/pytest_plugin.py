"""pytest plugin, loaded automatically: the fixtures ``flowq_inline`` and ``flowq_cluster`` for tests of your nodes.

Imports flowq in the fixtures only, as every test run where flowq is installed imports this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flowq.batch.inline.executor import InlineExecutor
    from flowq.local import LocalCluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("flowq_imports", "modules with node classes, for the workers of flowq_cluster", type="linelist")
    parser.addini("flowq_workers", "workers of flowq_cluster", default="1")
    parser.addini("flowq_slots", "slots of each worker of flowq_cluster", default="2")


@pytest.fixture
def flowq_inline() -> Iterator[InlineExecutor]:
    """Batches of this test run in this process, whatever FLOWQ_BROKER_URL says."""
    from flowq.batch.executor import activated
    from flowq.batch.inline.executor import InlineExecutor

    with activated(InlineExecutor()) as executor:
        yield executor


@pytest.fixture(scope="session")
def flowq_session_cluster(pytestconfig: pytest.Config) -> Iterator[LocalCluster]:
    """The cluster behind ``flowq_cluster``: a real Redis and real workers, started once. Not active by itself."""
    from flowq.batch.executor import deactivate
    from flowq.local import LocalCluster

    cluster = LocalCluster(
        workers=int(pytestconfig.getini("flowq_workers")),
        slots=int(pytestconfig.getini("flowq_slots")),
        imports=pytestconfig.getini("flowq_imports"),
    )
    with cluster:
        deactivate(cluster.executor)  # `flowq_cluster` activates it for a test
        yield cluster


@pytest.fixture
def flowq_cluster(flowq_session_cluster: LocalCluster, pytestconfig: pytest.Config) -> Iterator[LocalCluster]:
    """Batches of this test run on real workers, started once for all tests.

    The workers import the modules that ``flowq_imports`` in pytest's configuration names. Workers that an earlier test
    has killed are replaced.
    """
    from flowq.batch.executor import activated

    cluster = flowq_session_cluster
    running = sum(worker.process.running for worker in cluster.workers)
    for _ in range(int(pytestconfig.getini("flowq_workers")) - running):
        cluster.add_worker()
    with activated(cluster.executor):
        yield cluster
