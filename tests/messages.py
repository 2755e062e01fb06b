"""Messages as they lie in Redis: taken from what flowq itself publishes, altered, pushed at real workers. No tests."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import flowq
from flowq.codec import dumps
from flowq.engine.app import queue_list
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from tests.waiting import until

NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
SPARE = "spare"  # a queue that no worker consumes


class Wire:
    """The Redis between a program and its workers, from underneath."""

    def __init__(self, cluster: flowq.LocalCluster, lease_s: float = 3.0) -> None:
        self._take(Connections(flowq.Settings(broker_url=cluster.broker_url, lease_s=lease_s)))

    @classmethod
    def on(cls, connections: Connections) -> Wire:
        """That under other connections, such as those of a team's app."""
        wire = cls.__new__(cls)
        wire._take(connections)
        return wire

    def _take(self, connections: Connections) -> None:
        self.connections = connections
        self.redis = self.connections.redis
        self.keys = self.connections.keys
        self.queue = queue_list(self.connections.app, "flowq")
        self.unacked = f"{self.queue.removesuffix('flowq')}unacked"
        publish_chunks(self.connections, Header("spare-0", "spare", "Spare", SPARE, None, b""), ["0:0-1"])
        self._envelope = json.loads(self.redis.rpop(queue_list(self.connections.app, SPARE)))
        self._envelope["properties"]["delivery_info"]["routing_key"] = "flowq"
        self._envelope["headers"].pop("compression", None)

    def chunk(self, batch_id: str = "spare-0", chunk_id: str = "0:0-1") -> dict[str, Any]:
        """A message for a chunk, as flowq publishes it."""
        return self.task("flowq.chunk", (batch_id, chunk_id))

    def task(
        self, name: str, args: Any, kwargs: Any = None, embed: Any = None, *, packed: bytes | None = None
    ) -> dict[str, Any]:
        """A message for any task with any arguments, *packed* in place of all of them."""
        message = copy.deepcopy(self._envelope)
        message["headers"]["task"] = name
        message["headers"]["id"] = message["headers"]["root_id"] = str(uuid.uuid4())
        message["properties"]["delivery_tag"] = str(uuid.uuid4())
        body = packed if packed is not None else dumps((args, kwargs or {}, NO_CALLBACKS if embed is None else embed))
        message["body"] = base64.b64encode(body).decode()
        return message

    def push(self, *messages: dict[str, Any] | bytes) -> None:
        """Put messages into the queue of the workers."""
        raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
        self.redis.lpush(self.queue, *raw)

    def forward(self) -> int:
        """Hand the workers what lies in the queue that none of them consumes; how many."""
        spare, moved = queue_list(self.connections.app, SPARE), 0
        while self.redis.lmove(spare, self.queue, "RIGHT", "LEFT") is not None:
            moved += 1
        return moved

    def is_idle(self) -> bool:
        """Whether every message was delivered and acknowledged, or refused."""
        return not self.redis.exists(self.queue, self.unacked)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connections.close()


class Log:
    """What a worker wrote since this was made, or all of it."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self._path = path
        self._from = 0 if whole else path.stat().st_size

    def lines(self, *words: str) -> list[str]:
        """Its lines, only those with all of *words* in them."""
        with self._path.open(errors="replace") as file:
            file.seek(self._from)
            return [line.rstrip("\n") for line in file if all(word in line for word in words)]

    def await_line(self, *words: str, timeout_s: float = 10) -> str:
        """The first line with all of *words*."""
        return until(lambda: self.lines(*words), timeout_s, f"a line with {words}")[0]


def altered(message: dict[str, Any], path: Iterable[str], value: Any) -> dict[str, Any]:
    """*message* with another *value* at *path*."""
    changed = copy.deepcopy(message)
    place: Any = changed
    *way, last = path
    for step in way:
        place = place[step]
    place[last] = value
    return changed
