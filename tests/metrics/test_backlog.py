"""What waits: files that are not done with, files that a gate holds, announcements that nobody has taken."""

from __future__ import annotations

import datetime as dt

import psycopg
from tests.arrivals.landing import announcement, s3_feed
from tests.metrics.test_runs import GATED
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import warehouse
from sluice.arrivals import inbox
from sluice.feed.model import Feed
from sluice.metrics.backlog import measure_backlog

NOW = dt.datetime(2026, 3, 31, 7, tzinfo=dt.UTC)  # an hour after what ``announcement`` says


def gauges(ground: Ground, *feeds: Feed) -> dict[tuple[str, ...], float]:
    with warehouse.connect(ground.dsn) as connection:
        warehouse.create_ledger(connection)
        return {(item.metric.name, *item.dimensions): item.value for item in measure_backlog(connection, feeds, NOW)}


def test_a_file_is_open_until_all_of_it_is_loaded_or_kept(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.put("b.xml", "<Items>")
    assert gauges(ground, feed)["files_open", "items"] == 0
    run_id, _ = ground.prepare(feed)
    assert gauges(ground, feed)["files_open", "items"] == 2
    ground.load(feed, run_id)
    ground.reconcile(feed, run_id)
    found = gauges(ground, feed)
    assert (found["files_open", "items"], found["quarantine_open", "items"]) == (0, 1)


def test_a_file_that_a_gate_holds_is_not_open(ground: Ground) -> None:
    feed = ground.feed(GATED)
    ground.put("a.xml", items(item("a", rev=9)))
    assert ground.run(feed)
    found = gauges(ground, feed)
    assert (found["files_open", "items"], found["files_held", "items"]) == (0, 1)


def test_what_a_dry_run_looked_at_is_not_open(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a", rev="no")))
    ground.run(feed, dry_run=True)
    assert gauges(ground, feed)["files_open", "items"] == 0


def test_an_old_run_that_never_ended_is_forgotten(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.prepare(feed)
    ground.sql("UPDATE sluice.runs SET started_at = now() - interval '31 days'")
    assert gauges(ground, feed)["files_open", "items"] == 0


def test_the_inbox_is_measured_for_feeds_with_arrivals(ground: Ground) -> None:
    """By the feed's own pattern, with the age of the oldest."""
    with_arrivals, without = s3_feed(ground, "orders"), ground.feed(ITEMS)
    assert gauges(ground, with_arrivals)["announcement_wait_seconds", "orders"] == 0
    with psycopg.connect(ground.dsn) as connection:
        inbox.record(connection, [announcement(f"orders/{name}.xml") for name in "ab"] + [announcement("bills/c.xml")])
    found = gauges(ground, with_arrivals, without)
    assert found["announcements_waiting", "orders"] == 2
    assert found["announcement_wait_seconds", "orders"] == 3600
    assert ("announcements_waiting", "items") not in found
