"""A TCP proxy before a Redis: the network between it and all others, which tests cut, hold up and mend. No tests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

READ_BYTES = 1 << 16


class Proxy:
    """Forwards 127.0.0.1:`port` to *target_port* within the ``with`` block.

    Args:
        tls: what it listens with, where the way to it is encrypted.

    Attributes:
        port: where it listens; the same over every cut.
    """

    def __init__(self, target_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target_port, self._tls = target_port, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Reset every connection and refuse new ones, until `mend`."""
        self._call(self._cut())

    def hold(self) -> None:
        """Carry nothing more, in either direction; connections stay open and new ones hang, until `mend`."""
        self._call(self._hold())

    def lose(self) -> None:
        """`hold`, but for good for the connections there are: as a firewall that has forgotten them."""
        self._call(self._lose())

    def mend(self) -> None:
        """Carry everything again, what was held up first."""
        self._call(self._mend())

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._call(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(timeout=10)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        open_now = list(self._connections)
        for connection in open_now:
            connection.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)

    async def _hold(self) -> None:
        self._flowing.clear()

    async def _lose(self) -> None:
        self._flowing.clear()
        self._flowing = asyncio.Event()

    async def _mend(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", self.port, reuse_address=True, ssl=self._tls
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        flowing = self._flowing
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
                try:
                    await asyncio.gather(
                        self._carry(reader, beyond_writer, flowing), self._carry(beyond_reader, writer, flowing)
                    )
                finally:
                    beyond_writer.transport.abort()
        finally:
            writer.transport.abort()
            self._connections.discard(connection)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
        """Carry one direction; ConnectionResetError at its end, so that the other direction ends too."""
        while data := await reader.read(READ_BYTES):
            await flowing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError
