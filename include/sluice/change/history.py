"""The mappings that a feed has had, and what stands in the tables under each of them, as the ledger keeps both."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from sluice.errors import PermanentError

HASH_SHOWN = 12
_MIN_HASH = 4


@dataclass(frozen=True, slots=True)
class StoredMapping:
    """A mapping as the first run under it has kept it, with the time of that run."""

    generation: int
    hash: str
    document: dict[str, Any]
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands under one mapping, of one month: the files whose last load was under it.

    The day of a file is the date in its URI, or that on which it was last modified (UTC) where that has none. Older
    versions of a file that has a newer one are left out: they cannot be read again. Records are those that were found.
    """

    generation: int
    month: dt.date
    files: int
    parts: int
    records: int
    first_day: dt.date
    last_day: dt.date


def read_mappings(conn: psycopg.Connection, feed: str) -> list[StoredMapping]:
    """All of them, the oldest first."""
    with conn.cursor(row_factory=class_row(StoredMapping)) as cursor:
        return cursor.execute(
            "SELECT generation, hash, document, created_at FROM sluice.mappings WHERE feed = %s ORDER BY generation",
            [feed],
        ).fetchall()


def find_mapping(mappings: Sequence[StoredMapping], text: str) -> StoredMapping:
    """A mapping by its generation, or by the beginning of its hash; of several of one hash the latest."""
    if not mappings:
        raise PermanentError("the ledger has no mapping of this feed yet: let it run first")
    if re.fullmatch(r"\d{1,5}", text):
        found = [mapping for mapping in mappings if mapping.generation == int(text)]
    elif re.fullmatch(rf"[0-9a-f]{{{_MIN_HASH},64}}", text):
        found = [mapping for mapping in mappings if mapping.hash.startswith(text)]
    else:
        found = []
    if len({mapping.hash for mapping in found}) == 1:
        return found[-1]
    told = ", ".join(f"{mapping.generation} ({mapping.hash[:HASH_SHOWN]})" for mapping in mappings)
    problem = f"several mappings begin with {text!r}" if found else f"there is no file and no mapping {text!r}"
    raise PermanentError(f"{problem}; the ledger has the generations {told}")


def read_standing(conn: psycopg.Connection, feed: str) -> list[Standing]:
    """By generation and month."""
    statement = """
        WITH newest AS (
            SELECT DISTINCT ON (uri COLLATE "C") file_id,
                coalesce(nullif(file_date, '-infinity'), (modified_at AT TIME ZONE 'UTC')::date) AS day
            FROM sluice.files WHERE feed = %s
            ORDER BY uri COLLATE "C", modified_at DESC, version COLLATE "C" DESC)
        SELECT l.generation, date_trunc('month', n.day)::date AS month, count(DISTINCT n.file_id) AS files,
            count(*) AS parts, sum(l.found)::bigint AS records, min(n.day) AS first_day, max(n.day) AS last_day
        FROM newest n JOIN sluice.parts p USING (file_id) CROSS JOIN LATERAL (
            SELECT generation, found FROM sluice.loads WHERE loads.part_id = p.part_id
            ORDER BY generation DESC, loaded_at DESC LIMIT 1) l
        GROUP BY 1, 2 ORDER BY 1, 2"""
    with conn.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(statement, [feed]).fetchall()
