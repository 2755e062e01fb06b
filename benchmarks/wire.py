"""Every write of a process to a Redis socket: when, by which thread, which commands, how many bytes.

A worker that imports this module (FLOWQ_IMPORTS) under ``BENCH_WIRE=FOLDER`` notes them there, and so does every
process it forks, each in a file of its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.connection import AbstractConnection

FOLDER = "BENCH_WIRE"


@dataclass(frozen=True, slots=True)
class Sent:
    """One write: a round trip, whatever it holds.

    Attributes:
        pid, thread: who wrote.
        at_s: when, seconds since the epoch.
        size_bytes: of all its commands.
        commands: name, first argument and second one (as far as they are short) of each.
    """

    pid: int
    thread: str
    at_s: float
    size_bytes: int
    commands: tuple[tuple[str, ...], ...]


def record(folder: Path) -> None:
    """Write down, from now on, what this process and those it forks send."""
    send = AbstractConnection.send_packed_command
    out: dict[int, int] = {}

    def recording(self: Any, command: bytes | list[bytes], check_health: bool = True) -> None:
        pid = os.getpid()
        if pid not in out:
            out[pid] = os.open(folder / f"{pid}.wire", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        raw = command if isinstance(command, bytes) else b"".join(command)
        names = ";".join("|".join(one) for one in commands_of(raw))
        line = f"{time.time():.6f}\t{threading.current_thread().name}\t{len(raw)}\t{names}\n"
        os.write(out[pid], line.encode())
        send(self, command, check_health)  # type: ignore[no-untyped-call]

    AbstractConnection.send_packed_command = recording  # type: ignore[method-assign]


def commands_of(raw: bytes, *, longest: int = 80) -> Iterator[tuple[str, ...]]:
    """The commands in *raw*, as Redis' protocol spells them: name and the next arguments, three at most.

    An argument longer than *longest* bytes is left out, with those behind it.
    """
    at = 0
    while at < len(raw):
        end = raw.index(b"\r\n", at)
        n, at = int(raw[at + 1 : end]), end + 2
        words, short = list[str](), True
        for place in range(n):
            end = raw.index(b"\r\n", at)
            size, at = int(raw[at + 1 : end]), end + 2
            short = short and size <= longest
            if short and place < 4:
                words.append(raw[at : at + size].decode(errors="replace").translate(_PLAIN))
            at += size + 2
        yield tuple(words)


_PLAIN = str.maketrans(dict.fromkeys("\t\n\r;|", " "))


def read(folder: Path) -> Iterator[Sent]:
    """All that was written down in *folder*."""
    for file in sorted(folder.glob("*.wire")):
        pid = int(file.stem)
        for line in file.read_text().splitlines():
            at, thread, size, names = line.split("\t")
            yield Sent(pid, thread, float(at), int(size), tuple(tuple(one.split("|")) for one in names.split(";")))


def between(sent: Iterable[Sent], begin_s: float, end_s: float) -> list[Sent]:
    """What was written from *begin_s* on and before *end_s*."""
    return [one for one in sent if begin_s <= one.at_s < end_s]


if FOLDER in os.environ:
    record(Path(os.environ[FOLDER]))
