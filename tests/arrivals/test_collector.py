"""The collector: kept first, deleted then; whatever fails in between, nothing is lost and nothing counts twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from tests.arrivals.landing import TRIES, Landing, sqs_client

from sluice.arrivals import collector
from sluice.arrivals.announcements import Announcement
from sluice.arrivals.collector import collect

DEADLINE_SECONDS = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for long."""
    caplog.set_level("INFO", "sluice")
    monkeypatch.setattr(collector, "POLL_SECONDS", 1)
    monkeypatch.setattr(collector, "PAUSE_SECONDS", (0,))


@pytest.fixture
def returning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that was received and not deleted comes back at once."""
    monkeypatch.setattr(collector, "VISIBILITY_SECONDS", 0)


class Inbox:
    """Keeps what it is given; ``fails`` so many times before that, with and without having kept it."""

    def __init__(self, fails: int = 0, *, keeps_all_the_same: bool = False) -> None:
        self.kept: list[str] = []
        self.fails, self.keeps_all_the_same = fails, keeps_all_the_same

    async def keep(self, announcements: Sequence[Announcement]) -> None:
        new = [found.uri for found in announcements if found.uri not in self.kept]
        self.fails -= 1
        if self.fails < 0 or self.keeps_all_the_same:
            self.kept += new
        if self.fails >= 0:
            raise ConnectionError("the warehouse went away")


def read(bucket: Landing, inbox: Inbox, is_done: Callable[[], bool], connect: Any = None) -> list[str]:
    """Let the collector work until ``is_done``; returns what it told."""

    async def work() -> list[str]:
        told: list[str] = []
        async for uris in collect(bucket.queue, connect or partial(sqs_client, bucket.url), inbox.keep):
            told += uris
            if is_done():
                return told
        raise AssertionError("it works for ever")

    return asyncio.run(asyncio.wait_for(work(), DEADLINE_SECONDS))


def test_announcements_are_kept_told_and_deleted(bucket: Landing) -> None:
    inbox = Inbox()
    for number in range(25):
        bucket.put(f"orders/{number} ä.xml", "<a/>")
    told = read(bucket, inbox, lambda: len(inbox.kept) == 25 and bucket.depth(bucket.queue) == 0)
    assert sorted(told) == sorted(f"s3://landing/orders/{number} ä.xml" for number in range(25))
    assert bucket.depth(bucket.dead) == 0


@pytest.mark.usefixtures("returning")
@pytest.mark.parametrize("keeps_all_the_same", [False, True])
def test_what_could_not_be_kept_comes_again(
    bucket: Landing, caplog: pytest.LogCaptureFixture, *, keeps_all_the_same: bool
) -> None:
    """Also where the inbox had kept it and the answer was lost. That it fails is said once."""
    bucket.put("orders/a.xml", "<a/>")
    inbox = Inbox(fails=TRIES - 1, keeps_all_the_same=keeps_all_the_same)
    read(bucket, inbox, lambda: bucket.depth(bucket.queue) == 0)
    assert inbox.kept == ["s3://landing/orders/a.xml"]
    assert bucket.depth(bucket.dead) == 0
    assert [record.message for record in caplog.records if "cannot be read now" in record.message] == [
        f"the queue {bucket.queue} cannot be read now, it is tried again: the warehouse went away"
    ]
    assert "is read again" in caplog.text


def test_an_inbox_that_stays_shut_is_told_once(
    bucket: Landing, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing comes from the queue between two tries, since messages are hidden for a while."""
    monkeypatch.setattr(collector, "VISIBILITY_SECONDS", 2)
    monkeypatch.setattr(collector, "POLL_SECONDS", 1)
    bucket.put("orders/a.xml", "<a/>")
    inbox = Inbox(fails=2)
    read(bucket, inbox, lambda: bool(inbox.kept))
    assert caplog.text.count("cannot be read now") == 1
    assert caplog.text.count("is read again") == 1


def test_a_queue_that_does_not_answer_is_tried_again(bucket: Landing, caplog: pytest.LogCaptureFixture) -> None:
    bucket.put("orders/a.xml", "<a/>")
    tries = iter(range(100))

    async def connect() -> Any:
        if next(tries) < 3:
            raise OSError("no route to host")
        return await sqs_client(bucket.url)

    inbox = Inbox()
    read(bucket, inbox, lambda: bool(inbox.kept), connect)
    assert caplog.text.count("no route to host") == 1


def test_what_is_no_announcement_ends_in_the_dead_letter_queue_and_nothing_else_does(bucket: Landing) -> None:
    for body in ("no JSON", json.dumps({"Records": [{"eventSource": "aws:sqs"}]})):
        bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody=body)
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"}
    bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody=json.dumps(test_event))
    bucket.put("orders/a.xml", "<a/>")
    inbox = Inbox()
    read(bucket, inbox, lambda: bucket.depth(bucket.queue) == 0)
    dead = bucket.sqs.receive_message(QueueUrl=bucket.dead, MaxNumberOfMessages=10)["Messages"]
    assert {message["Body"] for message in dead} == {"no JSON", '{"Records": [{"eventSource": "aws:sqs"}]}'}
    assert len(dead) == 2
    assert inbox.kept == ["s3://landing/orders/a.xml"]


@pytest.mark.usefixtures("returning")
def test_messages_that_fail_to_be_deleted_are_told_all_the_same(bucket: Landing) -> None:
    """As if the process had died between keeping and deleting: kept once, and told each time."""
    bucket.put("orders/a.xml", "<a/>")
    failures = iter([True, True])

    async def connect() -> Any:
        return _Undeleting(await sqs_client(bucket.url), failures)

    inbox = Inbox()
    told = read(bucket, inbox, lambda: bucket.depth(bucket.queue) == 0, connect)
    assert inbox.kept == ["s3://landing/orders/a.xml"]
    assert told == 3 * ["s3://landing/orders/a.xml"]


class _Undeleting:
    """A client whose deletions fail for a while."""

    def __init__(self, client: Any, failures: Any) -> None:
        self._made, self._failures = client, failures

    async def __aenter__(self) -> _Undeleting:
        self._client = await self._made.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._made.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        if name == "delete_message_batch" and next(self._failures, False):
            raise ConnectionError("gone")
        return getattr(self._client, name)


def test_what_was_kept_and_not_told_is_told_when_it_comes_again(bucket: Landing) -> None:
    """Another triggerer may have kept it and died; nobody has rung for it."""
    bucket.put("orders/a.xml", "<a/>")
    inbox = Inbox()
    inbox.kept = ["s3://landing/orders/a.xml"]
    assert read(bucket, inbox, lambda: bucket.depth(bucket.queue) == 0) == ["s3://landing/orders/a.xml"]


def test_a_queue_without_dead_letters_keeps_what_it_cannot_read(
    bucket: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.sqs.set_queue_attributes(QueueUrl=bucket.queue, Attributes={"RedrivePolicy": ""})
    bucket.sqs.send_message(QueueUrl=bucket.queue, MessageBody="no JSON")
    bucket.put("orders/a.xml", "<a/>")
    inbox = Inbox()
    read(bucket, inbox, lambda: bucket.depth(bucket.queue) == 1 and bool(inbox.kept))
    assert "has no dead-letter queue" in caplog.text
