"""How the feeds are doing, as the warehouse knows it: what waits, what is kept out, and what the last runs did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from sluice.backlog import count_held, count_open, read_announced
from sluice.feed.model import Feed
from sluice.sources import PatternInvalid


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run; ``error`` says why it failed, ``finished_at`` is None while it is at work."""

    run_id: int
    feed: str
    state: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    files: int
    found: int
    loaded: int
    quarantined: int
    held: int
    error: str | None


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """``open_files`` were listed and are not done, ``held_files`` wait behind a gate; ``announced`` counts what no run
    has taken yet, ``quarantined`` the records in open entries of the quarantine.
    """

    feed: str
    last_run: RunLine | None
    open_files: int
    held_files: int
    announced: int
    quarantined: int


_RUN_COLUMNS = "run_id, feed, state, started_at, finished_at, files, found, loaded, quarantined, held, error"
_LAST_RUNS = f"SELECT DISTINCT ON (feed) {_RUN_COLUMNS} FROM sluice.runs ORDER BY feed, started_at DESC, run_id DESC"
_QUARANTINED = "SELECT feed, sum(records)::bigint FROM sluice.quarantine WHERE state = 'open' GROUP BY feed"


def read_feeds(conn: psycopg.Connection, feeds: Mapping[str, Feed]) -> list[FeedStatus]:
    """The status of the declared feeds, and of those that are declared no more but have run, by name."""
    last = {run.feed: run for run in (RunLine(*row) for row in conn.execute(_LAST_RUNS.encode()))}
    open_files, held = count_open(conn), count_held(conn)
    quarantined: dict[str, int] = dict(conn.execute(_QUARANTINED).fetchall())
    return [
        FeedStatus(
            name,
            last.get(name),
            open_files.get(name, 0),
            held.get(name, 0),
            _count_announced(conn, feeds[name]) if name in feeds else 0,
            quarantined.get(name, 0),
        )
        for name in sorted({*feeds, *last})
    ]


def read_runs(conn: psycopg.Connection, number: int) -> list[RunLine]:
    """The last runs of all feeds, the newest first."""
    rows = conn.execute(f"SELECT {_RUN_COLUMNS} FROM sluice.runs ORDER BY run_id DESC LIMIT %s".encode(), [number])
    return [RunLine(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class AlertLine:
    """What was told and is not over; ``times`` is how often it was met, ``unsent`` who has not got it."""

    subject: str
    opened_at: dt.datetime
    last_seen_at: dt.datetime
    times: int
    unsent: list[str]


def read_alerts(conn: psycopg.Connection) -> list[AlertLine]:
    """The open alerts of all feeds, the oldest first; drift, which nobody can end, is left out."""
    rows = conn.execute(
        """SELECT subject, opened_at, last_seen_at, times, unsent FROM sluice.alerts
           WHERE closed_at IS NULL AND kind <> 'drift' ORDER BY opened_at"""
    ).fetchall()
    return [AlertLine(*row) for row in rows]


def _count_announced(conn: psycopg.Connection, feed: Feed) -> int:
    try:
        return read_announced(conn, feed).count
    except PatternInvalid:  # a variable that is set for Airflow, but not here
        return 0
