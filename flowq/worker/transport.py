"""kombu's Redis transport for what flowq's own workers consume: nothing is decoded or decompressed that looks wrong.

kombu trusts what lies in its lists: bad JSON, an envelope without its parts or a bad header ends the worker, and a
compressed body is unpacked to whatever size before anybody is asked. A message refused here has left the queue already.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from flowq.engine.channel import OneClientChannel
from flowq.worker.refusals import MAX_MESSAGE_BYTES, Refused, envelope_objection, one_line

log = logging.getLogger("flowq.refused")

# What reading a message can raise of itself; whatever else comes up is the connection's and none of our business.
UNREADABLE = (Refused, ValueError, TypeError, RecursionError, OverflowError)


def refuse(reason: str, **fields: Any) -> None:
    """Log that a message was refused: one line each."""
    log.error("a message was refused: %s", reason, extra=fields)


class CarefulMessage(kombu_redis.Channel.Message):
    """A message whose envelope was looked at before kombu builds on it."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        objection = envelope_objection(payload)
        if objection is not None:
            raise Refused(objection)
        super().__init__(payload, channel=channel, **kwargs)
        if self.errors:
            raise Refused(f"its body cannot be read: {one_line(self.errors[0][1])}")


class _NotTooLarge:
    """A Redis client's replies: a message above the limit is dropped before its JSON is read."""

    def parse_response(self, *args: Any, **options: Any) -> Any:
        reply = super().parse_response(*args, **options)  # type: ignore[misc]
        if isinstance(reply, (list, tuple)) and reply and isinstance(reply[-1], (bytes, str)):
            size_bytes = len(reply[-1])
            if size_bytes > MAX_MESSAGE_BYTES:
                refuse(f"it has {size_bytes:,} bytes, more than the limit of {MAX_MESSAGE_BYTES:,}")
                return None
        return reply


class CarefulPubSub(_NotTooLarge, kombu_redis.PrefixedRedisPubSub):
    """What remote control comes in by."""


class CarefulClient(_NotTooLarge, kombu_redis.PrefixedStrictRedis):
    """What tasks come in by."""

    def pubsub(self, **kwargs: Any) -> CarefulPubSub:
        return CarefulPubSub(self.connection_pool, global_keyprefix=self.global_keyprefix, **kwargs)


class CarefulQoS(kombu_redis.QoS):
    """What was delivered to a channel and is not done with: a worker takes so many messages at most.

    Where Redis cannot be told that one is done with, Celery logs it and goes on, and kombu counts it for as long as the
    connection lives: that worker would have a slot less. Here it is done with. Redis delivers it again later.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        finally:
            virtual.QoS.ack(self, delivery_tag)


class CarefulChannel(OneClientChannel):
    """A channel that outlives whatever lies in its queues, and its Redis."""

    Message = CarefulMessage
    QoS = CarefulQoS

    def _get_client(self) -> Callable[..., CarefulClient]:
        super()._get_client()  # it checks redis-py's version
        return functools.partial(CarefulClient, global_keyprefix=self.global_keyprefix)

    def _connparams(self, *args: Any, **options: Any) -> Any:
        # kombu forgets where Redis is once a lost connection is closed, and stumbles over that with an AttributeError
        # when the channel is closed again or acknowledges late: an error that ends the worker. This one does not.
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("this connection was lost and closed")
        return super()._connparams(*args, **options)

    def _brpop_read(self, **options: Any) -> Any:
        return _carefully(super()._brpop_read, **options)

    def _receive_one(self, c: Any) -> Any:
        return _carefully(super()._receive_one, c)


class CarefulTransport(kombu_redis.Transport):
    """kombu's transport, with the careful channel."""

    Channel = CarefulChannel
    _loop: Any = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        others = set(loop.on_tick)
        super().register_with_event_loop(connection, loop)
        self._loop, self._ticks = loop, loop.on_tick - others

    def close_connection(self, connection: Any) -> None:
        # kombu leaves there what it does at every tick: the loop would do so, and hold all that the connection had, for
        # each that it has ever lost.
        if self._loop is not None:
            self._loop.on_tick -= self._ticks
            self._loop = None
        super().close_connection(connection)


def _carefully(read: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """*read* a message and hand it on; True where it was refused instead: something was read."""
    try:
        return read(*args, **options)
    except UNREADABLE as error:
        refuse(one_line(error) if isinstance(error, Refused) else f"{type(error).__name__}: {one_line(error)}")
        return True
