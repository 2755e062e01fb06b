"""What a write to Redis is for: flowq's own acts, kombu's messages, Celery's events and results, beats. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha1
from importlib import resources

from flowq.engine.ledger import ACTS, script
from flowq.engine.script import source

# By the command and a part of its key, first match wins; "" matches any.
RULES: tuple[tuple[str, str, str], ...] = (
    ("", ":unacked", "kombu takes and acknowledges"),
    ("BRPOP", "", "kombu asks for messages"),
    ("LPUSH", "", "kombu publishes"),
    ("PUBLISH", "celeryev", "Celery events"),
    ("PUBLISH", "pidbox", "Celery remote control"),
    ("", "celery-task", "Celery results and chords"),
    ("", "_kombu.binding", "kombu declares"),
    ("LLEN", "", "kombu declares"),
    ("", ":totals", "flowq meter"),
    ("", ":pages", "flowq reads items"),
    ("", ":out", "producer waits and reads"),
    ("XREAD", "", "producer waits and reads"),
    ("SUBSCRIBE", "", "producer waits and reads"),
    ("UNSUBSCRIBE", "", "producer waits and reads"),
    ("INFO", "", "producer looks at the fleet"),
    ("HMGET", ":meta", "flowq reads state"),
    ("ZCARD", ":batches", "flowq asks who else is there"),
    ("", ":worker", "fleet"),
    ("", ":caretaker", "pulse"),
    ("HELLO", "", "connects"),
    ("PING", "", "connects"),
    ("CLIENT", "", "connects"),
    ("SELECT", "", "connects"),
    ("SCRIPT", "", "connects"),
)
PULSE = "flowq-pulse"


def purpose(commands: tuple[tuple[str, ...], ...], thread: str = "MainThread") -> str:
    """What one write is for, by its first telling command; what the pulse of a worker sends is its beat."""
    first = next((one for one in commands if one[0] not in ("MULTI", "EXEC")), commands[0])
    name, key = first[0], first[1] if len(first) > 1 else ""
    if name == "EVALSHA":
        act = acts().get(key)
        return "Celery results and chords" if act is None else f"flowq {act}"
    if thread == PULSE and name not in ("LPUSH",):
        return "pulse"
    return next((what for command, part, what in RULES if command in ("", name) and part in key), "other")


@cache
def acts() -> Mapping[str, str]:
    """Digest → name of each of flowq's Lua acts."""
    ledger = {sha1(script(act).encode()).hexdigest(): act for act in ACTS}
    names = [file.name.removesuffix(".lua") for file in (resources.files("flowq.engine") / "lua").iterdir()]
    alone = {sha1(source(name).encode()).hexdigest(): name for name in names if name not in (*ACTS, "lib")}
    return {**alone, **ledger}
