"""Where metrics go, and when: a run's when it has ended, the gauges whenever ``send_gauges`` is called.

Sending never fails a task, and delays it by ``SECONDS`` at most for each receiver. What does not go through is said in
the log, in one line, and lost.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

from airflow.sdk import Context, RetryAction, conf, get_current_context
from airflow.sdk.exceptions import AirflowTaskTimeout

from sluice.edge.retries import OnlyWhatCanPass
from sluice.edge.runs import STAGES, feed_of
from sluice.feed.loading import feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.metrics.catalog import NAMESPACE, Measurement, measured
from sluice.wording import first_line

log = logging.getLogger(__name__)

SECONDS = 5
"""How long a receiver may take."""
GAUGES_SECONDS = 60
"""How long all gauges may take; after that none is begun."""
TIMELY_RUNS = ("scheduled", "asset_triggered")
"""Runs that take files as they come; others are about old files on purpose, and say nothing about the lag."""


@dataclass(frozen=True)
class MetricsSettings:
    """Who gets metrics: ``cloudwatch``, or ``airflow`` for what Airflow's section ``[metrics]`` names."""

    receivers: tuple[str, ...] = ()
    connection: str = ""
    namespace: str = NAMESPACE

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> MetricsSettings:
        """The settings of ``SLUICE_METRICS``, ``SLUICE_METRICS_CONNECTION`` and ``SLUICE_METRICS_NAMESPACE``."""
        from sluice.edge.connections import AWS_CONNECTION

        return cls(
            tuple(filter(None, map(str.strip, env.get("SLUICE_METRICS", "").split(",")))),
            env.get("SLUICE_METRICS_CONNECTION") or AWS_CONNECTION,
            env.get("SLUICE_METRICS_NAMESPACE") or NAMESPACE,
        )


@contextmanager
def run_is_measured(manifest: Mapping[str, Any] | None) -> Iterator[None]:
    """Sends what the run came to when the block has ended, well or not, unless Airflow will try the task again."""
    started = time.monotonic()
    try:
        yield
    except (Exception, AirflowTaskTimeout) as error:
        _send_run(manifest, time.monotonic() - started, error)
        raise
    _send_run(manifest, time.monotonic() - started, None)


def send_gauges(feeds: Sequence[Feed], now: dt.datetime) -> None:
    """Send what waits in queues, inbox and ledger for these feeds. Raises nothing."""
    _send(lambda: _gauges(feeds, now))


def _is_tried_again(error: BaseException, context: Context) -> bool:
    ti = context["ti"]
    tries, most = getattr(ti, "try_number", 1), getattr(ti, "max_tries", 0)
    if tries > most:
        return False
    return OnlyWhatCanPass().evaluate(error, tries, most, context).action == RetryAction.RETRY


def _send_run(manifest: Mapping[str, Any] | None, seconds: float, error: BaseException | None) -> None:
    _send(lambda: _of_run(get_current_context(), manifest, seconds, error))


def _of_run(
    context: Context, manifest: Mapping[str, Any] | None, seconds: float, error: BaseException | None
) -> Iterator[Measurement]:
    """A run that has made no manifest, or whose warehouse does not answer, still tells that it has failed."""
    if context["params"].get("dry_run") or (error is not None and _is_tried_again(error, context)):
        return
    feed = feed_of(context)
    yield measured("runs_failed", int(error is not None), feed)
    yield measured("runs_succeeded", int(error is None), feed)
    if manifest is not None:
        yield from _from_ledger(context, feed, manifest["run_id"], seconds)


def _from_ledger(context: Context, feed: str, run_id: int, seconds: float) -> Iterator[Measurement]:
    from sluice import warehouse
    from sluice.edge.connections import warehouse_dsn
    from sluice.metrics.runs import measure_run

    try:
        spent = {**_stage_seconds(context), STAGES[-1]: round(seconds, 3)}
        with_lag = context["dag_run"].run_type.value in TIMELY_RUNS
        dsn = warehouse_dsn(load_feed(feeds_root() / feed).target.connection)
        with warehouse.connect(dsn, f"metrics {feed} run {run_id}") as connection:
            connection.execute(_PATIENCE)
            yield from warehouse.transact(connection, lambda conn: measure_run(conn, run_id, spent, with_lag=with_lag))
    except Exception as error:  # noqa: BLE001 - whatever it is, the run is over
        log.warning("the metrics of run %s cannot be read: %s", run_id, first_line(error))


def _stage_seconds(context: Context) -> dict[str, float]:
    """What Airflow says that the tasks before this one took, by stage."""
    ti = context["ti"]
    spent: Counter[str] = Counter()
    for task in ti.get_task_breadcrumbs(ti.dag_id, ti.run_id):  # type: ignore[attr-defined]  # of the task's process
        if task["task_id"] in STAGES[:-1] and task["duration"]:
            spent[task["task_id"]] += task["duration"]
    return {stage: round(seconds, 3) for stage, seconds in spent.items()}


def _gauges(feeds: Iterable[Feed], now: dt.datetime) -> Iterator[Measurement]:
    """What does not answer is said, and left out."""
    from sluice.edge.arrivals import by_queue, connection_of

    yield measured("heartbeat", 1)
    by_warehouse: dict[str, list[Feed]] = defaultdict(list)
    for feed in feeds:
        by_warehouse[feed.target.connection].append(feed)
    end = time.monotonic() + GAUGES_SECONDS
    for conn_id, some in by_warehouse.items():
        yield from _attempted(f"gauges of the warehouse {conn_id}", end, _backlog, conn_id, some, now)
    for url, some in by_queue(feeds).items():
        yield from _attempted(f"gauges of the queue {url}", end, _depths, url, connection_of(some[0]))


def _attempted(what: str, end: float, read: Callable[..., Iterable[Measurement]], *arguments: Any) -> list[Measurement]:
    try:
        if time.monotonic() > end:
            raise TimeoutError("others took too long")
        return list(read(*arguments))
    except Exception as error:  # noqa: BLE001 - the others are sent all the same
        log.warning("the %s cannot be read: %s", what, first_line(error))
        return []


def _backlog(conn_id: str, feeds: Sequence[Feed], now: dt.datetime) -> Iterator[Measurement]:
    from sluice import warehouse
    from sluice.edge.connections import warehouse_dsn
    from sluice.metrics.backlog import measure_backlog

    with warehouse.connect(warehouse_dsn(conn_id), "gauges") as connection:
        warehouse.create_ledger(connection)
        connection.execute(_PATIENCE)
        yield from measure_backlog(connection, feeds, now)


def _depths(url: str, conn_id: str) -> list[Measurement]:
    from sluice.edge.connections import brief_client
    from sluice.metrics.queues import measure_queue

    client = brief_client("sqs", conn_id)
    return _within(2 * SECONDS, lambda: list(measure_queue(client(), url)))


def _send(read: Callable[[], Iterable[Measurement]]) -> None:
    """``read`` is only asked where somebody wants to know."""
    settings = MetricsSettings.from_environment(os.environ)
    if not settings.receivers:
        return
    try:
        measurements = list(read())
    except Exception as error:  # noqa: BLE001 - metrics are no reason to fail
        log.warning("the metrics cannot be read: %s", first_line(error))
        return
    for receiver in settings.receivers:
        try:
            if send := _SENDERS.get(receiver):
                send(settings, measurements)
            else:
                log.warning("SLUICE_METRICS: %r is none of %s", receiver, ", ".join(_SENDERS))
        except Exception as error:  # noqa: BLE001 - metrics are no reason to fail
            log.warning("%d metrics were not sent to %s: %s", len(measurements), receiver, first_line(error))


def _to_cloudwatch(settings: MetricsSettings, measurements: Sequence[Measurement]) -> None:
    from sluice.edge.connections import brief_client
    from sluice.metrics.cloudwatch import put

    client = brief_client("cloudwatch", settings.connection)
    at = dt.datetime.now(dt.UTC)
    _within(SECONDS, lambda: put(client(), settings.namespace, measurements, at))


def _to_airflow(settings: MetricsSettings, measurements: Sequence[Measurement]) -> None:
    _within(SECONDS, lambda: _tell_stats(measurements, has_tags=_has_tags()))


def _has_tags() -> bool:
    """Plain StatsD knows no tags; then a metric's dimensions stand in its name."""
    return (
        conf.getboolean("metrics", "statsd_datadog_enabled", fallback=False)
        or conf.getboolean("metrics", "statsd_influxdb_enabled", fallback=False)
        or not conf.getboolean("metrics", "statsd_on", fallback=False)
    )


def _tell_stats(measurements: Iterable[Measurement], *, has_tags: bool) -> None:
    from airflow.sdk.observability import stats

    for item in measurements:
        name = ".".join(("sluice", item.metric.name, *(() if has_tags else item.dimensions)))
        name = stats.normalize_name_for_stats(name, log_warning=False)
        tags = item.tags if has_tags else None
        if item.metric.kind == "counter":
            stats.incr(name, int(item.value), tags=tags)
        else:
            stats.gauge(name, item.value, tags=tags)


def _within(seconds: float, action: Callable[[], Any]) -> Any:
    """What ``action`` answers, or raises; ``TimeoutError`` where that takes longer. It is left to itself then: nothing
    else helps against a name server that does not answer.
    """
    outcome: dict[str, Any] = {}

    def act() -> None:
        try:
            outcome["answer"] = action()
        except BaseException as error:  # noqa: BLE001 - it is raised by the caller
            outcome["error"] = error

    thread = Thread(target=act, name="sluice-metrics", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} s")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["answer"]


_PATIENCE = b"SET lock_timeout = '2s'; SET statement_timeout = '30s'"
_SENDERS: dict[str, Callable[[MetricsSettings, Sequence[Measurement]], None]] = {
    "cloudwatch": _to_cloudwatch,
    "airflow": _to_airflow,
}
