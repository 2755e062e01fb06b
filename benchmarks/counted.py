"""What a stretch of time cost one Redis: round trips, commands and bytes by purpose, and the server's CPU."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.senders import purpose
from benchmarks.wire import Sent


@dataclass(frozen=True, slots=True)
class Server:
    """What Redis says of itself at one moment; all of it only grows."""

    at_s: float
    in_bytes: int
    out_bytes: int
    commands: int
    cpu_s: float

    @classmethod
    def now(cls, redis: Any) -> Server:
        """Ask it; the asking itself is among what it counts, some 10 kB."""
        stats, cpu = redis.info("stats"), redis.info("cpu")
        calls = sum(one["calls"] for one in redis.info("commandstats").values())
        seconds = float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
        return cls(
            time.time(), int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"]), calls, seconds
        )


@dataclass(slots=True)
class Cost:
    """What was sent by purpose, and what that cost the server.

    Attributes:
        seconds: how long it took.
        trips, commands, sent_bytes: by purpose; a trip is one write to a socket, whatever it holds.
        in_bytes, out_bytes: that Redis received and sent.
        calls: commands that Redis ran, those inside scripts included.
        cpu_s: CPU seconds of the server.
    """

    seconds: float = 0.0
    trips: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    sent_bytes: Counter[str] = field(default_factory=Counter)
    in_bytes: float = 0.0
    out_bytes: float = 0.0
    calls: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def of(cls, before: Server, after: Server, sent: Iterable[Sent]) -> Cost:
        """What happened between two looks at the server."""
        cost = cls(
            after.at_s - before.at_s,
            in_bytes=after.in_bytes - before.in_bytes,
            out_bytes=after.out_bytes - before.out_bytes,
            calls=after.commands - before.commands,
            cpu_s=after.cpu_s - before.cpu_s,
        )
        for one in sent:
            what = purpose(one.commands, one.thread)
            cost.trips[what] += 1
            cost.commands[what] += len(one.commands)
            cost.sent_bytes[what] += one.size_bytes
        return cost

    def without(self, idle: Cost) -> Cost:
        """What is left when an idle fleet's cost for as long is taken off; nothing below 0."""
        share = self.seconds / idle.seconds if idle.seconds else 0.0

        def less(mine: Counter[str], theirs: Counter[str]) -> Counter[str]:
            left = {name: n - theirs[name] * share for name, n in mine.items()}
            return Counter({name: round(n) for name, n in left.items() if n >= 0.5})

        return Cost(
            self.seconds,
            less(self.trips, idle.trips),
            less(self.commands, idle.commands),
            less(self.sent_bytes, idle.sent_bytes),
            max(0.0, self.in_bytes - idle.in_bytes * share),
            max(0.0, self.out_bytes - idle.out_bytes * share),
            max(0.0, self.calls - idle.calls * share),
            max(0.0, self.cpu_s - idle.cpu_s * share),
        )

    @property
    def chunks(self) -> int:
        """Commits. Most chunks are not claimed, the commit before lent them; few are committed in parts."""
        return self.trips["flowq commit"]
