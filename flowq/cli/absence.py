"""How long a watching command waits for Redis while it is away, and what it prints about that."""

from __future__ import annotations

import time

from rich.console import Console

from flowq.engine import patience
from flowq.engine.connection import Connections
from flowq.engine.redis_client import AWAY_ERRORS


class Absence:
    """Checks whether Redis answers, for a command that watches a batch or run.

    Args:
        connections: to that Redis.
        console: where it prints, once each, that Redis is away and that it is back.
    """

    def __init__(self, connections: Connections, console: Console) -> None:
        self._connections, self._console = connections, console
        self._since: float | None = None

    def look(self) -> None:
        """Ask Redis.

        Raises:
            NoRedis: Redis has not answered for 30 s.
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
