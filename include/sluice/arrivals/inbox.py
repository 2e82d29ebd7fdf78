"""The inbox: what was announced and not yet taken on by a run of each feed that it concerns. A table of the warehouse.

An announcement belongs to no feed: every feed looks for what its own pattern means, also one that is declared later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg

from sluice.arrivals.announcements import Announcement
from sluice.records import Run
from sluice.sources.pattern import UriPattern

KEPT_DAYS = 30
"""How long announcements stay that no feed's pattern means: a feed may be declared after its files have come."""

WAITING: LiteralString = """
    SELECT a.arrival_id, a.uri FROM sluice.arrivals a
    LEFT JOIN sluice.taken_arrivals t ON t.arrival_id = a.arrival_id AND t.feed = %(feed)s
    LEFT JOIN sluice.runs r ON r.run_id = t.run_id
    WHERE a.uri >= %(low)s AND a.uri < %(high)s AND (t.arrival_id IS NULL
        OR (left(r.run_key, length(%(dag_run)s) + 1) = %(dag_run)s || '#' AND r.run_key <> %(run_key)s))
    ORDER BY a.arrival_id"""
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Announced:
    """An entry of the inbox."""

    arrival_id: int
    uri: str


def record(conn: psycopg.Connection, announcements: Iterable[Announcement]) -> int:
    """Keep announcements for good; what is there already is no new entry. Returns how many are new."""
    rows = sorted({(a.uri, a.etag, a.sequencer): a.announced_at for a in announcements}.items())
    if not rows:
        return 0
    columns = zip(*((*key, moment) for key, moment in rows), strict=True)
    return conn.execute(
        """INSERT INTO sluice.arrivals (uri, etag, sequencer, announced_at)
           SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
           ON CONFLICT (uri, etag, sequencer) DO NOTHING""",
        list(map(list, columns)),
    ).rowcount


def waiting(conn: psycopg.Connection, feed: str, pattern: UriPattern, run_key: str = "") -> Iterator[Announced]:
    """What the inbox holds for ``feed``, the oldest first. With ``run_key`` also what a run of the same DAG run has
    taken before it was cleared.
    """
    low = pattern.base + "/"
    dag_run = run_key.rpartition("#")[0]
    with conn.cursor() as cursor:
        rows = cursor.stream(
            WAITING,
            {"feed": feed, "low": low, "high": low + _LAST_CHARACTER, "dag_run": dag_run, "run_key": run_key},
        )
        for arrival_id, uri in rows:
            if pattern.matches(uri):
                yield Announced(arrival_id, uri)


def oldest_waiting(conn: psycopg.Connection, feed: str, pattern: UriPattern) -> int | None:
    """The ``arrival_id`` of what the inbox has held longest for ``feed``; None where it holds nothing."""
    found = waiting(conn, feed, pattern)
    try:
        first = next(found, None)
    finally:
        found.close()  # type: ignore[attr-defined]  # it is a generator, and the connection is busy until it ends
    return first.arrival_id if first else None


def newest(conn: psycopg.Connection) -> int:
    """The ``arrival_id`` of what was recorded last, whomever it concerns; 0 before anything was."""
    row = conn.execute("SELECT coalesce(max(arrival_id), 0) FROM sluice.arrivals").fetchone()
    assert row is not None
    return int(row[0])


def take(conn: psycopg.Connection, run: Run, announced: Sequence[Announced]) -> None:
    """Note that ``run`` has taken these on; belongs into the transaction that makes its manifest."""
    conn.execute(
        """INSERT INTO sluice.taken_arrivals (feed, arrival_id, run_id) SELECT %s, unnest(%s::bigint[]), %s
           ON CONFLICT (feed, arrival_id) DO UPDATE SET run_id = excluded.run_id""",
        [run.feed, [entry.arrival_id for entry in announced], run.run_id],
    )


def forget(conn: psycopg.Connection, patterns: Mapping[str, UriPattern], now: dt.datetime) -> int:
    """Remove what nobody needs any more; returns how many announcements. ``patterns`` are those of all feeds with
    arrivals of this warehouse, by the feed's name.

    An announcement goes a day after it came when every feed that it concerns has taken it (what the ledger knows is not
    loaded again, however often it is announced), and after ``KEPT_DAYS`` when it concerns none. What a feed still has
    to take stays, however old it is.
    """
    rows = conn.execute(
        """SELECT a.arrival_id, a.uri, a.recorded_at,
               coalesce(array_agg(t.feed) FILTER (WHERE t.feed IS NOT NULL), '{}')
           FROM sluice.arrivals a LEFT JOIN sluice.taken_arrivals t USING (arrival_id)
           WHERE a.recorded_at < %s GROUP BY a.arrival_id""",
        [now - dt.timedelta(days=1)],
    )
    gone = []
    for arrival_id, uri, recorded_at, takers in rows:
        concerned = {feed for feed, pattern in patterns.items() if pattern.matches(uri)}
        if concerned <= set(takers) and (concerned or recorded_at < now - dt.timedelta(days=KEPT_DAYS)):
            gone.append(arrival_id)
    conn.execute("DELETE FROM sluice.taken_arrivals WHERE arrival_id = ANY(%s)", [gone])
    return conn.execute("DELETE FROM sluice.arrivals WHERE arrival_id = ANY(%s)", [gone]).rowcount
