"""No password of a URL is told: not by settings, not by what is logged."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from flowq.settings import Settings, redacted, without_passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:secret@host/0", "redis://:***@host/0"),
        ("rediss://me:s%2Fcr%40t@host:6380/1?ssl_cert_reqs=none", "rediss://me:***@host:6380/1?ssl_cert_reqs=none"),
        ("redis://me:secr@t@host/0", "redis://me:***@host/0"),
        ("redis+socket:///run/redis.sock?password=secret&db=1", "redis+socket:///run/redis.sock?password=***&db=1"),
        ("redis://host/0?db=1&password=secret", "redis://host/0?db=1&password=***"),
    ],
)
def test_a_url_is_told_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert without_passwords(f"asked {url} and {url} again") == f"asked {shown} and {shown} again"


def test_settings_do_not_show_it() -> None:
    assert "hunter2" not in repr(Settings(broker_url="redis://me:hunter2@host/0"))
    with pytest.raises(ValidationError) as told:
        Settings(broker_url="rediss://me:secret@host/0?ssl_cert_reqs=maybe")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("text", ["", "no url here: a@b", "http://host/a:b@c", "x://y", "://:@"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_passwords(text) == text
