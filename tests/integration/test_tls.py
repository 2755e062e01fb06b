"""A batch over TLS, as an ACL user, with the certificate checked. What ends TLS stands before the redis-server."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import flowq
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.proxy import Proxy

USERS = Path(__file__).parents[2] / "deploy" / "users.acl"


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certified(folder: Path) -> None:
    """A certificate of 127.0.0.1 in *folder*, and that of the authority that signed it."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=2)

    def begun(subject: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("tests")).not_valid_after(until)
        return made.not_valid_before(now).serial_number(x509.random_serial_number()).public_key(key.public_key())

    authority = begun("tests", theirs).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server = begun("server", ours).add_extension(here, critical=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.sign(theirs, hashes.SHA256()).public_bytes(pem))
    (folder / "cert.pem").write_bytes(server.sign(theirs, hashes.SHA256()).public_bytes(pem))
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(ours.private_bytes(pem, *plain))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, and the users."""
    folder = tmp_path_factory.mktemp("tls")
    certified(folder)
    (folder / "users.acl").write_text(USERS.read_text().replace(">change-me", ">secret"))
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """host:port of the TLS side of a server."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    options = {"aclfile": str(folder / "users.acl")}
    with EmbeddedRedis(port=0, options=options) as server:
        port = int(server.redis_url.rpartition(":")[2].partition("/")[0])
        with Proxy(port, tls) as proxy:
            yield f"127.0.0.1:{proxy.port}"


def test_a_batch_runs_over_tls_with_the_certificate_checked(address: str, folder: Path) -> None:
    url = f"rediss://flowq:secret@{address}/0?ssl_ca_certs={folder / 'ca.pem'}"
    with flowq.LocalCluster(
        workers=1, slots=2, imports=["tests.nodes"], lease_s=3, broker_url=url, grace_s=0
    ) as cluster:
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
