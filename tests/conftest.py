"""Fixtures that every test may use: a PostgreSQL server for the session, and a fresh database for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from sluice import ledger_schema
from sluice.stack import postgres
from sluice.stack.temporary import temporary_server

if TYPE_CHECKING:
    from tests.small_feeds import Ground


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a pytest that pytest-xdist does not know: tests of one stack would run on several workers at once."""
    grouped = [item for item in items if item.get_closest_marker("xdist_group")]
    if getattr(config.option, "loadgroup", False) and any("@" not in item.nodeid for item in grouped):
        raise pytest.UsageError("this pytest-xdist cannot group tests under this pytest; install what the project pins")


@pytest.fixture(scope="session")
def warehouse_server() -> Iterator[postgres.Server]:
    """An embedded PostgreSQL; with pytest-xdist each worker has one of its own."""
    with temporary_server() as server:
        with psycopg.connect(server.dsn("postgres")) as connection:
            # half of the time of a connection goes into these; PostgreSQL's driver for Java wants them, tests do not
            connection.execute("SET scram_iterations = 1")
            connection.execute(f"ALTER ROLE {postgres.USER} PASSWORD '{server.password}'")
        yield server


@pytest.fixture(scope="session")
def warehouse_dsn(warehouse_server: postgres.Server) -> str:
    """The server's maintenance database; tests that write want ``database``."""
    return warehouse_server.dsn("postgres")


@pytest.fixture
def database(warehouse_server: postgres.Server) -> Iterator[str]:
    """A fresh, empty database; dropped afterwards, whoever is still connected."""
    yield from _database(warehouse_server)


def _database(server: postgres.Server, template: str = "template1") -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        yield server.dsn(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def shared_database(warehouse_server: postgres.Server) -> Iterator[str]:
    """One database for all tests of a module, which look after its content themselves."""
    yield from _database(warehouse_server)


@pytest.fixture(scope="session")
def with_ledger(warehouse_server: postgres.Server) -> str:
    """A database that holds an empty ledger: to be copied, which is quicker than making the ledger anew."""
    name = "with_ledger"
    warehouse_server.create_database(name)
    with psycopg.connect(warehouse_server.dsn(name)) as connection:
        ledger_schema.create(connection)
    return name


@pytest.fixture
def ground(tmp_path: Path, warehouse_server: postgres.Server, with_ledger: str) -> Iterator[Ground]:
    """A landing folder, feeds over it, and a database of its own that holds an empty ledger."""
    from tests.small_feeds import Ground

    for dsn in _database(warehouse_server, with_ledger):
        yield Ground(tmp_path, dsn)
