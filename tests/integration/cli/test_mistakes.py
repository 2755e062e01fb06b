"""What a user gets wrong: a sentence and exit status 2, never a stack trace of flowq's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import flowq
from flowq.batch.executor import activated
from flowq.cli import main
from flowq.client.executor import CeleryExecutor
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.integration.cli.commands import Command
from tests.integration.cli.conftest import Flowq
from tests.submitting import submit

BROKEN = {
    "syntax.py": "def f(:\n    pass\n",
    "raises.py": "import flowq\n\nflow = flowq.Flow(start=1 / 0)\n",
    "lacks.py": "import there_is_no_such_module\n",
    "plain.py": "number = 3\n",
    "exits.py": "raise SystemExit(5)\n",
    "panics.py": "class Panic(BaseException): ...\n\n\nraise Panic('no more')\n",
    "makers.py": (
        "import sys\n\nimport flowq\n\n\n"
        "class Exits(flowq.Node):\n    def exec(self, prepared):\n        sys.exit(7)\n\n\n"
        "class Odd(flowq.Node):\n    def post(self, shared, prepared, done):\n"
        "        shared[3] = shared['odd'] = {(1, 2): object()}\n\n\n"
        "exits, odd = flowq.Flow(start=Exits()), flowq.Flow(start=Odd())\n\n\n"
        "def fails():\n    raise LookupError('no prices')\n"
    ),
    "two.py": "import flowq\n\none = flowq.Flow()\nother = flowq.Flow()\n\n\ndef needs(n):\n    return one\n",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with broken modules, as the current one."""
    for name, source in BROKEN.items():
        (tmp_path / name).write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def invoke(*words: str, **env: str) -> Result:
    return CliRunner().invoke(main, words, env=env)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "there_is_none:flow"), "there is no module 'there_is_none'"),
        (("run", "syntax"), "SyntaxError: invalid syntax"),
        (("run", "raises"), "ZeroDivisionError"),
        (("run", "lacks"), "No module named 'there_is_no_such_module'"),
        (("run", "exits"), "module exits does not import:\nTraceback"),
        (("run", "panics"), "Panic: no more"),
        (("worker", "--import", "raises"), "ZeroDivisionError"),
        (("worker", "--import", "exits"), "SystemExit: 5"),
        (("worker", "--log-level", "LOUD"), "'LOUD' is not one of 'debug', 'info'"),
        (("run", "makers:fails"), "makers:fails makes no flow:\nTraceback"),
        (("run", ""), "'' is no name of a module. Give MODULE:FLOW"),
        (("graph", ":flow"), "'' is no name of a module"),
        (("run", "..plain:flow"), "'..plain' is no name of a module"),
        (("run", "plain:number"), "plain:number is int, and neither a flow nor a node"),
        (("run", "plain"), "plain has no flow or node at its top level"),
        (("run", "two"), "say which flow of two"),
        (("run", "two:third"), "there is no two:third. two has one, other"),
        (("run", "two:needs"), "is called without arguments"),
        (("run", "two:one", "--set", "n"), "--set takes KEY=VALUE"),
        (("run", "two:one", "--workers", "2"), "of local workers: give --local, too"),
        (("run", "two:one", "--slots", "2"), "of local workers: give --local, too"),
        (("run", "two:one", "-Q", "gpu"), "of local workers: give --local, too"),
        (("graph", "plain"), "plain has no flow or node"),
        (("rnu",), "Did you mean 'run'?"),
        (("ls",), "there is nothing to look at"),
        (("watch", "some-batch"), "there is nothing to look at"),
    ],
)
def test_a_mistake_is_a_sentence(here: Path, words: tuple[str, ...], said: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "flowq/cli" not in result.output


def test_the_users_own_frames_are_shown_where_their_module_raises(here: Path) -> None:
    shown = invoke("run", "raises").output
    assert 'raises.py", line 3' in shown
    assert "importlib" not in shown


@pytest.mark.parametrize(
    ("name", "value"), [("FLOWQ_LEASE_S", "soon"), ("FLOWQ_PREFIX", "a b"), ("FLOWQ_PROGRESS", "pretty")]
)
def test_a_wrong_setting_is_named(here: Path, name: str, value: str) -> None:
    for command in (("run", "two:one"), ("ls",), ("doctor",)):
        result = invoke(*command, **{name: value})
        assert result.exit_code == 2
        assert f"{name} is {value!r}" in result.output


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sentinel://127.0.0.1:26379",
        "redis://host:port/0",
        "redis://host/first",
        "redis://",
        "redis:/h/0",
    ],
)
def test_a_url_that_is_none_of_a_redis_is_said(here: Path, url: str) -> None:
    for command in (("ls",), ("doctor",), ("run", "two:one")):
        result = invoke(*command, FLOWQ_BROKER_URL=url)
        assert result.exit_code == 2
        assert f"FLOWQ_BROKER_URL is {url!r}: it is no URL of a Redis; give redis://host:6379/0" in result.output
    with pytest.raises(flowq.ConfigError, match="no URL of a Redis"):
        flowq.connect(url)


@pytest.mark.parametrize("name", ["FLOWQ_BROKER_URL", "FLOWQ_SLOTS", "FLOWQ_PREFIX", "FLOWQ_SECRET_KEY"])
def test_a_variable_that_is_empty_counts_as_unset(here: Path, name: str) -> None:
    result = invoke("ls", **{"FLOWQ_BROKER_URL": "", name: ""})
    assert result.exit_code == 2
    assert "FLOWQ_BROKER_URL is not set" in result.output


def test_a_worker_that_was_told_no_redis_says_where_it_looks(here: Path) -> None:
    worker = Command(here, "worker", "--import", "there_is_none")
    assert worker.status() == 2
    assert "FLOWQ_BROKER_URL is not set: this worker looks for Redis at redis://127.0.0.1:6379/0" in worker.text


def test_modules_to_import_may_stand_side_by_side_with_commas(here: Path) -> None:
    worker = Command(here, "worker", "--import", "plain, two,there_is_none", FLOWQ_BROKER_URL="redis://127.0.0.1:1/0")
    assert worker.status() == 2
    assert "No module named 'there_is_none'" in worker.text
    assert "FLOWQ_BROKER_URL is not set" not in worker.text


def test_a_wrong_url_or_key_is_said_without_its_secret(here: Path) -> None:
    shown = invoke("ls", FLOWQ_BROKER_URL="redis://me:a-secret@host:port/0", FLOWQ_SECRET_KEY="a-secret").output
    assert "redis://me:***@host:port/0" in shown
    assert "FLOWQ_SECRET_KEY: a FLOWQ_SECRET_KEY is 32 random bytes" in shown
    assert "a-secret" not in shown


def test_no_redis_is_said_without_the_password(here: Path) -> None:
    result = invoke("ls", FLOWQ_BROKER_URL="redis://app:a-secret@127.0.0.1:1/0")
    assert result.exit_code == 2
    assert "no Redis answers at redis://app:***@127.0.0.1:1/0" in result.output
    assert "a-secret" not in result.output


@pytest.mark.parametrize(
    ("commands", "kind"),
    [
        (("status", "watch", "cancel", "pause", "resume", "retry"), "batch or run"),
        (("failures", "results", "report"), "batch"),
        (("approve",), "run"),
    ],
)
def test_an_unknown_id_is_said_with_what_was_looked_for(flowq_cli: Flowq, commands: tuple[str, ...], kind: str) -> None:
    for command in commands:
        result = flowq_cli(command, "no-such-thing")
        assert result.exit_code == 2
        assert f"Redis does not hold {kind} no-such-thing" in result.output


def test_the_id_of_a_batch_is_no_runs(flowq_cli: Flowq) -> None:
    batch = submit(nodes.Square(), [1])
    assert batch.wait(20)
    result = flowq_cli("approve", batch.id, "answer")
    assert result.exit_code == 2
    assert f"{batch.id} is a batch, and no run: `flowq status {batch.id}` shows it" in result.output


@pytest.mark.parametrize("words", [("--workers", "2"), ("--slots", "2"), ("-Q", "gpu")])
def test_a_retry_on_a_fleet_starts_no_workers_and_says_so(flowq_cli: Flowq, words: tuple[str, ...]) -> None:
    batch = submit(nodes.Keyed(on_error="collect"), [7])
    assert batch.wait(20)
    result = flowq_cli("retry", batch.id, *words)
    assert result.exit_code == 2
    assert f"are of local workers, and others run {batch.id}" in result.output
    assert batch.state().gen == 0, "nothing was begun"


def test_results_go_to_known_kinds_of_files_in_folders_that_are_there(flowq_cli: Flowq, tmp_path: Path) -> None:
    assert "ends in .jsonl or .csv" in flowq_cli("results", "-o", "out.xlsx").output


def test_a_node_that_exits_has_failed_and_says_so(here: Path) -> None:
    result = invoke("run", "makers:exits")
    assert result.exit_code == 1
    assert "SystemExit: 7" in result.output


def test_a_store_of_whatever_keys_and_values_is_shown_and_is_json(here: Path) -> None:
    assert invoke("run", "makers:odd").exit_code == 0
    assert json.loads(invoke("run", "makers:odd", "--json").stdout)["shared"].keys() == {"3", "odd"}


def test_a_value_that_nests_too_deeply_for_json_is_text(here: Path) -> None:
    result = invoke("run", "makers:odd", "--json", "--set", "deep=" + "[" * 5000)
    assert json.loads(result.stdout)["shared"]["deep"] == "[" * 5000


LOOKS = [("ls",), ("results", "--json"), ("--help",)]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("out", [">/dev/full", ">&-", "| head -c 1", "<&-"])
def test_an_output_that_cannot_be_written_is_a_sentence_at_most(
    cluster: flowq.LocalCluster, words: tuple[str, ...], out: str
) -> None:
    nodes.Square().map(range(3000))
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m flowq {" ".join(words)} {out}; exit ${{PIPESTATUS[0]}}'],
        env={**os.environ, "FLOWQ_BROKER_URL": cluster.broker_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if out == ">/dev/full":
        assert (done.returncode, done.stderr) == (2, "Error: the output: No space left on device\n")
    else:
        assert done.returncode in (0, 1)
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_what_the_terminal_has_no_letters_for_is_written_in_its_own(cluster: flowq.LocalCluster) -> None:
    nodes.Square(name="übergröße💥").submit([1], label="übergröße💥").result()
    for words in (["ls"], ["ls", "--json"], ["status"], ["run", "\udcff:flow"]):
        done = subprocess.run(
            [sys.executable, "-m", "flowq", *words],
            env={**os.environ, "FLOWQ_BROKER_URL": cluster.broker_url, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
        )
        assert done.returncode == (2 if words[0] == "run" else 0), done.stderr
        assert b"Traceback" not in done.stderr


def test_any_number_of_batches_can_be_asked_for(flowq_cli: Flowq) -> None:
    assert flowq_cli("ls", "-n", "9" * 30).exit_code == 0


def test_a_worker_may_have_a_name_of_several_words(tmp_path: Path) -> None:
    with EmbeddedRedis() as server:
        executor = CeleryExecutor(flowq.Settings(broker_url=server.url))
        words = ("worker", "--name", "two words", "--slots", "1", "--import", "tests.nodes")
        worker = Command(tmp_path, *words, FLOWQ_BROKER_URL=server.url)
        with activated(executor):
            batch = submit(nodes.Square(), range(50))
            assert batch.result(timeout=30) == [item * item for item in range(50)]
            assert next(batch.outcomes()).worker.startswith("two words@")
        worker.press_ctrl_c()
        worker.status()
        assert "Traceback" not in worker.text
        executor.connections.close()


def test_a_worker_whose_name_no_one_can_write_is_told_so(here: Path) -> None:
    assert "cannot be written as UTF-8" in invoke("worker", "--name", "\udcff").output
