"""The books of a run: what became of the parts of its files, by manifest and ledger.

A run accounts for every part on its manifest, whoever loaded it, but counts only what it loaded itself, so that the
counts of overlapping runs add up.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sluice import ledger
from sluice.manifest import manifest_size, read_manifest
from sluice.records import LoadCounts, Run, Totals, to_json

SHOWN = 5  # of the files that something is wrong with

# The parts that a run accounts for, each with this edition's load of it (whoever did it), or else with its hold.
_ACCOUNTED = """sluice.manifest m JOIN sluice.files f USING (file_id) LEFT JOIN sluice.parts p USING (file_id)
    LEFT JOIN sluice.loads l ON l.part_id = p.part_id AND l.edition = %(edition)s
    LEFT JOIN sluice.holds h ON h.part_id = p.part_id AND l.part_id IS NULL
    WHERE m.run_id = %(run)s AND (%(reload)s <> 'changed' OR l.part_id IS NOT NULL OR NOT EXISTS (
        SELECT FROM sluice.loads x WHERE x.part_id = p.part_id AND x.generation >= %(generation)s))"""
# Of these, what the run did itself: where runs overlap, each part is counted by the one that loaded it.
_OWN = f"{_ACCOUNTED} AND (l.part_id IS NULL OR l.run_id = %(run)s)"
# What these loads quarantined whole, whatever became of it later.
_QUARANTINED_WHOLE = f"""(
    SELECT m.file_id, l.part_id, l.release_note, unnest(l.quarantined_whole) AS member FROM {_OWN}) w"""


def _account(conn: psycopg.Connection, run: Run, statement: str) -> list[tuple[Any, ...]]:
    values = {"run": run.run_id, "edition": run.edition, "reload": run.reload, "generation": run.generation}
    return conn.execute(statement.encode(), values).fetchall()


def read_totals(conn: psycopg.Connection, run: Run) -> Totals:
    """The run's totals from manifest and ledger: the parts of its files, but for those that another run has loaded."""
    unaccounted = "count(*) FILTER (WHERE l.part_id IS NULL AND h.part_id IS NULL)"
    columns = (
        "inserted",
        "updated",
        "unchanged",
        "superseded",
        "deleted",
        "found",
        "loaded",
        "quarantined",
        "bytes_read",
    )
    sums = ", ".join(f"coalesce(sum(l.{name}), 0)::bigint" for name in columns)
    select = f"SELECT count(DISTINCT m.file_id), {unaccounted}, coalesce(sum(h.found), 0)::bigint, {sums} FROM {_OWN}"
    files, unaccounted_parts, held, *counts, found, loaded, quarantined, bytes_read = _account(conn, run, select)[0]
    wholes = "count(DISTINCT (file_id, member))"
    some = f"SELECT {wholes}, {wholes} FILTER (WHERE member <> '') FROM {_QUARANTINED_WHOLE}"
    whole, members = _account(conn, run, some)[0]
    listed = _account(conn, run, f"SELECT count(DISTINCT m.file_id) FROM {_ACCOUNTED}")[0][0]
    own = Totals(
        files=files,
        files_elsewhere=listed - files,
        files_quarantined=whole,
        found=found + held,
        loaded=loaded,
        quarantined=quarantined,
        held=held,
        unaccounted_parts=unaccounted_parts,
        counts=LoadCounts(*counts),
        bytes_read=bytes_read,
        members_quarantined=members,
    )
    return own + read_released(conn, run)


def read_released(conn: psycopg.Connection, run: Run) -> Totals:
    """Of the run's totals what it loaded because a person had released it. A file of which only some parts were
    quarantined so counts as one that nobody released.
    """
    whole = """SELECT p.file_id, unnest(l.quarantined_whole) AS member
        FROM sluice.loads l JOIN sluice.parts p USING (part_id) WHERE l.run_id = %(run)s AND l.release_note IS"""
    row = conn.execute(
        f"""SELECT w.*, l.* FROM (
                SELECT count(*), count(*) FILTER (WHERE member <> '') FROM ({whole} NOT NULL EXCEPT {whole} NULL) w) w,
            (SELECT coalesce(sum(found), 0)::bigint, coalesce(sum(quarantined), 0)::bigint
             FROM sluice.loads WHERE run_id = %(run)s AND release_note IS NOT NULL) l""".encode(),
        {"run": run.run_id},
    ).fetchone()
    files, members, found, quarantined = row or (0, 0, 0, 0)
    return Totals(
        released_files_quarantined=files,
        released_members_quarantined=members,
        released_found=found,
        released_quarantined=quarantined,
    )


def find_miscounted(conn: psycopg.Connection, run: Run) -> list[tuple[Any, ...]]:
    """(uri, found, loaded, quarantined) of parts where found is not loaded + quarantined."""
    select = f"SELECT f.uri, l.found, l.loaded, l.quarantined FROM {_ACCOUNTED}"
    return _account(
        conn, run, f"{select} AND l.found <> l.loaded + l.quarantined ORDER BY f.uri, p.part_id LIMIT {SHOWN}"
    )


def find_unaccounted(conn: psycopg.Connection, run: Run) -> list[str]:
    """URIs of files that have a part without a ledger row or a hold, or that were never split."""
    select = f"SELECT DISTINCT f.uri FROM {_ACCOUNTED} AND l.part_id IS NULL AND h.part_id IS NULL"
    return [uri for (uri,) in _account(conn, run, f"{select} ORDER BY 1 LIMIT {SHOWN}")]


def find_held(conn: psycopg.Connection, run: Run) -> list[tuple[Any, ...]]:
    """(uri, reason) of files that a gate holds."""
    select = f"SELECT DISTINCT f.uri, h.reason FROM {_ACCOUNTED} AND h.part_id IS NOT NULL"
    return _account(conn, run, f"{select} ORDER BY 1, 2 LIMIT {SHOWN}")


def find_quarantined_files(conn: psycopg.Connection, run: Run) -> list[tuple[Any, ...]]:
    """(uri with its member, code, message) of what was quarantined whole and not released, with the latest reason."""
    name = "f.uri || CASE WHEN w.member <> '' THEN '!' || w.member ELSE '' END"
    shown = f"(SELECT * FROM {_QUARANTINED_WHOLE} WHERE release_note IS NULL ORDER BY part_id, member LIMIT {SHOWN}) w"
    select = f"""SELECT {name}, q.code, q.message FROM {shown} JOIN sluice.files f USING (file_id)
        CROSS JOIN LATERAL (SELECT code, message FROM sluice.quarantine q
            WHERE q.file_id = w.file_id AND q.part_id = w.part_id AND q.member = w.member AND q.ordinal IS NULL
            ORDER BY entry_id DESC LIMIT 1) q ORDER BY w.part_id, w.member"""
    return _account(conn, run, select)


def finish_run(conn: psycopg.Connection, run: Run, totals: Totals, error: str | None) -> None:
    """Close a run."""
    c = totals.counts
    conn.execute(
        """UPDATE sluice.runs
           SET finished_at = now(), state = %s, error = %s, files = %s, files_quarantined = %s, found = %s, loaded = %s,
               quarantined = %s, held = %s, unaccounted_parts = %s, inserted = %s, updated = %s, unchanged = %s,
               superseded = %s, deleted = %s, bytes_read = %s WHERE run_id = %s""",
        [
            "failed" if error else "succeeded",
            error,
            totals.files,
            totals.files_quarantined,
            totals.found,
            totals.loaded,
            totals.quarantined,
            totals.held,
            totals.unaccounted_parts,
            c.inserted,
            c.updated,
            c.unchanged,
            c.superseded,
            c.deleted,
            totals.bytes_read,
            run.run_id,
        ],
    )


def store_batch_totals(conn: psycopg.Connection, run_id: int, number: int, totals: Totals) -> None:
    """Note what a dry run found out about a batch, or what a replay did with it."""
    conn.execute(
        "UPDATE sluice.batches SET totals = %s WHERE (run_id, number) = (%s, %s)",
        [Jsonb(to_json(totals)), run_id, number],
    )


def read_batch_totals(conn: psycopg.Connection, run: Run) -> Totals:
    """The totals of a dry run or a replay; parts of batches that were not tried are unaccounted, as are files without a
    batch.
    """
    rows = conn.execute(
        "SELECT cardinality(parts), totals FROM sluice.batches WHERE run_id = %s", [run.run_id]
    ).fetchall()
    unsplit = sum(part_count is None for _, part_count in read_manifest(conn, run.run_id))
    unpacked = 0 if rows else len(ledger.read_open_parts(conn, run))
    total = Totals(files=manifest_size(conn, run.run_id)[0], unaccounted_parts=unsplit + unpacked)
    for parts, totals in rows:
        counts = LoadCounts(**totals["counts"]) if totals else LoadCounts()
        total += Totals(**{**totals, "counts": counts}) if totals else Totals(unaccounted_parts=parts)
    return total
