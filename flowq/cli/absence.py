"""How long a command that watches waits for a Redis that goes away, and what it says. Never what is watched."""

from __future__ import annotations

import time

from rich.console import Console

from flowq.engine import patience
from flowq.engine.connection import Connections
from flowq.engine.redis_client import AWAY_ERRORS


class Absence:
    """Whether Redis is there, asked every now and then by a command that watches.

    Args:
        connections: to that Redis.
        console: where it is said, once, that it went away, and that it is back.
    """

    def __init__(self, connections: Connections, console: Console) -> None:
        self._connections, self._console = connections, console
        self._since: float | None = None

    def look(self) -> None:
        """Ask Redis.

        Raises:
            NoRedis: it has not answered for 30 s.
        """
        try:
            self._connections.redis.ping()
        except AWAY_ERRORS as error:
            if self._since is None:
                self._since = time.monotonic()
                self._console.print(
                    f"Redis does not answer; waiting for it, {patience.AWAY_FOR_S:g} s at most.", style="yellow"
                )
            elif time.monotonic() - self._since > patience.AWAY_FOR_S:
                raise patience.trouble(self._connections, error) from error
            return
        if self._since is not None:
            self._since = None
            self._console.print("Redis answers again.", style="yellow")
