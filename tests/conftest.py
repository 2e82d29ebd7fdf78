"""Fixtures that every test may use: a PostgreSQL server for the session, and a fresh database for each test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sluice.stack import postgres
from sluice.stack.home import Home, any_free_port
from sluice.stack.processes import start, stop, wait_until


@pytest.fixture(scope="session")
def warehouse_server() -> Iterator[postgres.Server]:
    """An embedded PostgreSQL; with pytest-xdist each worker has one of its own."""
    # not pytest's own temporary folder: it is closed to the user that PostgreSQL runs as under root
    root = Path(tempfile.mkdtemp(prefix="sluice-test-"))
    home = Home(root, root)
    home.prepare()
    server = postgres.Server(
        postgres.suitable_folder(root / "postgres"), any_free_port(), secrets.token_hex(8), postgres.UNSAFE_BUT_FAST
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


@pytest.fixture(scope="session")
def warehouse_dsn(warehouse_server: postgres.Server) -> str:
    """The server's maintenance database; tests that write want ``database``."""
    return warehouse_server.dsn("postgres")


@pytest.fixture
def database(warehouse_server: postgres.Server) -> Iterator[str]:
    """A fresh, empty database; dropped afterwards, whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    warehouse_server.create_database(name)
    yield warehouse_server.dsn(name)
    with psycopg.connect(warehouse_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
