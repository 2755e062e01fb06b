"""A Redis that goes away under a command: who watches waits for it; everybody says it in a sentence, with no trace."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis
from rich.console import Console

import flowq
from flowq.batch.executor import activated
from flowq.cli import main
from flowq.cli.absence import Absence
from flowq.cli.place import place
from flowq.client.executor import CeleryExecutor
from flowq.engine import patience
from flowq.local import EmbeddedRedis
from tests import nested, nodes
from tests.integration.cli.commands import Command
from tests.submitting import submit
from tests.waiting import until


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """One to be killed, which comes back with all that it had acknowledged."""
    with EmbeddedRedis(options={"appendonly": "yes", "appendfsync": "always"}) as made:
        yield made


@pytest.fixture
def executor(server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """What is sent waits: there are no workers."""
    made = CeleryExecutor(flowq.Settings(broker_url=server.url))
    with activated(made):
        yield made
    made.connections.close()


def waits_for(server: EmbeddedRedis, command: Command) -> None:
    """Return once *command* waits to be told of an end."""
    client = Redis.from_url(server.redis_url)
    until(lambda: client.client_list(_type="pubsub"), 30, "it waits")
    client.close()


@pytest.mark.parametrize("options", [[], ["--json"], ["--progress", "lines"]], ids=" ".join)
@pytest.mark.parametrize("kind", ["batch", "run"])
def test_who_watches_goes_on_after_a_short_absence(
    server: EmbeddedRedis, executor: CeleryExecutor, tmp_path: Path, kind: str, options: list[str]
) -> None:
    made = submit(nodes.Square(), [1, 2]) if kind == "batch" else nested.six_steps("/dev/null").submit({})
    watching = Command(tmp_path, "watch", *options, made.id, FLOWQ_BROKER_URL=server.url)
    waits_for(server, watching)
    server.kill()
    watching.says("Redis does not answer")
    server.restart()
    made.cancel()
    assert watching.status() == 1, "what was cancelled has not succeeded"
    assert "cancelled" in watching.text
    assert "Traceback" not in watching.text


def test_who_watches_gives_up_a_redis_that_stays_away(
    server: EmbeddedRedis, executor: CeleryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    absence = Absence(executor.connections, Console(file=out, width=200))
    absence.look()
    server.kill()
    absence.look()
    absence.look()
    server.restart()
    absence.look()
    assert out.getvalue().splitlines() == [
        "Redis does not answer; waiting for it, 30 s at most.",
        "Redis answers again.",
    ]
    monkeypatch.setattr(patience, "AWAY_FOR_S", 0.0)
    server.kill()
    absence.look()
    with pytest.raises(flowq.NoRedis, match="no Redis answers at"):
        absence.look()


def test_a_redis_that_is_lost_while_a_command_looks_is_said(
    server: EmbeddedRedis, executor: CeleryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submit(nodes.Square(), [1, 2])
    monkeypatch.setenv("FLOWQ_BROKER_URL", server.url)

    def look() -> None:
        with place() as here:
            found = here.batch(batch.id)
            server.kill()
            found.state()

    with pytest.raises(flowq.NoRedis, match="no Redis answers at"):
        look()


REFUSES = 'redis.execute_command("ACL", "SETUSER", "default", "-hmget")'
GOES_AWAY = "redis.shutdown(nosave=True)"
SPOILT = """
import os

from redis import Redis

from tests import nodes

redis = Redis.from_url(os.environ["REDIS_OF_TEST"])


def spoil(progress):
    if progress.state == "succeeded":
        {how}


flow = nodes.SquaresOf(on_progress=spoil)
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [(REFUSES, "refuses: "), (GOES_AWAY, "no Redis answers at")],
    ids=["it refuses", "it is away"],
)
def test_a_redis_that_fails_as_a_finished_result_is_read_is_a_sentence(
    server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str, words: str
) -> None:
    name = f"spoilt_{how == REFUSES}"
    (tmp_path / f"{name}.py").write_text(SPOILT.format(how=how))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(patience, "AWAY_FOR_S", 0.0)
    env = {"FLOWQ_BROKER_URL": server.url, "COLUMNS": "200", "REDIS_OF_TEST": server.redis_url}
    with flowq.LocalCluster(workers=1, slots=1, broker_url=server.url, imports=["tests.nodes"], grace_s=0):
        result = CliRunner().invoke(main, ["run", f"{name}:flow"], env=env)
    assert words in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "words", [("ls",), ("status",), ("gc",), ("watch", "{id}"), ("cancel", "{id}"), ("retry", "{id}"), ("doctor",)]
)
def test_a_redis_that_refuses_is_a_sentence(
    server: EmbeddedRedis, executor: CeleryExecutor, words: tuple[str, ...]
) -> None:
    batch = submit(nodes.Square(), [1, 2])
    executor.connections.redis.execute_command(
        "ACL", "SETUSER", "default", "-hmget", "-scan", "-evalsha", "-zrangebyscore", "-zrevrange", "-zrange"
    )
    called = [word.replace("{id}", batch.id) for word in words]
    result = CliRunner().invoke(main, called, env={"FLOWQ_BROKER_URL": server.url, "COLUMNS": "120"})
    assert isinstance(result.exception, SystemExit), result.exception
    assert "no permission" in result.output
    if words != ("doctor",):
        assert result.exit_code == 2
        assert "`flowq doctor` says what to change" in result.output
