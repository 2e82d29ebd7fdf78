"""Sessions end in time, say whose they are, and tell who kept them waiting; a password stands in no message."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import warehouse
from sluice.errors import PermanentError, WarehouseUnavailable
from sluice.sessions import NETWORK, Limits, LockWatch, open_session


def show(connection: psycopg.Connection, name: str) -> str:
    (value,) = connection.execute(f"SHOW {name}".encode()).fetchone() or ("",)
    return str(value)


def test_sessions_have_limits(database: str) -> None:
    """By default too; whatever the role's or the database's own settings are."""
    with warehouse.connect(database) as connection:
        assert show(connection, "lock_timeout") == "5min"
        assert show(connection, "statement_timeout") == "1h"
        assert show(connection, "idle_in_transaction_session_timeout") == "15min"


def test_limits_are_settings(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_LOCK_SECONDS", "1.5")
    monkeypatch.setenv("SLUICE_STATEMENT_SECONDS", "0")
    with warehouse.connect(database) as connection:
        assert (show(connection, "lock_timeout"), show(connection, "statement_timeout")) == ("1500ms", "0")


@pytest.mark.parametrize("value", ["soon", "-1", "1s", "9" * 30])
def test_a_setting_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(PermanentError, match=f"SLUICE_IDLE_SECONDS must be a number of seconds, not '{value}'"):
        Limits.from_environment({"SLUICE_IDLE_SECONDS": value})


def test_a_session_says_what_it_is_for(database: str) -> None:
    """Cut to what PostgreSQL keeps of a name; a name of the connection's own stays in front."""
    with warehouse.connect(database, "load orders run 7") as connection:
        assert show(connection, "application_name") == "sluice load orders run 7"
    with warehouse.connect(f"{database}?application_name=mine", "ü" * 60) as connection:
        assert show(connection, "application_name").startswith("mine ")


def test_a_dead_network_is_noticed(database: str) -> None:
    """The connection's own settings come first."""
    with open_session(f"{database}?keepalives_idle=77") as connection:
        used = connection.info.get_parameters()
    assert used["keepalives_idle"] == "77"
    assert {name: used[name] for name in NETWORK if name != "keepalives_idle"} == {
        name: str(value) for name, value in NETWORK.items() if name != "keepalives_idle"
    }


def test_a_statement_that_takes_too_long_may_be_tried_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_STATEMENT_SECONDS", "0.05")
    with pytest.raises(WarehouseUnavailable, match="statement timeout"), warehouse.connect(database) as connection:
        connection.execute("SELECT pg_sleep(60)")


def test_a_transaction_that_is_left_open_ends(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stuck worker has locked is free again; should it wake up, the task may be tried again."""
    monkeypatch.setenv("SLUICE_IDLE_SECONDS", "0.05")

    def dawdle() -> None:
        with warehouse.connect(database) as connection, connection.transaction():
            connection.execute("SELECT 1")
            with psycopg.connect(database, autocommit=True) as other:
                gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"
                while other.execute(gone, [connection.info.backend_pid]).fetchone() == (False,):
                    pass
            connection.execute("SELECT 1")

    with pytest.raises(WarehouseUnavailable, match="idle-in-transaction"):
        dawdle()


# -- locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lock", ["LOCK TABLE items.items IN ACCESS EXCLUSIVE MODE", "UPDATE items.items SET name = 'x'"]
)
def test_a_load_waits_for_a_lock_and_tells_who_has_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """A bounded time; nothing of it is left, and the next try succeeds."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put("b.xml", items(item("a", rev=2), item("b")))
    run_id, (number,) = ground.prepare(feed)
    monkeypatch.setenv("SLUICE_LOCK_SECONDS", "1")
    with psycopg.connect(ground.dsn, application_name="somebody's client") as holder:
        holder.execute(lock.encode())
        with pytest.raises(WarehouseUnavailable) as caught:
            ground.load(feed, run_id, number)
        pid = holder.info.backend_pid
        holder.rollback()
    message = f"a lock was not to be had in time: table items.items is locked by pid {pid} (somebody's client, sluice)"
    assert str(caught.value) == message
    assert [row[:2] for row in ground.sql("SELECT id, rev FROM items.items")] == [("a", 1)]
    ground.load(feed, run_id, number)
    assert ground.reconcile(feed, run_id) is None
    assert ground.sql("SELECT id, rev FROM items.items ORDER BY id") == [("a", 2), ("b", 1)]


def test_a_watch_that_cannot_look_stands_in_nobodys_way(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own session may be refused (too many connections): the work goes on."""
    monkeypatch.setenv("SLUICE_LOCK_SECONDS", "0.01")
    with warehouse.connect(database) as connection:
        watch = LockWatch(connection)
        watch._conninfo = "host=127.0.0.1 port=1"
        with watch, connection.transaction():
            connection.execute("SELECT pg_sleep(0.2)")
        assert watch.seen == ""


# -- passwords --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://sluice:Hush-4711/x@127.0.0.1:1/d",
        "postgresql://sluice:Hush-4711@127.0.0.1:1/d?nonsense=1",
        "host=127.0.0.1 password=Hush-4711 port=1 nonsense",
        "host=127.0.0.1 port=1 dbname=d user=u password='Hush-4711",
        "host=Hush-4711 port=1 dbname=d user=u password=Hush-4711",
    ],
)
def test_no_message_holds_the_password(dsn: str) -> None:
    """Not even where it stands where it should not, or libpq cites what it cannot read."""
    with pytest.raises((WarehouseUnavailable, PermanentError)) as caught, warehouse.connect(dsn):
        pass
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "Hush" not in str(shown)
        shown = shown.__cause__ if shown.__suppress_context__ else shown.__cause__ or shown.__context__


def test_a_session_that_ends_as_it_begins_may_be_tried_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server restarts between the connection and the first statement."""
    connect = psycopg.connect

    def connect_and_end(**values: Any) -> psycopg.Connection:
        connection = connect(**values)
        with connect(database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        return connection

    monkeypatch.setattr(psycopg, "connect", connect_and_end)
    with pytest.raises(WarehouseUnavailable, match="ended the session"):
        open_session(database)
