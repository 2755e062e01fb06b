"""Calls to a language model: a rate limit, retries when it is busy, a smaller model if the large one fails.

python examples/llm_calls.py            in this process
python examples/llm_calls.py --local    on two worker processes, which share the rate

The model is a stand-in (servers/model.py); it is called exactly like a real one.
"""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from collections import Counter
from contextlib import nullcontext
from typing import Any

from servers import local, model

import flowq

COMPLAINTS = ["Wrong invoice", "Forgot my password 🙂", "The app is slow", "A crash at start", "A refund?", "Hi"]
TICKETS = [f"{COMPLAINTS[n % 6]}{'!' * (n % 4)} (ticket {n})" for n in range(90)]


@flowq.register
class Refused(Exception):
    """The model does not take this input: trying again would be in vain."""


class Sort(flowq.ParallelBatchNode[str, dict[str, str]]):
    """One ticket an item: its topic, and the model that found it."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self.url = url

    def exec(self, ticket: str) -> dict[str, str]:
        return self.ask("large", ticket)

    def exec_fallback(self, ticket: str, exc: Exception) -> dict[str, str]:
        return self.ask("small", ticket)

    def ask(self, model: str, ticket: str) -> dict[str, str]:
        """One call. Being turned away says when to come again; flowq heeds it, for all workers."""
        try:
            with urllib.request.urlopen(f"{self.url}/{model}", json.dumps({"prompt": ticket}).encode(), 5) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 429:
                    raise flowq.RetryAfter(float(error.headers["Retry-After"])) from None
                if error.code == 400:
                    raise Refused(json.load(error)["error"]) from None
            raise ConnectionError(f"the model answers {error.code}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="call from two worker processes")
    given = parser.parse_args()

    retry = flowq.Retry(attempts=3, wait=0.02, backoff=2, give_up_on=Refused)
    cluster = flowq.LocalCluster(slots=2) if given.local else nullcontext()
    with local.serve(model.answer) as url, cluster:
        result = Sort(url, retry=retry, rate="100/s", in_flight=8, timeout=10).map(TICKETS)
    stats = result.stats()
    print(f"{stats.n} tickets, {stats.retried} at a second try, {stats.fallback} by the small model")
    for (topic, name), tickets in sorted(Counter((one["topic"], one["model"]) for one in result).items()):
        print(f"{tickets:4} {topic} ({name})")


if __name__ == "__main__":
    main()
