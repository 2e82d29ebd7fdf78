"""What a run is measured to have come to, and that sums over time come out right."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import warehouse
from sluice.arrivals import inbox
from sluice.arrivals.announcements import Announcement
from sluice.feed.model import Feed
from sluice.metrics.catalog import METRICS, Measurement, measured
from sluice.metrics.runs import measure_run

GATED = ITEMS.replace(
    "name: Name}", "name: Name}\n    expectations: [{expect_column_mean_to_be_between: {column: rev, max_value: 5}}]"
)


def soon() -> dt.datetime:
    """Later than the feed's first run, whatever the clock's grain."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)


def measure(ground: Ground, *, with_lag: bool = True, run_id: int | None = None) -> dict[str, float]:
    """The newest run by default; metrics by their name, those with more dimensions by these, too."""
    with warehouse.connect(ground.dsn) as connection:
        newest = connection.execute("SELECT max(run_id) FROM sluice.runs").fetchone()
        assert newest
        spent = {"parse": 1.5}
        found = warehouse.transact(
            connection, lambda conn: measure_run(conn, run_id or newest[0], spent, with_lag=with_lag)
        )
    return {spell(item): item.value for item in found}


def spell(item: Measurement) -> str:
    return " ".join((item.metric.name, *item.dimensions[1:]))


def test_a_run_tells_what_the_ledger_says_of_it(ground: Ground) -> None:
    ground.put("a.xml", items(item("a"), item("b"), "<Item id='c' rev='no'/>"))
    ground.put("b.xml", "<Items>")
    assert ground.run(ground.feed(ITEMS))
    found = measure(ground)
    assert found.pop("run_seconds") >= 0
    assert found == {
        "stage_seconds parse": 1.5,
        "files": 2,
        "files_quarantined": 1,
        "records_found": 3,
        "records_loaded": 2,
        "records_quarantined": 1,
        "records_held": 0,
        "bytes_read": ground.sql("SELECT bytes_read FROM sluice.runs")[0][0],
        "quarantined_percent": 33.333,
        "rejects not_a_number": 1,
        "rejects truncated": 1,
    }


def test_counters_of_a_run_that_is_reconciled_again_tell_what_is_new(ground: Ground) -> None:
    """Its tasks were cleared: their sums must not count a record twice."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a"), item("b")))
    run_id, _ = ground.prepare(feed)
    assert ground.reconcile(feed, run_id)
    assert measure(ground)["records_loaded"] == 0
    ground.load(feed, run_id)
    assert ground.reconcile(feed, run_id) is None
    second = measure(ground)
    assert (second["records_loaded"], second["records_found"], second["files"]) == (2, 2, 0)
    assert "run_seconds" not in second
    third = measure(ground)
    assert {name: value for name, value in third.items() if METRICS[name.split()[0]].kind == "counter" and value} == {}


def test_what_is_held_is_counted_as_held_and_once(ground: Ground) -> None:
    feed = ground.feed(GATED)
    ground.put("a.xml", items(item("a", rev=9)))
    assert ground.run(feed)
    found = measure(ground)
    assert (found["records_held"], found["records_loaded"], found["records_found"]) == (1, 0, 1)


def test_a_dry_run_counts_nothing_and_a_replay_its_seconds(ground: Ground) -> None:
    """The records of a replay were counted by the runs that found them."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items("<Item id='c' rev='no'/>"))
    ground.run(feed, dry_run=True)
    assert measure(ground) == {}
    ground.run(feed)
    ground.replay(feed)
    assert set(measure(ground)) == {"run_seconds", "stage_seconds parse"}


def test_a_run_that_was_not_reconciled_tells_nothing(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.prepare(feed)
    assert measure(ground) == {}


def started(ground: Ground, feed: Feed) -> None:
    """The feed has run before."""
    ground.run(feed)
    ground.sql("UPDATE sluice.runs SET started_at = started_at - interval '1 day'")


def test_the_lag_ends_with_the_commit_of_the_last_part_and_begins_with_the_arrival(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    started(ground, feed)
    arrived = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    for name, hours in {"a": 0, "b": 1, "c": 2}.items():
        ground.put(f"{name}.xml", items(item(name)), arrived - dt.timedelta(hours=hours))
    assert ground.run(feed) is None
    committed = ground.sql("SELECT max(committed_at) FROM sluice.batches")[0][0]
    found = measure(ground)
    assert found["lag_seconds_median"] == pytest.approx((committed - arrived).total_seconds() + 3600, abs=1e-2)
    assert found["lag_seconds_max"] == pytest.approx((committed - arrived).total_seconds() + 7200, abs=1e-2)


def test_the_announcement_of_this_version_knows_when_it_arrived(ground: Ground) -> None:
    """Not that of another version, nor one that came when it was loaded already."""
    feed = ground.feed(ITEMS)
    started(ground, feed)
    now = dt.datetime.now(dt.UTC)
    ground.put("a.xml", items(item("a")), now - dt.timedelta(hours=9))
    assert ground.run(feed) is None
    uri = ground.uri("a.xml")
    version = ground.sql("SELECT version FROM sluice.files")[0][0]
    said = [(version, now - dt.timedelta(hours=2)), ("other", now - dt.timedelta(hours=1))]
    said.append((version, now + dt.timedelta(hours=1)))
    with psycopg.connect(ground.dsn) as connection:
        inbox.record(connection, [Announcement(uri, etag, str(n), at) for n, (etag, at) in enumerate(said)])
    assert measure(ground)["lag_seconds_max"] == pytest.approx(2 * 3600, abs=60)


def test_files_from_before_the_feed_and_runs_about_old_files_have_no_lag(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")), dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    assert ground.run(feed) is None
    assert "lag_seconds_max" not in measure(ground)
    ground.put("b.xml", items(item("b")), soon())
    assert ground.run(feed) is None
    assert "lag_seconds_max" not in measure(ground, with_lag=False)
    assert ground.run(feed, reload="all") is None
    assert "lag_seconds_max" not in measure(ground)


def test_a_run_that_publishes_as_one_has_its_lag_until_its_end(ground: Ground) -> None:
    feed = ground.feed("publish: run\n" + ITEMS)
    started(ground, feed)
    arrived = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    ground.put("a.xml", items(item("a")), arrived)
    assert ground.run(feed) is None
    finished = ground.sql("SELECT max(finished_at) FROM sluice.runs")[0][0]
    assert measure(ground)["lag_seconds_max"] == pytest.approx((finished - arrived).total_seconds(), abs=1e-2)


def test_a_metric_has_the_dimensions_of_the_list() -> None:
    with pytest.raises(KeyError):
        measured("records_lost", 1, "orders")
    with pytest.raises(ValueError, match="stage_seconds has the dimensions"):
        measured("stage_seconds", 1, "orders")
