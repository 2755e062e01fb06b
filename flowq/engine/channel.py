"""kombu's channel to Redis, for what flowq sends and what its workers consume: with one client, not one a message."""

from __future__ import annotations

from typing import Any

from kombu import Connection
from kombu.transport import redis as kombu_redis


class OneClientChannel(kombu_redis.Channel):
    """A channel that keeps the client it makes.

    kombu makes one for every publish, delivery and acknowledgement, which takes 60 µs. A client has no connection of
    its own; the pool that lends it one is another after a fork, and after the connection was lost.
    """

    _one: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._one is None or self._one.connection_pool is not self.pool:
            self._one = super()._create_client()
        return self._one


class OneClientTransport(kombu_redis.Transport):
    """kombu's transport, with that channel."""

    Channel = OneClientChannel


def with_one_client(connection: Connection) -> Connection:
    """*connection*, its channels with one client each; a transport of the app's own is left alone."""
    if connection.get_transport_cls() is kombu_redis.Transport:
        connection.get_transport_cls = lambda: OneClientTransport
    return connection
