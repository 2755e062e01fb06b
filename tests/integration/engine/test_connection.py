"""What one process has to do with Redis, and another does not take over."""

from __future__ import annotations

import threading
from typing import Any

from redis import Redis

from flowq.engine.connection import Connections
from flowq.local import EmbeddedRedis
from flowq.settings import Settings


class Interrupted(Connections):
    """Another thread asks for a client while this one lets go of the parent's."""

    of_parent: Any = None
    got: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_redis" and value is None and self.of_parent is not None:
            self.of_parent = None
            thread = threading.Thread(target=self._ask)
            thread.start()
            thread.join(10)
        super().__setattr__(name, value)

    def _ask(self) -> None:
        self.got = self.redis


def test_no_thread_of_a_forked_process_gets_a_client_of_its_parent_s(redis: Redis, redis_server: EmbeddedRedis) -> None:
    connections = Interrupted(Settings(broker_url=redis_server.url))
    of_parent = connections.redis
    connections._pid = -1  # as it is found after a fork
    connections.of_parent = of_parent
    assert connections.redis is not of_parent
    assert connections.got is not None
    assert connections.got is not of_parent
    connections.got.close()
    of_parent.close()
    connections.close()


def test_what_is_used_after_a_close_has_none_of_what_was_closed(redis: Redis, redis_server: EmbeddedRedis) -> None:
    connections = Connections(Settings(broker_url=redis_server.url))
    before = [connections.redis, connections.ledger, connections.headroom, connections.feed_beats]
    connections.close()
    after = [connections.redis, connections.ledger, connections.headroom, connections.feed_beats]
    assert not any(one is other for one, other in zip(before, after, strict=True))
    connections.close()
