"""Metrics in CloudWatch: one request for as many as it takes.

Limits after the documentation of ``PutMetricData``: 1,000 metrics and 1 MB a request.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from sluice.metrics.catalog import Measurement

AT_ONCE = 1000


def put(client: Any, namespace: str, measurements: Iterable[Measurement], at: dt.datetime) -> int:
    """``client`` is boto3's for CloudWatch, and raises what it raises. Returns how many values were sent."""
    data = (entry for item in measurements for entry in _entries(item, at))
    sent = 0
    while some := list(itertools.islice(data, AT_ONCE)):
        client.put_metric_data(Namespace=namespace, MetricData=some)
        sent += len(some)
    return sent


def _entries(item: Measurement, at: dt.datetime) -> Iterator[dict[str, Any]]:
    entry = {"MetricName": item.metric.name, "Timestamp": at, "Value": item.value, "Unit": item.metric.unit}
    yield {**entry, "Dimensions": [{"Name": name, "Value": value} for name, value in item.tags.items()]}
    if item.metric.is_overall:
        yield entry
