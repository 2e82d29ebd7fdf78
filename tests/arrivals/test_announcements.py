"""What a message announces, whatever it is wrapped in, and what is no announcement."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.arrivals.announcements import Announcement, NotAnAnnouncement, read_message

MOMENT = dt.datetime(2026, 3, 31, 6, 0, 1, 500_000, tzinfo=dt.UTC)
FOUND = Announcement("s3://landing/orders/März 31+a.xml", "d41d8", "0055AED6DCD90281E5", MOMENT)


def s3_record(key: str = "orders/M%C3%A4rz+31%2Ba.xml", **changes: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-03-31T06:00:01.500Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "landing", "arn": "arn:aws:s3:::landing"},
            "object": {"key": key, "size": 4, "eTag": "d41d8", "sequencer": "0055AED6DCD90281E5"},
        },
        **changes,
    }


def s3(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records or [s3_record()])}


def sns(message: Any) -> dict[str, Any]:
    topic = "arn:aws:sns:eu-west-1:123456789012:landing"
    return {"Type": "Notification", "MessageId": "1", "TopicArn": topic, "Message": json.dumps(message)}


def bridge(kind: str = "Object Created", key: str = "orders/März 31+a.xml", source: str = "aws.s3") -> dict[str, Any]:
    written = {"key": key, "size": 4, "etag": "d41d8", "sequencer": "0055AED6DCD90281E5"}
    return {
        "version": "0",
        "detail-type": kind,
        "source": source,
        "time": "2026-03-31T06:00:01.5Z",
        "detail": {"version": "0", "bucket": {"name": "landing"}, "object": written, "reason": "PutObject"},
    }


@pytest.mark.parametrize(
    "message", [s3(), sns(s3()), bridge(), sns(bridge()), sns(sns(bridge()))], ids=["s3", "sns", "bridge", "both", "3"]
)
def test_every_envelope_tells_the_same(message: Any) -> None:
    assert read_message(json.dumps(message)) == [FOUND]


def test_a_message_may_tell_of_several_objects_and_of_some_that_went() -> None:
    records = [s3_record("a.xml"), s3_record("b.xml", eventName="ObjectRemoved:Delete"), s3_record("c.xml")]
    assert [found.uri for found in read_message(json.dumps(s3(*records)))] == [
        "s3://landing/a.xml",
        "s3://landing/c.xml",
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-03-31T06:00:01Z", "Bucket": "landing"},
        sns({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}),
        bridge("Object Deleted"),
        s3(s3_record(eventName="ObjectTagging:Put")),
    ],
)
def test_some_messages_announce_nothing_and_are_sound(message: Any) -> None:
    assert read_message(json.dumps(message)) == []


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_an_object_may_come_in_several_ways(kind: str) -> None:
    assert read_message(json.dumps(s3(s3_record(eventName=f"ObjectCreated:{kind}")))) == [FOUND]


def test_what_a_message_lacks_is_empty() -> None:
    """Emulators leave out the sequencer, encrypted uploads may have an ETag in quotes."""
    written = {"key": "a.xml", "eTag": '"x"'}
    (found,) = read_message(json.dumps(s3(s3_record(s3={"bucket": {"name": "b"}, "object": written}))))
    assert (found.uri, found.etag, found.sequencer) == ("s3://b/a.xml", "x", "")


def without(*path: str) -> str:
    message = s3()
    place = message["Records"][0]
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return json.dumps(message)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '"text"',
        "null",
        "[" * 100_000,
        json.dumps({"Records": 1}),
        json.dumps({"Records": [1]}),
        json.dumps({"Type": "Notification", "Message": "no JSON"}),
        json.dumps({"Type": "Notification"}),
        json.dumps({"Type": "SubscriptionConfirmation", "Token": "x"}),
        json.dumps(sns(sns(sns(sns(s3()))))),
        json.dumps(bridge(source="aws.ec2")),
        json.dumps({"detail-type": "Object Created"}),
        json.dumps(s3(s3_record(eventSource="aws:sqs"))),
        json.dumps(s3(s3_record(eventTime="yesterday"))),
        json.dumps(s3(s3_record(eventTime="2026-03-31T06:00:01"))),
        json.dumps(s3(s3_record("%FF.xml"))),
        json.dumps(s3(s3_record("a%00b.xml"))),
        json.dumps(s3(s3_record(""))),
        json.dumps(bridge(key="\ud800")),
        json.dumps(bridge(key="k" * 1025)),
        json.dumps(s3(s3_record(s3={"bucket": {"name": "b\0"}, "object": {"key": "a"}}))),
        json.dumps(s3(s3_record(s3={"bucket": {"name": "b"}, "object": {"key": "a", "eTag": "\0"}}))),
        json.dumps(s3(s3_record(s3={"bucket": {"name": "b"}, "object": {"key": "a", "sequencer": "\ud800"}}))),
        json.dumps(s3(s3_record(s3={"bucket": {"name": "b"}, "object": {"key": "a", "sequencer": "x" * 257}}))),
        json.dumps(s3(s3_record(eventTime="0001-01-01T00:00:00+14:00"))),
        without("eventName"),
        without("eventTime"),
        without("s3", "bucket"),
        without("s3", "object", "key"),
    ],
)
def test_anything_else_is_no_announcement(body: str) -> None:
    with pytest.raises(NotAnAnnouncement):
        read_message(body)


_TEXT = st.text(st.characters() | st.sampled_from("\0\ud800%+"), max_size=300) | st.none() | st.integers()
_WRITTEN = st.fixed_dictionaries({"key": _TEXT}, optional={"eTag": _TEXT, "sequencer": _TEXT})
_RECORD = st.fixed_dictionaries(
    {
        "eventSource": st.just("aws:s3") | _TEXT,
        "eventName": st.just("ObjectCreated:Put") | _TEXT,
        "eventTime": st.just("2026-03-31T06:00:01Z") | st.datetimes().map(str) | _TEXT,
        "s3": st.fixed_dictionaries({"bucket": st.fixed_dictionaries({"name": _TEXT}), "object": _WRITTEN}) | _TEXT,
    }
)


@given(st.lists(_RECORD, max_size=3))
def test_whatever_is_announced_can_be_kept(records: list[dict[str, Any]]) -> None:
    """A message is refused as a whole, or a database can take all that it says."""
    try:
        announced = read_message(json.dumps({"Records": records}))
    except NotAnAnnouncement:
        return
    for found in announced:
        assert "\0" not in found.uri + found.etag + found.sequencer
        assert len(f"{found.uri}{found.etag}{found.sequencer}".encode()) < 2048
        assert found.announced_at.tzinfo is not None
