"""The AWS emulator: a moto server whose landing bucket is kept in a folder, since moto itself forgets everything.

What is written into the bucket is announced in a queue, which has a dead-letter queue, as it would be on AWS.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.stack.home import HOST
from sluice.stack.processes import Service

BUCKET = "sluice-landing"
QUEUE = "sluice-arrivals"
DEAD_LETTERS = "sluice-arrivals-dead"
# Fewer than in production, so that what is malformed is soon seen there; more than a reader dies with one message.
RECEIVED_BEFORE_DEAD = 20
ACCOUNT = "123456789012"  # moto's
REGION = "eu-west-1"
# moto checks neither; set so that no program of the stack ever uses the person's own AWS account
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sluice", "AWS_SECRET_ACCESS_KEY": "sluice-local"}


@dataclass(frozen=True, slots=True)
class Emulator:
    """The emulator on ``port``; ``landing`` is the folder that mirrors its landing bucket."""

    port: int
    landing: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def queue_url(self) -> str:
        return f"{self.url}/{ACCOUNT}/{QUEUE}"

    def client_env(self) -> dict[str, str]:
        """What makes every AWS client of a process talk to the emulator."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}

    def service(self, env: Mapping[str, str]) -> Service:
        command = [sys.executable, "-c", "from moto.server import main; main()", "-H", HOST, "-p", str(self.port)]
        return Service("aws", command, env)

    def answers(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/moto-api/", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def restore(self) -> None:
        """Make the landing bucket, fill it from the folder, and let it announce what comes from now on."""
        client = self._client("s3")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for path in sorted(self.landing.rglob("*")):
            if path.is_file():
                self._upload(client, path.relative_to(self.landing).as_posix())
        self._make_queues()
        self._announce(_ANNOUNCED)

    @contextmanager
    def silence(self) -> Iterator[None]:
        """What is written meanwhile is not announced."""
        self._announce({})
        try:
            yield
        finally:
            self._announce(_ANNOUNCED)

    def _make_queues(self) -> None:
        client = self._client("sqs")
        client.create_queue(QueueName=DEAD_LETTERS)
        policy = {"deadLetterTargetArn": _arn(DEAD_LETTERS), "maxReceiveCount": RECEIVED_BEFORE_DEAD}
        client.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": json.dumps(policy)})

    def _announce(self, configuration: Mapping[str, Any]) -> None:
        self._client("s3").put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)

    def put(self, source: Path, key: str) -> bool:
        """Put a file into the landing bucket and its folder; False if it is there already with the same content."""
        kept = self.landing / key
        if kept.is_file() and _md5(kept) == _md5(source):
            return False
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f".{kept.name}.new")
        shutil.copyfile(source, draft)
        draft.replace(kept)
        self._upload(self._client("s3"), key)
        return True

    def save(self) -> None:
        """Keep in the folder what others put into the bucket (``aws s3 cp …``), and forget what they deleted."""
        client = self._client("s3")
        kept = {path.relative_to(self.landing).as_posix() for path in self.landing.rglob("*") if path.is_file()}
        found = set()
        for item in _objects(client):
            found.add(item["Key"])
            path = self.landing / item["Key"]
            # a key may climb out of the folder (../) or name one (ending in /): such an object is not kept
            if path.resolve().is_relative_to(self.landing.resolve()) and not item["Key"].endswith("/"):
                self._save_object(client, item, path)
        for key in kept - found:
            (self.landing / key).unlink()

    def _save_object(self, client: Any, item: Mapping[str, Any], path: Path) -> None:
        if path.is_file() and path.stat().st_size == item["Size"] and _md5(path) == item["ETag"].strip('"'):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, item["Key"], str(path))

    def _upload(self, client: Any, key: str) -> None:
        # one request whatever the size: the ETag is the content's MD5, so the same file keeps its version
        with (self.landing / key).open("rb") as body:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def _client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )


def _arn(queue: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


_ANNOUNCED = {"QueueConfigurations": [{"QueueArn": _arn(QUEUE), "Events": ["s3:ObjectCreated:*"]}]}


def without_aws(env: Mapping[str, str]) -> dict[str, str]:
    """``env`` without any setting of the person's own AWS account."""
    return {key: value for key, value in env.items() if not key.startswith("AWS_")}


def _objects(client: Any) -> Iterator[Mapping[str, Any]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        yield from page.get("Contents", ())


def _md5(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
