"""Pydantic's SecretStr, SecretBytes and Secret ↔ extension payloads, encrypted. Without a key they are not sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pydantic import Secret, SecretBytes, SecretStr

from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError

_KINDS: tuple[Any, ...] = (SecretStr, SecretBytes, Secret)
_CONTEXT = b"flowq secret 1"

_NO_KEY = (
    "it is a secret, and leaves this process only sealed: set FLOWQ_SECRET_KEY to the same key for producers and "
    "workers (32 random bytes in base64), or let exec read the secret where it runs"
)
_NO_LIBRARY = "it is a secret, and encrypting it needs the package cryptography: pip install 'flowq-batch[secrets]'"


class Keyring:
    """The secret keys of this process. The first encrypts; all of them decrypt.

    The cipher is AES-SIV, which is deterministic: a snapshot stores equal secrets once, and an unchanged secret is
    recognized as unchanged. A reader of Redis can see which secrets are equal, and how long they are.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: tuple[bytes, ...] = ()

    def use(self, keys: Sequence[bytes]) -> None:
        """Encrypt with the first of *keys*, of 32 bytes each; decrypt with any of them and with earlier keys."""
        with self._lock:
            self._keys = (*keys, *(key for key in self._keys if key not in keys))

    def seal(self, data: bytes, kind: bytes) -> bytes:
        """*data* encrypted, with *kind* authenticated.

        Raises:
            EncodeError: there is no key, or cryptography is not installed.
        """
        if not self._keys:
            raise EncodeError("", _NO_KEY)
        try:
            sealed: bytes = _cipher(self._keys[0]).encrypt(data, [_CONTEXT, kind])
        except ImportError:
            raise EncodeError("", _NO_LIBRARY) from None
        return sealed

    def open(self, data: bytes, kind: bytes) -> bytes:
        """The decrypted data.

        Raises:
            DecodeError: it was encrypted with another key or was altered, or cryptography is not installed.
        """
        for key in self._keys:
            try:
                return bytes(_cipher(key).decrypt(data, [_CONTEXT, kind]))
            except ImportError:
                raise DecodeError(
                    "the message holds a secret; decrypting it needs cryptography: flowq-batch[secrets]"
                ) from None
            except Exception:
                continue
        known = "another FLOWQ_SECRET_KEY than this process has" if self._keys else "a FLOWQ_SECRET_KEY; here is none"
        raise DecodeError(f"the message holds a secret that was sealed with {known}")


keyring = Keyring()


def is_secret(value: Any) -> bool:
    """Whether *value* is one of pydantic's secrets; not a subclass, which would be decoded as its base."""
    return type(value) in _KINDS


def encode_secret(value: Any, pack: Pack) -> bytes:
    """The payload of a secret.

    Raises:
        EncodeError: there is no key, or cryptography is not installed.
    """
    kind = bytes((_KINDS.index(type(value)),))
    return kind + keyring.seal(pack(value.get_secret_value()), kind)


def decode_secret(data: bytes, unpack: Unpack) -> Any:
    """The inverse of ``encode_secret``.

    Raises:
        DecodeError: it was not encrypted with a key of this process.
    """
    kind = data[:1]
    if not kind or kind[0] >= len(_KINDS):
        raise DecodeError("the message holds a secret of a kind that this release of flowq does not know")
    return _KINDS[kind[0]](unpack(keyring.open(data[1:], kind)))


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(key)
