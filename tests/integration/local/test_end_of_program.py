"""Nothing outlives a program that embeds a redis-server, however the program ends."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowq.local import EmbeddedRedis

from .conftest import Program, runs

Start = Callable[[str], Program]
AllEnd = Callable[[list[int]], bool]

HOLDS_A_SERVER = """
    import signal
    from flowq.local import EmbeddedRedis
    with EmbeddedRedis() as server:
        print(server.pid, server.folder, flush=True)
        signal.pause()
"""


def pid_and_folder(program: Program) -> tuple[int, Path]:
    pid, folder = program.line().split()
    return int(pid), Path(folder)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_the_program_ends_the_server(program: Start, all_end: AllEnd, signum: int) -> None:
    one = program(HOLDS_A_SERVER)
    pid, _ = pid_and_folder(one)
    one.signal(signum)
    assert one.end()[0] == -signum
    assert all_end([pid])


def test_ctrl_c_ends_the_server_and_removes_its_folder(program: Start, all_end: AllEnd) -> None:
    one = program(HOLDS_A_SERVER)
    pid, folder = pid_and_folder(one)
    one.signal(signal.SIGINT)
    assert "KeyboardInterrupt" in one.end()[1]
    assert all_end([pid])
    assert not folder.exists()


def test_a_program_that_forgets_to_stop_it_ends_cleanly(program: Start, all_end: AllEnd) -> None:
    one = program("""
        from flowq.local import EmbeddedRedis
        server = EmbeddedRedis().start()
        print(server.pid, server.folder, flush=True)
    """)
    pid, folder = pid_and_folder(one)
    assert one.end() == (0, "")
    assert all_end([pid])
    assert not folder.exists()


def test_a_forked_child_that_ends_leaves_the_server_to_its_parent(program: Start) -> None:
    one = program("""
        import os, sys
        from flowq.local import EmbeddedRedis
        with EmbeddedRedis() as server:
            if os.fork() == 0:
                sys.exit()  # through the with statement and the exit handlers
            os.wait()
            print(server.folder.exists(), server._answers(), flush=True)
    """)
    assert one.line() == "True True"
    assert one.end()[0] == 0  # Python 3.12 warns on stderr of any fork beside threads


def test_a_forked_child_can_have_a_server_of_its_own(program: Start, all_end: AllEnd) -> None:
    one = program("""
        import os, sys
        from flowq.local import EmbeddedRedis
        with EmbeddedRedis() as server:
            if os.fork() == 0:
                with EmbeddedRedis() as own:
                    print(own.pid, own.folder, own._answers(), flush=True)
                sys.exit()
            os.wait()
            print(server._answers(), flush=True)
    """)
    pid, _, answers = one.line().split()
    assert answers == "True"
    assert one.line() == "True"
    assert one.end()[0] == 0  # Python 3.12 warns on stderr of any fork beside threads
    assert all_end([int(pid)])


@pytest.fixture
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Temporary folders of this test and its programs are made where no other program looks for abandoned ones."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.usefixtures("own_temporary_folder")
def test_what_a_killed_program_left_is_removed_by_the_next(program: Start) -> None:
    killed, alive = program(HOLDS_A_SERVER), program(HOLDS_A_SERVER)
    (_, abandoned), (held_pid, held) = pid_and_folder(killed), pid_and_folder(alive)
    killed.signal(signal.SIGKILL)
    killed.end()
    assert abandoned.exists()
    with EmbeddedRedis():
        assert not abandoned.exists()
        assert held.exists()
        assert runs(held_pid)


def test_a_command_whose_parent_is_already_gone_is_never_run(program: Start) -> None:
    one = program("""
        import subprocess, sys
        from flowq.local.spawner import TETHER
        tethered = [sys.executable, "-I", "-S", str(TETHER), "1", "/bin/echo", "run"]
        done = subprocess.run(tethered, capture_output=True, text=True)
        print(done.returncode, done.stdout, done.stderr)
    """)
    assert one.line() == "1  process 1, which asked for /bin/echo, is gone"
