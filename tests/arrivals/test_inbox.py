"""The inbox keeps an announcement once, and hands it to every feed that it concerns, until a run has taken it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from tests.arrivals.landing import PATTERN, QUEUE, announcement, s3_feed
from tests.small_feeds import ITEMS, Ground

from sluice import warehouse
from sluice.arrivals import inbox
from sluice.arrivals.announcements import Announcement
from sluice.errors import FeedInvalid
from sluice.feed.loading import load_feeds, queue_mistakes
from sluice.records import Run
from sluice.sources import UriPattern


@pytest.fixture
def conn(ground: Ground) -> Iterator[psycopg.Connection]:
    with warehouse.connect(ground.dsn) as connection:
        warehouse.create_ledger(connection)
        yield connection


def run(conn: psycopg.Connection, feed: str = "items", key: str = "manual__1#0") -> Run:
    """A run in the ledger, and nothing more of it."""
    (run_id,) = conn.execute(  # type: ignore[misc]
        "INSERT INTO sluice.runs (feed, run_key, generation, request) VALUES (%s, %s, 1, '{}') RETURNING run_id",
        [feed, key],
    ).fetchone()
    return Run(run_id, feed, key, 1, "", "no", False)


def waiting(conn: psycopg.Connection, feed: str = "items", pattern: str = PATTERN, run_key: str = "") -> list[str]:
    return [entry.uri for entry in inbox.waiting(conn, feed, UriPattern(pattern), run_key)]


def test_what_comes_twice_is_one_entry(conn: psycopg.Connection) -> None:
    first = announcement("orders/a.xml")
    later = Announcement(first.uri, first.etag, first.sequencer, first.announced_at + dt.timedelta(hours=1))
    assert inbox.record(conn, [first, later]) == 1
    assert inbox.record(conn, [later]) == 0
    assert waiting(conn) == [first.uri]


def test_what_is_written_again_is_another(conn: psycopg.Connection) -> None:
    inbox.record(conn, [announcement("orders/a.xml", "1")])
    assert inbox.record(conn, [announcement("orders/a.xml", "2")]) == 1


def test_a_feed_sees_what_its_pattern_means(conn: psycopg.Connection) -> None:
    keys = [
        "orders/a.xml",
        "orders/a.txt",
        "orders/deep/a.xml",
        "orders/.a.xml",
        "ordersx/a.xml",
        "a.xml",
        "orders/ö.xml",
    ]
    inbox.record(conn, map(announcement, keys))
    assert waiting(conn) == ["s3://landing/orders/a.xml", "s3://landing/orders/ö.xml"]
    assert waiting(conn, pattern="s3://landing/orders/**.xml")[1:] == [
        "s3://landing/orders/deep/a.xml",
        "s3://landing/orders/ö.xml",
    ]
    assert waiting(conn, pattern="s3://elsewhere/orders/*.xml") == []


def test_a_run_takes_for_its_own_feed(conn: psycopg.Connection) -> None:
    inbox.record(conn, [announcement("orders/a.xml"), announcement("orders/b.xml")])
    entries = list(inbox.waiting(conn, "items", UriPattern(PATTERN)))
    inbox.take(conn, run(conn), entries[:1])
    assert waiting(conn) == ["s3://landing/orders/b.xml"]
    assert waiting(conn, "others") == ["s3://landing/orders/a.xml", "s3://landing/orders/b.xml"]
    assert inbox.oldest_waiting(conn, "items", UriPattern(PATTERN)) == entries[1].arrival_id
    assert inbox.newest(conn) == entries[1].arrival_id
    inbox.take(conn, run(conn, key="manual__2#0"), entries[1:])
    assert inbox.oldest_waiting(conn, "items", UriPattern(PATTERN)) is None


def test_a_cleared_run_finds_what_it_had_taken(conn: psycopg.Connection) -> None:
    """And nobody else does: other runs, and those whose name only begins alike."""
    inbox.record(conn, [announcement("orders/a.xml")])
    entries = list(inbox.waiting(conn, "items", UriPattern(PATTERN)))
    inbox.take(conn, run(conn, key="asset__1#0"), entries)
    assert waiting(conn, run_key="asset__1#1") == ["s3://landing/orders/a.xml"]
    assert waiting(conn, run_key="asset__1#0") == []
    assert waiting(conn, run_key="asset__#1") == []
    assert waiting(conn, run_key="asset__11#1") == []
    inbox.take(conn, run(conn, key="asset__1#1"), entries)
    assert waiting(conn, run_key="asset__1#2") == ["s3://landing/orders/a.xml"]


def test_an_announcement_goes_when_nobody_needs_it_any_more(conn: psycopg.Connection) -> None:
    """Taken by all that it concerns, a day after; concerning nobody, after a month; never while somebody waits."""
    keys = ["orders/taken.xml", "orders/half.xml", "orders/waits.xml", "foreign.xml"]
    for key in keys:
        inbox.record(conn, [announcement(key)])
    entries = {entry.uri.rpartition("/")[2]: entry for entry in inbox.waiting(conn, "items", UriPattern(PATTERN))}
    for feed in ("items", "others"):
        inbox.take(conn, run(conn, feed), [entries["taken.xml"]])
    inbox.take(conn, run(conn, key="manual__2#0"), [entries["half.xml"]])
    patterns = {"items": UriPattern(PATTERN), "others": UriPattern(PATTERN)}
    now = dt.datetime.now(dt.UTC)
    assert inbox.forget(conn, patterns, now) == 0
    assert inbox.forget(conn, patterns, now + dt.timedelta(days=2)) == 1
    assert inbox.forget(conn, patterns, now + dt.timedelta(days=40)) == 1
    left = conn.execute("SELECT uri FROM sluice.arrivals ORDER BY uri").fetchall()
    assert [uri for (uri,) in left] == ["s3://landing/orders/half.xml", "s3://landing/orders/waits.xml"]
    assert conn.execute("SELECT count(*) FROM sluice.taken_arrivals").fetchone() == (1,)


def test_a_look_finds_its_prefix_by_an_index(conn: psycopg.Connection) -> None:
    """Among many announcements of others, by the very statement that looks."""
    inbox.record(conn, [announcement(f"other/{number}.xml") for number in range(5000)])
    inbox.record(conn, [announcement("orders/a.xml")])
    conn.execute("ANALYZE sluice.arrivals")
    asked = {
        "feed": "items",
        "low": "s3://landing/orders/",
        "high": "s3://landing/orders0",
        "dag_run": "",
        "run_key": "",
    }
    plan = conn.execute("EXPLAIN " + inbox.WAITING, asked).fetchall()
    assert "Index Scan using arrivals_uri_etag_sequencer_key" in str(plan) or "Bitmap Index Scan" in str(plan)


def test_only_s3_announces(ground: Ground) -> None:
    assert s3_feed(ground).source.arrivals is not None
    with pytest.raises(FeedInvalid, match=r"only files in S3 \(s3://…\) announce themselves"):
        s3_feed(ground, "local", "/landing/*.xml")


def test_feeds_of_one_queue_agree_where_its_messages_are_kept(ground: Ground) -> None:
    s3_feed(ground, "one")
    s3_feed(ground, "two")
    assert sorted(load_feeds(ground.root / "feeds")) == ["one", "two"]
    s3_feed(ground, "three", text="target: {connection: elsewhere}\n" + ITEMS)
    with pytest.raises(FeedInvalid, match=r"three/feed.yaml:2:.*another feed of this queue"):
        load_feeds(ground.root / "feeds")


def test_a_queue_by_two_names_is_one_queue(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q", QUEUE)
    one = s3_feed(ground, "one", queue="${Q}")
    two = s3_feed(ground, "two", text="target: {connection: elsewhere}\n" + ITEMS)
    assert [name for name, _ in queue_mistakes([one, two])] == ["two"]
    assert list(queue_mistakes([one, s3_feed(ground, "three")])) == []


def test_a_variable_that_is_not_set_is_a_mistake_of_its_feed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("Q", raising=False)
    s3_feed(ground, "one", queue="${Q}")
    with pytest.raises(FeedInvalid, match=r"one/feed.yaml:2:.*the environment variable Q is not set"):
        load_feeds(ground.root / "feeds")
