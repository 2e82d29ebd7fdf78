"""A PostgreSQL server for a while: for tests and benchmarks."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.stack import postgres
from sluice.stack.home import Home, any_free_port
from sluice.stack.processes import start, stop, wait_until


@contextmanager
def temporary_server(settings: dict[str, str] = postgres.UNSAFE_BUT_FAST) -> Iterator[postgres.Server]:
    """A server of its own in a folder of its own, both gone afterwards."""
    # not pytest's own temporary folder: it is closed to the user that PostgreSQL runs as under root
    root = Path(tempfile.mkdtemp(prefix="sluice-postgres-"))
    home = Home(root, root)
    home.prepare()
    server = postgres.Server(
        postgres.suitable_folder(root / "postgres"), any_free_port(), secrets.token_hex(8), settings
    )
    server.initialise()
    try:
        start(home, server.service())
        wait_until(home, server.answers, ["postgres"], "an answer of PostgreSQL", 60)
        yield server
    finally:
        stop(home, [("postgres", postgres.STOP_SIGNAL)], grace_seconds=20)
        shutil.rmtree(server.folder, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)
