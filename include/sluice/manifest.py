"""What a run is about: the files on its manifest, and how they come there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

import psycopg

from sluice.records import LedgerFile, Run, SourceFile

LEFT_DAYS = 30
"""Files that a run of so long ago has left open are not looked after any longer."""
IS_OPEN: LiteralString = """(f.part_count IS NULL OR EXISTS (
    SELECT FROM sluice.parts p WHERE p.file_id = f.file_id
        AND NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = p.part_id)
        AND NOT EXISTS (SELECT FROM sluice.holds h WHERE h.part_id = p.part_id)))"""
"""Whether something of a file ``f`` is neither loaded nor held."""
FILE_COLUMNS = "f.file_id, f.uri, f.version, f.size_bytes, f.modified_at, nullif(f.file_date, '-infinity') AS file_date"


def keep_listing(conn: psycopg.Connection, files: Iterable[SourceFile]) -> None:
    """Keep a listing in this session, for ``register_listed``. It is consumed as a stream, in bounded memory."""
    conn.execute(
        """CREATE TEMP TABLE IF NOT EXISTS listed
               (uri text, version text, size_bytes bigint, modified_at timestamptz, file_date date);
           TRUNCATE listed"""
    )
    with conn.cursor() as cursor, cursor.copy("COPY listed FROM STDIN") as copy:
        for file in files:
            date = file.file_date.isoformat() if file.file_date else "-infinity"
            copy.write_row((file.uri, file.version, file.size_bytes, file.modified_at.isoformat(), date))
    conn.execute("ANALYZE listed")


def register_listed(conn: psycopg.Connection, run: Run) -> int:
    """Note every file version of the kept listing, and put those that are open for this run on its manifest; returns
    how many.

    Open are files with a part that this edition has not loaded; parts that a gate holds wait for another mapping.
    """
    conn.execute(
        """INSERT INTO sluice.files (feed, uri, version, size_bytes, modified_at, file_date, listed_by)
           SELECT %s, uri, version, size_bytes, modified_at, file_date, %s FROM listed
           ORDER BY uri COLLATE "C", version COLLATE "C"
           ON CONFLICT (feed, uri, version) DO NOTHING""",
        [run.feed, run.run_id],
    )
    return conn.execute(
        """INSERT INTO sluice.manifest (run_id, file_id)
           SELECT %(run)s, f.file_id FROM listed
           JOIN sluice.files f ON f.feed = %(feed)s AND (f.uri, f.version) = (listed.uri, listed.version)
           WHERE %(reload)s = 'all' OR f.part_count IS NULL OR EXISTS (
               SELECT FROM sluice.parts p LEFT JOIN sluice.holds h USING (part_id)
               CROSS JOIN LATERAL (
                   SELECT max(generation) AS generation FROM sluice.loads WHERE loads.part_id = p.part_id) l
               WHERE p.file_id = f.file_id AND (
                   (l.generation IS NULL AND (h.part_id IS NULL OR h.is_released OR h.generation <> %(generation)s))
                   OR (%(reload)s = 'changed' AND l.generation < %(generation)s)))
           ON CONFLICT DO NOTHING""",
        {"run": run.run_id, "feed": run.feed, "reload": run.reload, "generation": run.generation},
    ).rowcount


def register_left(conn: psycopg.Connection, run: Run) -> int:
    """Put on the manifest what runs of the last ``LEFT_DAYS`` took on and left open when they failed, or died; returns
    how many files. Nobody may list or announce them once more.
    """
    return conn.execute(
        f"""INSERT INTO sluice.manifest (run_id, file_id)
           SELECT DISTINCT %(run)s, m.file_id
           FROM sluice.runs r JOIN sluice.manifest m USING (run_id) JOIN sluice.files f USING (file_id)
           WHERE r.feed = %(feed)s AND r.run_id < %(run)s AND NOT r.dry_run AND r.reload <> 'replay'
             AND r.started_at > now() - make_interval(days => %(days)s)
             AND (r.state = 'failed' OR (r.state = 'running' AND r.started_at < now() - interval '1 day'))
             AND {IS_OPEN}
           ON CONFLICT DO NOTHING""",
        {"run": run.run_id, "feed": run.feed, "days": LEFT_DAYS},
    ).rowcount


def read_manifest(conn: psycopg.Connection, run_id: int) -> list[tuple[LedgerFile, int | None]]:
    """The files of a run by uri, each with its number of parts (None where it has not been split yet)."""
    rows = conn.execute(
        f"""SELECT {FILE_COLUMNS}, f.part_count FROM sluice.manifest m JOIN sluice.files f USING (file_id)
            WHERE m.run_id = %s ORDER BY f.uri COLLATE "C", f.version COLLATE "C" """.encode(),
        [run_id],
    )
    return [(LedgerFile(*row[:6]), row[6]) for row in rows]


def manifest_size(conn: psycopg.Connection, run_id: int) -> tuple[int, int]:
    """(files, bytes) of a run's manifest."""
    row = conn.execute(
        """SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM sluice.manifest JOIN sluice.files USING (file_id)
           WHERE run_id = %s""",
        [run_id],
    ).fetchone()
    assert row is not None, "an aggregate always gives one row"
    files, size_bytes = row
    return int(files), int(size_bytes)
