"""What is sent to a Redis, whoever sends it: every command, those that its scripts call included. No tests."""

from __future__ import annotations

import ast
import base64
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import zstandard
from redis import Redis

from tests.waiting import until

_ARGUMENT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')
_ZSTD_HEAD = b"FQ\x01\x01"
_HEAD_BYTES = len(_ZSTD_HEAD) + 4


class Overheard:
    """Listens to the redis-server on a socket, until it is left. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []

    def __enter__(self) -> Overheard:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(self._path))
        self._connection.sendall(b"MONITOR\r\n")
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        until(lambda: self._lines, 10, "Redis lets us listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()

    def find(self, pattern: re.Pattern[bytes]) -> set[str]:
        """All that matches in what was sent so far, also inside messages and what is compressed."""
        mark = uuid.uuid4().hex
        with Redis(unix_socket_path=str(self._path)) as redis:
            redis.echo(mark)
        until(lambda: any(mark.encode() in line for line in self._lines[-1000:]), 30, "what was sent is heard")
        arguments = {ast.literal_eval(f"b{one.decode()}") for line in self._lines for one in _ARGUMENT.findall(line)}
        return {found.decode() for one in arguments for text in _texts(one) for found in pattern.findall(text)}

    def _listen(self) -> None:
        with self._connection.makefile("rb") as lines:
            self._lines.extend(iter(lines.readline, b""))


def _texts(data: bytes) -> Iterator[bytes]:
    """*data*, and what is in it in base64 or compressed."""
    yield data
    for body in _BODY.findall(data):
        yield from _texts(base64.b64decode(body))
    at = data.find(_ZSTD_HEAD)
    while at >= 0:
        yield from _texts(zstandard.ZstdDecompressor().decompressobj().decompress(data[at + _HEAD_BYTES :]))
        at = data.find(_ZSTD_HEAD, at + 1)
