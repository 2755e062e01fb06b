"""kombu's Redis transport for flowq's own workers, which checks a message before it is decoded or decompressed.

kombu trusts its lists: bad JSON, an incomplete envelope or a bad header ends the worker, and a compressed body of any
size is unpacked before it can be checked. A message that is refused here has already left the queue.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from flowq.engine.channel import OneClientChannel
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.worker.refusals import MAX_MESSAGE_BYTES, Refused, envelope_objection, one_line

log = logging.getLogger("flowq.refused")

# What reading a message can itself raise; any other exception belongs to the connection and is not handled here.
UNREADABLE = (Refused, ValueError, TypeError, RecursionError, OverflowError)


def refuse(reason: str, **fields: Any) -> None:
    """Log that a message was refused, in one line."""
    log.error("a message was refused: %s", reason, extra=fields)


class CarefulMessage(kombu_redis.Channel.Message):
    """A message whose envelope is checked before kombu uses it."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        objection = envelope_objection(payload)
        if objection is not None:
            raise Refused(objection)
        super().__init__(payload, channel=channel, **kwargs)
        if self.errors:
            raise Refused(f"its body cannot be read: {one_line(self.errors[0][1])}")


class _NotTooLarge:
    """A mixin for Redis clients: drops a message above the size limit before its JSON is parsed."""

    def parse_response(self, *args: Any, **options: Any) -> Any:
        reply = super().parse_response(*args, **options)  # type: ignore[misc]
        if isinstance(reply, (list, tuple)) and reply and isinstance(reply[-1], (bytes, str)):
            size_bytes = len(reply[-1])
            if size_bytes > MAX_MESSAGE_BYTES:
                refuse(f"it has {size_bytes:,} bytes, more than the limit of {MAX_MESSAGE_BYTES:,}")
                return None
        return reply


class CarefulPubSub(_NotTooLarge, kombu_redis.PrefixedRedisPubSub):
    """The client that receives remote control."""


class CarefulClient(_NotTooLarge, kombu_redis.PrefixedStrictRedis):
    """The client that receives tasks."""

    def pubsub(self, **kwargs: Any) -> CarefulPubSub:
        return CarefulPubSub(self.connection_pool, global_keyprefix=self.global_keyprefix, **kwargs)


class CarefulQoS(kombu_redis.QoS):
    """The messages delivered to a channel and not acknowledged, whose number per worker is limited.

    If an acknowledgement does not reach Redis, Celery logs it and kombu keeps counting the message while the connection
    lasts, so that the worker has a slot less. Here it stops counting. Redis delivers the message again later.
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
    """A channel that survives malformed messages in its queues, and the loss of Redis."""

    Message = CarefulMessage
    QoS = CarefulQoS

    _reads_on: Any = None  # the socket of the blocking read
    _reader_id = 0  # Redis' id of that connection; 0: Redis does not say

    def end_read(self) -> None:
        """End the blocking read for the next message. ``close`` waits for it, up to a second."""
        if self._in_poll and self._reader_id:
            try:
                with self.conn_or_acquire() as client:
                    client.client_unblock(self._reader_id)
            except REDIS_ERRORS as error:  # Redis is away, or its user may not do this: the read ends by itself
                log.debug("a blocking read cannot be ended: %s", error)

    def _get_client(self) -> Callable[..., CarefulClient]:
        super()._get_client()  # it checks redis-py's version
        return functools.partial(CarefulClient, global_keyprefix=self.global_keyprefix)

    def _connparams(self, *args: Any, **options: Any) -> Any:
        # kombu forgets the address of Redis once a lost connection is closed. Closing the channel again, or a late
        # acknowledgement, then raises AttributeError, which ends the worker. This error does not.
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("this connection was lost and closed")
        return super()._connparams(*args, **options)

    def _brpop_start(self, timeout: float | None = None) -> None:
        connection = self.client.connection
        if connection._sock is None or connection._sock is not self._reads_on:
            connection.send_command("CLIENT", "ID")
            try:
                self._reader_id = connection.read_response()
            except self.ResponseError:
                self._reader_id = 0
            self._reads_on = connection._sock
        super()._brpop_start(timeout)

    def _brpop_read(self, **options: Any) -> Any:
        return _carefully(super()._brpop_read, **options)

    def _receive_one(self, c: Any) -> Any:
        return _carefully(super()._receive_one, c)


class CarefulTransport(kombu_redis.Transport):
    """kombu's transport with ``CarefulChannel``."""

    Channel = CarefulChannel
    _loop: Any = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        others = set(loop.on_tick)
        super().register_with_event_loop(connection, loop)
        self._loop, self._ticks = loop, loop.on_tick - others

    def end_reads(self) -> None:
        """End every blocking read for messages, so that closing the connection does not wait for it."""
        for channel in self.channels:
            channel.end_read()

    def close_connection(self, connection: Any) -> None:
        # kombu leaves its tick callbacks in the event loop: after each lost connection the loop would keep calling
        # them, and keep all that the connection held.
        if self._loop is not None:
            self._loop.on_tick -= self._ticks
            self._loop = None
        super().close_connection(connection)


def _carefully(read: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call *read*, which receives a message and passes it on; True if the message was refused."""
    try:
        return read(*args, **options)
    except UNREADABLE as error:
        refuse(one_line(error) if isinstance(error, Refused) else f"{type(error).__name__}: {one_line(error)}")
        return True
