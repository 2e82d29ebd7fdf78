"""A table that holds many rows already, made by PostgreSQL itself."""

from __future__ import annotations

import tempfile
from typing import Any

import psycopg
from benchmarks.shapes.recordfile import FIRST_ID
from benchmarks.workers.sluice_run import make_tools

from sluice import warehouse

# as long as the items of the shape are
_FILL = """
    INSERT INTO items.items ({columns})
    SELECT {values} FROM generate_series({first}::bigint, {last}::bigint) AS n"""
_VALUES = {
    "id": "n",
    "sku": "'AB-' || lpad((n % 1000000)::text, 6, '0')",
    "name": "'a generated item of some words'",
    "category": "'Generated'",
    "price": "(n % 500000) / 100.0",
    "currency": "'EUR'",
    "qty": "n % 1000",
    "created": "timestamptz '2001-01-01 00:00:00+00' + n % 100000 * interval '1 minute'",
    "updated": "date '2001-01-01' + (n % 3000)::int",
    "active": "n % 2 = 0",
    "country": "'BE'",
    "weight": "(n % 50000) / 1000.0",
    "description": "'a row that was there before the batch came, with about as much text as a record of the batch has'",
}


def fill(dsn: str, rows: int) -> dict[str, Any]:
    """Make the tables of the feed ``items`` and put ``rows`` rows into them, all older than any item of the shape.

    What a row has beside the feed's columns (file, record, order) gets the plainest value of its type.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work, psycopg.connect(dsn) as connection:
        warehouse.prepare(connection, make_tools("items", dsn, work).feed)
        connection.commit()
        values = _VALUES | _plainest(connection)
        texts = {"columns": ", ".join(f'"{name}"' for name in values), "values": ", ".join(values.values())}
        connection.execute("SET synchronous_commit = off")
        connection.execute(_FILL.format(**texts, first=FIRST_ID, last=FIRST_ID + rows - 1))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE) items.items")
        connection.execute("CHECKPOINT")
        size = connection.execute("SELECT pg_total_relation_size('items.items')").fetchone()
    return {"rows": rows, "table_mb": (size or (0,))[0] / 1e6}


def _plainest(connection: psycopg.Connection[Any]) -> dict[str, str]:
    rows = connection.execute(
        """SELECT column_name, data_type FROM information_schema.columns
        WHERE table_schema = 'items' AND table_name = 'items' AND is_nullable = 'NO' AND column_default IS NULL"""
    ).fetchall()
    return {name: _of_type(data_type) for name, data_type in rows if name not in _VALUES}


def _of_type(data_type: str) -> str:
    if data_type.startswith("timestamp"):
        return "now()"
    return {"text": "''", "date": "date '2001-01-01'", "ARRAY": "'{}'"}.get(data_type, "1")
