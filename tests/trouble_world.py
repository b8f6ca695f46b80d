"""Servers that do what none should: say nothing, go on for ever, break off, show a certificate that nobody vouches for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GIGABYTES = 10_000_000_000
_PATIENCE = 60.0
"""Seconds that anything here lasts at most."""


@dataclass
class Trouble:
    """What came and went."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    """What each connection said first."""
    sent: int = 0
    """Bytes."""
    over: threading.Event = field(default_factory=threading.Event)


Behaviour: TypeAlias = Callable[[socket.socket, Trouble], None]


def breaks_off(first: bytes) -> Behaviour:
    """Says something, and that is all."""
    return lambda line, trouble: _say(line, trouble, first)


def silent(line: socket.socket, trouble: Trouble) -> None:
    """Takes everything, and never says a word."""
    while not trouble.over.is_set() and line.recv(65536):
        pass


def endless(first: bytes, again: bytes = b"\0" * 65536) -> Behaviour:
    """Says something, and then ten gigabytes."""

    def behave(line: socket.socket, trouble: Trouble) -> None:
        _say(line, trouble, first)
        while trouble.sent < GIGABYTES and not trouble.over.is_set():
            _say(line, trouble, again)

    return behave


def trickling(first: bytes, again: bytes = b"x") -> Behaviour:
    """Says something, and then a byte now and then, so that it is never silent."""

    def behave(line: socket.socket, trouble: Trouble) -> None:
        _say(line, trouble, first)
        while not trouble.over.wait(0.05):
            _say(line, trouble, again)

    return behave


@contextmanager
def troubled(behave: Behaviour, *, greets: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[Trouble]:
    """A server on loopback, ended with the block. One that greets does not wait for a question."""
    trouble = Trouble()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(_PATIENCE)
            with suppress(OSError):
                line = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                if not greets:
                    trouble.asked.append(line.recv(65536))
                behave(line, trouble)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        trouble.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield trouble
        finally:
            trouble.over.set()
            server.shutdown()
            thread.join()


def unvouched(folder: Path) -> ssl.SSLContext:
    """For a server whose certificate is its own work."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1))
    certificate = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    both = folder / "server.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    both.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


def _say(line: socket.socket, trouble: Trouble, words: bytes) -> None:
    line.sendall(words)
    trouble.sent += len(words)
