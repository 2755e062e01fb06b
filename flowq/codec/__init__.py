"""The codec: values ↔ bytes. No pickle, no imports: bytes name classes, and only registered ones are found."""

from __future__ import annotations

from flowq.codec.envelope import MAX_BYTES, VERSION, unsealed_bytes
from flowq.codec.explain import explain
from flowq.codec.kombu_registration import CONTENT_TYPE, register_kombu
from flowq.codec.message import content_hash, dumps, loads
from flowq.codec.secrets import keyring
from flowq.portable import RemoteTraceback

__all__ = [
    "CONTENT_TYPE",
    "MAX_BYTES",
    "VERSION",
    "RemoteTraceback",
    "content_hash",
    "dumps",
    "explain",
    "keyring",
    "loads",
    "register_kombu",
    "unsealed_bytes",
]
