"""What an arrival run takes on: what was announced, as a listing would have it, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.arrivals.landing import Landing, announcement, s3_feed
from tests.small_feeds import Ground, item, items

from sluice import warehouse
from sluice.arrivals import inbox
from sluice.errors import SourceUnavailable
from sluice.feed.model import Feed
from sluice.records import RunRequest
from sluice.sources import Clients
from sluice.stages.fetch import fetch

EVERYTHING = {"takes_arrivals": True}
ARRIVED = {"takes_arrivals": True, "lists": False}


def announce(ground: Ground, *keys: str) -> None:
    with warehouse.connect(ground.dsn) as connection:
        warehouse.create_ledger(connection)
        inbox.record(connection, map(announcement, keys))


def manifest(ground: Ground, run_id: int) -> list[str]:
    rows = ground.sql(
        "SELECT uri FROM sluice.manifest JOIN sluice.files USING (file_id) WHERE run_id = %s ORDER BY uri", run_id
    )
    return [uri.removeprefix("s3://landing/orders/") for (uri,) in rows]


def request(ground: Ground, feed: Feed, key: str, **options: bool) -> RunRequest:
    return replace(ground.request(feed, **options), run_key=key)


def test_an_arrival_run_takes_what_was_announced_and_nothing_else(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground)
    for name in ("a.xml", "b.xml", "c.txt"):
        bucket.put(f"orders/{name}", items(item(name)))
    announce(ground, "orders/a.xml", "orders/c.txt", "elsewhere/a.xml", "orders/gone.xml")
    found = fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    assert manifest(ground, found.run_id) == ["a.xml"]
    assert "1 open files" in found.line()
    assert found.line().endswith("announced; 1 announced and gone since")
    again = fetch(bucket.tools(ground, feed), request(ground, feed, "s#0", **ARRIVED))
    assert again.files == 0


def test_an_announced_file_is_the_file_that_a_listing_finds(ground: Ground, bucket: Landing) -> None:
    """Or a sweep would load it once more: same version, date and moment."""
    feed = s3_feed(ground, pattern="s3://landing/orders/{date:%Y-%m-%d}.xml")
    bucket.put("orders/2026-03-01.xml", items(item("a")))
    announce(ground, "orders/2026-03-01.xml")
    arrival = fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    sweep = fetch(bucket.tools(ground, feed), request(ground, feed, "s#0"))
    assert manifest(ground, arrival.run_id) == manifest(ground, sweep.run_id) == ["2026-03-01.xml"]
    (row,) = ground.sql("SELECT count(*), max(file_date)::text FROM sluice.files")
    assert row == (1, "2026-03-01")


def test_a_sweep_takes_what_was_announced_too_whatever_its_date(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground, pattern="s3://landing/orders/{date:%Y-%m-%d}.xml")
    for day in ("2026-03-01", "2025-12-24"):
        bucket.put(f"orders/{day}.xml", items(item(day)))
    announce(ground, "orders/2026-03-01.xml", "orders/2025-12-24.xml")
    sweep = fetch(bucket.tools(ground, feed), request(ground, feed, "s#0", **EVERYTHING))
    assert manifest(ground, sweep.run_id) == ["2025-12-24.xml", "2026-03-01.xml"]
    assert fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED)).files == 0


def test_a_run_that_asks_for_a_date_leaves_the_inbox_alone(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground)
    bucket.put("orders/a.xml", items(item("a")))
    announce(ground, "orders/a.xml")
    fetch(bucket.tools(ground, feed), request(ground, feed, "m#0", takes_arrivals=False))
    assert fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED)).files == 1


def test_a_cleared_arrival_run_takes_the_same_again_and_what_has_come_since(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground)
    bucket.put("orders/a.xml", items(item("a")))
    announce(ground, "orders/a.xml")
    first = fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    assert fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED)).run_id == first.run_id
    bucket.put("orders/b.xml", items(item("b")))
    announce(ground, "orders/b.xml")
    cleared = fetch(bucket.tools(ground, feed), request(ground, feed, "r#1", **ARRIVED))
    assert manifest(ground, cleared.run_id) == ["a.xml", "b.xml"]


def test_an_object_written_again_before_it_was_fetched_is_taken_as_it_is(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground)
    bucket.put("orders/a.xml", items(item("a")))
    announce(ground, "orders/a.xml")
    bucket.put("orders/a.xml", items(item("a"), item("b")))
    fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    (found,) = bucket.s3.list_objects_v2(Bucket="landing")["Contents"]
    assert ground.sql("SELECT version FROM sluice.files") == [(found["ETag"].strip('"'),)]


def test_a_feed_that_is_declared_later_finds_what_came_before(ground: Ground, bucket: Landing) -> None:
    feed = s3_feed(ground)
    bucket.put("orders/a.xml", items(item("a")))
    announce(ground, "orders/a.xml")
    fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    other = s3_feed(ground, "others")
    assert fetch(bucket.tools(ground, other), request(ground, other, "r#0", **ARRIVED)).files == 1


def test_what_a_failed_run_has_left_is_taken_on_by_the_next(ground: Ground, bucket: Landing) -> None:
    """Nobody announces or lists it once more. What others load, hold or try dry is not taken."""
    feed = s3_feed(ground)
    for name in ("a.xml", "b.xml"):
        bucket.put(f"orders/{name}", items(item(name)))
    announce(ground, "orders/a.xml")
    failed = fetch(bucket.tools(ground, feed), request(ground, feed, "r#0", **ARRIVED))
    dry = fetch(bucket.tools(ground, feed), request(ground, feed, "d#0", dry_run=True))
    following = {**ARRIVED, "takes_left": True}
    assert fetch(bucket.tools(ground, feed), request(ground, feed, "s#0", **following)).files == 0, "it may be at work"
    ground.sql("UPDATE sluice.runs SET state = 'failed' WHERE run_id = ANY(%s)", [failed.run_id, dry.run_id])
    found = fetch(bucket.tools(ground, feed), request(ground, feed, "t#0", **following))
    assert manifest(ground, found.run_id) == ["a.xml"]


def test_a_file_that_nobody_is_let_to_read_stops_no_other(
    ground: Ground, bucket: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    feed = s3_feed(ground)
    for name in ("a.xml", "b.xml"):
        bucket.put(f"orders/{name}", items(item(name)))
    announce(ground, "orders/a.xml", "orders/b.xml")
    tools = replace(bucket.tools(ground, feed), clients=Clients(s3=lambda: _Refusing(bucket.s3, ["orders/a.xml"])))
    found = fetch(tools, request(ground, feed, "r#0", **ARRIVED))
    assert manifest(ground, found.run_id) == ["b.xml"]
    assert found.line().endswith("announced; 1 announced and refused by the source")
    assert "s3://landing/orders/a.xml was announced and cannot be looked up" in caplog.text
    with pytest.raises(SourceUnavailable, match="cannot be looked up"):
        fetch(tools, request(ground, feed, "s#0", **ARRIVED))
    found = fetch(bucket.tools(ground, feed), request(ground, feed, "t#0", **ARRIVED))
    assert manifest(ground, found.run_id) == ["a.xml"]


class _Refusing:
    """A client that may not look at some keys."""

    def __init__(self, client: Any, keys: list[str]) -> None:
        self._client, self._keys = client, keys

    def head_object(self, **arguments: Any) -> Any:
        if arguments["Key"] in self._keys:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")
        return self._client.head_object(**arguments)
