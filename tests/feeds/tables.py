"""The tables of a feed, its rejects and its counts as plain texts, which a person can read and write in YAML."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from sluice.draft.golden import spell
from sluice.feed.layout import primary_key
from sluice.feed.model import Feed
from sluice.records import LoadCounts, Totals

Row = dict[str, Any]


def read_tables(connection: psycopg.Connection, feed: Feed) -> dict[str, list[Row]]:
    """The rows of the root tables by key, each with the rows of its child tables in it, as the record had them.

    Lineage is left out, and so is a column that is NULL, and the key that child rows repeat.
    """
    return {name: _read_records(connection, feed, name) for name in feed.roots}


def _read_records(connection: psycopg.Connection, feed: Feed, root: str) -> list[Row]:
    key = primary_key(feed, root)
    found: dict[tuple[Any, ...], Row] = {}
    for name in feed.family_of(root):
        depth = feed.depth_of(name)
        places = [*key, *(f"_n{level}" for level in range(1, depth + 1))]
        for row in _rows_of(connection, feed, name, places):
            place = tuple(row.pop(column) for column in places)
            own = dict(zip(key, map(spell, place), strict=False)) if not depth and feed.tables[root].key else {}
            found[name, *place] = own | {column: spell(value) for column, value in row.items() if value is not None}
            if depth:
                siblings = found[feed.tables[name].parent, *place[:-1]].setdefault(name, [])
                siblings.append(found[name, *place])
                assert len(siblings) == place[-1], f"{name}: the rows of {place} are not numbered from 1"
    return [row for (name, *_), row in found.items() if name == root]


def _rows_of(connection: psycopg.Connection, feed: Feed, table: str, places: list[str]) -> list[Row]:
    wanted = dict.fromkeys([*places, *feed.tables[table].columns])
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(map(sql.Identifier, wanted)), sql.Identifier(feed.schema_name, table)
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    return sorted(rows, key=lambda row: [row[place] for place in places])


def count_rows(connection: psycopg.Connection, feed: Feed) -> dict[str, int]:
    """The number of rows of each table."""
    counts = {}
    for name in feed.tables:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(feed.schema_name, name))
        counts[name] = connection.execute(query).fetchone()[0]  # type: ignore[index]
    return counts


def read_rejects(connection: psycopg.Connection, feed: Feed, base: str) -> list[Row]:
    """What lies open in the quarantine: file (below ``base``), member, record, and why."""
    query = """
        SELECT f.uri, q.member, q.ordinal, q.reasons FROM sluice.quarantine q JOIN sluice.files f USING (file_id)
        WHERE q.feed = %s AND q.state = 'open' ORDER BY f.uri COLLATE "C", q.member COLLATE "C", q.ordinal"""
    rejects = []
    for uri, member, ordinal, reasons in connection.execute(query, [feed.feed]):
        row = {"file": uri.removeprefix(base), "member": member or None, "record": ordinal and str(ordinal)}
        row["reasons"] = [" ".join(filter(None, [r["code"], r["table"], r["column"]])) for r in reasons]
        rejects.append({name: value for name, value in row.items() if value is not None})
    return rejects


def read_totals(connection: psycopg.Connection, feed: Feed) -> Totals:
    columns = ("files", "files_quarantined", "found", "loaded", "quarantined", "held", "unaccounted_parts")
    counts = ("inserted", "updated", "unchanged", "superseded", "deleted")
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in (*columns, *counts))
    row = connection.execute(f"SELECT {sums} FROM sluice.runs WHERE feed = %s", [feed.feed]).fetchone()
    assert row is not None
    split = len(columns)
    return Totals(**dict(zip(columns, row[:split], strict=True)), counts=LoadCounts(*row[split:]))
