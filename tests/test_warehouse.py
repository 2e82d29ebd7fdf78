"""Connections, transactions that are tried again, and what is read of live tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.small_feeds import ITEMS, Ground

from sluice import warehouse
from sluice.errors import PermanentError, WarehouseUnavailable


@pytest.fixture
def connection(database: str) -> psycopg.Connection:
    with warehouse.connect(database) as opened:
        yield opened


def test_a_session_does_not_depend_on_the_defaults_of_server_or_role(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET timezone = 'Asia/Tokyo'".encode())
        owner.execute(f"ALTER DATABASE {owner.info.dbname} SET datestyle = 'German'".encode())
    with warehouse.connect(database) as connection:
        shown = connection.execute("SELECT '2026-03-01T00:00:00Z'::timestamptz::text, '2026-03-01'::date::text")
        assert shown.fetchone() == ("2026-03-01 00:00:00+00", "2026-03-01")


def test_a_server_that_does_not_answer_may_answer_later() -> None:
    with (
        pytest.raises(WarehouseUnavailable, match="the warehouse does not answer: "),
        warehouse.connect("host=127.0.0.1 port=1 dbname=none"),
    ):
        pass


def test_a_password_is_not_told(database: str) -> None:
    wrong = database.replace("sluice:", "sluice:hush-", 1)
    with pytest.raises(WarehouseUnavailable) as caught, warehouse.connect(wrong):
        pass
    assert "hush" not in str(caught.value)


def test_an_ended_connection_may_be_opened_again(database: str) -> None:
    ended = pytest.raises(WarehouseUnavailable, match="the warehouse ended the work: terminating connection")
    with ended, warehouse.connect(database) as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT * FROM nowhere", r'relation "nowhere" does not exist \(42P01\)'),
        ("SELECT 'secret'::integer", r"InvalidTextRepresentation \(22P02\)"),
        ("INSERT INTO things VALUES ('secret', NULL)", r'null value in column "b" .*\(public.things.b, 23502\)'),
    ],
)
def test_what_is_refused_is_not_tried_again_and_shows_no_value(database: str, statement: str, told: str) -> None:
    """Rule 18: raw values are in the quarantine only, neither in the message nor in what a log shows beside it."""
    with warehouse.connect(database) as connection:
        connection.execute("CREATE TABLE things (a text, b text NOT NULL)")
    with pytest.raises(PermanentError, match=told) as caught, warehouse.connect(database) as connection:
        connection.execute(statement.encode())
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# -- transactions -----------------------------------------------------------------------------------------------------


def failing(times: int, error: Exception) -> Callable[[psycopg.Connection], int]:
    tries = iter(range(1, times + 2))

    def work(conn: psycopg.Connection) -> int:
        number = next(tries)
        conn.execute("INSERT INTO tries VALUES (%s)", [number])
        if number <= times:
            raise error
        return number

    return work


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse.time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure])
def test_a_deadlock_runs_the_work_again_from_its_beginning(connection: psycopg.Connection, error: type) -> None:
    connection.execute("CREATE TABLE tries (number integer)")
    assert warehouse.transact(connection, failing(2, error())) == 3
    assert connection.execute("SELECT number FROM tries").fetchall() == [(3,)]


@pytest.mark.usefixtures("quick")
def test_a_transaction_that_never_goes_through_is_told_as_transient(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE tries (number integer)")
    work = failing(warehouse.TRANSACTION_TRIES, psycopg.errors.DeadlockDetected("deadlock detected"))
    with pytest.raises(WarehouseUnavailable, match="did not go through after 6 tries: deadlock detected"):
        warehouse.transact(connection, work)
    assert connection.execute("SELECT number FROM tries").fetchall() == []


def test_other_errors_are_raised_at_once_and_roll_back(connection: psycopg.Connection) -> None:
    connection.execute("CREATE TABLE tries (number integer)")
    with pytest.raises(ZeroDivisionError):
        warehouse.transact(connection, failing(1, ZeroDivisionError()))
    assert connection.execute("SELECT number FROM tries").fetchall() == []


# -- tables -----------------------------------------------------------------------------------------------------------


def test_preparing_twice_changes_nothing(database: str, tmp_path: Path) -> None:
    feed = Ground(tmp_path, database).feed(ITEMS.replace("name: Name}", "name: Name}\n    indexes: [[name, rev]]"))
    with warehouse.connect(database) as connection:
        assert len(warehouse.prepare(connection, feed)) > 5
        assert warehouse.prepare(connection, feed) == []


def test_the_live_layout_is_read(connection: psycopg.Connection) -> None:
    connection.execute(
        """CREATE SCHEMA s;
           CREATE TABLE s.a (b numeric(18,2) NOT NULL, "C c" timestamptz, d text[], e text NOT NULL DEFAULT '',
               gone text, PRIMARY KEY ("C c", b));
           ALTER TABLE s.a DROP COLUMN gone; CREATE INDEX a_idx ON s.a (d); CREATE VIEW s.v AS SELECT 1 AS one"""
    )
    layout = warehouse.read_layout(connection, "s")
    zoned = "timestamp with time zone"
    assert layout.tables == {"a": {"b": "numeric(18,2)", "C c": zoned, "d": "text[]", "e": "text"}}
    assert layout.primary_keys == {"a": ("C c", "b")}
    assert layout.indexes == {"a_idx", "a_pkey"}
    assert layout.not_null == {"a": {"b", "C c"}}
    assert warehouse.read_layout(connection, "nowhere").tables == {}


def test_a_server_without_xml_is_named_before_anything_is_loaded(database: str, tmp_path: Path) -> None:
    feed = Ground(tmp_path, database).feed(ITEMS.replace("name: Name}", "name: {path: Name, type: xml}}"))
    with warehouse.connect(database) as connection:
        try:
            connection.execute("SELECT '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            with pytest.raises(PermanentError, match=r"built without libxml .* declare items\.name as `markup`"):
                warehouse.prepare(connection, feed)
        else:
            assert warehouse.prepare(connection, feed)
