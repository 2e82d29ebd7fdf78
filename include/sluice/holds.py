"""Holds: the parts that a shut gate or a refused run keeps out, until the mapping changes or a person releases them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from sluice.arrays import spell_array
from sluice.quarantine import fits_file, name_of, selected_values
from sluice.records import Run, Selection


def hold_parts(conn: psycopg.Connection, run: Run, found: dict[int, int], reason: str) -> set[int]:
    """Note that a shut gate keeps these parts (id to records found) out, unless somebody has loaded them by now;
    returns those that it keeps out. What a person has released stays so: a run that other files keep back has not
    spent it.
    """
    ids = sorted(found)
    rows = conn.execute(
        """INSERT INTO sluice.holds (part_id, run_id, generation, found, reason)
           SELECT part_id, %(run)s, %(generation)s, found, %(reason)s
           FROM unnest(%(parts)s::bigint[], %(found)s::bigint[]) AS h (part_id, found)
           WHERE NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = h.part_id AND l.edition = %(edition)s)
           ORDER BY part_id
           ON CONFLICT (part_id) DO UPDATE SET run_id = excluded.run_id, generation = excluded.generation,
               found = excluded.found, reason = excluded.reason, held_at = now(),
               is_released = holds.is_released AND holds.generation = excluded.generation,
               note = CASE WHEN holds.generation = excluded.generation THEN holds.note END
           RETURNING part_id""",
        {
            "run": run.run_id,
            "generation": run.generation,
            "reason": reason,
            "parts": ids,
            "found": [found[part_id] for part_id in ids],
            "edition": run.edition,
        },
    )
    return {part_id for (part_id,) in rows}


def find_released(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> set[int]:
    """Of these parts those that the run's mapping held and that a person has released: no gate holds them again."""
    rows = conn.execute(
        "SELECT part_id FROM sluice.holds WHERE is_released AND generation = %s AND part_id = ANY(%s)",
        [run.generation, spell_array(part_ids)],
    ).fetchall()
    return {part_id for (part_id,) in rows}


def register_released(conn: psycopg.Connection, run: Run) -> int:
    """Put the files on the run's manifest of which a person has released a part that was never loaded, also those that
    the run does not list; returns how many came so.
    """
    return conn.execute(
        """INSERT INTO sluice.manifest (run_id, file_id)
           SELECT DISTINCT %s::bigint, f.file_id
           FROM sluice.holds h JOIN sluice.parts p USING (part_id) JOIN sluice.files f USING (file_id)
           WHERE f.feed = %s AND h.is_released AND NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = h.part_id)
           ON CONFLICT DO NOTHING""",
        [run.run_id, run.feed],
    ).rowcount


def release(conn: psycopg.Connection, feed: str, file: str | None, note: str | None) -> int:
    """Release the held parts of a feed (of those whose URI, or URI!member, fits the LIKE pattern ``file``); returns how
    many. The next run under the mapping that held them loads them, once, whatever the gate and the limits say.
    """
    return conn.execute(
        f"""UPDATE sluice.holds h SET is_released = true, note = %(note)s
           FROM sluice.parts p JOIN sluice.files f USING (file_id)
           WHERE p.part_id = h.part_id AND NOT h.is_released AND f.feed = %(feed)s
             AND {fits_file("p")}""".encode(),
        {"feed": feed, "file": file, "note": note},
    ).rowcount


# -- looking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """A part that a shut gate or a refused run keeps out, as a person wants to see it. ``found`` counts records;
    ``was_loaded`` tells that only a re-load is held, and that the rows of the load before it stand.
    """

    uri: str
    member: str
    run_id: int
    held_at: dt.datetime
    found: int
    reason: str
    is_released: bool
    was_loaded: bool

    @property
    def name(self) -> str:
        return name_of(self.uri, self.member)


def list_holds(conn: psycopg.Connection, feed: str, selection: Selection) -> list[Hold]:
    """What is held, and what was released and not loaded since, the oldest first. A hold has neither a code nor an
    entry, so where one is selected there are none.
    """
    if selection.code or selection.entries:
        return []
    with conn.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            f"""SELECT f.uri, p.member, h.run_id, h.held_at, h.found, h.reason, h.is_released,
                    EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = h.part_id) AS was_loaded
                FROM sluice.holds h JOIN sluice.parts p USING (part_id) JOIN sluice.files f USING (file_id)
                WHERE f.feed = %(feed)s AND {fits_file("p")}
                  AND (%(run_id)s::bigint IS NULL OR h.run_id = %(run_id)s)
                  AND (%(since)s::timestamptz IS NULL OR h.held_at >= %(since)s)
                  AND (%(until)s::timestamptz IS NULL OR h.held_at < %(until)s)
                ORDER BY h.held_at, p.part_id""".encode(),
            selected_values(feed, selection),
        ).fetchall()
