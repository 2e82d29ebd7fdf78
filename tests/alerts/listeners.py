"""Servers on this machine that take what channels send: as much of HTTP and SMTP as that needs."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

from sluice.alerts.alert import Alert


@dataclass
class Listener:
    """A server on ``port``, and what it was sent: bodies of posts, or whole mails."""

    port: int
    received: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.received]

    def mails(self) -> list[Any]:
        return [message_from_bytes(content, policy=default) for content in self.received]


@dataclass
class Recorder:
    """A channel that keeps what it was to send; ``error`` is raised instead, as long as it is there."""

    name: str = "recorder"
    sent: list[Alert] = field(default_factory=list)
    error: Exception | None = None

    def send(self, alert: Alert) -> None:
        if self.error:
            raise self.error
        self.sent.append(alert)

    @property
    def subjects(self) -> list[str]:
        return [alert.subject for alert in self.sent]


@contextmanager
def web_server(status: int = 200) -> Iterator[Listener]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            listener.headers.append(dict(self.headers))
            listener.received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    listener = Listener(0)
    with _served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler), listener):
        yield listener


@contextmanager
def mail_server() -> Iterator[Listener]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in iter(self.rfile.readline, b""):
                command = line[:4].upper().strip()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    listener.received.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                if command == b"QUIT":
                    return

    listener = Listener(0)
    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), listener):
        yield listener


@contextmanager
def deaf_server() -> Iterator[Listener]:
    """Takes connections and says nothing."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            over.wait()

    over, listener = threading.Event(), Listener(0)
    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), listener):
        yield listener
        over.set()


@contextmanager
def _served(server: socketserver.TCPServer, listener: Listener) -> Iterator[None]:
    listener.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
