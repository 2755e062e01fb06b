"""Real parts for every test: a private redis-server, and workers where a test asks for them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis

from flowq.batch.executor import activated, deactivate
from flowq.batch.inline.executor import InlineExecutor
from flowq.local import EmbeddedRedis, LocalCluster

# Not even looked at where nothing drives a browser; `make browser` installs that, and runs them.
collect_ignore = [] if find_spec("playwright") else ["browser"]


def pytest_collection(session: pytest.Session) -> None:
    """Each process of a whole run begins to import the tests at another file.

    All of them import all, and what pytest makes of a file for its assertions is kept for whoever comes later. In one
    order they would come at the same time, and each would make it of every file: 5 s apiece in a fresh clone.
    """
    own = getattr(session.config, "workerinput", None)
    if own is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    gc.disable()
    here = Path(__file__).parent
    files = [file for file in sorted(here.rglob("test_*.py")) if file.relative_to(here).parts[0] not in collect_ignore]
    first = int(own["workerid"].removeprefix("gw")) * len(files) // own["workercount"]
    for file in files[first:] + files[:first]:
        with suppress(Exception, pytest.skip.Exception):  # the collection meets it again, and says where
            import_module(".".join(file.relative_to(here.parent).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Four thousand tests and their modules live as long as the run: no collection of garbage needs to look at them."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def session_redis_server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def redis_server(session_redis_server: EmbeddedRedis) -> Iterator[EmbeddedRedis]:
    """The shared server, empty: whatever a test leaves in it would be another's batches and messages."""
    yield session_redis_server
    with Redis.from_url(session_redis_server.redis_url) as client:
        client.flushall()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    with Redis.from_url(redis_server.redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def session_cluster() -> Iterator[LocalCluster]:
    """One worker with two slots, shared by every test that only needs workers to be there."""
    with LocalCluster(
        slots=2,
        workers=1,
        imports=[
            "tests.as_a_dict",
            "tests.awkward",
            "tests.drawn",
            "tests.nodes",
            "tests.features.functions",
            "tests.features.nodes",
            "tests.features.waits",
            "tests.mendable",
            "tests.nested",
            "tests.patient",
            "tests.policed",
            "tests.sinking",
            "tests.stores",
        ],
        lease_s=3,
        grace_s=0,
    ) as cluster:
        # It outlives the test that asked for it first: others want their batches elsewhere.
        deactivate(cluster.executor)
        yield cluster


@pytest.fixture
def cluster(session_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """The shared workers, to which the test's batches go."""
    assert all(worker.ready for worker in session_cluster.workers), "a worker of the shared cluster has died"
    with activated(session_cluster.executor):
        yield session_cluster


@pytest.fixture
def inline() -> Iterator[InlineExecutor]:
    """Batches of the test run in this process."""
    with activated(InlineExecutor()) as executor:
        yield executor


@pytest.fixture(params=["inline", "workers"])
def executor(request: pytest.FixtureRequest) -> str:
    """A test that asks for it runs twice: "inline", in this process, and on the shared "workers"."""
    request.getfixturevalue("cluster" if request.param == "workers" else "inline")
    where: str = request.param
    return where
