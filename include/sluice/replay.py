"""Replay: quarantined records and files, tried again under the feed's present mapping.

A replay is a run like any other, but for what it is about: the open entries of a selection, which fetch freezes in
``sluice.replays``. An entry of one record brings back that record alone, at its old place and in its old order, so a
newer row still beats it; an entry of a whole file, member or part brings back its part. Whoever publishes a part holds
its lock, and an entry is closed in the transaction that loads it: it passes once, whatever dies or overlaps.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from sluice import quarantine, warehouse, xmlio
from sluice.ledger import PART_COLUMNS, as_part
from sluice.reading import Section
from sluice.records import LoadCounts, Part, Place, Reason, Reject, Run, Selection

Claims = Mapping[Place, int]
"""Entries by their place."""
KEPT_AT_ONCE = 200
_OFFSET = "CASE WHEN q.ordinal IS NOT NULL THEN q.start_byte END"


def register(conn: psycopg.Connection, run: Run, selection: Selection) -> int:
    """Freeze what a replay is about: the open entries of the selection; returns how many. A dismissed entry is opened
    again where the selection names it, but for a dry run.
    """
    if not run.dry_run:
        quarantine.reopen(conn, run.feed, selection)
    taken = conn.execute(
        f"""INSERT INTO sluice.replays (run_id, entry_id, code, message)
            SELECT %(run)s, q.entry_id, q.code, q.message FROM sluice.quarantine q JOIN sluice.files f USING (file_id)
            WHERE q.state = 'open' AND {quarantine.SELECTED}""".encode(),
        {**quarantine.selected_values(run.feed, selection), "run": run.run_id},
    ).rowcount
    conn.execute(
        """INSERT INTO sluice.manifest (run_id, file_id) SELECT DISTINCT r.run_id, q.file_id
           FROM sluice.replays r JOIN sluice.quarantine q USING (entry_id) WHERE r.run_id = %s""",
        [run.run_id],
    )
    return taken


def read_parts(conn: psycopg.Connection, run_id: int, number: int | None = None) -> list[Part]:
    """The parts of a replay (of one batch of it), each with the records that are wanted of it, or None for all."""
    rows = conn.execute(
        f"""SELECT {PART_COLUMNS},
                array_agg(q.member ORDER BY q.entry_id), array_agg({_OFFSET} ORDER BY q.entry_id)
            FROM sluice.replays r JOIN sluice.quarantine q USING (entry_id) JOIN sluice.parts p USING (part_id)
            JOIN sluice.files f ON f.file_id = p.file_id
            WHERE r.run_id = %(run)s AND (%(number)s::integer IS NULL OR p.part_id = ANY (
                SELECT unnest(parts) FROM sluice.batches WHERE (run_id, number) = (%(run)s, %(number)s)))
            GROUP BY p.part_id, f.file_id ORDER BY f.uri COLLATE "C", f.version COLLATE "C", p.part_id""".encode(),
        {"run": run_id, "number": number},
    )
    return [replace(as_part(row[:-2]), wanted=_wanted(row[-2], row[-1])) for row in rows]


def _wanted(members: Iterable[str], offsets: list[int | None]) -> frozenset[tuple[str, int]] | None:
    """All of a part is wanted where a file, a member or the part itself had been rejected."""
    if None in offsets:
        return None
    return frozenset((member, offset) for member, offset in zip(members, offsets, strict=True) if offset is not None)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the quarantine has kept of a record; ``section`` opens it for parsing, None where it is not whole."""

    part: Part
    member: str
    ordinal: int
    line: int | None
    start_byte: int
    end_byte: int | None
    section: Section | None

    def reject(self, reason: Reason) -> Reject:
        """The record is rejected again; its bytes are in the quarantine already."""
        return Reject(
            self.part.part_id, self.member, self.ordinal, self.line, self.start_byte, self.end_byte, (reason,),
            raw_is_whole=False,
        )  # fmt: skip


def read_kept(dsn: str, part: Part, places: Collection[tuple[str, int]]) -> Iterator[Kept]:
    """What the quarantine has kept of these records of a part, given by member and offset; some at a time."""
    wanted = sorted(places)
    with warehouse.connect(dsn) as connection:
        for start in range(0, len(wanted), KEPT_AT_ONCE):
            yield from _read_some_kept(connection, part, wanted[start : start + KEPT_AT_ONCE])


def _read_some_kept(conn: psycopg.Connection, part: Part, places: Sequence[tuple[str, int]]) -> Iterator[Kept]:
    rows = conn.execute(
        """SELECT q.member, q.ordinal, q.line, q.start_byte, q.end_byte,
               CASE WHEN q.raw_is_whole THEN q.raw END, q.context
           FROM sluice.quarantine q JOIN unnest(%s::text[], %s::bigint[]) AS p (member, start_byte)
               USING (member, start_byte)
           WHERE q.part_id = %s AND q.state = 'open' AND q.ordinal IS NOT NULL ORDER BY q.member, q.start_byte""",
        [[member for member, _ in places], [offset for _, offset in places], part.part_id],
    ).fetchall()
    for member, ordinal, line, start, end, raw, context in rows:
        section = _section(part, member, ordinal, line, start, raw, context) if raw and context is not None else None
        yield Kept(part, member, ordinal, line, start, end, section)


def _section(part: Part, member: str, ordinal: int, line: int, start: int, raw: bytes, context: bytes) -> Section:
    tail = b"".join(b"</%s>" % name for name in reversed(xmlio.open_names(context)))
    return Section(part, member, io.BytesIO(raw + tail), context, start, ordinal, line)


def claim(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> Claims:
    """Those entries of the replay on these parts that are still open and were not made under a later mapping.

    The caller holds the locks of the parts.
    """
    rows = conn.execute(
        f"""SELECT q.part_id, q.member, {_OFFSET}, q.entry_id
           FROM sluice.replays r JOIN sluice.quarantine q USING (entry_id)
           WHERE r.run_id = %s AND (r.outcome IS NULL OR %s) AND q.part_id = ANY(%s) AND q.state = 'open'
             AND q.generation <= %s ORDER BY q.entry_id FOR UPDATE OF q""".encode(),
        [run.run_id, run.dry_run, list(part_ids), run.generation],
    )
    return {(part, member, offset): entry for part, member, offset, entry in rows}


def move_counts(conn: psycopg.Connection, counts: Mapping[int, LoadCounts]) -> None:
    """In the load of each part that stands, these records were quarantined and are now loaded."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """UPDATE sluice.loads SET quarantined = quarantined - %s, inserted = inserted + %s, updated = updated + %s,
                   unchanged = unchanged + %s, superseded = superseded + %s, deleted = deleted + %s
               WHERE part_id = %s AND edition = (SELECT edition FROM sluice.latest_loads l WHERE l.part_id = %s)""",
            [
                (c.loaded, c.inserted, c.updated, c.unchanged, c.superseded, c.deleted, part, part)
                for part, c in counts.items()
            ],
        )


def note_outcomes(
    conn: psycopg.Connection, run: Run, part_ids: Iterable[int], claims: Claims, held: Iterable[int]
) -> None:
    """Say of each entry of the replay on these parts what came of it: what this run has claimed was loaded, rejected
    again, or, with its part, ``held`` by the gate; what somebody else had closed before counts for nothing.
    """
    conn.execute(
        """UPDATE sluice.replays r SET outcome = CASE WHEN r.entry_id <> ALL(%s) THEN 'closed'
               WHEN q.state = 'replayed' THEN 'loaded' WHEN q.part_id = ANY(%s) THEN 'held' ELSE 'rejected' END
           FROM sluice.quarantine q
           WHERE q.entry_id = r.entry_id AND r.run_id = %s AND q.part_id = ANY(%s)""",
        [list(claims.values()), list(held), run.run_id, list(part_ids)],
    )


def read_outcomes(conn: psycopg.Connection, run_id: int) -> dict[int, str | None]:
    """What came of each entry of a replay (``loaded``, ``rejected``, ``closed`` …); None where it was not tried."""
    rows = conn.execute("SELECT entry_id, outcome FROM sluice.replays WHERE run_id = %s ORDER BY entry_id", [run_id])
    return dict(rows.fetchall())


def store_outcomes(conn: psycopg.Connection, run_id: int, outcomes: Mapping[int, str | None]) -> None:
    """Keep what a dry run has read in the transaction that it rolled back."""
    conn.execute(
        """UPDATE sluice.replays r SET outcome = t.outcome
           FROM unnest(%s::bigint[], %s::text[]) AS t (entry_id, outcome)
           WHERE r.run_id = %s AND r.entry_id = t.entry_id AND t.outcome IS NOT NULL""",
        [list(outcomes), list(outcomes.values()), run_id],
    )
