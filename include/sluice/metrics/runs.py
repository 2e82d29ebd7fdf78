"""What a run came to, from the ledger. The numbers are those that reconcile has written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from sluice.metrics.catalog import Measurement, measured

_COUNTED = {
    "files": "files",
    "files_quarantined": "files_quarantined",
    "records_found": "found",
    "records_loaded": "loaded",
    "records_quarantined": "quarantined",
    "records_held": "held",
    "bytes_read": "bytes_read",
}
"""Metrics by the columns of ``sluice.runs``."""
_SENT_AT = " at"  # no metric is called so


def measure_run(
    conn: psycopg.Connection, run_id: int, stage_seconds: Mapping[str, float], *, with_lag: bool
) -> list[Measurement]:
    """What there is to be sent of a run that has been reconciled: of counters, what was not sent before (a run is
    reconciled again when tasks of it are cleared), and notes that it is sent. Belongs into a transaction.

    Nothing of a dry run; of a replay only its seconds, since its records were counted by the runs that found them. Not
    ``with_lag`` where files were old on purpose, as in a backfill.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        run = cursor.execute("SELECT * FROM sluice.runs WHERE run_id = %s FOR NO KEY UPDATE", [run_id]).fetchone()
    if run is None or run["dry_run"] or run["finished_at"] is None:
        return []
    sent = run["metrics"] or {}
    found = [measured("stage_seconds", seconds, run["feed"], stage) for stage, seconds in stage_seconds.items()]
    if not sent:
        found.append(measured("run_seconds", (run["finished_at"] - run["started_at"]).total_seconds(), run["feed"]))
    if run["reload"] != "replay":
        found += _records(conn, run)
        if with_lag and run["reload"] == "no":
            found += _lag(conn, run, sent.get(_SENT_AT))
    counters = {_key(item): item.value for item in found if item.metric.kind == "counter"}
    conn.execute(
        "UPDATE sluice.runs SET metrics = %s || jsonb_build_object(%s::text, clock_timestamp()) WHERE run_id = %s",
        [Jsonb(sent | counters), _SENT_AT, run_id],
    )
    return [_rest(item, sent) for item in found]


def _key(item: Measurement) -> str:
    return " ".join((item.metric.name, *item.dimensions[1:]))


def _rest(item: Measurement, sent: Mapping[str, float]) -> Measurement:
    """Of a counter what is new. What was held and is loaded now is counted as loaded, and not taken back as held."""
    if item.metric.kind == "gauge":
        return item
    return Measurement(item.metric, max(0, item.value - sent.get(_key(item), 0)), item.dimensions)


def _records(conn: psycopg.Connection, run: Mapping[str, Any]) -> Iterator[Measurement]:
    feed = run["feed"]
    for name, column in _COUNTED.items():
        yield measured(name, run[column], feed)
    if run["found"]:
        yield measured("quarantined_percent", round(100 * run["quarantined"] / run["found"], 3), feed)
    rejects = conn.execute("SELECT code, count(*) FROM sluice.quarantine WHERE run_id = %s GROUP BY 1", [run["run_id"]])
    for code, count in rejects:
        yield measured("rejects", count, feed, code)


def _lag(conn: psycopg.Connection, run: Mapping[str, Any], since: str | None) -> Iterator[Measurement]:
    """Of the files whose last part was loaded after ``since``; not of those that were there before the feed was."""
    row = conn.execute(_LAG, {"run": run["run_id"], "feed": run["feed"], "since": since or "-infinity"}).fetchone()
    longest, median = row or (None, None)
    if longest is not None:
        yield measured("lag_seconds_max", round(float(longest), 3), run["feed"])
        yield measured("lag_seconds_median", round(float(median), 3), run["feed"])


# A batch that tells no commit is one of a run that is published as one, or its worker has died after the commit.
# S3 dates a file that was sent in pieces by the first of them: its announcement, where there is one, knows better.
_LAG = """
    SELECT max(lag), percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) FROM (
        SELECT greatest(0, extract(epoch FROM max(coalesce(b.committed_at, r.finished_at)) - coalesce(
            (SELECT max(a.announced_at) FROM sluice.arrivals a
             WHERE a.uri = f.uri COLLATE "C" AND a.etag <> '' AND position(a.etag IN f.version) > 0
                AND a.announced_at < max(l.loaded_at)), f.modified_at))) AS lag
        FROM sluice.runs r JOIN sluice.loads l USING (run_id) JOIN sluice.parts p USING (part_id)
        JOIN sluice.files f USING (file_id)
        LEFT JOIN (SELECT unnest(parts) AS part_id, committed_at FROM sluice.batches WHERE run_id = %(run)s) b
            USING (part_id)
        WHERE r.run_id = %(run)s AND l.state = 'loaded'
          AND f.modified_at >= (SELECT min(started_at) FROM sluice.runs WHERE feed = %(feed)s)
        GROUP BY f.file_id HAVING max(l.loaded_at) > %(since)s::timestamptz) AS files"""
