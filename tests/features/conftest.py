"""Each test that asks for ``executor`` runs twice: in this process, and on the workers of the shared cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowq.batch.executor import activate, deactivate
from flowq.batch.inline import InlineExecutor


@pytest.fixture(params=["inline", "workers"])
def executor(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where batches of the test run: "inline" or "workers"."""
    if request.param == "workers":
        request.getfixturevalue("cluster")
        yield "workers"
        return
    request.getfixturevalue("inline")
    yield "inline"


@pytest.fixture
def inline() -> Iterator[None]:
    """Batches of the test run in this process."""
    executor = InlineExecutor()
    activate(executor)
    try:
        yield
    finally:
        deactivate(executor)
