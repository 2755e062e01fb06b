"""Settings: the broker's URL with user and TLS, in the one spelling that redis-py, kombu and Celery all read."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from celery import Celery
from pydantic import ValidationError

from flowq.engine.app import broker_of, build_app
from flowq.engine.redis_client import make_client
from flowq.settings import Settings, redacted, with_tls

PLAIN = ["redis://127.0.0.1:6379/0", "redis://app:p%40ss@db:6379/2", "redis+socket:///tmp/r.sock?virtual_host=1"]


@pytest.mark.parametrize("url", PLAIN)
def test_a_url_without_tls_stays_as_it_is(url: str) -> None:
    assert Settings(broker_url=url).url == url


@pytest.mark.parametrize(
    ("query", "checked"),
    [
        ("", "required"),
        ("?ssl_ca_certs=/etc/ca.pem", "required"),
        ("?ssl_cert_reqs=required", "required"),
        ("?ssl_cert_reqs=CERT_REQUIRED", "required"),
        ("?ssl_cert_reqs=CERT_OPTIONAL&ssl_certfile=/c&ssl_keyfile=/k", "optional"),
        ("?ssl_cert_reqs=none", "none"),
        ("?ssl_cert_reqs=CERT_NONE", "none"),
    ],
)
def test_all_three_clients_check_the_certificate_alike(query: str, checked: str) -> None:
    settings = Settings(broker_url=f"rediss://app:p%40ss%2Fword@db.internal:6380/3{query}")
    mode = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}[checked]
    ours = make_client(settings.url).connection_pool.connection_kwargs
    app = build_app(settings)
    broker = app.connection_for_write()
    backend = app.backend.connparams
    assert ours["ssl_cert_reqs"] == checked
    assert broker.ssl["ssl_cert_reqs"] == mode
    assert backend["ssl_cert_reqs"] == mode
    assert (ours["username"], broker.userid, backend["username"]) == ("app",) * 3
    assert (ours["password"], broker.password, backend["password"]) == ("p@ss/word",) * 3
    assert (ours["host"], broker.hostname, backend["host"]) == ("db.internal",) * 3
    assert (ours["port"], broker.port, backend["port"]) == (6380,) * 3
    assert (ours["db"], int(broker.virtual_host), int(backend["db"])) == (3,) * 3
    for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        assert ours.get(option) == broker.ssl.get(option) == backend.get(option)


def test_a_check_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="required, optional or none"):
        Settings(broker_url="rediss://db/0?ssl_cert_reqs=perhaps")


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("redis://db/0", None, "redis://db/0"),
        ("redis://db/0", {"ssl_cert_reqs": ssl.CERT_NONE}, "rediss://db/0?ssl_cert_reqs=none"),
        ("rediss://db/0", {"ssl_ca_certs": "/ca.pem"}, "rediss://db/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required"),
        ("rediss://db/0?ssl_cert_reqs=none", {"ssl_cert_reqs": "required"}, "rediss://db/0?ssl_cert_reqs=none"),
        ("rediss://u:p@db/0", True, "rediss://u:p@db/0?ssl_cert_reqs=required"),
    ],
)
def test_a_teams_tls_is_flowqs_too(url: str, options: Any, expected: str) -> None:
    app = Celery("team", broker=url, set_as_current=False)
    app.conf.broker_use_ssl = options
    assert broker_of(app) == expected


def test_the_password_is_not_told() -> None:
    told = redacted(with_tls("rediss://app:secret@db:6380/0?ssl_ca_certs=/ca.pem"))
    assert "secret" not in told
    assert told.startswith("rediss://app:***@db:6380/0")
