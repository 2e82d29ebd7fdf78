"""The schema ``sluice`` of the warehouse: made where it is missing, and brought up to date where it is older."""

from __future__ import annotations

from importlib import resources

import psycopg
from psycopg import errors as pg

from sluice.errors import PermanentError

VERSION = 10
"""Of the ledger's tables. The comment on the schema holds it."""
_MARK = "Sluice: ledger, quarantine and tombstones; version "


def read_version(conn: psycopg.Connection) -> int:
    """The version of the ledger's tables; 0 where there are none."""
    row = conn.execute("SELECT obj_description(to_regnamespace('sluice'), 'pg_namespace')").fetchone()
    mark, _, version = str(row[0] if row else None).partition(_MARK)
    return int(version) if version.isdecimal() and not mark else 0


def exists(conn: psycopg.Connection) -> bool:
    """Whether the ``sluice`` schema is there, as this release of Sluice wants it.

    Raises ``PermanentError`` where a newer release has brought it up to date.
    """
    found = read_version(conn)
    if found > VERSION:
        raise PermanentError(
            f"this warehouse belongs to a newer Sluice (its ledger has version {found}, this one knows {VERSION}); "
            "update Sluice here, too"
        )
    return found == VERSION


def create(conn: psycopg.Connection) -> None:
    """Make the ``sluice`` schema where it is not there yet, or bring that of an older release up to date.

    Raises ``PermanentError`` where objects that others have built on it stand in the way.
    """
    if exists(conn):
        return
    try:
        with conn.transaction():
            _bring_up_to_date(conn)
    except pg.DependentObjectsStillExist as error:
        found = "; ".join((error.diag.message_detail or str(error)).splitlines())
        raise PermanentError(
            f"the schema sluice cannot be brought up to date, since other objects stand in the way: {found}. "
            "Drop them, let the feed run, and make them anew"
        ) from None


def _bring_up_to_date(conn: psycopg.Connection) -> None:
    statements = resources.files("sluice").joinpath("ledger.sql").read_bytes()
    try:
        with conn.transaction():
            conn.execute(statements)
    except pg.InvalidTableDefinition:  # a view has lost a column, or has it elsewhere
        grants = conn.execute(_READ_GRANTS).fetchall()
        conn.execute("DROP VIEW IF EXISTS sluice.file_states, sluice.file_totals, sluice.latest_loads")
        conn.execute(statements)
        for (grant,) in grants:
            conn.execute(grant.encode())
    conn.execute(f"COMMENT ON SCHEMA sluice IS '{_MARK}{VERSION}'".encode())


_READ_GRANTS = """
    SELECT format('GRANT %s ON %s TO %s', privilege_type, oid::regclass,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
    FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
    WHERE relnamespace = 'sluice'::regnamespace AND relkind = 'v' AND grantee <> relowner"""
