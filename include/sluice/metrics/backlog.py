"""What waits, from the ledger and the inbox: gauges that belong to no run."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator

import psycopg

from sluice.arrivals import inbox
from sluice.feed.model import Feed
from sluice.metrics.catalog import Measurement, measured
from sluice.sources.pattern import UriPattern, expand_variables

OPEN_DAYS = 30
"""Files that a run of so long ago left open, and none since has taken on, are not counted any longer."""


def measure_backlog(conn: psycopg.Connection, feeds: Iterable[Feed], now: dt.datetime) -> Iterator[Measurement]:
    """The gauges of these feeds, which share the warehouse, zeros too."""
    counts = {name: _by_feed(conn, statement) for name, statement in _COUNTS.items()}
    for feed in feeds:
        for name, by_feed in counts.items():
            yield measured(name, by_feed.get(feed.feed, 0), feed.feed)
        if feed.source.arrivals is not None:
            yield from _inbox(conn, feed, now)


def _by_feed(conn: psycopg.Connection, statement: str) -> dict[str, int]:
    return dict(conn.execute(statement.encode(), {"days": OPEN_DAYS}).fetchall())


def _inbox(conn: psycopg.Connection, feed: Feed, now: dt.datetime) -> Iterator[Measurement]:
    pattern = UriPattern(expand_variables(feed.source.uri, os.environ))
    ids = [entry.arrival_id for entry in inbox.waiting(conn, feed.feed, pattern)]
    oldest = "SELECT min(announced_at) FROM sluice.arrivals WHERE arrival_id = ANY(%s)"
    row = conn.execute(oldest, [ids]).fetchone() if ids else None
    waited = (now - row[0]).total_seconds() if row and row[0] else 0
    yield measured("announcements_waiting", len(ids), feed.feed)
    yield measured("announcement_wait_seconds", round(max(0, waited), 3), feed.feed)


_COUNTS = {
    # A run that has succeeded has left nothing open.
    "files_open": """
        SELECT f.feed, count(DISTINCT f.file_id)
        FROM sluice.runs r JOIN sluice.manifest m USING (run_id) JOIN sluice.files f USING (file_id)
        LEFT JOIN sluice.parts p USING (file_id)
        WHERE r.state <> 'succeeded' AND NOT r.dry_run AND r.reload <> 'replay'
          AND r.started_at > now() - make_interval(days => %(days)s)
          AND (f.part_count IS NULL OR (p.part_id IS NOT NULL
               AND NOT EXISTS (SELECT FROM sluice.loads l WHERE l.part_id = p.part_id)
               AND NOT EXISTS (SELECT FROM sluice.holds h WHERE h.part_id = p.part_id)))
        GROUP BY 1""",
    "files_held": """
        SELECT f.feed, count(DISTINCT f.file_id)
        FROM sluice.holds h JOIN sluice.parts p USING (part_id) JOIN sluice.files f USING (file_id) GROUP BY 1""",
    "quarantine_open": "SELECT feed, count(*) FROM sluice.quarantine WHERE state = 'open' GROUP BY 1",
}
