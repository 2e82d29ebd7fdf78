"""When a watcher says that files have come, and the schedule that it stands in."""

from __future__ import annotations

import pytest
from airflow.sdk import AssetOrTimeSchedule, CronDataIntervalTimetable
from tests.arrivals.landing import s3_feed
from tests.small_feeds import ITEMS, Ground

from sluice.edge.arrivals import REPEAT_SECONDS, ArrivalsTrigger, Bell, arrivals_asset
from sluice.edge.dags import feed_dag
from sluice.sources import UriPattern

A, B, FOREIGN = "s3://landing/orders/a.xml", "s3://landing/orders/b.xml", "s3://landing/bills/a.xml"


@pytest.fixture
def bell() -> Bell:
    """Looked at once, and nothing was there."""
    bell = Bell(UriPattern("s3://landing/orders/*.xml"), window_seconds=5, max_files=3, began_at=100)
    assert bell.is_due(100)
    bell.rung(100, again=False)
    assert not bell.is_due(10_000)
    return bell


def test_announcements_of_a_window_ring_once(bell: Bell) -> None:
    bell.hear([A], 200)
    bell.hear([B], 204)
    assert not bell.is_due(204.9)
    assert bell.is_due(205)
    bell.rung(205, again=False)
    assert not bell.is_due(1000)


def test_many_announcements_ring_before_the_window_has_passed(bell: Bell) -> None:
    bell.hear([A, A, A], 200)
    assert bell.is_due(200)


def test_announcements_of_others_ring_nothing(bell: Bell) -> None:
    bell.hear([FOREIGN] * 10, 200)
    assert not bell.is_due(1000)


def test_it_rings_again_until_somebody_has_come_ever_more_seldom(bell: Bell) -> None:
    bell.hear([A], 200)
    now = 205.0
    for pause in (*REPEAT_SECONDS, REPEAT_SECONDS[-1]):
        assert bell.is_due(now)
        bell.rung(now, again=True)
        assert not bell.is_due(now + pause - 1)
        now += pause
    bell.rung(now, again=False)
    assert not bell.is_due(now + 10_000)


def test_what_comes_while_it_waits_to_ring_again_rings_after_its_window(bell: Bell) -> None:
    bell.hear([A], 200)
    bell.rung(205, again=True)
    bell.hear([B], 210)
    assert bell.is_due(215)
    bell.rung(215, again=True)
    assert not bell.is_due(215 + REPEAT_SECONDS[0] - 1)


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
