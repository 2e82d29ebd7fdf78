"""Connections to PostgreSQL, transactions that are retried, and the tables of a feed brought in step with its
declaration.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import sql

from sluice import ledger_schema
from sluice.errors import PermanentError, SluiceError, TablesDiffer, WarehouseUnavailable
from sluice.feed import ddl
from sluice.feed.keys import KEYS_SCHEMA
from sluice.feed.model import Feed
from sluice.sessions import LockWatch, open_session
from sluice.wording import first_line

Result = TypeVar("Result")

TRANSACTION_TRIES = 6
DDL_LOCK_TIMEOUT = "60s"
COMMENT_LOCK_TIMEOUT = "3s"
# Any number will do, as long as nobody else uses it: "slui" in ASCII.
_DDL_LOCK = 0x736C7569
_RETRIED = (pg.DeadlockDetected, pg.SerializationFailure, pg.UniqueViolation)


@contextmanager
def connect(dsn: str, purpose: str = "") -> Iterator[psycopg.Connection]:
    """A connection in autocommit mode (transactions are opened by ``transact``). ``purpose`` tells those who watch the
    server what it is for: stage, feed, run.

    Raises ``WarehouseUnavailable`` where the server does not answer or ends the work, ``PermanentError`` where it
    refuses it. PostgreSQL's own error is left behind, since its details may show what is in a row.
    """
    connection = open_session(dsn, purpose)
    try:
        yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError, pg.IdleInTransactionSessionTimeout) as error:
        # Class 54, a limit of PostgreSQL's (columns, row size), counts as operational, but does not pass by itself.
        is_limit = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")
        kind, verb = (PermanentError, "refuses") if is_limit else (WarehouseUnavailable, "ended")
        told: SluiceError = kind(f"the warehouse {verb} the work: {first_line(error)}")
        raise told.with_traceback(error.__traceback__) from None
    except psycopg.DatabaseError as error:
        told = PermanentError(f"the warehouse refuses the work: {_without_values(error)}")
        raise told.with_traceback(error.__traceback__) from None
    finally:
        connection.close()


def transact(connection: psycopg.Connection, work: Callable[[psycopg.Connection], Result]) -> Result:
    """Run ``work`` in one transaction; deadlocks and serialisation errors run it again, from its beginning.

    Raises ``WarehouseUnavailable`` where that does not help, or a lock is not to be had in time.
    """
    for attempt in range(1, TRANSACTION_TRIES + 1):
        watch = LockWatch(connection)
        try:
            with watch, connection.transaction():
                return work(connection)
        except pg.LockNotAvailable as error:
            raise WarehouseUnavailable(f"a lock was not to be had in time: {watch.seen or first_line(error)}") from None
        except _RETRIED as error:
            if attempt == TRANSACTION_TRIES:
                raise WarehouseUnavailable(
                    f"the transaction did not go through after {attempt} tries: {first_line(error)}"
                ) from None  # its details may show what is in a row
            time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311 - spreads the retries, no secret
    raise AssertionError("unreachable")


def _without_values(error: psycopg.DatabaseError) -> str:
    what = type(error).__name__ if isinstance(error, psycopg.DataError) else first_line(error)
    table = ".".join(filter(None, [error.diag.schema_name, error.diag.table_name, error.diag.column_name]))
    return f"{what} ({', '.join(filter(None, [table, error.sqlstate]))})"


def query(text: str) -> sql.SQL:
    """SQL that this package composed itself. psycopg wants literals, so that user input cannot slip in; identifiers
    here come from the feed model, which admits only plain lower-case names, and values always travel as parameters.
    """
    return sql.SQL(text)


def prepare(connection: psycopg.Connection, feed: Feed, *, dry_run: bool = False) -> list[str]:
    """Bring ledger and tables in step, under an advisory lock each; returns the statements that were run on the tables.

    Raises ``TablesDiffer`` where more than an additive change is needed, ``WarehouseUnavailable`` where the lock is not
    to be had.
    """

    def prepare_tables(conn: psycopg.Connection) -> list[str]:
        _lock_ddl(conn, feed.schema_name)
        _check_xml(conn, feed)
        return [] if dry_run else step_tables(conn, feed)

    create_ledger(connection)
    return transact(connection, prepare_tables)


def create_ledger(connection: psycopg.Connection) -> None:
    """Bring the ledger in step, under an advisory lock; one look where it is."""

    def create(conn: psycopg.Connection) -> None:
        _lock_ddl(conn, "sluice")
        ledger_schema.create(conn)

    if not ledger_schema.exists(connection):
        transact(connection, create)


def catch_up_ledger(connection: psycopg.Connection) -> None:
    """For the stages after fetch: bring the ledger in step where Sluice was updated while the run was at work. One of a
    newer release is left alone, since a run may end under the release that began it.
    """
    if ledger_schema.read_version(connection) < ledger_schema.VERSION:
        create_ledger(connection)


def _lock_ddl(conn: psycopg.Connection, schema: str) -> None:
    """One at a time for each schema: feeds do not wait for each other's indexes."""
    conn.execute(query(f"SET LOCAL lock_timeout = '{DDL_LOCK_TIMEOUT}'"))
    conn.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_DDL_LOCK, schema])


def _check_xml(conn: psycopg.Connection, feed: Feed) -> None:
    """PostgreSQL may have been built without libxml; then it takes no value of type xml, and no batch would load."""
    columns = [
        f"{table}.{name}"
        for table, declared in feed.tables.items()
        for name, column in declared.columns.items()
        if column.column_type.kind == "xml"
    ]
    if not columns:
        return
    try:
        with conn.transaction():
            conn.execute("SELECT '<a/>'::xml")
    except pg.FeatureNotSupported:
        raise PermanentError(
            f"feed {feed.feed}: this PostgreSQL was built without libxml and has no values of type xml; "
            f"declare {', '.join(columns)} as `markup`, or take another server"
        ) from None


def step_tables(conn: psycopg.Connection, feed: Feed) -> list[str]:
    """Make what is missing of the tables; raises ``TablesDiffer``. Runs in the caller's transaction."""
    existing, comments = read_layout(conn, feed.schema_name), list[str]()
    if not existing.tables and not any(existing.columns_of_keys(feed, root) for root in feed.roots):
        statements = ddl.create_statements(feed)
    else:
        difference = ddl.difference(feed, existing)
        if difference.refused:
            raise TablesDiffer(
                f"feed {feed.feed}: the tables in schema {feed.schema_name} differ from the declaration in ways "
                "that are not additive: "
                + "; ".join(difference.refused)
                + ". To change them by hand, review and run: "
                + " ".join(difference.sql),
                difference.sql,
            )
        statements = difference.additive if existing.tables else [ddl.create_schema(feed), *difference.additive]
        comments = difference.comments
    for statement in statements:
        conn.execute(query(statement))
    return statements + _comment(conn, comments)


def _comment(conn: psycopg.Connection, statements: list[str]) -> list[str]:
    """Run these statements. Where somebody else owns the tables, they keep what they say; where one is being vacuumed,
    say, until the next run. Returns what was run.
    """
    if not statements:
        return []
    try:
        with conn.transaction():
            before = conn.execute("SELECT current_setting('lock_timeout')").fetchone()
            conn.execute(query(f"SET LOCAL lock_timeout = '{COMMENT_LOCK_TIMEOUT}'"))
            for statement in statements:
                conn.execute(query(statement))
            conn.execute("SELECT set_config('lock_timeout', %s, true)", before)
    except (pg.InsufficientPrivilege, pg.LockNotAvailable):
        return []
    return statements


def read_layout(conn: psycopg.Connection, schema: str) -> ddl.Existing:
    """The live tables of a schema, and those of `sluice`: columns with their types, primary keys, and index names; of
    the former also their comments.
    """
    keys, comments = _read_schema(conn, KEYS_SCHEMA), _read_comments(conn, schema)
    return replace(_read_schema(conn, schema), keys=keys, comments=comments)


def _read_comments(conn: psycopg.Connection, schema: str) -> dict[tuple[str, str], str]:
    rows = conn.execute(
        """SELECT '', '', obj_description(to_regnamespace(quote_ident(%(schema)s)), 'pg_namespace')
           UNION ALL
           SELECT c.relname, coalesce(a.attname, ''), d.description
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
           LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND a.attnum > 0
           WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')""",
        {"schema": schema},
    )
    return {(table, column): text for table, column, text in rows if text is not None}


def _read_schema(conn: psycopg.Connection, schema: str) -> ddl.Existing:
    tables: dict[str, dict[str, str]] = {}
    rows = conn.execute(
        """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE n.nspname = %s AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum""",
        [schema],
    )
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    keys = conn.execute(
        """SELECT c.relname, array_agg(a.attname::text ORDER BY k.place)
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
           CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
           WHERE n.nspname = %s GROUP BY c.relname""",
        [schema],
    )
    primary_keys = {table: tuple(columns) for table, columns in keys}
    indexes = conn.execute("SELECT indexname FROM pg_indexes WHERE schemaname = %s", [schema])
    required = conn.execute(
        """SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND a.attnotnull AND NOT a.atthasdef GROUP BY c.relname""",
        [schema],
    )
    not_null = {table: frozenset(columns) for table, columns in required}
    return ddl.Existing(tables, primary_keys, frozenset(name for (name,) in indexes), not_null)
