"""A small SFTP server over a folder, in this process: paramiko's protocol, our own answers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

KEY = paramiko.RSAKey.generate(2048)
USER, PASSWORD = "sluice", "it's s3cret"


class _Login(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == (USER, PASSWORD) else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Handle(paramiko.SFTPHandle):
    def __init__(self, path: Path) -> None:
        super().__init__(os.O_RDONLY)
        self.readfile = path.open("rb")

    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def _folder_server(root: Path) -> type[paramiko.SFTPServerInterface]:
    class Folder(paramiko.SFTPServerInterface):
        def list_folder(self, path: str):  # type: ignore[no-untyped-def]
            return self._answer(
                lambda: [
                    paramiko.SFTPAttributes.from_stat(found.lstat(), found.name) for found in self._real(path).iterdir()
                ]
            )

        def stat(self, path: str):  # type: ignore[no-untyped-def]
            return self._answer(lambda: paramiko.SFTPAttributes.from_stat(self._real(path).stat()))

        def lstat(self, path: str):  # type: ignore[no-untyped-def]
            return self._answer(lambda: paramiko.SFTPAttributes.from_stat(self._real(path).lstat()))

        def open(self, path: str, flags: int, attr: object):  # type: ignore[no-untyped-def]
            return self._answer(lambda: _Handle(self._real(path)))

        def _real(self, path: str) -> Path:
            return root / path.lstrip("/")

        @staticmethod
        def _answer(work):  # type: ignore[no-untyped-def]
            try:
                return work()
            except OSError as error:
                return paramiko.SFTPServer.convert_errno(error.errno or 0)

    return Folder


@contextmanager
def sftp_server(root: Path) -> Iterator[int]:
    """Serves ``root`` to whoever knows the password; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(KEY)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _folder_server(root))
            transport.start_server(server=_Login())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join(10)
