"""The quarantine: where rejected records and files wait, raw, with the reason and the place.

There is one entry for each place (part, archive member, offset of the record). What is rejected again keeps its entry,
with the new reason; what passes leaves it ``replayed``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from sluice.arrays import spell_array
from sluice.errors import UNREAD_CODES
from sluice.records import Part, Reason, Reject, Run, Selection

_UNREAD = ", ".join(f"'{code}'" for code in sorted(UNREAD_CODES))
_STORE = f"""INSERT INTO sluice.quarantine AS q (feed, file_id, part_id, run_id, generation, member, ordinal, line,
        start_byte, end_byte, code, message, reasons, raw, raw_is_whole, context, records, state)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (part_id, member, (CASE WHEN ordinal IS NULL THEN -1 ELSE start_byte END)) WHERE state <> 'replayed'
    DO UPDATE SET
        run_id = excluded.run_id, generation = excluded.generation, ordinal = excluded.ordinal,
        line = coalesce(excluded.line, q.line), start_byte = coalesce(excluded.start_byte, q.start_byte),
        end_byte = coalesce(excluded.end_byte, q.end_byte),
        code = excluded.code, message = excluded.message, reasons = excluded.reasons,
        records = CASE WHEN excluded.code IN ({_UNREAD}) THEN q.records
            ELSE excluded.records END,
        raw = coalesce(excluded.raw, q.raw),
        context = CASE WHEN excluded.raw IS NULL THEN q.context ELSE excluded.context END,
        raw_is_whole = CASE WHEN excluded.raw IS NULL THEN q.raw_is_whole ELSE excluded.raw_is_whole END,
        state = CASE WHEN q.state = 'dismissed' AND q.code = excluded.code THEN q.state
            WHEN q.state = 'open' THEN q.state ELSE excluded.state END"""


def store_rejects(
    conn: psycopg.Connection, run: Run, parts: Mapping[int, Part], rejects: Iterable[Reject], state: str = "open"
) -> int:
    """Make or renew one entry per reject, read as a stream; returns how many records they stand for.

    Runs in the transaction that loads the parts. With the state ``held`` they wait with their part behind the gate.
    """
    records = 0

    def rows() -> Iterable[tuple[Any, ...]]:
        nonlocal records
        for reject in rejects:
            records += reject.records
            yield _row(run, parts[reject.part_id], reject, state)

    with conn.cursor() as cursor:
        cursor.executemany(_STORE, rows())
    return records


def _row(run: Run, part: Part, reject: Reject, state: str) -> tuple[Any, ...]:
    return (
        run.feed,
        part.file.file_id,
        reject.part_id,
        run.run_id,
        run.generation,
        reject.member,
        reject.ordinal,
        reject.line,
        reject.start_byte,
        reject.end_byte,
        reject.reasons[0].code,
        _message(reject.reasons),
        Jsonb([asdict(reason) for reason in reject.reasons]),
        reject.raw or None,
        reject.raw_is_whole,
        reject.context,
        reject.records,
        state,
    )


def close_others(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> None:
    """Close what earlier loads of these parts had rejected, and the load of this run, which has come first, has not."""
    conn.execute(
        """UPDATE sluice.quarantine SET state = 'replayed', closed_at = now()
           WHERE part_id = ANY(%s) AND (state = 'held' OR (state IN ('open', 'dismissed') AND run_id <> %s))""",
        [spell_array(part_ids), run.run_id],
    )


def close(conn: psycopg.Connection, entries: Iterable[int]) -> None:
    """Close entries whose records have passed."""
    conn.execute(
        "UPDATE sluice.quarantine SET state = 'replayed', closed_at = now() WHERE entry_id = ANY(%s)", [list(entries)]
    )


def forget_held(conn: psycopg.Connection, run: Run, part_ids: Iterable[int]) -> None:
    """Remove what an earlier run would have rejected of parts that were held, and are held again."""
    conn.execute(
        "DELETE FROM sluice.quarantine WHERE part_id = ANY(%s) AND state = 'held' AND run_id <> %s",
        [spell_array(part_ids), run.run_id],
    )


def read_reject(data: Mapping[str, Any]) -> Reject:
    """A reject from its JSON line, as ``records.to_json`` wrote it."""
    fields = dict(data)
    fields["reasons"] = tuple(Reason(**reason) for reason in data["reasons"])
    fields["raw"] = data["raw"].encode("latin-1")
    fields["context"] = None if data["context"] is None else data["context"].encode("latin-1")
    return Reject(**fields)


def _message(reasons: Iterable[Reason]) -> str:
    """All reasons in one line, without the values: those are in ``reasons`` only."""
    return "; ".join(
        f"{reason.table}.{reason.column}: {reason.message}" if reason.column else reason.message for reason in reasons
    )


# -- selecting --------------------------------------------------------------------------------------------------------


def fits_file(owner: str) -> str:
    """A condition on ``sluice.files f`` and the table ``owner``, which has members: the name fits ``file`` (see
    ``like``).
    """
    named = f"{owner}.member <> '' AND f.uri || '!' || {owner}.member LIKE %(file)s"
    return f"(%(file)s::text IS NULL OR f.uri LIKE %(file)s OR {named})"


SELECTED = f"""q.feed = %(feed)s
    AND (%(code)s::text IS NULL OR q.code = %(code)s OR jsonb_path_exists(q.reasons, '$[*].code ? (@ == $code)',
            jsonb_build_object('code', %(code)s::text)))
    AND {fits_file("q")}
    AND (%(run_id)s::bigint IS NULL OR q.run_id = %(run_id)s)
    AND (%(since)s::timestamptz IS NULL OR q.created_at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR q.created_at < %(until)s)
    AND (cardinality(%(entries)s::bigint[]) = 0 OR q.entry_id = ANY(%(entries)s))"""
"""A condition on ``sluice.quarantine q JOIN sluice.files f``, with the values of ``selected_values``."""


def selected_values(feed: str, selection: Selection) -> dict[str, Any]:
    values = {**asdict(selection), "feed": feed, "entries": list(selection.entries)}
    return {**values, "file": like(selection.file) if selection.file else None}


def like(pattern: str) -> str:
    """A pattern of URIs for SQL's LIKE: ``*`` and ``?`` as in a shell; without one of them, any part of the URI.
    What is in an archive is called ``uri!member``, so that the name of an entry selects it.
    """
    literal = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    wild = literal.replace("*", "%").replace("?", "_")
    return wild if wild != literal else f"%{literal}%"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as a person wants to see it. ``ordinal`` is None where a whole file, member or part is meant."""

    entry_id: int
    feed: str
    uri: str
    member: str
    ordinal: int | None
    line: int | None
    start_byte: int | None
    end_byte: int | None
    code: str
    message: str
    reasons: list[dict[str, Any]]
    raw: bytes | None
    raw_is_whole: bool
    records: int
    state: str
    run_id: int
    generation: int
    created_at: dt.datetime
    closed_at: dt.datetime | None
    note: str | None

    @property
    def name(self) -> str:
        return name_of(self.uri, self.member)


def name_of(uri: str, member: str) -> str:
    """As people call a file, or what is in an archive."""
    return f"{uri}!{member}" if member else uri


def list_entries(
    conn: psycopg.Connection, feed: str, selection: Selection, states: Iterable[str], limit: int
) -> list[Entry]:
    """The newest entries of a selection, at most ``limit``."""
    columns = ", ".join(
        f"f.{name}" if name == "uri" else f"q.{name}" for name in (field for field in Entry.__dataclass_fields__)
    )
    with conn.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(
            f"""SELECT {columns} FROM sluice.quarantine q JOIN sluice.files f USING (file_id)
                WHERE {SELECTED} AND q.state = ANY(%(states)s) ORDER BY q.entry_id DESC LIMIT %(limit)s""".encode(),
            {**selected_values(feed, selection), "states": list(states), "limit": limit},
        ).fetchall()


def count_by_code(
    conn: psycopg.Connection, feed: str, selection: Selection, states: Iterable[str]
) -> list[tuple[str, int, int, str]]:
    """(code, entries, records, one message) of a selection, the most frequent first."""
    return conn.execute(
        f"""SELECT q.code, count(*), sum(q.records)::bigint, min(q.message)
            FROM sluice.quarantine q JOIN sluice.files f USING (file_id)
            WHERE {SELECTED} AND q.state = ANY(%(states)s) GROUP BY q.code ORDER BY 2 DESC, 1""".encode(),
        {**selected_values(feed, selection), "states": list(states)},
    ).fetchall()


def dismiss(conn: psycopg.Connection, feed: str, selection: Selection, note: str) -> int:
    """Close open entries that nobody is going to replay; returns how many. They still count as quarantined."""
    return conn.execute(
        f"""UPDATE sluice.quarantine q SET state = 'dismissed', closed_at = now(), note = %(note)s
            FROM sluice.files f WHERE f.file_id = q.file_id AND q.state = 'open' AND {SELECTED}""".encode(),
        {**selected_values(feed, selection), "note": note},
    ).rowcount


def reopen(conn: psycopg.Connection, feed: str, selection: Selection) -> int:
    """Open those dismissed entries of a selection again that it names one by one; returns how many."""
    if not selection.entries:
        return 0
    return conn.execute(
        f"""UPDATE sluice.quarantine q SET state = 'open', closed_at = NULL
            FROM sluice.files f WHERE f.file_id = q.file_id AND q.state = 'dismissed' AND {SELECTED}""".encode(),
        selected_values(feed, selection),
    ).rowcount
