"""Tokens go to a server with a trusted certificate, and past every proxy of the environment."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.threads_client.server import GOOD, client_of, exchange_code, http, serving
from token_keeper.errors import (
    LostReply,
    ThreadsUnavailable,
)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody trusts."""

    path: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server(self, host: str, folder: Path) -> ssl.SSLContext:
        """Return the TLS context of a server with a certificate for this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name: x509.GeneralName = x509.DNSName(host)
        if host[0].isdigit():
            name = x509.IPAddress(ip_address(host))
        certificate = (
            _certificate(host, key, self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = folder / f"{host}.pem"
        file.write_bytes(_pem(certificate) + _pem_key(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    itself = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Nobody knows")])
    certificate = (
        _certificate("Nobody knows", key, itself)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_MAY_SIGN_CERTIFICATES, critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    path.write_bytes(_pem(certificate))
    return Authority(path, key, certificate)


_PURPOSES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_MAY_SIGN_CERTIFICATES = x509.KeyUsage(
    **dict.fromkeys(_PURPOSES, False), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
)


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> x509.CertificateBuilder:
    """Return the builder of a certificate with the extensions of RFC 5280, which Python 3.13 and later require."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    traditional, none = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, traditional, none)


def test_a_certificate_of_an_unknown_authority_is_refused(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.path))
    with serving(http(GOOD), tls=authority.server("127.0.0.1", tmp_path)) as server:
        with pytest.raises(ThreadsUnavailable) as raised:
            exchange_code(client_of(server.url))
        assert type(raised.value) is ThreadsUnavailable
        assert server.requests == []


def test_a_certificate_of_a_known_authority_is_accepted(authority: Authority, tmp_path: Path) -> None:
    with serving(http(GOOD), tls=authority.server("127.0.0.1", tmp_path)) as server:
        assert exchange_code(client_of(server.url, str(authority.path))) == "THnew"


def test_a_certificate_for_another_host_is_refused(authority: Authority, tmp_path: Path) -> None:
    with serving(http(GOOD), tls=authority.server("elsewhere.example", tmp_path)) as server:
        with pytest.raises(ThreadsUnavailable):
            exchange_code(client_of(server.url, str(authority.path)))
        assert server.requests == []


def test_tls_that_breaks_after_the_code_left_is_a_lost_reply(authority: Authority, tmp_path: Path) -> None:
    def break_off(connection: socket.socket) -> None:
        # Send bytes that are no TLS record, without the TLS layer.
        raw = socket.socket(fileno=connection.fileno())
        raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        raw.detach()

    with serving(break_off, tls=authority.server("127.0.0.1", tmp_path)) as server:
        with pytest.raises(LostReply):
            exchange_code(client_of(server.url, str(authority.path)))
        assert len(server.requests) == 1


def test_proxies_and_passwords_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(http(GOOD)) as server:
        assert exchange_code(client_of(server.url)) == "THnew"
    assert "Authorization" not in server.requests[0]


def test_cookies_are_not_kept() -> None:
    with serving(http(GOOD, 200, "Set-Cookie: who=alice; Path=/")) as server:
        client = client_of(server.url)
        exchange_code(client)
        exchange_code(client)
    assert len(server.requests) == 2
    assert "who=alice" not in "".join(server.requests)
