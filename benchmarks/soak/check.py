"""Compares what PostgreSQL and the work folder hold with what must be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.soak.model import Expected, Row
from benchmarks.soak.world import Shape

_SHOWN = 5
_FILE = "f.uri, f.version, t._member, t._record"
_COLUMNS = {
    "records": f"{_FILE}, t.id, t.rev, t.amount::text, t.note, t._offset, t._file_date, t._file_modified",
    "legs": f"{_FILE}, {{key}}t._n1, t.code, t.quantity",
    "marks": f"{_FILE}, {{key}}t._n1, t._n2, t.mark",
}
_QUARANTINE = """SELECT f.uri, f.version, q.member, q.ordinal, q.code FROM sluice.quarantine q
    JOIN sluice.files f USING (file_id) WHERE q.feed = %s AND q.state = 'open'"""
_BOOKS = """SELECT f.uri, f.version, sum(l.found)::bigint, sum(l.quarantined)::bigint
    FROM sluice.files f JOIN sluice.parts p USING (file_id) JOIN sluice.latest_loads l USING (part_id)
    WHERE f.feed = %s GROUP BY f.file_id"""
# Statements that must give nothing, and what it means if they do.
_INVARIANTS = {
    "found is not loaded + quarantined": "SELECT * FROM sluice.loads WHERE found <> loaded + quarantined",
    "a part has no load": """SELECT f.uri, p.part_id FROM sluice.files f JOIN sluice.parts p USING (file_id)
        WHERE NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = p.part_id)""",
    "a file has other parts than it was cut into": """SELECT f.uri, f.part_count, count(p.part_id) FROM sluice.files f
        LEFT JOIN sluice.parts p USING (file_id) GROUP BY f.file_id
        HAVING f.part_count IS DISTINCT FROM count(p.part_id)""",
    "a run has not ended": "SELECT run_id, feed, state, error FROM sluice.runs WHERE state <> 'succeeded'",
    "a run's totals do not add up": """SELECT * FROM sluice.runs
        WHERE found <> loaded + quarantined OR held <> 0 OR unaccounted_parts <> 0
        OR loaded <> inserted + updated + unchanged + superseded + deleted""",
    # a replay has totals of its own, and may move records from quarantined to loaded in the loads of others
    "a run and its loads differ in their totals": """SELECT * FROM sluice.runs r LEFT JOIN (
            SELECT run_id, sum(found) found, sum(loaded) loaded, sum(quarantined) quarantined
            FROM sluice.loads GROUP BY run_id) l USING (run_id)
        WHERE r.reload <> 'replay' AND (r.found <> coalesce(l.found, 0) OR (
            (r.loaded, r.quarantined) <> (coalesce(l.loaded, 0), coalesce(l.quarantined, 0))
            AND NOT EXISTS (SELECT FROM sluice.replays WHERE outcome = 'loaded')))""",
    "an entry was replayed twice": """SELECT entry_id, count(*) FROM sluice.replays WHERE outcome = 'loaded'
        GROUP BY entry_id HAVING count(*) > 1""",
    "a part is held": "SELECT * FROM sluice.holds",
    "a connection was left open": """SELECT pid, state, query FROM pg_stat_activity
        WHERE application_name LIKE 'sluice%' AND datname = current_database()""",
}


@dataclass
class Findings:
    """What a comparison found. ``details`` says of everything that is wrong what it is."""

    records: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    unexplained: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.unexplained)

    def add_unexplained(self, what: str) -> None:
        self.unexplained += 1
        self.details.append(what)

    def compare(self, what: str, expected: Counter[Row], found: Counter[Row], identity: Callable[[Row], Row]) -> None:
        """Each row that differs is lost, doubled, or (there once, but with something else in it) unexplained."""
        self.rows += found.total()
        if expected == found:
            return
        wanted, had = (_by_identity(rows, identity) for rows in (expected, found))
        for name in wanted.keys() | had.keys():
            missing = wanted.get(name, Counter()) - had.get(name, Counter())
            surplus = had.get(name, Counter()) - wanted.get(name, Counter())
            wrong = min(missing.total(), surplus.total())
            self.lost += missing.total() - wrong
            self.doubled += surplus.total() - wrong
            self.unexplained += wrong
            if missing or surplus:
                self.details.append(f"{what} {name}: expected {_some(missing)}, found {_some(surplus)}")


def _by_identity(rows: Counter[Row], identity: Callable[[Row], Row]) -> dict[Row, Counter[Row]]:
    grouped: dict[Row, Counter[Row]] = {}
    for row, count in rows.items():
        grouped.setdefault(identity(row), Counter())[row] += count
    return grouped


def _some(rows: Counter[Row]) -> str:
    return "; ".join(map(str, list(rows.elements())[:_SHOWN])) or "nothing"


def check_feed(conn: psycopg.Connection, shape: Shape, expected: Expected, findings: Findings) -> None:
    """Every row of every table, the quarantine, and the counts of every file version."""
    findings.records += sum(found for found, _ in expected.books.values())
    key = "t.id, " if shape.is_keyed else ""
    for table, columns in _COLUMNS.items():
        select = (
            f"SELECT {columns.format(key=key)} FROM {shape.name}.{table} t JOIN sluice.files f ON f.file_id = t._file"
        )
        found = Counter(conn.execute(select.encode()).fetchall())
        findings.compare(f"{shape.name}.{table}", expected.tables[table], found, _identity(shape, table))
    entries = Counter(conn.execute(_QUARANTINE.encode(), [shape.name]).fetchall())
    findings.compare(f"{shape.name}: quarantine", expected.quarantine, entries, lambda row: row[:4])
    books = Counter({tuple(row): 1 for row in conn.execute(_BOOKS.encode(), [shape.name])})
    wanted = Counter({(*file, *counts): 1 for file, counts in expected.books.items()})
    findings.compare(f"{shape.name}: ledger", wanted, books, lambda row: row[:2])
    if shape.has_deletes:
        select = f'SELECT {_FILE}, t.id, t.rev, t._offset, t._is_deleted FROM sluice."{shape.name}.records" t'
        keys = Counter(conn.execute(f"{select} JOIN sluice.files f ON f.file_id = t._file".encode()).fetchall())
        findings.compare(f"{shape.name}: keys", expected.keys, keys, lambda row: row[4:5])
    elif shape.is_keyed:
        _check_inserted(conn, shape, findings)


def _identity(shape: Shape, table: str) -> Callable[[Row], Row]:
    """What a row is known by: its key, or without one its file and place; and for a child its position."""
    depth = {"records": 0, "legs": 1, "marks": 2}[table]
    if shape.is_keyed:
        return lambda row: row[4 : 5 + depth]
    return lambda row: (row[0], *row[2 : 4 + depth])


def _check_inserted(conn: psycopg.Connection, shape: Shape, findings: Findings) -> None:
    counts = conn.execute(
        f"""SELECT (SELECT count(*) FROM {shape.name}.records), (SELECT sum(l.inserted)::bigint FROM sluice.loads l
            JOIN sluice.parts USING (part_id) JOIN sluice.files f USING (file_id) WHERE f.feed = %s)""".encode(),
        [shape.name],
    ).fetchone()
    if counts and counts[0] != (counts[1] or 0):
        findings.add_unexplained(f"{shape.name}: {counts[0]} rows, but {counts[1]} were counted as inserted")


def check_books(conn: psycopg.Connection, findings: Findings) -> None:
    """What the ledger must never say, and what no task may leave behind in the database."""
    for meaning, statement in _INVARIANTS.items():
        for row in conn.execute(statement.encode()).fetchall():
            findings.add_unexplained(f"{meaning}: {row}")


def check_folder(work: Path, findings: Findings) -> None:
    """Once all runs have been reconciled nothing is left of them, not even what a killed task was writing."""
    for path in _leftovers(work / "runs"):
        findings.add_unexplained(f"left in the work folder: {path.relative_to(work)}")


def _leftovers(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.rglob("*") if not path.is_dir())


def read_runs(conn: psycopg.Connection) -> dict[int, tuple[Any, ...]]:
    """The totals of the runs that have succeeded. An entry of the quarantine counts for the run that made it last."""
    rows = conn.execute(
        """SELECT run_id, files, found, loaded, quarantined, inserted, updated, unchanged, superseded
           FROM sluice.runs WHERE state = 'succeeded'"""
    )
    return {row[0]: row[1:] for row in rows}
