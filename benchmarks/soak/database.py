"""A PostgreSQL server of the soak's own, that can be stopped as a crash stops it.

What it has committed survives a crash of its processes, though not one of the machine: commits are written out, but not
forced to the disk.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import tempfile
from pathlib import Path

import psutil

from sluice.stack import postgres
from sluice.stack.home import Home, any_free_port
from sluice.stack.processes import start, stop, wait_for_end, wait_until

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "60", "shared_buffers": "128MB"}
STOPS = {"crash": signal.SIGQUIT, "fast stop": signal.SIGINT}


class Database:
    """The server. ``dsn`` is that of a database in it."""

    def __init__(self) -> None:
        # below the system's temporary folder, where the server's user can get to
        self._root = Path(tempfile.mkdtemp(prefix="sluice-soak-postgres-"))
        self._home = Home(self._root, self._root)
        self._home.prepare()
        folder = postgres.suitable_folder(self._root / "postgres")
        self.server = postgres.Server(folder, any_free_port(), secrets.token_hex(8), _SETTINGS)
        self.server.initialise()
        self.start()

    def start(self) -> None:
        start(self._home, self.server.service())
        wait_until(self._home, self.server.answers, ["postgres"], "an answer of PostgreSQL", 60)

    def restart(self, how: str) -> None:
        """Stop the server, by one of ``STOPS``, and start it again."""
        pid = int((self.server.data / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        process.send_signal(STOPS[how])
        wait_for_end([process], 60)
        self.server.initialise()
        self.start()

    def close(self) -> None:
        stop(self._home, [("postgres", postgres.STOP_SIGNAL)], grace_seconds=20)
        shutil.rmtree(self.server.folder, ignore_errors=True)
        shutil.rmtree(self._root, ignore_errors=True)
