"""Secrets travel sealed or not at all, and show themselves nowhere."""

from __future__ import annotations

import base64
import sys

import pytest
from pydantic import Secret, SecretBytes, SecretStr

import flowq
from flowq.codec import dumps, loads, secrets
from flowq.codec.secrets import Keyring
from flowq.errors import DecodeError, EncodeError
from flowq.settings import Settings

KEY, OTHER = b"k" * 32, b"o" * 32
WORD = "hunter2-in-the-clear"


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    ring = Keyring()
    monkeypatch.setattr(secrets, "keyring", ring)
    return ring


@pytest.mark.parametrize("secret", [SecretStr(WORD), SecretBytes(WORD.encode()), Secret({"password": WORD, "n": 3})])
def test_a_secret_comes_back_and_is_not_in_the_bytes(keyring: Keyring, secret: object) -> None:
    keyring.use([KEY])
    data = dumps({"nested": [secret]})
    assert WORD.encode() not in data
    back = loads(data)["nested"][0]
    assert (type(back), back) == (type(secret), secret)


def test_the_same_secret_is_sealed_the_same_so_that_an_unchanged_one_is_seen(keyring: Keyring) -> None:
    keyring.use([KEY])
    assert dumps(SecretStr(WORD)) == dumps(SecretStr(WORD)) != dumps(SecretBytes(WORD.encode()))


def test_without_a_key_a_secret_is_refused_with_its_path(keyring: Keyring) -> None:
    with pytest.raises(EncodeError, match="FLOWQ_SECRET_KEY") as caught:
        dumps({"user": {"token": SecretStr(WORD)}})
    assert caught.value.path == '["user"]["token"]'
    assert WORD not in str(caught.value)


def test_another_key_opens_nothing_and_an_older_one_still_does(keyring: Keyring) -> None:
    keyring.use([KEY])
    data = dumps(SecretStr(WORD))
    keyring._keys = (OTHER,)
    with pytest.raises(DecodeError, match="another FLOWQ_SECRET_KEY"):
        loads(data)
    keyring._keys = ()
    with pytest.raises(DecodeError, match="here is none"):
        loads(data)
    keyring.use([OTHER, KEY])
    assert loads(data) == SecretStr(WORD)
    assert dumps(SecretStr(WORD)) != data


def test_without_the_library_it_is_said_what_to_install(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.use([KEY])
    data = dumps(SecretStr(WORD))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(EncodeError, match=r"flowq-batch\[secrets\]"):
        dumps(SecretStr(WORD))
    with pytest.raises(DecodeError, match=r"flowq-batch\[secrets\]"):
        loads(data)


def test_altered_bytes_are_refused(keyring: Keyring) -> None:
    keyring.use([KEY])
    data = dumps(SecretStr(WORD))
    for at in range(len(data) - 20, len(data)):
        altered = bytearray(data)
        altered[at] ^= 1
        with pytest.raises(DecodeError):
            loads(bytes(altered))


def test_the_key_of_the_settings_is_32_bytes_and_shows_itself_nowhere() -> None:
    text = base64.urlsafe_b64encode(KEY).decode()
    settings = Settings(secret_key=SecretStr(f"{text}, {base64.urlsafe_b64encode(OTHER).decode()}"))
    assert settings.secret_keys == (KEY, OTHER)
    assert text not in repr(settings)
    for wrong in ("short", "no base64 !!", base64.b64encode(b"x" * 31).decode()):
        with pytest.raises(ValueError, match="32 random bytes") as caught:
            Settings(secret_key=SecretStr(wrong))
        assert wrong not in str(caught.value)


def test_a_hash_of_a_graph_has_no_part_of_a_secret() -> None:
    class Calls(flowq.Node):
        def __init__(self, token: SecretStr) -> None:
            super().__init__()
            self.token = token

    one, two = (flowq.Flow(start=Calls(SecretStr(word))) for word in ("a", "b"))
    assert one.check() == []
    assert one.spec().content_hash() == two.spec().content_hash()
    assert WORD not in one.spec().model_dump_json()


def test_a_store_gives_its_secrets_only_when_asked() -> None:
    store = flowq.SharedStore({"token": flowq.Secret(WORD), "word": WORD[:3], "key": SecretStr(WORD)})
    assert WORD not in repr(store) + str(store.snapshot())
    assert (store.get_secret("token"), store.get_secret("key")) == (WORD, WORD)
    assert store.get_secret("nothing", None) is None
    with pytest.raises(TypeError, match="not a secret"):
        store.get_secret("word")
    with pytest.raises(TypeError, match="not a str"):
        store.get_str("token")
