"""The command line as a test calls it: in this process, on the shared cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from flowq.cli import main
from flowq.local import LocalCluster

Flowq = Callable[..., Result]


@pytest.fixture
def flowq_cli(cluster: LocalCluster) -> Flowq:
    """``flowq_cli("ls", "--json")``: that command at the shared cluster, with its ``exit_code`` and ``output``."""

    def call(*words: str) -> Result:
        result = CliRunner().invoke(main, words, env={"FLOWQ_BROKER_URL": cluster.broker_url, "COLUMNS": "120"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call
