"""Thousands of connections to one Redis from one process: actors written as generators, over epoll. Nothing of flowq.

An actor yields what it waits for (``line.ask``, ``Sleep``, ``Inbox``) and goes on with the answer.
"""

from __future__ import annotations

import heapq
import itertools
import select
import socket
import time
from collections import deque
from collections.abc import Generator
from typing import Any, Protocol

import hiredis

READ_BYTES = 262_144
PRECISE_S = 0.005  # epoll waits for whole milliseconds: what is nearer is waited for by select

Actor = Generator["Wait", Any, Any]


class Wait(Protocol):
    """What an actor may yield."""

    def begin(self, loop: Loop, actor: Actor) -> None: ...


class Loop:
    """Runs actors until a time. ``late_s`` is how late the latest timer fired: whether this process kept up.

    Args:
        network_s: a network's round trip, for a server that is nearer: whatever a line asks is sent so much later. As
            it asks one thing at a time, neither side can tell that from half of it before and half of it behind.
    """

    def __init__(self, network_s: float = 0.0) -> None:
        self.network_s = network_s
        self.poll = select.epoll()
        self.lines: dict[int, Line] = {}
        self.late_s = 0.0
        self._timers: list[tuple[float, int, Actor]] = []
        self._number = itertools.count()
        self._ready: deque[tuple[Actor, Any]] = deque()

    def spawn(self, actor: Actor) -> None:
        self._ready.append((actor, None))

    def soon(self, actor: Actor, value: Any) -> None:
        self._ready.append((actor, value))

    def at(self, when_s: float, actor: Actor) -> None:
        heapq.heappush(self._timers, (when_s, next(self._number), actor))

    def run(self, until_s: float) -> None:
        """Until ``time.monotonic()`` is *until_s*."""
        while (now := time.monotonic()) < until_s:
            while self._timers and self._timers[0][0] <= now:
                when_s, _, actor = heapq.heappop(self._timers)
                self.late_s = max(self.late_s, now - when_s)
                self._ready.append((actor, None))
            while self._ready:
                self._step(*self._ready.popleft())
            rest_s = min(until_s, self._timers[0][0]) - time.monotonic() if self._timers else until_s - now
            if self.network_s and 0 < rest_s < PRECISE_S:
                select.select([self.poll.fileno()], [], [], rest_s)
                rest_s = 0.0
            for number, _ in self.poll.poll(max(0.0, rest_s), 256):
                self.lines[number].readable()

    def close(self) -> None:
        """Close all lines."""
        for line in self.lines.values():
            line.close()
        self.poll.close()

    def _step(self, actor: Actor, value: Any) -> None:
        try:
            wait = actor.send(value)
        except StopIteration:
            return
        wait.begin(self, actor)


class Sleep:
    """Wait for some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def begin(self, loop: Loop, actor: Actor) -> None:
        loop.at(time.monotonic() + self._seconds, actor)


class Inbox:
    """What others put, one at a time, for one actor."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._held: deque[Any] = deque()
        self._waiting: Actor | None = None

    def put(self, value: Any) -> None:
        if self._waiting is None:
            self._held.append(value)
        else:
            actor, self._waiting = self._waiting, None
            self._loop.soon(actor, value)

    def begin(self, loop: Loop, actor: Actor) -> None:
        if self._held:
            loop.soon(actor, self._held.popleft())
        else:
            self._waiting = actor


class Line:
    """One connection, on which one actor at a time asks and waits for its answers."""

    def __init__(self, loop: Loop, address: str | tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._socket.connect(address)
        if not isinstance(address, str):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._loop = loop
        self._reader: Any = hiredis.Reader()
        self._answers: list[Any] = []
        self._wanted = 0
        self._raw = b""
        self._actor: Actor | None = None
        loop.lines[self._socket.fileno()] = self
        loop.poll.register(self._socket.fileno(), select.EPOLLIN)

    def ask(self, raw: bytes, answers: int = 1) -> Line:
        """Send *raw*, go on with the list of its answers."""
        self._raw, self._wanted = raw, answers
        return self

    def begin(self, loop: Loop, actor: Actor) -> None:
        self._actor = actor
        if loop.network_s:
            loop.spawn(self._send_later())
        else:
            self._send()

    def _send_later(self) -> Actor:
        yield Sleep(self._loop.network_s)
        self._send()

    def _send(self) -> None:
        sent = self._socket.send(self._raw)
        if sent < len(self._raw):  # larger than the socket's buffer: rare, and Redis reads at once
            self._socket.setblocking(True)
            self._socket.sendall(self._raw[sent:])
            self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    def readable(self) -> None:
        """Read; the actor goes on once all its answers are there."""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("Redis closed a connection")
        self._reader.feed(data)
        while len(self._answers) < self._wanted:
            answer = self._reader.gets()
            if answer is False:  # more is to come
                return
            self._answers.append(answer)
        answers, self._answers = self._answers, []
        actor, self._actor = self._actor, None
        if actor is not None:
            self._loop._step(actor, answers)


def pack(*words: Any) -> bytes:
    """A command in Redis' protocol."""
    raw: bytes = hiredis.pack_command(words)
    return raw
