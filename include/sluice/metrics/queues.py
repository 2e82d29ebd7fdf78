"""How deep a queue of SQS is, and its dead-letter queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.arrivals.queues import read_depths
from sluice.metrics.catalog import Measurement, measured


def measure_queue(client: Any, url: str) -> Iterator[Measurement]:
    """``client`` is boto3's for SQS. Without a dead-letter queue nothing is said of one."""
    depths, name = read_depths(client, url), url.rstrip("/").rpartition("/")[2]
    yield measured("queue_messages", depths.waiting, name)
    yield measured("queue_messages_in_flight", depths.in_flight, name)
    if depths.dead is not None:
        yield measured("dead_letters", depths.dead, name)
