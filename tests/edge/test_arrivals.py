"""When a watcher says that files have come, and the schedule that it stands in."""

from __future__ import annotations

import pytest
from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable
from tests.arrivals.landing import s3_feed
from tests.small_feeds import ITEMS, Ground

from sluice.edge.arrivals import LOOK_SECONDS, REPEAT_SECONDS, ArrivalsTrigger, Bell, arrivals_asset
from sluice.edge.dags import declared_feeds, feed_dag
from sluice.sources import UriPattern

A, B, FOREIGN = "s3://landing/orders/a.xml", "s3://landing/orders/b.xml", "s3://landing/bills/a.xml"


@pytest.fixture
def bell() -> Bell:
    """Looked at once, and nothing was there."""
    bell = Bell(UriPattern("s3://landing/orders/*.xml"), window_seconds=5, max_files=3, began_at=100)
    assert bell.is_due(100)
    assert not bell.rings(100, None, 0)
    assert not bell.is_due(100 + LOOK_SECONDS - 1)
    return bell


def test_announcements_of_a_window_ring_once(bell: Bell) -> None:
    bell.hear([A], 110)
    bell.hear([B], 114)
    assert not bell.is_due(114.9)
    assert bell.is_due(115)
    assert bell.rings(115, 1, 2)
    assert not bell.is_due(115 + REPEAT_SECONDS[0] - 1)


def test_many_announcements_ring_before_the_window_has_passed(bell: Bell) -> None:
    bell.hear([A, A, A], 110)
    assert bell.is_due(110)


def test_announcements_of_others_ring_nothing(bell: Bell) -> None:
    bell.hear([FOREIGN] * 10, 110)
    assert not bell.is_due(100 + LOOK_SECONDS - 1)


def test_what_nobody_has_heard_rings_at_the_next_look(bell: Bell) -> None:
    """Another triggerer's collector may have kept it, or one that died before it told."""
    assert bell.is_due(100 + LOOK_SECONDS)
    assert bell.rings(100 + LOOK_SECONDS, 1, 1)


def test_it_rings_again_until_somebody_has_come_ever_more_seldom(bell: Bell) -> None:
    bell.hear([A], 110)
    now = 115.0
    for pause in (*REPEAT_SECONDS, REPEAT_SECONDS[-1]):
        assert bell.is_due(now)
        assert bell.rings(now, 1, 1)
        assert not bell.is_due(now + pause - 1)
        now += pause
    assert not bell.rings(now, None, 1)
    assert not bell.is_due(now + LOOK_SECONDS - 1)


def test_what_comes_after_a_run_has_taken_the_rest_rings_after_its_window(bell: Bell) -> None:
    bell.hear([A], 110)
    assert bell.rings(115, 1, 1)
    bell.hear([B], 120)
    assert bell.is_due(125)
    assert bell.rings(125, 2, 2)


def test_files_that_keep_coming_start_no_storm_of_runs_that_fail(bell: Bell) -> None:
    """Nobody takes the first, and every ten seconds comes another."""
    rung = 0
    for second in range(110, 110 + 3600):
        if second % 10 == 0:
            bell.hear([A], second)
        if bell.is_due(second) and bell.rings(second, 1, second):
            rung += 1
    assert rung < 10


def test_schedule_and_arrivals_stand_side_by_side_or_alone(ground: Ground) -> None:
    both = s3_feed(ground)
    alone = s3_feed(ground, "alone", text="schedule: {cron: null}\n" + ITEMS)
    none = ground.feed(ITEMS, "none")
    with feed_dag(both) as dag:
        assert isinstance(dag.timetable, AssetOrTimeSchedule)
        assert isinstance(dag.timetable.timetable, CronDataIntervalTimetable)
    with feed_dag(alone) as dag:
        assert [asset.uri for asset in dag.timetable.asset_condition.objects] == ["sluice://arrivals/alone"]
    with feed_dag(none) as dag:
        assert isinstance(dag.timetable, CronDataIntervalTimetable)


def test_an_empty_queue_switches_arrivals_off(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = s3_feed(ground, queue="${Q:-}")
    monkeypatch.delenv("Q", raising=False)
    assert arrivals_asset(feed) is None
    monkeypatch.setenv("Q", "https://sqs.example/1/q")
    assert arrivals_asset(feed) is not None


def test_the_triggerer_makes_the_same_trigger_anew(ground: Ground) -> None:
    """Feeds of one queue share a collector, and each has its own watcher."""
    one, two = (
        asset.watchers[0].trigger
        for asset in (arrivals_asset(s3_feed(ground, name)) for name in ("one", "two"))
        if asset
    )
    path, kwargs = one.serialize()
    module, _, name = path.rpartition(".")
    assert (module, name) == (ArrivalsTrigger.__module__, "ArrivalsTrigger")
    assert ArrivalsTrigger(**kwargs).serialize() == one.serialize() != two.serialize()
    assert one.shared_stream_key() == two.shared_stream_key()


def test_a_feed_at_odds_or_with_an_unset_variable_stops_no_other(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    monkeypatch.delenv("Q", raising=False)
    s3_feed(ground, "one")
    s3_feed(ground, "two", text="target: {connection: elsewhere}\n" + ITEMS)
    unset = s3_feed(ground, "unset", queue="${Q}")
    assert [feed.feed for feed in declared_feeds()] == ["one"]
    assert arrivals_asset(unset) is None
