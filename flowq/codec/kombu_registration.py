"""Registers flowq's codec as kombu's serializer "flowq". The only module of the codec that uses kombu."""

from __future__ import annotations

from typing import Any

from flowq.codec.message import dumps, loads
from flowq.errors import EncodeError

NAME = "flowq"
CONTENT_TYPE = "application/x-flowq"
CONTENT_ENCODING = "binary"


def register_kombu() -> None:
    """Register the serializer "flowq" (content type ``application/x-flowq``) with kombu. Idempotent.

    kombu wraps its errors in ``kombu.exceptions.EncodeError`` and ``DecodeError``, with flowq's text.
    """
    from kombu.serialization import register  # a flow in this process does not need kombu

    register(NAME, _dumps, loads, content_type=CONTENT_TYPE, content_encoding=CONTENT_ENCODING)


def _dumps(body: Any) -> bytes:
    """``dumps``, with Celery's signatures (chords, links), a dict subclass, sent as plain dicts."""
    try:
        return dumps(body)
    except EncodeError:
        return dumps(_signatures_as_dicts(body))


def _signatures_as_dicts(value: Any) -> Any:
    cls = type(value)
    if cls is dict or (isinstance(value, dict) and cls.__module__ == "celery.canvas"):
        return {key: _signatures_as_dicts(part) for key, part in value.items()}
    if cls is list or cls is tuple:
        return cls(_signatures_as_dicts(part) for part in value)
    return value
