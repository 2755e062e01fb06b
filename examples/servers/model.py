"""A stand-in for a language model's API: it sorts support tickets by their words. Never clever.

Like a real one it answers some calls with 429 and Retry-After and others with 500, and has a large model that refuses
some inputs which the small one accepts.
"""

from __future__ import annotations

import json
from collections import Counter

TOPICS = {"invoice": "billing", "refund": "billing", "password": "login", "crash": "bug", "slow": "bug"}
asked: Counter[str] = Counter()


def answer(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the model named in *path* makes of a ticket."""
    model, ticket = path.strip("/"), json.loads(body)["prompt"]
    asked[ticket] += 1
    if model == "large":
        if "🙂" in ticket:
            return 400, {}, b'{"error": "the large model takes no such input"}'
        if len(ticket) % 5 == 0 and asked[ticket] == 1:
            return 429, {"Retry-After": "0.05"}, b'{"error": "too fast"}'
        if len(ticket) % 7 == 0 and asked[ticket] == 1:
            return 500, {}, b'{"error": "oops"}'
    topic = next((topic for word, topic in TOPICS.items() if word in ticket.lower()), "other")
    return 200, {}, json.dumps({"topic": topic, "model": model}).encode()
