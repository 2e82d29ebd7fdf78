"""Sessions of PostgreSQL: their time limits, their name for those who watch the server, and who keeps them waiting."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sluice.errors import PermanentError, WarehouseUnavailable

NAME_BYTES = 63
# A worker that dies without a word, or a network that swallows packets, is noticed after about a minute.
NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_SECONDS = {"lock": 300, "statement": 3600, "idle": 900}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session waits for a lock, runs one statement, and may leave a transaction open without doing anything.
    In seconds; 0 for no limit.
    """

    lock: float = _SECONDS["lock"]
    statement: float = _SECONDS["statement"]
    idle: float = _SECONDS["idle"]

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Limits:
        """The limits of ``SLUICE_LOCK_SECONDS``, ``SLUICE_STATEMENT_SECONDS`` and ``SLUICE_IDLE_SECONDS``."""
        names = {"lock": "SLUICE_LOCK_SECONDS", "statement": "SLUICE_STATEMENT_SECONDS", "idle": "SLUICE_IDLE_SECONDS"}
        return cls(**{limit: _seconds(env, name, _SECONDS[limit]) for limit, name in names.items()})

    def as_sql(self) -> str:
        values = {
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "idle_in_transaction_session_timeout": self.idle,
        }
        return "; ".join(f"SET {name} = {round(seconds * 1000)}" for name, seconds in values.items())


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name) or str(default)
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", text):
        raise PermanentError(f"{name} must be a number of seconds, not {text!r}")
    return float(text)


def open_session(dsn: str, purpose: str = "") -> psycopg.Connection:
    """A connection in autocommit mode. ``purpose`` (stage, feed, run) is added to its application_name.

    Raises ``WarehouseUnavailable`` where the server does not answer, ``PermanentError`` where ``dsn`` is no conninfo.
    What psycopg says is told without the password, and without the conninfo.
    """
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise PermanentError("the warehouse's connection is not well-formed (its text may hold a password)") from None
    name = f"{given.get('application_name') or 'sluice'} {purpose}".strip()
    values: dict[str, Any] = {
        **NETWORK,
        **given,
        "application_name": name.encode()[:NAME_BYTES].decode(errors="ignore"),
    }
    limits = Limits.from_environment(os.environ)
    try:
        connection = psycopg.connect(**values, autocommit=True)
    except psycopg.Error as error:
        told = mask(str(error).strip() or type(error).__name__, given.get("password"))
        raise WarehouseUnavailable(f"the warehouse does not answer: {told.splitlines()[0]}") from None
    try:
        # Dates, intervals and floats must read the same whatever the server's or the role's defaults are.
        connection.execute("SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET client_min_messages = warning")
        connection.execute(limits.as_sql().encode())
    except psycopg.OperationalError as error:
        connection.close()
        told = str(error).strip() or type(error).__name__
        raise WarehouseUnavailable(f"the warehouse ended the session: {told.splitlines()[0]}") from None
    except BaseException:
        connection.close()
        raise
    return connection


def mask(text: str, password: Any) -> str:
    """``text`` without the password, should it stand there."""
    return text.replace(str(password), "…") if password else text


# What is waited for is a table, or rows of it (then a lock on one of them is held, or just the end of a transaction);
# else it is among the tables that both have in use.
_FIND_BLOCKERS = """
    WITH held AS (
        SELECT l.pid, l.granted, l.locktype, n.nspname || '.' || c.relname AS name FROM pg_locks l
        JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname <> 'pg_catalog')
    SELECT a.pid, a.application_name, a.usename::text, coalesce(
        (SELECT min(name) FROM held WHERE pid = %(pid)s AND (NOT granted OR locktype = 'tuple')),
        (SELECT min(name) FROM held WHERE pid = %(pid)s AND name IN (SELECT name FROM held h WHERE h.pid = a.pid)))
    FROM unnest(pg_blocking_pids(%(pid)s)) AS b (pid) JOIN pg_stat_activity a USING (pid) ORDER BY 1"""


class LockWatch:
    """While it is entered, looks now and then, by a session of its own, who keeps ``connection`` waiting.

    Once a wait has been given up, PostgreSQL cannot tell any more.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._pid = connection.info.backend_pid
        self._conninfo = make_conninfo(
            **{**connection.info.get_parameters(), "password": connection.info.password, "application_name": "sluice"}
        )
        self._pause = min(max(Limits.from_environment(os.environ).lock / 4, 0.05), 10)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen = ""
        """The table and the sessions that it was last seen waiting for; '' if it never was."""

    def __enter__(self) -> LockWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        if self._over.wait(self._pause):
            return
        with suppress(psycopg.Error), psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5) as observer:
            observer.execute("SET statement_timeout = 5000")
            while True:
                self.seen = self._find_blockers(observer) or self.seen
                if self._over.wait(self._pause):
                    return

    def _find_blockers(self, observer: psycopg.Connection) -> str:
        rows = observer.execute(_FIND_BLOCKERS, {"pid": self._pid}).fetchall()
        if not rows:
            return ""
        table = f"table {rows[0][3]}" if rows[0][3] else "a row"
        told = [f"pid {pid} ({', '.join(filter(None, [name, user]))})" for pid, name, user, _ in rows[:3]]
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        return f"{table} is locked by {', '.join(told)}{more}"
