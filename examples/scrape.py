"""Scrape a wiki: fetch the pages of the frontier, read their links, continue with the new ones until there are none.

python examples/scrape.py            in this process
python examples/scrape.py --local    on two worker processes

The wiki is this program's own (servers/wiki.py). A page that is down is tried again when its server says so.
"""

from __future__ import annotations

import argparse
import re
import urllib.error
import urllib.request
from contextlib import nullcontext
from typing import Any
from urllib.parse import urljoin

from servers import local, wiki

import flowq

Page = tuple[str, int, list[str]]  # title, words, links


@flowq.register
class NotFound(Exception):
    """There is no such page."""


class Fetch(flowq.ParallelBatchNode[str, Page]):
    """One URL an item. Blocking code; ``in_flight`` has sixteen of them wait at once in each process."""

    def prep(self, shared: Any) -> list[str]:
        return sorted(shared["frontier"])

    def exec(self, url: str) -> Page:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                html = response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 503:
                    raise flowq.RetryAfter(float(error.headers["Retry-After"])) from None
            raise NotFound(url) from None
        title = re.search("<title>(.*?)</title>", html)
        words = re.sub("<[^>]*>", " ", html).split()
        return (
            (title[1] if title else url),
            len(words),
            [urljoin(url, link) for link in re.findall('href="(.*?)"', html)],
        )

    def post(self, shared: Any, urls: list[str], pages: flowq.BatchResult[Page]) -> str:
        shared["missing"] += len(pages.failed)
        shared["pages"].update({urls[page.index]: page.output for page in pages.ok})
        shared["seen"].update(urls)
        shared["frontier"] = {link for page in pages.ok for link in page.output[2]} - shared["seen"]
        print(f"{len(urls):3} pages asked for, {pages.stats().retried} twice; {len(shared['frontier'])} new links")
        return "more" if shared["frontier"] else "done"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="fetch on two worker processes")
    given = parser.parse_args()
    fetch = Fetch(retry=flowq.Retry(attempts=4, give_up_on=NotFound), in_flight=16, on_error="collect")
    fetch - "more" >> fetch
    fetch - "done" >> flowq.Node()
    shared: dict[str, Any] = {"seen": set(), "pages": {}, "missing": 0}
    cluster = flowq.LocalCluster(slots=2) if given.local else nullcontext()
    with local.serve(wiki.answer) as url, cluster:
        shared["frontier"] = {f"{url}/wiki/0"}
        flowq.Flow(start=fetch).run(shared)
    title, words, _ = max(shared["pages"].values(), key=lambda page: page[1])
    print(f"{len(shared['pages'])} pages, {shared['missing']} missing; the longest is {title} with {words} words")


if __name__ == "__main__":
    main()
