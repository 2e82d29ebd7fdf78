"""How deep a queue of SQS is, and its dead-letter queue. SQS counts approximately."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_WAITING, _IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


@dataclass(frozen=True, slots=True)
class Depths:
    """Messages that wait, are with a receiver, and are dead; ``dead`` is None without a dead-letter queue, whose URL is
    ``dead_letters``.
    """

    waiting: int
    in_flight: int
    dead: int | None = None
    dead_letters: str = ""


def read_depths(client: Any, url: str) -> Depths:
    """``client`` is boto3's for SQS."""
    asked = [_WAITING, _IN_FLIGHT, "RedrivePolicy"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=asked)["Attributes"]
    waiting, in_flight = int(found[_WAITING]), int(found[_IN_FLIGHT])
    if "RedrivePolicy" not in found:
        return Depths(waiting, in_flight)
    *_, account, name = json.loads(found["RedrivePolicy"])["deadLetterTargetArn"].split(":")
    dead = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    counted = client.get_queue_attributes(QueueUrl=dead, AttributeNames=[_WAITING])["Attributes"]
    return Depths(waiting, in_flight, int(counted[_WAITING]), dead)
