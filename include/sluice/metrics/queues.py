"""How deep a queue of SQS is, and its dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sluice.metrics.catalog import Measurement, measured

_WAITING, _IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


def measure_queue(client: Any, url: str) -> Iterator[Measurement]:
    """``client`` is boto3's for SQS. SQS counts approximately. Without a dead-letter queue nothing is said of one."""
    asked = [_WAITING, _IN_FLIGHT, "RedrivePolicy"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    name = url.rstrip("/").rpartition("/")[2]
    yield measured("queue_messages", int(found[_WAITING]), name)
    yield measured("queue_messages_in_flight", int(found[_IN_FLIGHT]), name)
    if "RedrivePolicy" in found:
        dead = json.loads(found["RedrivePolicy"])["deadLetterTargetArn"]
        yield measured("dead_letters", _depth(client, dead), name)


def _depth(client: Any, arn: str) -> int:
    *_, account, name = arn.split(":")
    url = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    return int(client.get_queue_attributes(QueueUrl=url, AttributeNames=[_WAITING])["Attributes"][_WAITING])
