"""TLS as the documentation has it: who answers is verified, and a server that wants TLS gets no plain session."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg.conninfo import make_conninfo

from sluice import warehouse
from sluice.errors import WarehouseUnavailable
from sluice.stack import postgres
from sluice.stack.home import HOST

SSL_REQUEST = 80877103


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    folder.mkdir(exist_ok=True)
    certificate, private = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, private


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


class TlsFront(socketserver.ThreadingTCPServer):
    """What a server with TLS does before anything else, in front of one without: the embedded PostgreSQL is built
    without it. Like ``hostssl`` it refuses sessions that do not ask for TLS.
    """

    daemon_threads = True

    def __init__(self, certificate: tuple[Path, Path], behind: postgres.Server) -> None:
        super().__init__((HOST, 0), _Session)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(*certificate)
        self.behind = behind


class _Session(socketserver.BaseRequestHandler):
    server: TlsFront

    def handle(self) -> None:
        length, code = struct.unpack("!II", self.request.recv(8, socket.MSG_WAITALL))
        if code != SSL_REQUEST:
            self.request.recv(length - 8, socket.MSG_WAITALL)
            message = b"SFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"
            self.request.sendall(b"E" + struct.pack("!I", len(message) + 4) + message)
            return
        self.request.sendall(b"S")
        with (
            contextlib.suppress(OSError),  # a client that does not like the certificate
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection((HOST, self.server.behind.port)) as plain,
        ):
            back = threading.Thread(target=_pour, args=(plain, client), daemon=True)
            back.start()
            _pour(client, plain)
            back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def front(authority: tuple[Path, Path], warehouse_server: postgres.Server) -> Iterator[postgres.Server]:
    """A PostgreSQL that takes sessions by TLS only."""
    with TlsFront(authority, warehouse_server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield replace(warehouse_server, port=running.server_address[1])
        running.shutdown()
        thread.join()


def conninfo(server: postgres.Server, **extras: str) -> str:
    return make_conninfo(server.dsn("postgres"), gssencmode="disable", **extras)


def is_encrypted(dsn: str) -> bool:
    with warehouse.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        return bool(connection.pgconn.ssl_in_use)


def test_a_server_with_a_certificate_of_the_authority_is_taken(
    front: postgres.Server, authority: tuple[Path, Path]
) -> None:
    assert is_encrypted(conninfo(front, sslmode="verify-full", sslrootcert=str(authority[0])))
    assert is_encrypted(conninfo(front))


def test_a_server_that_another_authority_vouches_for_is_refused(front: postgres.Server, tmp_path: Path) -> None:
    other, _ = make_certificate(tmp_path / "other")
    with pytest.raises(WarehouseUnavailable, match="certificate verify failed"):
        is_encrypted(conninfo(front, sslmode="verify-full", sslrootcert=str(other)))


def test_another_name_than_that_of_the_certificate_is_refused(
    front: postgres.Server, authority: tuple[Path, Path]
) -> None:
    renamed = conninfo(front, host="localhost", hostaddr=HOST, sslmode="verify-full", sslrootcert=str(authority[0]))
    with pytest.raises(WarehouseUnavailable, match="does not match host name"):
        is_encrypted(renamed)


def test_a_server_that_wants_tls_gets_no_plain_session(front: postgres.Server) -> None:
    with pytest.raises(WarehouseUnavailable, match="no encryption"):
        is_encrypted(conninfo(front, sslmode="disable"))


def test_a_server_without_tls_is_refused_where_it_is_wanted(warehouse_dsn: str) -> None:
    with pytest.raises(WarehouseUnavailable, match="does not support SSL"):
        is_encrypted(make_conninfo(warehouse_dsn, sslmode="require"))
