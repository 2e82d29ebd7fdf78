"""What waits, by feed: files that are not done, files behind a gate, announcements that no run has taken."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from sluice.arrivals import inbox
from sluice.feed.model import Feed
from sluice.manifest import IS_OPEN, LEFT_DAYS
from sluice.sources import UriPattern

# A run that has succeeded has left nothing open.
_OPEN: LiteralString = f"""
    SELECT f.feed, count(DISTINCT f.file_id)
    FROM sluice.runs r JOIN sluice.manifest m USING (run_id) JOIN sluice.files f USING (file_id)
    WHERE r.state <> 'succeeded' AND NOT r.dry_run AND r.reload <> 'replay'
        AND r.started_at > now() - make_interval(days => {LEFT_DAYS}) AND {IS_OPEN}
    GROUP BY 1"""
_HELD: LiteralString = """
    SELECT f.feed, count(DISTINCT f.file_id)
    FROM sluice.holds h JOIN sluice.parts p USING (part_id) JOIN sluice.files f USING (file_id)
    WHERE NOT h.is_released AND NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = h.part_id) GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class Announced:
    """How many announcements wait for a feed, and since when (UTC) the oldest of them; None where none does."""

    count: int = 0
    since: dt.datetime | None = None


def count_open(conn: psycopg.Connection) -> dict[str, int]:
    """The files that runs of the last ``LEFT_DAYS`` took on, and of which something is neither loaded nor held."""
    return dict(conn.execute(_OPEN).fetchall())


def count_held(conn: psycopg.Connection) -> dict[str, int]:
    """The files that wait behind a gate, were never loaded, and that nobody has released."""
    return dict(conn.execute(_HELD).fetchall())


def read_announced(conn: psycopg.Connection, feed: Feed) -> Announced:
    """Raises ``PatternInvalid`` where a variable of the feed's source is not set."""
    if feed.source.arrivals is None:
        return Announced()
    ids = [entry.arrival_id for entry in inbox.waiting(conn, feed.feed, UriPattern(feed.source.uri))]
    oldest = "SELECT min(announced_at) FROM sluice.arrivals WHERE arrival_id = ANY(%s)"
    row = conn.execute(oldest, [ids]).fetchone()
    return Announced(len(ids), row[0] if row else None)
