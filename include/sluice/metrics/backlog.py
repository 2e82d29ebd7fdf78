"""What waits, from the ledger and the inbox: gauges that belong to no run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import psycopg

from sluice.backlog import count_held, count_open, read_announced
from sluice.feed.model import Feed
from sluice.metrics.catalog import Measurement, measured

_QUARANTINED = "SELECT feed, count(*) FROM sluice.quarantine WHERE state = 'open' GROUP BY 1"


def measure_backlog(conn: psycopg.Connection, feeds: Iterable[Feed], now: dt.datetime) -> Iterator[Measurement]:
    """The gauges of these feeds, which share the warehouse, zeros too."""
    counts = {
        "files_open": count_open(conn),
        "files_held": count_held(conn),
        "quarantine_open": dict(conn.execute(_QUARANTINED).fetchall()),
    }
    for feed in feeds:
        for name, by_feed in counts.items():
            yield measured(name, by_feed.get(feed.feed, 0), feed.feed)
        if feed.source.arrivals is not None:
            announced = read_announced(conn, feed)
            waited = (now - announced.since).total_seconds() if announced.since else 0
            yield measured("announcements_waiting", announced.count, feed.feed)
            yield measured("announcement_wait_seconds", round(max(0, waited), 3), feed.feed)
