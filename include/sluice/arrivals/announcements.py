"""What a message of a queue announces: S3's event notifications, plain, through SNS, or through EventBridge.

Formats after the documentation of Amazon S3 ("Event message structure", "EventBridge event message structure") and of
Amazon SNS ("HTTP/HTTPS and SQS notification JSON format").
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from sluice.errors import SluiceError

MAX_ENVELOPES = 3
"""S3's message in EventBridge's in SNS's: nothing is wrapped deeper."""
MAX_KEY_BYTES, MAX_BUCKET_BYTES = 1024, 255
"""As long as S3 lets them be."""


class NotAnAnnouncement(SluiceError):
    """A message that is none of S3's; it belongs into the queue's dead-letter queue. Says what is wrong, not what it
    holds.
    """


@dataclass(frozen=True, slots=True)
class Announcement:
    """An object that was written, as S3 tells it.

    ``etag`` and ``sequencer`` are '' where the message has none; the same object written again has others.
    ``announced_at`` (UTC) is when S3 made the message.
    """

    uri: str
    etag: str
    sequencer: str
    announced_at: dt.datetime


def read_message(body: str) -> list[Announcement]:
    """The announcements in the body of a queue's message: none in S3's test event, or where objects were not written
    but deleted or tagged; several where S3 has put several into one. Raises ``NotAnAnnouncement``.
    """
    try:
        return list(_read(_parse(body), MAX_ENVELOPES))
    except NotAnAnnouncement:
        raise
    except Exception as error:  # noqa: BLE001 - whatever stands in it, it must not stop those that come with it
        raise NotAnAnnouncement(f"it lacks what an announcement has ({type(error).__name__})") from None


def _read(message: Mapping[str, Any], envelopes: int) -> Iterator[Announcement]:
    if "Records" in message:
        for record in message["Records"]:
            yield from _read_record(record)
    elif "detail-type" in message:
        yield from _read_bridged(message)
    elif message.get("Type") == "Notification" and envelopes:
        yield from _read(_parse(message["Message"]), envelopes - 1)
    elif message.get("Event") != "s3:TestEvent":
        raise NotAnAnnouncement("it is no message of S3, SNS or EventBridge")


def _read_record(record: Mapping[str, Any]) -> Iterator[Announcement]:
    if record["eventSource"] != "aws:s3":
        raise NotAnAnnouncement("it is no message of S3")
    if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
        bucket, written = record["s3"]["bucket"]["name"], record["s3"]["object"]
        # keys are written as in a form: a space as +, the rest as %XX
        yield _announcement(bucket, unquote_plus(written["key"], errors="strict"), written, "eTag", record["eventTime"])


def _read_bridged(message: Mapping[str, Any]) -> Iterator[Announcement]:
    if message["source"] != "aws.s3":
        raise NotAnAnnouncement("it is an event of EventBridge, but not of S3")
    if message["detail-type"] == "Object Created":
        bucket, written = message["detail"]["bucket"]["name"], message["detail"]["object"]
        # the key stands here as it is
        yield _announcement(bucket, written["key"], written, "etag", message["time"])


def _announcement(bucket: str, key: str, written: Mapping[str, Any], etag: str, time: str) -> Announcement:
    fingerprint, sequencer = str(written.get(etag) or "").strip('"'), str(written.get("sequencer") or "")
    for text, limit in ((bucket, MAX_BUCKET_BYTES), (key, MAX_KEY_BYTES), (fingerprint, 256), (sequencer, 256)):
        # a lone surrogate does not encode
        if "\0" in text or len(text.encode()) > limit:
            raise NotAnAnnouncement("it holds a text that no database could keep")
    if not bucket or not key:
        raise NotAnAnnouncement("it names no object")
    announced_at = dt.datetime.fromisoformat(time)
    if announced_at.tzinfo is None:
        raise NotAnAnnouncement("its time has no zone")
    return Announcement(f"s3://{bucket}/{key}", fingerprint, sequencer, announced_at.astimezone(dt.UTC))


def _parse(text: str) -> Mapping[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise NotAnAnnouncement("it is no JSON") from None
    if not isinstance(message, dict):
        raise NotAnAnnouncement("it is no JSON object")
    return message
