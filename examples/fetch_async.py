"""Fetch 300 pages, a hundred at a time in each process: an async item waits without blocking the others.

python examples/fetch_async.py            in this process
python examples/fetch_async.py --local    on two worker processes

The server is this program's own, so no network is needed. Each page takes it 50 ms. The first request for every tenth
page is answered with "503, try again in 100 ms"; one page does not exist. A 503 is tried again, a missing page is not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

from servers import pages

import flowq

PAGES = 300


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="run the items on two worker processes")
    given = parser.parse_args()

    retry = flowq.Retry(attempts=3, give_up_on=NotFound)
    fetch = Fetch(retry=retry, timeout=5, in_flight=100, on_error="collect")
    fetch >> Report()
    with pages.serve() as address, flowq.LocalCluster(slots=2) if given.local else nullcontext():
        flowq.Flow(start=fetch).run({"urls": [f"{address}/pages/{number}" for number in range(PAGES)]})


if __name__ == "__main__":
    main()
