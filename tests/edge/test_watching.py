"""The task of the DAG ``watch``: all feeds, each warehouse once, and what happens where one does not answer."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.alerts.listeners import Listener, web_server
from tests.arrivals.landing import landing, s3_feed
from tests.small_feeds import ITEMS, Ground, item, items

from sluice.alerts.alert import Alert, Cause
from sluice.errors import SourceUnavailable, WarehouseUnavailable
from sluice.feed.loading import feeds_root, sound_feeds


def connection(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    known = {"conn_type": "postgres", "login": parts.pop("user"), "schema": parts.pop("dbname")}
    return json.dumps({**known, "password": parts.pop("password", None), "extra": parts})


@pytest.fixture
def surroundings(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two feeds that are to come every hour, in one warehouse, and a listener for all alerts."""
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", connection(ground.dsn))
    for name in ("EMAIL", "SLACK", "SNS"):
        monkeypatch.delenv(f"SLUICE_ALERT_{name}", raising=False)
    with web_server() as server:
        monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", f"http://127.0.0.1:{server.port}/")
        yield server


def look(hours_later: float) -> None:
    from sluice.edge.watching import look_over

    look_over(sound_feeds(feeds_root()), dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours_later))


def subjects(server: Listener) -> list[str]:
    return [message["subject"] for message in server.json()]


def test_a_silent_feed_is_told_though_nothing_ran(ground: Ground, surroundings: Listener) -> None:
    feed = ground.feed(ITEMS, more="alerts: {silence_hours: 1}")
    other = ground.feed(ITEMS, name="others", more="alerts: {silence_hours: 100}")
    ground.put("a.xml", items(item("a")))
    assert (ground.run(feed), ground.run(other)) == (None, None)
    for hours in (0.5, 2, 2, 2):
        look(hours)
    assert subjects(surroundings) == ["Sluice: items is silent: no new file for 2 hours"]
    ground.put("b.xml", items(item("b")))
    ground.run(feed)
    look(0.5)
    assert subjects(surroundings)[1:] == ["Sluice: items is no longer silent"]


def test_a_failed_run_of_which_nobody_told_is_told_once(ground: Ground, surroundings: Listener) -> None:
    """The DAG processor died. Dry runs, those at a terminal, and what failed just now or long ago are left alone."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", "<Items><Item")
    assert ground.run(feed, run_key="manual__dry#0", dry_run=True) is not None
    assert ground.run(feed, run_key="cli__2026-03-01T12:00:00+00:00#0") is not None
    ground.put("b.xml", "<Items><Item")
    assert ground.run(feed, run_key="manual__1#2") is not None
    ground.sql("UPDATE sluice.runs SET finished_at = now() - interval '2 days'")
    look(0)
    ground.sql("UPDATE sluice.runs SET finished_at = now()")
    look(0)
    assert subjects(surroundings) == []
    ground.sql("UPDATE sluice.runs SET finished_at = now() - interval '10 minutes'")
    for _ in range(2):
        look(0)
    assert subjects(surroundings) == ["Sluice: items passed a limit for 2026-03-01"]
    (alert,) = surroundings.json()
    assert alert["run"] == "manual__1"
    assert "b.xml: truncated" in alert["reason"]


def test_a_failed_run_of_which_somebody_told_is_not_told_again(ground: Ground, surroundings: Listener) -> None:
    """Also where that is over, or a run of the feed met the same."""
    from sluice.edge.channels import desk_for

    feed = ground.feed(ITEMS)
    ground.put("a.xml", "<Items><Item")
    assert ground.run(feed, run_key="manual__1#0") is not None
    ground.sql("UPDATE sluice.runs SET finished_at = now() - interval '10 minutes'")
    desk_for("items").tell(Alert(cause=Cause("items", "limits"), headline="items passed a limit"))
    ground.sql("UPDATE sluice.alerts SET closed_at = now()")
    look(0)
    assert len(surroundings.received) == 1


def test_a_feed_with_mistakes_does_not_take_the_others_with_it(ground: Ground, surroundings: Listener) -> None:
    feed = ground.feed(ITEMS, more="alerts: {silence_hours: 1}")
    (ground.root / "feeds/broken").mkdir()
    (ground.root / "feeds/broken/feed.yaml").write_text("{")
    ground.run(feed)
    look(2)
    assert len(surroundings.received) == 1


def test_a_warehouse_that_does_not_answer_fails_the_task_after_the_others(
    ground: Ground, surroundings: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would know that nobody watches."""
    monkeypatch.setenv("AIRFLOW_CONN_DOWN", "postgres://nobody@127.0.0.1:9/nothing")
    ground.feed(ITEMS, name="elsewhere", more="target: {connection: down}")
    ground.run(ground.feed(ITEMS, more="alerts: {silence_hours: 1}"))
    with pytest.raises(WarehouseUnavailable):
        look(2)
    assert subjects(surroundings) == ["Sluice: items is silent: no new file for 2 hours"]


def test_no_feeds_are_nothing_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path))
    look(0)


def test_the_task_sends_the_gauges_also_where_a_warehouse_does_not_answer(
    surroundings: Listener, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.edge import watching

    ground.feed(ITEMS)
    sent: list[str] = []
    monkeypatch.setattr(watching, "send_gauges", lambda feeds, now: sent.append("gauges"))
    monkeypatch.setattr(watching, "get_current_context", lambda: {"ti": SimpleNamespace(xcom_push=lambda **_: None)})
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgres://nobody@127.0.0.1:9/nothing")
    with pytest.raises(WarehouseUnavailable):
        watching.look.function()  # type: ignore[attr-defined]
    assert sent == ["gauges"]


def test_feeds_with_the_same_channels_share_a_desk(ground: Ground, surroundings: Listener) -> None:
    """Else a channel that does not answer would cost its time for each of them."""
    from sluice.edge.channels import general_desk
    from sluice.edge.watching import _desks

    more = {"a": "alerts: {silence_hours: 1}", "b": "alerts: {late_minutes: 9}", "c": "alerts: {mail: [x@example.org]}"}
    desks = _desks(
        [ground.feed(ITEMS, name, more=text) for name, text in more.items()], general_desk("sluice_warehouse")
    )
    assert desks["a"] is desks["b"] is not desks["c"]
    assert (desks["a"].names, desks["c"].names) == (["webhook"], ["mail", "webhook"])
    assert desks["a"].dsn is not None


def test_alerts_come_before_gauges(ground: Ground, surroundings: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long these take."""
    from sluice.edge import watching

    ground.run(ground.feed(ITEMS, more="alerts: {silence_hours: 1}"))
    ground.sql("UPDATE sluice.runs SET started_at = now() - interval '2 hours'")
    told: list[int] = []
    monkeypatch.setattr(watching, "send_gauges", lambda feeds, now: told.append(len(surroundings.received)))
    context = {"dag": SimpleNamespace(dag_id="watch"), "run_id": "manual__1"}
    monkeypatch.setattr(watching, "get_current_context", lambda: context)
    watching.look.function()  # type: ignore[attr-defined]
    assert told == [1]


@pytest.mark.parametrize("more", ["", "target: {connection: elsewhere}"])
def test_dead_letters_are_told_once_and_when_they_are_gone(
    ground: Ground, surroundings: Listener, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    """Of a queue that two feeds share, also where there is no other warehouse, and of one that does not answer."""
    if more:
        monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", connection(ground.dsn))
        monkeypatch.delenv("AIRFLOW_CONN_SLUICE_WAREHOUSE")
    with landing() as bucket:
        aws = {"conn_type": "aws", "login": "x", "password": "x"}
        extra = {"endpoint_url": bucket.url, "region_name": "eu-west-1"}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({**aws, "extra": extra}))
        for name in ("one", "two"):
            s3_feed(ground, name, queue=bucket.queue, text=more + ITEMS)
        look(0)
        assert subjects(surroundings) == []
        bucket.sqs.send_message(QueueUrl=bucket.dead, MessageBody="no JSON")
        for _ in range(3):
            look(0)
        assert subjects(surroundings) == ["Sluice: 1 dead letter in dead"]
        ground.sql("UPDATE sluice.alerts SET sent_at = sent_at - interval '25 hours'")
        look(0)
        assert "(again: open since" in subjects(surroundings)[1]
        bucket.sqs.purge_queue(QueueUrl=bucket.dead)
        look(0)
        assert subjects(surroundings)[2:] == ["Sluice: dead holds no dead letters any more"]
        s3_feed(ground, "three", queue=f"{bucket.queue}-that-is-gone", text=more + ITEMS)
        with pytest.raises(SourceUnavailable, match="does not answer"):
            look(0)
