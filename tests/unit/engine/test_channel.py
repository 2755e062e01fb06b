"""Which transport messages are sent by."""

from __future__ import annotations

from kombu import Connection
from kombu.transport import redis as kombu_redis

from flowq.engine.channel import OneClientTransport, with_one_client


class Own(kombu_redis.Transport):
    """A team's."""


def test_a_channel_keeps_the_client_that_it_makes() -> None:
    assert with_one_client(Connection("redis://localhost")).get_transport_cls() is OneClientTransport


def test_a_transport_of_the_app_s_own_is_left_alone() -> None:
    assert with_one_client(Connection("redis://localhost", transport=Own)).get_transport_cls() is Own
