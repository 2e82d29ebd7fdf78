"""Housekeeping clears away what a feed has kept long enough, and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.small_feeds import ITEMS, Ground, item, items

from sluice.retention import TidySummary, tidy

NOW = dt.datetime.now(dt.UTC)
LATER = NOW + dt.timedelta(days=31)
MONTH = "retention: {quarantine_days: 30, data_docs_days: 30, work_days: 30}"


def test_raw_values_go_and_the_entry_stays_with_its_place_and_reasons(tmp_path: Path, database: str) -> None:
    ground = Ground(tmp_path, database)
    feed = ground.feed(ITEMS, more=MONTH)
    ground.put("a.xml", items(item("a"), '<Item id="b" rev="none"/>'))
    ground.run(feed)
    entry = "SELECT code, ordinal, line, message FROM sluice.quarantine"
    raw = "SELECT raw IS NULL, context IS NULL, reasons->0->>'value' FROM sluice.quarantine"
    before, values = ground.sql(entry), ground.sql(raw)
    assert tidy(ground.tools(feed), NOW).entries == 0
    assert ground.sql(raw) == values == [(False, False, "none")]
    assert tidy(ground.tools(feed), LATER).entries == 1
    assert ground.sql(raw) == [(True, True, None)]
    assert ground.sql(entry) == before
    assert tidy(ground.tools(feed), LATER) == TidySummary("items", 0, 0, 0)


def test_old_data_docs_and_forgotten_work_files_go(tmp_path: Path, database: str) -> None:
    """Of a run that was never reconciled the work files are kept as long as the feed says."""
    ground = Ground(tmp_path, database)
    feed = ground.feed(ITEMS, more=MONTH)
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(feed)
    page = ground.work.data_docs("items", run_id, "batch-0000-items.html")
    with ground.work.open_write(page) as file:
        file.write(b"<html/>")
    assert (ground.work.list_runs("items"), ground.work.list_runs("items", data_docs=True)) == ([run_id], [run_id])
    assert tidy(ground.tools(feed), NOW) == TidySummary("items", 0, 0, 0)
    assert tidy(ground.tools(feed), LATER) == TidySummary("items", 0, 1, 1)
    assert ground.work.list_runs("items") == ground.work.list_runs("items", data_docs=True) == []


def test_nothing_is_cleared_where_the_feed_keeps_for_ever(tmp_path: Path, database: str) -> None:
    ground = Ground(tmp_path, database)
    feed = ground.feed(ITEMS, more="retention: {quarantine_days: null, data_docs_days: null, work_days: null}")
    ground.put("a.xml", items('<Item id="b" rev="none"/>'))
    ground.prepare(feed)
    ground.run(feed)
    assert tidy(ground.tools(feed), LATER) == TidySummary("items", 0, 0, 0)


def test_a_feed_that_never_ran_has_nothing_to_clear(tmp_path: Path, database: str) -> None:
    ground = Ground(tmp_path, database)
    assert tidy(ground.tools(ground.feed(ITEMS)), NOW) == TidySummary("items", 0, 0, 0)
