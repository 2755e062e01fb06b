"""Fetch 300 pages, a hundred at a time in each process: an async item waits without holding anything up.

python examples/fetch_async.py            in this process
python examples/fetch_async.py --local    on two worker processes

The server is this program's own, so no network is needed. Each page takes it 50 ms. The first request for every tenth
page is answered with "503, try again in 100 ms"; one page does not exist. The first is tried again, the second is not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import flowq

PAGES = 300
MISSING = "/pages/77"


@flowq.register
class NotFound(Exception):
    """There is no such page. Registered, so that it comes back from a worker as itself."""


class Fetch(flowq.ParallelBatchNode[str, int]):
    """One URL an item; its value is the length of the page in bytes."""

    def prep(self, shared: Any) -> list[str]:
        return list(shared["urls"])

    async def exec(self, url: str) -> int:
        status, headers, body = await get(url)
        if status == 503:
            raise flowq.RetryAfter(float(headers["retry-after"]))
        if status == 404:
            raise NotFound(urlsplit(url).path)
        return len(body)

    def post(self, shared: Any, prep_res: list[str], exec_res: flowq.BatchResult[int]) -> None:
        shared["pages"] = exec_res


class Report(flowq.Node[Any, None]):
    """What came of it. Figures that depend on the machine go to stderr."""

    def prep(self, shared: Any) -> Any:
        return shared["pages"]

    def exec(self, pages: flowq.BatchResult[int]) -> None:
        stats = pages.stats()
        size_bytes = sum(outcome.output for outcome in pages.ok)
        print(f"{stats.ok} of {stats.n} pages, {size_bytes:,} bytes, {stats.retried} of them at the second try")
        for index, error in pages.errors.items():
            print(f"item {index} failed: {type(error).__name__}: {error}")
        print(f"{stats.seconds:.2f} s; one after another: {stats.n * 0.05:.0f} s", file=sys.stderr)


async def get(url: str) -> tuple[int, dict[str, str], bytes]:
    """GET over HTTP/1.1: status, headers, body. A real program uses httpx or aiohttp here."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.close()


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
    starting = asyncio.start_server(lambda r, w: answer(r, w, asked), "127.0.0.1", 0, backlog=PAGES)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="run the items on two worker processes")
    given = parser.parse_args()

    retry = flowq.Retry(attempts=3, give_up_on=NotFound)
    fetch = Fetch(retry=retry, timeout=5, in_flight=100, on_error="collect")
    fetch >> Report()
    with serve() as address, flowq.LocalCluster(workers=2, slots=1) if given.local else nullcontext():
        flowq.Flow(start=fetch).run({"urls": [f"{address}/pages/{number}" for number in range(PAGES)]})


if __name__ == "__main__":
    main()
