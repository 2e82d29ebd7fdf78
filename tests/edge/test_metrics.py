"""Metrics reach CloudWatch, StatsD and OpenTelemetry, and whatever those do, the task does not notice."""

from __future__ import annotations

import atexit
import datetime as dt
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict
from tests.arrivals.landing import Landing, landing, s3_feed
from tests.small_feeds import ITEMS, Ground, item, items

from sluice.errors import RunFailed, WarehouseUnavailable
from sluice.feed.loading import feeds_root, sound_feeds
from sluice.metrics.catalog import METRICS, Measurement, measured
from sluice.metrics.cloudwatch import AT_ONCE, put

CREDENTIALS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
MOMENT = dt.datetime(2026, 3, 31, 6, tzinfo=dt.UTC)


@pytest.fixture
def bucket() -> Iterator[Landing]:
    with landing() as made:
        yield made


def aws_connection(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    extra = {"endpoint_url": url, "region_name": "eu-west-1"}
    connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


@pytest.fixture
def task(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The task reconcile of a scheduled run of the feed ``items``, on its only try."""
    from airflow.sdk.api.datamodels._generated import DagRunType

    from sluice.edge import metrics

    parts = conninfo_to_dict(ground.dsn)
    fields = {"conn_type": "postgres", "login": parts.pop("user"), "schema": parts.pop("dbname"), "extra": parts}
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", json.dumps(fields))
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    monkeypatch.setenv("SLUICE_METRICS", "cloudwatch")
    for name in ("SLUICE_METRICS_CONNECTION", "SLUICE_METRICS_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)

    def breadcrumbs(dag_id: str, run_id: str) -> list[dict[str, Any]]:
        parses = [{"task_id": "parse", "map_index": n, "duration": 1.25} for n in range(2)]
        return [*parses, {"task_id": "split", "map_index": -1, "duration": None}]

    ti = SimpleNamespace(
        dag_id="items", run_id="scheduled__1", get_task_breadcrumbs=breadcrumbs, try_number=1, max_tries=0
    )
    made = SimpleNamespace(ti=ti, params={}, run=SimpleNamespace(run_type=DagRunType.SCHEDULED))
    monkeypatch.setattr(
        metrics,
        "get_current_context",
        lambda: {"dag": SimpleNamespace(dag_id="items"), "ti": ti, "params": made.params, "dag_run": made.run},
    )
    return made


def sent_to(url: str, namespace: str = "Sluice") -> dict[tuple[str, ...], float]:
    """What CloudWatch has got: values by the metric's name and the values of its dimensions, added up. Not what was
    sent a second time without dimensions: moto adds to that what has some.
    """
    client = boto3.client("cloudwatch", endpoint_url=url, **CREDENTIALS)
    found = {}
    for metric in client.list_metrics(Namespace=namespace)["Metrics"]:
        if METRICS[metric["MetricName"]].dimensions and not metric["Dimensions"]:
            continue
        answer = client.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=dt.datetime.now(dt.UTC) - dt.timedelta(days=1),
            EndTime=dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
            Period=172800,
            Statistics=["Sum"],
        )
        values = [dimension["Value"] for dimension in metric["Dimensions"]]
        found[(metric["MetricName"], *values)] = sum(point["Sum"] for point in answer["Datapoints"])
    return found


def finished_run(ground: Ground) -> dict[str, int]:
    ground.put("a.xml", items(item("a"), item("b"), "<Item id='c' rev='no'/>"))
    ground.run(ground.feed(ITEMS))
    return {"run_id": ground.sql("SELECT max(run_id) FROM sluice.runs")[0][0]}


def test_a_run_that_succeeds_is_told_in_cloudwatch(
    ground: Ground, task: SimpleNamespace, bucket: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.edge.metrics import run_is_measured

    aws_connection(monkeypatch, bucket.url)
    with run_is_measured(finished_run(ground)):
        pass
    found = sent_to(bucket.url)
    assert found["runs_succeeded", "items"] == 1
    assert found["runs_failed", "items"] == 0
    assert found["records_loaded", "items"] == 2
    assert found["rejects", "items", "not_a_number"] == 1
    assert found["stage_seconds", "items", "parse"] == 2.5
    assert ("stage_seconds", "items", "reconcile") in found
    assert ("stage_seconds", "items", "split") not in found


def test_a_run_that_fails_is_told_and_fails_as_before(
    ground: Ground, task: SimpleNamespace, bucket: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.edge.metrics import run_is_measured

    aws_connection(monkeypatch, bucket.url)
    monkeypatch.setenv("SLUICE_METRICS_NAMESPACE", "Sluice/Staging")
    manifest = finished_run(ground)
    task.ti.max_tries = 3
    with pytest.raises(RunFailed, match="3 parts"), run_is_measured(manifest):
        raise RunFailed("3 parts were not loaded")
    found = sent_to(bucket.url, "Sluice/Staging")
    assert (found["runs_failed", "items"], found["records_loaded", "items"]) == (1, 2)


@pytest.mark.parametrize("manifest", [None, {"run_id": 1}])
def test_a_run_without_manifest_or_warehouse_tells_that_it_failed(
    ground: Ground,
    task: SimpleNamespace,
    bucket: Landing,
    monkeypatch: pytest.MonkeyPatch,
    manifest: dict[str, int] | None,
) -> None:
    from sluice.edge.metrics import run_is_measured

    ground.feed(ITEMS)
    aws_connection(monkeypatch, bucket.url)
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgres://nobody@127.0.0.1:9/nothing")
    with pytest.raises(WarehouseUnavailable), run_is_measured(manifest):
        raise WarehouseUnavailable("it does not answer")
    assert sent_to(bucket.url) == {("runs_failed", "items"): 1, ("runs_succeeded", "items"): 0}


def test_a_task_that_is_tried_again_tells_nothing_yet_and_a_dry_run_never(
    ground: Ground, task: SimpleNamespace, bucket: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.edge.metrics import run_is_measured

    manifest = finished_run(ground)
    aws_connection(monkeypatch, bucket.url)
    task.ti.max_tries = 3
    with pytest.raises(WarehouseUnavailable), run_is_measured(manifest):
        raise WarehouseUnavailable("it does not answer")
    task.params["dry_run"] = True
    with run_is_measured(manifest):
        pass
    assert sent_to(bucket.url) == {}


def test_a_receiver_that_does_not_answer_is_said_once_and_fails_nothing(
    ground: Ground, task: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here one that takes the request and says nothing, and one that nobody knows."""
    from sluice.edge import metrics

    manifest = finished_run(ground)
    monkeypatch.setattr(metrics, "SECONDS", 0.2)
    monkeypatch.setenv("SLUICE_METRICS", "cloudwatch, graphite")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        aws_connection(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with metrics.run_is_measured(manifest):
            pass
    told = [record.getMessage() for record in caplog.records if record.name == "sluice.edge.metrics"]
    assert told[1:] == ["SLUICE_METRICS: 'graphite' is none of cloudwatch, airflow"]
    assert told[0].endswith("metrics were not sent to cloudwatch: no answer within 0.2 s")


def test_without_the_setting_nothing_is_even_read(task: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge import metrics

    monkeypatch.delenv("SLUICE_METRICS")
    monkeypatch.setattr(metrics, "get_current_context", lambda: pytest.fail("it was read"))
    monkeypatch.setattr(metrics, "_gauges", lambda feeds, now: pytest.fail("it was read"))
    with metrics.run_is_measured({"run_id": 1}):
        pass
    send_all_gauges()


def test_gauges_tell_of_queue_dead_letters_inbox_and_ledger(
    ground: Ground, task: SimpleNamespace, bucket: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the dead-letter queue is counted by the name of the queue that it comes from."""
    aws_connection(monkeypatch, bucket.url)
    s3_feed(ground, "orders", queue=bucket.queue)
    (ground.root / "feeds" / "broken").mkdir()
    (ground.root / "feeds" / "broken" / "feed.yaml").write_text("feed: [")
    before = bucket.depth(bucket.queue)
    bucket.put("orders/a.xml", "<a/>")
    bucket.sqs.send_message(QueueUrl=bucket.dead, MessageBody="poison")
    send_all_gauges()
    found = sent_to(bucket.url)
    assert found["heartbeat",] == 1
    assert found["queue_messages", "landing"] == before + 1
    assert found["dead_letters", "landing"] == 1
    assert found["files_open", "orders"] == found["announcements_waiting", "orders"] == 0


def test_gauges_of_what_does_not_answer_are_left_out(
    ground: Ground,
    task: SimpleNamespace,
    bucket: Landing,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    aws_connection(monkeypatch, bucket.url)
    s3_feed(ground, "orders", queue=f"{bucket.url}/123456789012/gone")
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgres://nobody@127.0.0.1:9/nothing")
    send_all_gauges()
    assert sent_to(bucket.url) == {("heartbeat",): 1}
    assert "gauges of the warehouse sluice_warehouse cannot be read" in caplog.text
    assert "gone cannot be read" in caplog.text


def test_gauges_that_take_too_long_begin_no_more(
    ground: Ground,
    task: SimpleNamespace,
    bucket: Landing,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from sluice.edge import metrics

    aws_connection(monkeypatch, bucket.url)
    s3_feed(ground, "orders", queue=bucket.queue)
    monkeypatch.setattr(metrics, "GAUGES_SECONDS", -1)
    send_all_gauges()
    assert sent_to(bucket.url) == {("heartbeat",): 1}
    assert "cannot be read: others took too long" in caplog.text


def test_more_values_than_one_request_takes_are_several_requests() -> None:
    requests: list[dict[str, Any]] = []
    client = SimpleNamespace(put_metric_data=lambda **request: requests.append(request))
    assert put(client, "Sluice", [measured("records_loaded", n, "a") for n in range(AT_ONCE)], MOMENT) == 2 * AT_ONCE
    assert [len(request["MetricData"]) for request in requests] == [AT_ONCE, AT_ONCE]
    assert requests[0]["MetricData"][:2] == [
        {
            "MetricName": "records_loaded",
            "Timestamp": MOMENT,
            "Value": 0,
            "Unit": "Count",
            "Dimensions": [{"Name": "feed", "Value": "a"}],
        },
        {"MetricName": "records_loaded", "Timestamp": MOMENT, "Value": 0, "Unit": "Count"},
    ]


def of_every_kind() -> list[Measurement]:
    return [
        measured("records_loaded", 3, "orders"),
        measured("stage_seconds", 2.5, "orders", "parse"),
        measured("heartbeat", 1),
    ]


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Airflow's own, as a task finds them at its start; ``stats.begin`` takes settings of ``[metrics]``."""
    from airflow.sdk.observability import stats as airflow_stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    monkeypatch.setenv("SLUICE_METRICS", "airflow")

    def begin(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name.upper()}", value)
        airflow_stats.initialize(factory=get_stats_factory(), export_legacy_names=False)

    yield SimpleNamespace(begin=begin)
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    airflow_stats.initialize(factory=NoStatsLogger, export_legacy_names=False)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (
            "False",
            [
                b"airflow.sluice.records_loaded.orders:3|c",
                b"airflow.sluice.stage_seconds.orders.parse:2.5|g",
                b"airflow.sluice.heartbeat:1|g",
            ],
        ),
        (
            "True",
            [
                b"airflow.sluice.records_loaded,feed=orders:3|c",
                b"airflow.sluice.stage_seconds,feed=orders,stage=parse:2.5|g",
                b"airflow.sluice.heartbeat:1|g",
            ],
        ),
    ],
)
def test_statsd_gets_them_with_dimensions_as_tags_or_in_the_name(
    stats: Any, tags: str, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain StatsD has no tags: without the feed in its name a gauge would be that of the feed that came last."""
    from sluice.edge import metrics

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(30)
        port = str(listener.getsockname()[1])
        stats.begin(statsd_on="True", statsd_host="127.0.0.1", statsd_port=port, statsd_influxdb_enabled=tags)
        metrics._send(of_every_kind)
        assert [listener.recv(1000) for _ in expected] == expected


def test_a_statsd_that_is_not_there_fails_nothing(stats: Any, caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge import metrics

    stats.begin(statsd_on="True", statsd_host="no-such-host.invalid", statsd_port="8125")
    metrics._send(of_every_kind)


class _Collector(BaseHTTPRequestHandler):
    """What OpenTelemetry's metrics are posted to."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_opentelemetry_gets_them_with_attributes(stats: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
    from opentelemetry import metrics as otel
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    from sluice.edge import metrics

    handler = type("Collector", (_Collector,), {"bodies": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        stats.begin(otel_on="True")
        metrics._send(of_every_kind)
        provider: Any = otel.get_meter_provider()
        provider.force_flush()  # as the task's process does when it ends
        provider.shutdown()
        atexit.unregister(flush_otel_metrics)
        server.shutdown()
    found = {}
    for body in handler.bodies:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.gauge.data_points or metric.sum.data_points
                    for point in points:
                        tags = {pair.key: pair.value.string_value for pair in point.attributes}
                        found[(metric.name, *tags.values())] = point.as_int or point.as_double
    assert found[("airflow.sluice.records_loaded", "orders")] == 3
    assert found[("airflow.sluice.stage_seconds", "orders", "parse")] == 2.5
    assert found[("airflow.sluice.heartbeat",)] == 1


def test_every_overall_metric_has_dimensions_to_be_without() -> None:
    assert {name for name, metric in METRICS.items() if metric.is_overall and not metric.dimensions} == set()


def send_all_gauges() -> None:
    from sluice.edge.metrics import send_gauges

    send_gauges(sound_feeds(feeds_root()), dt.datetime.now(dt.UTC))
