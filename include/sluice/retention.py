"""Clears away what a feed has kept for long enough: raw values in the quarantine, Data Docs, forgotten work files.

Rows, ledger and the entries of the quarantine themselves stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import psycopg

from sluice import warehouse
from sluice.arrivals import inbox
from sluice.sources import UriPattern
from sluice.tools import Tools

_FORGET = """UPDATE sluice.quarantine SET raw = NULL, raw_is_whole = false, context = NULL, reasons = (
        SELECT jsonb_agg(jsonb_set(reason, '{value}', 'null') ORDER BY place)
        FROM jsonb_array_elements(reasons) WITH ORDINALITY AS r (reason, place))
    WHERE feed = %s AND created_at < %s
        AND (raw IS NOT NULL OR context IS NOT NULL OR jsonb_path_exists(reasons, '$[*].value ? (@ != null)'))"""


@dataclass(frozen=True, slots=True)
class TidySummary:
    """``entries`` of the quarantine lost their raw values; of so many runs Data Docs and work files were removed."""

    feed: str
    entries: int
    data_docs: int
    work: int

    def line(self) -> str:
        return (
            f"housekeeping: {self.feed}: raw values of {self.entries:,} quarantine entries, "
            f"Data Docs of {self.data_docs:,} runs and work files of {self.work:,} runs removed"
        )


def tidy(tools: Tools, now: dt.datetime, patterns: Mapping[str, UriPattern] = MappingProxyType({})) -> TidySummary:
    """Clear away what is older than the feed's ``retention``, and what the inbox need not keep; ``patterns`` are for
    ``inbox.forget``. Doing it twice changes nothing.

    Raises ``WarehouseUnavailable`` and ``WorkFilesUnavailable`` (try again).
    """
    feed, keep = tools.feed.feed, tools.feed.retention
    with warehouse.connect(tools.dsn, f"housekeeping {feed}") as connection:
        if connection.execute("SELECT to_regclass('sluice.runs')").fetchone() == (None,):
            return TidySummary(feed, 0, 0, 0)
        warehouse.create_ledger(connection)
        entries = _forget_values(connection, feed, now, keep.quarantine_days)
        docs = _old_runs(connection, feed, now, keep.data_docs_days, tools.work.list_runs(feed, data_docs=True))
        work = _old_runs(connection, feed, now, keep.work_days, tools.work.list_runs(feed))
        if feed in patterns:
            warehouse.transact(connection, lambda conn: inbox.forget(conn, patterns, now))
    for run_id in docs:
        tools.work.remove_data_docs(feed, run_id)
    for run_id in work:
        tools.work.remove_run(feed, run_id)
    return TidySummary(feed, entries, len(docs), len(work))


def _forget_values(connection: psycopg.Connection, feed: str, now: dt.datetime, days: int | None) -> int:
    if days is None:
        return 0
    return connection.execute(_FORGET, [feed, now - dt.timedelta(days=days)]).rowcount


def _old_runs(
    connection: psycopg.Connection, feed: str, now: dt.datetime, days: int | None, run_ids: list[int]
) -> list[int]:
    """Of these runs, those that began more than ``days`` ago."""
    if days is None:
        return []
    rows = connection.execute(
        "SELECT run_id FROM sluice.runs WHERE feed = %s AND run_id = ANY(%s) AND started_at < %s ORDER BY run_id",
        [feed, run_ids, now - dt.timedelta(days=days)],
    )
    return [run_id for (run_id,) in rows]
