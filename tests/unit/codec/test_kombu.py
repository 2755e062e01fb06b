"""flowq's serializer inside kombu: Celery's own messages pass through it, and nothing else does."""

from __future__ import annotations

from typing import Any

import kombu.exceptions
import pytest
from celery import Celery, chord, signature
from kombu import serialization

from flowq.codec import register_kombu
from tests.unit.codec.shapes import Point, Stranger


@pytest.fixture(autouse=True)
def registered() -> None:
    register_kombu()
    register_kombu()


def through(value: Any) -> Any:
    content_type, encoding, data = serialization.dumps(value, serializer="flowq")
    assert (content_type, encoding) == ("application/x-flowq", "binary")
    return serialization.loads(data, content_type, encoding, accept=["application/x-flowq"])


def test_values_pass_through_kombu_with_their_types() -> None:
    assert through(([1, (2,)], {"p": Point(3)}, None)) == ([1, (2,)], {"p": Point(3)}, None)


def test_a_celery_message_with_a_chord_passes() -> None:
    app = Celery(set_as_current=False)
    body = signature("flowq.finish", args=((1, 2),), app=app)
    whole = chord([signature("flowq.fold", app=app)], body, app=app)
    message = app.amqp.as_task_v2("id", "flowq.fold", args=(1,), chord=whole.body, callbacks=[body])
    args, kwargs, embed = through(message.body)
    assert (args, kwargs) == ((1,), {})
    assert embed["chord"] == dict(body)
    assert type(embed["callbacks"][0]) is dict
    assert embed["chord"]["args"] == ((1, 2),)


def test_what_cannot_travel_is_kombus_error_with_flowqs_text() -> None:
    with pytest.raises(kombu.exceptions.EncodeError, match=r"cannot encode the value at \[0\]: flowq does not carry"):
        through([Stranger()])


def test_hostile_bytes_are_kombus_error() -> None:
    with pytest.raises(kombu.exceptions.DecodeError, match="not a flowq message"):
        serialization.loads(b"\x80\x04.", "application/x-flowq", "binary", accept=["application/x-flowq"])
