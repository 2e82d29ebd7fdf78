"""A bucket that announces in a queue, as moto has both, and a feed over it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
from moto.server import ThreadedMotoServer
from tests.small_feeds import ITEMS, Ground

from sluice.arrivals.announcements import Announcement
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.sources import Clients
from sluice.tools import Tools

PATTERN = "s3://landing/orders/*.xml"
MOMENT = dt.datetime(2026, 3, 31, 6, tzinfo=dt.UTC)
CREDENTIALS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
QUEUE = "https://sqs.example/1/landing"
TRIES = 3


def announcement(key: str, etag: str = "e") -> Announcement:
    return Announcement(f"s3://landing/{key}", etag, "", MOMENT)


def s3_feed(ground: Ground, name: str = "items", pattern: str = PATTERN, text: str = ITEMS, queue: str = QUEUE) -> Feed:
    folder = ground.root / "feeds" / name
    folder.mkdir(parents=True, exist_ok=True)
    source = f"feed: {name}\nsource: {{uri: '{pattern}', arrivals: {{queue: '{queue}'}}}}\n"
    (folder / "feed.yaml").write_text(source + text)
    return load_feed(folder)


class Landing:
    """The bucket ``landing``, the queue that it announces in, and the dead-letter queue of that."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.s3 = boto3.client("s3", endpoint_url=url, **CREDENTIALS)
        self.sqs = boto3.client("sqs", endpoint_url=url, **CREDENTIALS)
        self.s3.create_bucket(Bucket="landing", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        policy = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": TRIES}
        made = self.sqs.create_queue(QueueName="landing", Attributes={"RedrivePolicy": json.dumps(policy)})
        self.queue = made["QueueUrl"]
        configuration = {"QueueConfigurations": [{"QueueArn": self._arn(self.queue), "Events": ["s3:ObjectCreated:*"]}]}
        self.s3.put_bucket_notification_configuration(Bucket="landing", NotificationConfiguration=configuration)

    def put(self, key: str, content: str) -> None:
        self.s3.put_object(Bucket="landing", Key=key, Body=content.encode())

    def tools(self, ground: Ground, feed: Feed) -> Tools:
        return Tools(feed, ground.dsn, ground.work, Clients(s3=lambda: self.s3))

    def depth(self, queue: str) -> int:
        """All messages of a queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def _arn(self, queue: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])


@contextmanager
def landing() -> Iterator[Landing]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    httpx.post(f"{url}/moto-api/reset").raise_for_status()
    try:
        yield Landing(url)
    finally:
        httpx.post(f"{url}/moto-api/reset").raise_for_status()
        server.stop()


async def sqs_client(url: str) -> Any:
    """An asynchronous client, to be entered."""
    from aiobotocore.session import get_session

    return get_session().create_client("sqs", endpoint_url=url, **CREDENTIALS)
