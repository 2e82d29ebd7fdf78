"""The one list of metrics. docs/metrics.md, the alarms and the dashboard of deploy/aws are held against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "Sluice"
"""Of CloudWatch, unless the settings say otherwise."""

Unit = Literal["Count", "Bytes", "Seconds", "Percent"]
Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` is the same everywhere; ``unit`` is CloudWatch's word.

    The values of a ``counter`` may be added up over time, those of a ``gauge`` say how things stand. ``is_overall``
    says that CloudWatch gets each value a second time without dimensions, for alarms that do not name feeds.
    """

    name: str
    unit: Unit
    kind: Kind
    meaning: str
    dimensions: tuple[str, ...] = ("feed",)
    is_overall: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        # sent at the end of a run
        Metric(
            "runs_succeeded", "Count", "counter", "1 for a run that succeeded, 0 for one that failed", is_overall=True
        ),
        Metric("runs_failed", "Count", "counter", "1 for a run that failed, 0 for one that succeeded", is_overall=True),
        Metric("run_seconds", "Seconds", "gauge", "from the making of the run's manifest to its reconciliation"),
        Metric(
            "stage_seconds",
            "Seconds",
            "gauge",
            "what the tasks of a stage took in the run, added up, each by its last try",
            ("feed", "stage"),
        ),
        Metric("files", "Count", "counter", "files that the run took on, but for those that another run loaded"),
        Metric(
            "files_quarantined", "Count", "counter", "of these, files and archive members that were quarantined whole"
        ),
        Metric("records_found", "Count", "counter", "records that parse found", is_overall=True),
        Metric("records_loaded", "Count", "counter", "records that were loaded", is_overall=True),
        Metric("records_quarantined", "Count", "counter", "records that were quarantined", is_overall=True),
        Metric(
            "records_held", "Count", "counter", "records that a shut gate or a refused run kept out", is_overall=True
        ),
        Metric(
            "quarantined_percent",
            "Percent",
            "gauge",
            "the share of the records found that was quarantined; not sent where none was found",
            is_overall=True,
        ),
        Metric(
            "rejects",
            "Count",
            "counter",
            "entries of the quarantine by their code; only codes that occurred are sent",
            ("feed", "code"),
        ),
        Metric("bytes_read", "Bytes", "counter", "decoded bytes that parse read", is_overall=True),
        Metric(
            "lag_seconds_max",
            "Seconds",
            "gauge",
            "from a file's arrival to the commit of its last part: the longest of the run",
            is_overall=True,
        ),
        Metric("lag_seconds_median", "Seconds", "gauge", "the same: the median of the run's files"),
        # sent every five minutes, whether anything runs or not
        Metric("heartbeat", "Count", "gauge", "1, as long as somebody looks after the gauges below", ()),
        Metric("files_open", "Count", "gauge", "files that runs took on and have not done with", is_overall=True),
        Metric("files_held", "Count", "gauge", "files of which a part waits behind a shut gate", is_overall=True),
        Metric("quarantine_open", "Count", "gauge", "entries of the quarantine that nobody has dealt with"),
        Metric("announcements_waiting", "Count", "gauge", "announced files in the inbox that no run has taken"),
        Metric(
            "announcement_wait_seconds",
            "Seconds",
            "gauge",
            "how long ago the oldest of these was announced; 0 where there is none",
            is_overall=True,
        ),
        Metric("queue_messages", "Count", "gauge", "messages of a queue that nobody has received yet", ("queue",)),
        Metric("queue_messages_in_flight", "Count", "gauge", "messages that were received and not deleted", ("queue",)),
        Metric(
            "dead_letters", "Count", "gauge", "messages in the queue's dead-letter queue", ("queue",), is_overall=True
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of a metric, with the values of its dimensions, in their order."""

    metric: Metric
    value: float
    dimensions: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        return dict(zip(self.metric.dimensions, self.dimensions, strict=True))


def measured(name: str, value: float, *dimensions: str) -> Measurement:
    """Raises ``KeyError`` for a metric that is not in the list, ``ValueError`` for too many or too few dimensions."""
    measurement = Measurement(METRICS[name], value, dimensions)
    if len(dimensions) != len(measurement.metric.dimensions):
        raise ValueError(f"{name} has the dimensions {measurement.metric.dimensions}, not {len(dimensions)} values")
    return measurement
