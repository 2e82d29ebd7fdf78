"""A stack with one feed that starts on arrivals alone, and a DAG of somebody who waits for its table."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import psycopg
import pytest
from botocore.config import Config

from sluice.stack.emulator import BUCKET, CREDENTIALS, DEAD_LETTERS, REGION
from sluice.stack.home import Home
from sluice.stack.processes import wait_until
from sluice.stack.running import AIRFLOW_NAMES, Stack, down, up

PROJECT = Path(__file__).parents[2]
FEED, FOLLOWER = "parcels", "follower"
AT_ONCE = 10  # the most that SQS takes in one request
MOST_WAITING = 500

DECLARATION = f"""
feed: {FEED}
source:
  uri: s3://{BUCKET}/{FEED}/*.xml
  arrivals: {{queue: "${{SLUICE_QUEUE}}", window_seconds: 2}}
schedule: {{cron: null}}
tables:
  parcels:
    record: /Parcels/Parcel
    key: id
    version: rev
    columns: {{id: "@id", rev: {{path: "@rev", type: integer}}, weight: {{path: Weight, type: "numeric(8,3)"}}}}
"""
# What a team would write to be started by a feed: it notes what the events say.
FOLLOWING = f'''
import json, os
from airflow.sdk import Asset, dag, task

PARCELS = Asset("sluice://tables/{FEED}/parcels")

@dag("{FOLLOWER}", schedule=[PARCELS], catchup=False)
def follow():
    @task
    def read(triggering_asset_events=None):
        with open(os.environ["FOLLOWER_NOTES"], "a") as notes:
            for event in triggering_asset_events[PARCELS]:
                notes.write(json.dumps(event.extra) + "\\n")
    read()

follow()
'''


@dataclass(frozen=True, slots=True)
class Ground:
    """The stack, its bucket and queue, and what the follower has noted."""

    stack: Stack
    notes: Path

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.stack.emulator.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(max_pool_connections=20),
        )

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.warehouse_dsn) as connection:
            return connection.execute(statement.encode()).fetchall()

    def send(self, bodies: Sequence[str]) -> None:
        """Messages into the queue, as anybody might; a few hundred wait there at most, since the emulator goes through
        all that wait for each that is received or deleted.
        """
        client = self.client("sqs")
        for start in range(0, len(bodies), AT_ONCE):
            while start % (10 * AT_ONCE) == 0 and self.depth() > MOST_WAITING:
                time.sleep(0.2)
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + AT_ONCE])]
            client.send_message_batch(QueueUrl=self.stack.emulator.queue_url, Entries=entries)

    def dead_letters(self) -> list[str]:
        """The bodies of all messages in the dead-letter queue; takes them out."""
        client = self.client("sqs")
        url = client.get_queue_url(QueueName=DEAD_LETTERS)["QueueUrl"]
        found = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=AT_ONCE).get("Messages"):
            found += [message["Body"] for message in messages]
            client.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)],
            )
        return found

    def depth(self) -> int:
        """All messages of the queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        client = self.client("sqs")
        found = client.get_queue_attributes(QueueUrl=self.stack.emulator.queue_url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)

    def follower_notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []


def parcel_file(number: int, rev: int = 1) -> bytes:
    """A file with two parcels of its own."""
    parcels = (
        f'<Parcel id="{number}-{side}" rev="{rev}"><Weight>{number % 900}.250</Weight></Parcel>' for side in "ab"
    )
    return f"<Parcels>{''.join(parcels)}</Parcels>".encode()


def key_of(number: int) -> str:
    return f"{FEED}/nr {number:05} & more.xml"


def notification(key: str, content: bytes) -> str:
    """What S3 says of an object, as the emulator would."""
    written = {"key": quote_plus(key), "size": len(content), "eTag": hashlib.md5(content).hexdigest()}
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": dt.datetime.now(dt.UTC).isoformat(),
        "s3": {"bucket": {"name": BUCKET}, "object": written},
    }
    return json.dumps({"Records": [record]})


@contextmanager
def ground(root: Path) -> Iterator[Ground]:
    """A stack of its own below ``root``, with both DAGs switched on; gone afterwards."""
    project, notes = root / "project", root / "notes.jsonl"
    for folder in ("dags", "plugins"):
        shutil.copytree(PROJECT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "dags/follower.py").write_text(FOLLOWING)
    feeds = root / "feeds"
    (feeds / FEED).mkdir(parents=True)
    (feeds / FEED / "feed.yaml").write_text(DECLARATION)
    home = Home(root / "stack", project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_FEEDS", str(feeds))
        patch.setenv("SLUICE_RETRY_SECONDS", "1")
        patch.setenv("FOLLOWER_NOTES", str(notes))
        try:
            stack = up(home, print)
            switch_on(stack, (FEED, FOLLOWER))
            yield Ground(stack, notes)
        finally:
            down(home, print, remove_data=True)


def switch_on(stack: Stack, dags: Iterable[str]) -> None:
    api = stack.api
    wait_until(stack.home, lambda: set(dags) <= api.dag_ids(), AIRFLOW_NAMES, "the DAGs", 120)
    for dag in dags:
        api.unpause(dag)
