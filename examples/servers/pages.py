"""Pages that take 50 ms each, in a separate event loop: one is missing, every tenth has to be requested twice."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MISSING = "/pages/77"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Counter[str]) -> None:
    """One request and its answer."""
    path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
    asked[path] += 1
    await asyncio.sleep(0.05)
    status, extra, body = "200 OK", "", f"This is {path}. ".encode() * 40
    if path == MISSING:
        status, body = "404 Not Found", b""
    elif path.endswith("0") and asked[path] == 1:
        status, extra, body = "503 Service Unavailable", "Retry-After: 0.1\r\n", b""
    writer.write(f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()


@contextmanager
def serve() -> Iterator[str]:
    """A server on a free port, in a thread of its own; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asked: Counter[str] = Counter()
    starting = asyncio.start_server(lambda r, w: answer(r, w, asked), "127.0.0.1", 0, backlog=300)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
