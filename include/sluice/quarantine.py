"""The quarantine: where rejected records and files wait, raw, with the reason and the place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sluice.records import Part, Reason, Reject, Run


def store_rejects(conn: psycopg.Connection, run: Run, parts: Mapping[int, Part], rejects: Iterable[Reject]) -> None:
    """Add one entry per reject, read as a stream. Runs in the transaction that loads the parts."""
    rows = (
        (
            run.feed,
            parts[reject.part_id].file.file_id,
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
            reject.context or None,
            reject.records,
        )
        for reject in rejects
    )
    with conn.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO sluice.quarantine (feed, file_id, part_id, run_id, generation, member, ordinal, line,
                   start_byte, end_byte, code, message, reasons, raw, raw_is_whole, context, records)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            rows,
        )


def clear_parts(conn: psycopg.Connection, part_ids: Iterable[int]) -> None:
    """A part that is loaded again gives its entries anew; the open ones of its last load are closed."""
    conn.execute(
        "UPDATE sluice.quarantine SET state = 'replayed', closed_at = now() WHERE state = 'open' AND part_id = ANY(%s)",
        [list(part_ids)],
    )


def read_reject(data: Mapping[str, Any]) -> Reject:
    """A reject from its JSON line, as ``records.to_json`` wrote it."""
    fields = dict(data)
    fields["reasons"] = tuple(Reason(**reason) for reason in data["reasons"])
    fields["raw"], fields["context"] = data["raw"].encode("latin-1"), data["context"].encode("latin-1")
    return Reject(**fields)


def _message(reasons: Iterable[Reason]) -> str:
    """All reasons in one line, without the values: those are in ``reasons`` only."""
    return "; ".join(
        f"{reason.table}.{reason.column}: {reason.message}" if reason.column else reason.message for reason in reasons
    )
