"""A batch over TLS, as an ACL user, with the certificate checked. Needs a redis-server built with TLS, and openssl."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowq
from flowq.errors import ConfigError
from flowq.local import EmbeddedRedis
from tests import nodes

USERS = Path(__file__).parents[2] / "deploy" / "users.acl"


def run(*command: str, folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, the authority that signed it, and the users."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    folder = tmp_path_factory.mktemp("tls")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    new = ("openssl", "req", "-newkey", "rsa:2048", "-nodes")
    run(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests", folder=folder)
    run(*new, "-keyout", "key.pem", "-out", "asked", "-subj", "/CN=server", folder=folder)
    run(
        *("openssl", "x509", "-req", "-in", "asked", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "names", "-out", "cert.pem"),
        folder=folder,
    )
    (folder / "users.acl").write_text(USERS.read_text().replace(">change-me", ">secret"))
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """host:port of the TLS side of a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "tls-port": str(port),
        "tls-cert-file": str(folder / "cert.pem"),
        "tls-key-file": str(folder / "key.pem"),
        "tls-ca-cert-file": str(folder / "ca.pem"),
        "tls-auth-clients": "no",
        "aclfile": str(folder / "users.acl"),
    }
    server = EmbeddedRedis(port=0, options=options)
    try:
        server.start()
    except ConfigError as error:
        if "tls-port" in str(error):
            pytest.skip("this redis-server has no TLS")
        raise
    with server:
        yield f"127.0.0.1:{port}"


def test_a_batch_runs_over_tls_with_the_certificate_checked(address: str, folder: Path) -> None:
    url = f"rediss://flowq:secret@{address}/0?ssl_ca_certs={folder / 'ca.pem'}"
    with flowq.LocalCluster(workers=1, slots=2, imports=["tests.nodes"], lease_s=3, broker_url=url) as cluster:
        assert nodes.Square().submit(range(200)).result(timeout=20) == [i * i for i in range(200)]
        shared = {"base": 1, "count": 20, "log": []}
        nodes.count_all().run(shared)
        assert shared["found"] == list(range(1, 21))
        (pong,) = cluster.executor.connections.app.control.inspect(timeout=5, limit=1).ping().values()
        assert pong == {"ok": "pong"}


def test_a_certificate_that_nobody_vouches_for_is_refused(address: str) -> None:
    with pytest.raises(flowq.NoRedis, match=r"(?i)certificate.verify.failed"):
        flowq.connect(flowq.Settings(broker_url=f"rediss://flowq:secret@{address}/0"))


def test_a_certificate_may_go_unchecked_where_the_url_says_so(address: str) -> None:
    executor = flowq.connect(flowq.Settings(broker_url=f"rediss://flowq:secret@{address}/0?ssl_cert_reqs=none"))
    executor.connections.check()
    executor.connections.close()
