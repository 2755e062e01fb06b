"""A private redis-server that lives as long as the program. Which executable it runs: redis_binary.py."""

from __future__ import annotations

import atexit
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from flowq.errors import ConfigError
from flowq.local.child_process import ChildProcess, end_all
from flowq.local.private_folder import PrivateFolder
from flowq.local.redis_binary import find_redis_server
from flowq.local.spawner import Spawner

__all__ = ["EmbeddedRedis", "find_redis_server"]

POLL_S = 0.002
SHUTDOWN_S = 5.0


class EmbeddedRedis:
    """A redis-server on a unix socket in a folder that only this user can enter. A context manager.

    It ends with the ``with`` block, with the program, and if the program is killed (Linux). It stores nothing on disk
    unless ``appendonly`` is set.

    Args:
        redis_server: path or name of the executable; None: the first that `find_redis_server` finds.
        port: listen on this port of 127.0.0.1 instead of a socket; 0: on a free one, which `restart` keeps. Every user
            of the machine can reach it.
        appendonly: keep an append-only file, so that `restart` after `kill` finds the data again.
        data_folder: folder of that file; None: the private folder, which is removed at `stop`.
        options: further directives of redis.conf, such as ``{"maxmemory": "64mb"}``.
        spawner: the thread that starts it; None: one of its own.
        start_timeout_s: how many seconds it may take to answer, including loading its data.
    """

    def __init__(
        self,
        *,
        redis_server: str | Path | None = None,
        port: int | None = None,
        appendonly: bool = False,
        data_folder: str | Path | None = None,
        options: Mapping[str, str] | None = None,
        spawner: Spawner | None = None,
        start_timeout_s: float = 10.0,
    ) -> None:
        self._redis_server = redis_server
        self._port = port
        self._appendonly = appendonly
        self._data_folder = None if data_folder is None else Path(data_folder).absolute()
        self._options = dict(options or {})
        self._given_spawner = spawner
        self._start_timeout_s = start_timeout_s
        self._owner_pid = os.getpid()
        self._program: Path | None = None
        self._spawner: Spawner | None = None
        self._folder: PrivateFolder | None = None
        self._process: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Its address for Celery and kombu: ``redis+socket:///…/redis.sock`` or ``redis://127.0.0.1:…/0``."""
        return f"redis+socket://{quote(str(self.socket_path))}" if self._port is None else self.redis_url

    @property
    def redis_url(self) -> str:
        """Its address for redis-py: ``unix:///…/redis.sock`` or ``redis://127.0.0.1:…/0``."""
        if self._port is None:
            return f"unix://{quote(str(self.socket_path))}"
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def socket_path(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def folder(self) -> Path:
        """The private folder: socket, log, and the data unless another folder was given for that."""
        if self._folder is None:
            raise RuntimeError("this EmbeddedRedis is not started: use it in a with statement, or call start()")
        return self._folder.path

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("this EmbeddedRedis is not started: use it in a with statement, or call start()")
        return self._process.pid

    def start(self) -> EmbeddedRedis:
        """Start it and wait until it answers. A second call does nothing.

        Raises:
            ConfigError: there is no redis-server, or it does not start; shows its log.
        """
        if self._process is not None:
            return self
        self._program = find_redis_server(self._redis_server)
        self._owner_pid = os.getpid()
        self._folder = PrivateFolder()
        self._spawner = self._given_spawner or Spawner()
        if self._port == 0:
            self._port = _free_port()
        atexit.register(self.stop)
        try:
            self._run()
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """SIGKILL it, like a crash. `restart` starts it again; without ``appendonly`` it is then empty."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """End it, if it still runs, and start it again at the same address."""
        self._end()
        self._run()

    def stop(self) -> None:
        """End it and remove its folder. A second call, or one in a forked child, does nothing."""
        if os.getpid() != self._owner_pid:
            return
        self._end()
        if self._spawner is not None and self._given_spawner is None:
            self._spawner.close()
        if self._folder is not None:
            self._folder.remove()
        self._process = self._spawner = self._folder = None
        atexit.unregister(self.stop)

    def __enter__(self) -> EmbeddedRedis:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _run(self) -> None:
        if self._spawner is None or self._program is None:
            raise RuntimeError("this EmbeddedRedis is not started: use it in a with statement, or call start()")
        command = [str(self._program)]
        for name, value in self._directives().items():
            command += [f"--{name}", value]
        self._process = self._spawner.spawn(command, log_path=self.folder / "redis.log")
        self._await_answer(self._process)

    def _directives(self) -> dict[str, str]:
        address = (
            {"port": "0", "unixsocket": str(self.socket_path), "unixsocketperm": "700"}
            if self._port is None
            else {"port": str(self._port), "bind": "127.0.0.1"}
        )
        return {
            **address,
            "dir": str(self._data_folder or self.folder),
            "save": "",
            "appendonly": "yes" if self._appendonly else "no",
            "daemonize": "no",
            **self._options,
        }

    def _await_answer(self, process: ChildProcess) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self._answers():
            if not process.running:
                raise ConfigError(f"the embedded redis-server does not start. It wrote:\n{process.log_tail()}")
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"the embedded redis-server did not answer within {self._start_timeout_s:g} s. "
                    f"It wrote:\n{process.log_tail()}"
                )
            time.sleep(POLL_S)

    def _answers(self) -> bool:
        family = socket.AF_UNIX if self._port is None else socket.AF_INET
        address = str(self.socket_path) if self._port is None else ("127.0.0.1", self._port)
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(address)
                connection.sendall(b"PING\r\n")
                # "-LOADING" while it reads its file; "-NOAUTH" counts as an answer: the options set a password.
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def _end(self) -> None:
        if self._process is None:
            return
        if self._appendonly:
            end_all([self._process], SHUTDOWN_S)
        else:
            # It has nothing to write, so there is no need for a clean shutdown.
            self._process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
