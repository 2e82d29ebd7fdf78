"""The ledger: the tables in the warehouse that say which part of which file was loaded, when, by which run and mapping.

A part is loaded exactly once per *edition*: '' for the first load, a name of its own for each
re-load, so that the primary key of ``sluice.loads`` decides who may load it, whatever dies or overlaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from sluice.arrays import spell_array
from sluice.manifest import FILE_COLUMNS
from sluice.records import Batch, Cut, LedgerFile, LoadCounts, Part, Run, RunRequest, to_json


def remember_mapping(
    conn: psycopg.Connection, feed: str, mapping_hash: str, document: dict[str, Any], *, dry_run: bool = False
) -> int:
    """The generation of this mapping; in a dry run the one that it would have, which is not kept.

    Each change makes the next one, also the change back to an older mapping: what the one between has loaded can be
    told from it, and loaded again.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice mapping ' || %s, 0))", [feed])
    newest = conn.execute(
        "SELECT generation, hash FROM sluice.mappings WHERE feed = %s ORDER BY generation DESC LIMIT 1", [feed]
    ).fetchone()
    if newest and newest[1] == mapping_hash:
        return int(newest[0])
    if dry_run:
        return int(newest[0]) + 1 if newest else 1
    made = conn.execute(
        """INSERT INTO sluice.mappings (feed, generation, hash, document)
           SELECT %s, coalesce(max(generation), 0) + 1, %s, %s FROM sluice.mappings WHERE feed = %s
           RETURNING generation""",
        [feed, mapping_hash, Jsonb(document), feed],
    ).fetchone()
    return int(_one(made)[0])


def read_mapping_hash(conn: psycopg.Connection, run: Run) -> str | None:
    """The hash of the mapping that fetch has frozen; None for a dry run, which keeps none."""
    values = [run.feed, run.generation, run.dry_run]
    statement = "SELECT hash FROM sluice.mappings WHERE feed = %s AND generation = %s AND NOT %s"
    row = conn.execute(statement, values).fetchone()
    return str(row[0]) if row else None


# -- runs -------------------------------------------------------------------------------------------------------------


def find_run(conn: psycopg.Connection, feed: str, run_key: str) -> Run | None:
    return _read_run(conn, "feed = %s AND run_key = %s", [feed, run_key])


def read_run(conn: psycopg.Connection, run_id: int) -> Run:
    run = _read_run(conn, "run_id = %s", [run_id])
    if run is None:
        raise LookupError(f"the ledger knows no run {run_id}")
    return run


def _read_run(conn: psycopg.Connection, where: str, values: Sequence[Any]) -> Run | None:
    columns = "run_id, feed, run_key, generation, edition, reload, dry_run"
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(f"SELECT {columns} FROM sluice.runs WHERE {where}".encode(), values).fetchone()


def insert_run(conn: psycopg.Connection, request: RunRequest, generation: int) -> Run | None:
    """Add the run; None where another try of the same task was faster."""
    row = conn.execute(
        """INSERT INTO sluice.runs (feed, run_key, generation, reload, dry_run, request) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (feed, run_key) DO NOTHING RETURNING run_id""",
        [request.feed, request.run_key, generation, request.reload, request.dry_run, Jsonb(to_json(request))],
    ).fetchone()
    if row is None:
        return None
    run_id = int(row[0])
    editions = {"no": "", "changed": f"generation {generation}"}
    edition = editions.get(request.reload, f"run {run_id}")
    conn.execute("UPDATE sluice.runs SET edition = %s WHERE run_id = %s", [edition, run_id])
    return Run(run_id, request.feed, request.run_key, generation, edition, request.reload, request.dry_run)


def asked_batch_mb(conn: psycopg.Connection, run_id: int) -> int | None:
    """The batch size that the run's form asked for, in MiB."""
    row = conn.execute("SELECT (request->>'batch_mb')::integer FROM sluice.runs WHERE run_id = %s", [run_id]).fetchone()
    value = _one(row)[0]
    return int(value) if value else None


# -- parts and batches ------------------------------------------------------------------------------------------------


def store_cuts(conn: psycopg.Connection, file: LedgerFile, cuts: Sequence[Cut]) -> None:
    """Remember how a file was cut. The first split of a file version decides; a later one changes nothing."""
    taken = conn.execute(
        "UPDATE sluice.files SET part_count = %s WHERE file_id = %s AND part_count IS NULL", [len(cuts), file.file_id]
    ).rowcount
    if not taken:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO sluice.parts
                   (file_id, member, start_byte, end_byte, context, tail, first_record, first_line, is_spooled)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    file.file_id,
                    cut.member,
                    cut.start_byte,
                    cut.end_byte,
                    cut.context,
                    cut.tail,
                    cut.first_record,
                    cut.first_line,
                    cut.spool is not None,
                )
                for cut in cuts
            ],
        )


def store_whole_files(conn: psycopg.Connection, file_ids: Sequence[int]) -> None:
    """``store_cuts`` for many files that stay uncut, in two statements."""
    conn.execute(
        """WITH taken AS (
               UPDATE sluice.files SET part_count = 1 WHERE file_id = ANY(%s) AND part_count IS NULL RETURNING file_id)
           INSERT INTO sluice.parts (file_id) SELECT file_id FROM taken ORDER BY file_id""",
        [spell_array(file_ids)],
    )


PART_COLUMNS = f"""p.part_id, {FILE_COLUMNS}, p.member, p.start_byte, p.end_byte, p.context, p.tail, p.first_record,
    p.first_line, CASE WHEN p.is_spooled THEN '' END"""


def as_part(row: Sequence[Any]) -> Part:
    return Part(row[0], LedgerFile(*row[1:7]), Cut(*row[7:15]))


def read_open_parts(conn: psycopg.Connection, run: Run) -> list[Part]:
    """The parts of the run's files that this edition has not loaded and no gate holds, by file and place."""
    rows = conn.execute(
        f"""SELECT {PART_COLUMNS}
            FROM sluice.manifest m JOIN sluice.files f USING (file_id) JOIN sluice.parts p USING (file_id)
            WHERE m.run_id = %(run)s
              AND NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = p.part_id AND l.edition = %(edition)s)
              AND (%(reload)s <> 'changed' OR NOT EXISTS (
                   SELECT FROM sluice.latest_loads l WHERE l.part_id = p.part_id AND l.generation >= %(generation)s))
              AND (%(reload)s = 'all' OR NOT EXISTS (
                   SELECT FROM sluice.holds h
                   WHERE h.part_id = p.part_id AND NOT h.is_released AND h.generation = %(generation)s))
            ORDER BY f.uri COLLATE "C", f.version COLLATE "C", p.part_id""".encode(),
        {"run": run.run_id, "edition": run.edition, "reload": run.reload, "generation": run.generation},
    )
    return list(map(as_part, rows))


def read_batch_parts(conn: psycopg.Connection, run_id: int, number: int) -> list[Part]:
    """The parts of one batch, loaded or not; empty where there is no such batch."""
    rows = conn.execute(
        f"""SELECT {PART_COLUMNS} FROM sluice.batches b JOIN sluice.parts p ON p.part_id = ANY(b.parts)
            JOIN sluice.files f USING (file_id) WHERE b.run_id = %s AND b.number = %s
            ORDER BY f.uri COLLATE "C", f.version COLLATE "C", p.part_id""".encode(),
        [run_id, number],
    )
    return list(map(as_part, rows))


def read_batch_part_ids(conn: psycopg.Connection, run_id: int, number: int) -> list[int]:
    """The ids of the parts of one batch, loaded or not; empty where there is no such batch."""
    row = conn.execute(
        "SELECT parts FROM sluice.batches WHERE (run_id, number) = (%s, %s)", [run_id, number]
    ).fetchone()
    return [] if row is None else list(row[0])


def is_published(conn: psycopg.Connection, run: Run, number: int, part_ids: Sequence[int]) -> bool:
    """Whether nothing is left to do for a batch of these parts: this edition has loaded all of them, or, since a replay
    may be about some records of a part only, the replay has noted what it did.
    """
    if run.is_replay:
        statement = "SELECT count(totals) > 0 FROM sluice.batches WHERE run_id = %s AND number = %s"
        return not run.dry_run and bool(_one(conn.execute(statement, [run.run_id, number]).fetchone())[0])
    row = conn.execute(
        "SELECT count(*) FROM sluice.loads WHERE edition = %s AND part_id = ANY(%s)",
        [run.edition, spell_array(part_ids)],
    ).fetchone()
    return bool(part_ids) and int(_one(row)[0]) == len(part_ids)


def store_batches(conn: psycopg.Connection, run_id: int, batches: Sequence[tuple[Batch, int]]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sluice.batches (run_id, number, parts, bytes) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (run_id, batch.number, spell_array(part.part_id for part in batch.parts), size)
                for batch, size in batches
            ],
        )


def read_batches(conn: psycopg.Connection, run_id: int) -> list[tuple[int, list[int], int]]:
    """(number, part ids, bytes) of the batches that an earlier try of split made."""
    rows = conn.execute("SELECT number, parts, bytes FROM sluice.batches WHERE run_id = %s ORDER BY number", [run_id])
    return [(number, list(parts), size) for number, parts, size in rows]


def note_commit(conn: psycopg.Connection, run_id: int, number: int) -> None:
    """Keep the moment at which a batch had been committed; nothing but metrics depends on it."""
    conn.execute(
        "UPDATE sluice.batches SET committed_at = clock_timestamp() WHERE (run_id, number) = (%s, %s)",
        [run_id, number],
    )


# -- loads ------------------------------------------------------------------------------------------------------------


def claim_parts(conn: psycopg.Connection, run: Run, states: dict[int, str]) -> list[int]:
    """Write the ledger rows of these parts (part id to ``loaded`` or ``quarantined``); returns the ids that were still
    free for this edition. A hold on them goes; that a person had released it is noted with the load, which spends that.

    Waits for every other transaction that is loading one of them, under whatever edition. The rows are invisible until
    the caller's transaction commits.
    """
    ids = sorted(states)
    rows = conn.execute(
        """INSERT INTO sluice.loads (part_id, edition, run_id, generation, state)
           SELECT part_id, %s, %s, %s, state FROM unnest(%s::bigint[], %s::text[]) AS t (part_id, state)
           ORDER BY part_id
           ON CONFLICT (part_id, edition) DO NOTHING RETURNING part_id""",
        [run.edition, run.run_id, run.generation, spell_array(ids), spell_array(states[part_id] for part_id in ids)],
    )
    claimed = [part_id for (part_id,) in rows]
    conn.execute(
        """WITH spent AS (DELETE FROM sluice.holds WHERE part_id = ANY(%s) RETURNING *)
           UPDATE sluice.loads l SET release_note = coalesce(spent.note, '') FROM spent
           WHERE spent.is_released AND spent.generation = l.generation
             AND (l.part_id, l.edition) = (spent.part_id, %s)""",
        [spell_array(claimed), run.edition],
    )
    return claimed


def lock_publication(conn: psycopg.Connection, feed: str) -> None:
    """Runs of a feed that publish as one do so one after another: each of them locks keys in several goes."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice publication ' || %s, 0))", [feed])


def lock_merges(conn: psycopg.Connection, feed: str, *, alone: bool) -> None:
    """Until the end of the transaction others merge rows of this feed as well, or none does. To be taken before any
    other lock: one that waits to be alone holds nothing that others wait for.
    """
    shared = "" if alone else "_shared"
    conn.execute(f"SELECT pg_advisory_xact_lock{shared}(hashtextextended('sluice merges ' || %s, 0))".encode(), [feed])


def lock_parts(conn: psycopg.Connection, part_ids: Iterable[int]) -> None:
    """Until the end of the transaction nobody else decides about these parts, under whatever edition."""
    conn.execute(
        """SELECT count(*) FROM (
               SELECT FROM sluice.parts WHERE part_id = ANY(%s) ORDER BY part_id FOR NO KEY UPDATE) AS locked""",
        [spell_array(part_ids)],
    )


def find_loads_before(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> dict[int, int]:
    """Of these parts those that were loaded under another edition, each with the generation of the load that stands."""
    rows = conn.execute(
        """SELECT part_id, max(generation) FROM sluice.loads WHERE part_id = ANY(%s) AND edition <> %s
           GROUP BY part_id""",
        [spell_array(part_ids), run.edition],
    )
    return dict(rows.fetchall())


def store_counts(
    conn: psycopg.Connection, run: Run, rows: Iterable[tuple[int, int, int, LoadCounts, int, str | None]]
) -> None:
    """Complete ledger rows: (part id, found, quarantined, counts, bytes read, sha256).

    They also keep what was quarantined whole, since a replay that is rejected again makes the entry its own.
    """
    rows = list(rows)
    columns = zip(
        *(
            (part_id, found, quarantined, c.inserted, c.updated, c.unchanged, c.superseded, c.deleted, size, sha256)
            for part_id, found, quarantined, c, size, sha256 in rows
        ),
        strict=True,
    )
    if not rows:
        return
    conn.execute(
        """UPDATE sluice.loads l
           SET found = c.found, quarantined = c.quarantined, inserted = c.inserted, updated = c.updated,
               unchanged = c.unchanged, superseded = c.superseded, deleted = c.deleted, bytes_read = c.size,
               sha256 = c.sha256
           FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
               %s::bigint[], %s::bigint[], %s::text[]) AS c (part_id, found, quarantined, inserted, updated, unchanged,
               superseded, deleted, size, sha256)
           WHERE l.part_id = c.part_id AND l.edition = %s""",
        [*map(spell_array, columns), run.edition],
    )
    conn.execute(
        """UPDATE sluice.loads l SET quarantined_whole = q.members
           FROM (SELECT part_id, array_agg(member ORDER BY member) AS members FROM sluice.quarantine
                 WHERE part_id = ANY(%s) AND ordinal IS NULL AND state = 'open' AND run_id = %s GROUP BY part_id) q
           WHERE l.part_id = q.part_id AND l.edition = %s""",
        [spell_array(part_id for part_id, *_ in rows), run.run_id, run.edition],
    )


def repeat_counts(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> None:
    """Give the ledger rows of this run what the standing load of these parts says; all rows were there already."""
    conn.execute(
        """UPDATE sluice.loads l SET state = s.state, found = s.found, quarantined = s.quarantined, inserted = 0,
               updated = 0, unchanged = 0, superseded = s.loaded, deleted = 0, bytes_read = 0, sha256 = s.sha256
           FROM (SELECT DISTINCT ON (part_id) * FROM sluice.loads
                 WHERE part_id = ANY(%(parts)s) AND edition <> %(edition)s
                 ORDER BY part_id, generation DESC, loaded_at DESC) s
           WHERE l.part_id = s.part_id AND l.edition = %(edition)s""",
        {"parts": spell_array(part_ids), "edition": run.edition},
    )


def _one(row: Any) -> Any:
    assert row is not None, "an aggregate always gives one row"
    return row
