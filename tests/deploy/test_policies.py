"""The policies of access.yaml allow what the code asks of AWS, on the resources that it asks it of, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.arrivals.landing import Landing, landing
from tests.deploy.cloudformation import ACCOUNT, Template

from sluice.arrivals.collector import collect
from sluice.metrics.catalog import NAMESPACE, measured
from sluice.sources import UriPattern
from sluice.sources.s3 import S3Source

WAREHOUSE = {
    "engine": "postgres",
    "host": "db.example",
    "port": 5432,
    "dbname": "warehouse",
    "username": "sluice_loader",
    "password": "rotated",
    "extra": {"sslmode": "verify-full"},
}
CREDENTIALS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
ACTIONS = {
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "ListObjectVersions"): "s3:ListBucketVersions",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "GetObject"): "s3:GetObject",
    ("s3", "PutObject"): "s3:PutObject",
    ("s3", "CreateMultipartUpload"): "s3:PutObject",
    ("s3", "UploadPart"): "s3:PutObject",
    ("s3", "CompleteMultipartUpload"): "s3:PutObject",
    ("s3", "AbortMultipartUpload"): "s3:AbortMultipartUpload",
    ("s3", "DeleteObject"): "s3:DeleteObject",
    ("s3", "DeleteObjects"): "s3:DeleteObject",
    ("sqs", "ReceiveMessage"): "sqs:ReceiveMessage",
    ("sqs", "DeleteMessageBatch"): "sqs:DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "sqs:ChangeMessageVisibility",
    ("sqs", "GetQueueAttributes"): "sqs:GetQueueAttributes",
    ("sqs", "GetQueueUrl"): "sqs:GetQueueUrl",
    ("cloudwatch", "PutMetricData"): "cloudwatch:PutMetricData",
    ("sns", "Publish"): "sns:Publish",
    ("logs", "DescribeLogGroups"): "logs:DescribeLogGroups",
    ("logs", "CreateLogStream"): "logs:CreateLogStream",
    ("logs", "PutLogEvents"): "logs:PutLogEvents",
    ("logs", "GetLogEvents"): "logs:GetLogEvents",
    ("secretsmanager", "GetSecretValue"): "secretsmanager:GetSecretValue",
}
"""Which permission an operation needs, after the "Actions, resources, and condition keys" of each service."""


@dataclass(frozen=True)
class Call:
    """A request, as the policies see it. ``conditions`` are those keys of it that they speak of."""

    action: str
    resource: str
    conditions: tuple[tuple[str, str], ...] = ()


def as_calls(service: str, operation: str, asked: dict[str, Any]) -> list[Call]:
    action = ACTIONS[service, operation]
    if service == "s3":
        bucket = f"arn:aws:s3:::{asked['Bucket']}"
        if action in ("s3:ListBucket", "s3:ListBucketVersions"):
            return [Call(action, bucket, (("s3:prefix", asked["Prefix"]),) if "Prefix" in asked else ())]
        keys = [item["Key"] for item in asked.get("Delete", {}).get("Objects", ())] or [asked["Key"]]
        versioned = "s3:GetObjectVersion" if asked.get("VersionId") and action == "s3:GetObject" else action
        return [Call(versioned, f"{bucket}/{key}") for key in keys]
    name = asked.get("QueueName") or asked.get("QueueUrl", "").rpartition("/")[2]
    resource = {
        "sqs": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}",
        "cloudwatch": "*",
        "sns": asked.get("TopicArn", ""),
        "logs": f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:{asked.get('logGroupName', '')}:log-stream:x",
        "secretsmanager": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:{asked.get('SecretId')}-AbCdEf",
    }[service]
    return [Call(action, resource, (("cloudwatch:namespace", asked["Namespace"]),) if service == "cloudwatch" else ())]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What boto3 and aiobotocore are asked for from now on."""
    from aiobotocore.client import AioBaseClient
    from botocore.client import BaseClient

    made: list[Call] = []
    sync, asynchronous = BaseClient._make_api_call, AioBaseClient._make_api_call

    def record(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        made.extend(as_calls(client.meta.service_model.service_name, operation, asked))
        return sync(client, operation, asked)

    async def record_async(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        made.extend(as_calls(client.meta.service_model.service_name, operation, asked))
        return await asynchronous(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    monkeypatch.setattr(AioBaseClient, "_make_api_call", record_async)
    return made


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Landing]:
    """Made before ``calls`` listens."""
    with landing() as made:
        extra = {"endpoint_url": made.url, "region_name": "eu-west-1"}
        connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        made.s3.create_bucket(Bucket="work", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        boto3.client("sns", endpoint_url=made.url, **CREDENTIALS).create_topic(Name="alerts")
        made.sqs.create_queue(QueueName="landing-dead")
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:landing-dead", "maxReceiveCount": 10}
        made.sqs.set_queue_attributes(QueueUrl=made.queue, Attributes={"RedrivePolicy": json.dumps(redrive)})
        made.s3.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
        made.put("orders/a.xml", "<old/>")
        made.put("orders/a.xml", "<a/>")
        made.sqs.send_message(QueueUrl=made.queue, MessageBody="poison")
        secrets = boto3.client("secretsmanager", endpoint_url=made.url, **CREDENTIALS)
        secrets.create_secret(Name="airflow/connections/sluice_warehouse", SecretString=json.dumps(WAREHOUSE))
        yield made


def statements(*policies: str) -> list[dict[str, Any]]:
    """Of the template with the names that ``landing`` gives."""
    template = Template(
        "access",
        LandingBucket="landing",
        LandingPrefix="orders/",
        WorkBucket="work",
        QueueName="landing",
        AlertTopicArn=f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts",
        DatabaseResourceId="db-ABC",
    )
    found = template.resources("AWS::IAM::ManagedPolicy")
    return [statement for name in policies for statement in found[name]["PolicyDocument"]["Statement"]]


def allows(statement: dict[str, Any], call: Call) -> bool:
    assert statement["Effect"] == "Allow"
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    return (
        call.action in statement["Action"]
        and any(fnmatch.fnmatchcase(call.resource, pattern) for pattern in resources)
        and all(_holds(kind, keys, dict(call.conditions)) for kind, keys in statement.get("Condition", {}).items())
    )


def _holds(kind: str, keys: dict[str, str], given: dict[str, str]) -> bool:
    assert kind in ("StringEquals", "StringLikeIfExists")
    if kind == "StringEquals":
        return all(given.get(key) == value for key, value in keys.items())
    return all(key not in given or fnmatch.fnmatchcase(given[key], value) for key, value in keys.items())


def check(calls: list[Call], allowed: list[dict[str, Any]]) -> None:
    assert calls
    assert [call for call in calls if not any(allows(statement, call) for statement in allowed)] == []


def unused(calls: list[Call], *policies: str) -> set[str]:
    """Actions of these policies that none of the calls needed."""
    permitted = {action for statement in statements(*policies) for action in statement["Action"]}
    return permitted - {call.action for call in calls}


def work_with_files() -> None:
    """Whatever stages do with work files: small and large ones, a broken write, looks, lists, removals."""
    from sluice.edge.connections import _work_files

    work = _work_files("s3://work/sluice")
    path = work.batch("orders", 1, 1)
    work.write_json(path, {"parts": 3})
    with work.open_write(work.table("orders", 1, 1, "orders")) as file:
        for _ in range(7):
            file.write(bytes(8 << 20))
    with contextlib.suppress(KeyError), work.open_write(work.table("orders", 1, 1, "lines")) as file:
        for _ in range(7):
            file.write(bytes(8 << 20))
        raise KeyError
    assert work.read_json(path) == {"parts": 3}
    assert not work.exists(work.verdict("orders", 1, 1))
    assert work.list_runs("orders") == [1]
    assert work.list_runs("orders", data_docs=True) == []
    work.remove_run("orders", 1)
    work.remove_data_docs("orders", 1)


def read_files() -> None:
    """A listing, looks at single objects (one of which is gone), a read of a range, and of a version before."""
    from sluice.edge.connections import _s3_client

    source = S3Source(_s3_client("aws_default"))
    pattern = UriPattern("s3://landing/orders/**.xml")
    (file,) = source.list_files(pattern, [dt.date(2026, 3, 31)])
    with source.open(file, 1, 3) as content:
        assert content.read() == b"a/"
    with source.open(replace(file, version=hashlib.md5(b"<old/>").hexdigest(), size_bytes=6)) as content:
        assert content.read() == b"<old/>"
    assert len(list(source.look_up([file.uri, "s3://landing/orders/gone.xml"], pattern))) == 1


def test_workers_may_do_what_tasks_do_and_no_more(bucket: Landing, calls: list[Call]) -> None:
    from sluice.edge import metrics

    read_files()
    work_with_files()
    metrics._depths(bucket.queue, "aws_default")
    metrics._to_cloudwatch(metrics.MetricsSettings(connection="aws_default"), [measured("heartbeat", 1)])
    check(calls, statements("WorkerPolicy"))
    assert unused(calls, "WorkerPolicy") == set()
    foreign = Call("cloudwatch:PutMetricData", "*", (("cloudwatch:namespace", "AWS/SQS"),))
    assert not any(allows(statement, foreign) for statement in statements("WorkerPolicy"))
    elsewhere = Call("s3:GetObject", "arn:aws:s3:::landing/bills/a.xml")
    assert not any(allows(statement, elsewhere) for statement in statements("WorkerPolicy"))


def test_the_triggerer_may_collect_and_no_more(bucket: Landing, calls: list[Call]) -> None:
    """Announcements are deleted, strange messages made visible again."""
    from sluice.edge.arrivals import _connect

    async def keep(announcements: Any) -> list[str]:
        return [announcement.uri for announcement in announcements]

    async def run() -> None:
        ticks = collect(bucket.queue, lambda: _connect("aws_default"), keep)
        found: list[str] = []
        while "sqs:ChangeMessageVisibility" not in {call.action for call in calls} or not found:
            found += await anext(ticks)
        await ticks.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    check(calls, statements("TriggererPolicy"))
    assert unused(calls, "TriggererPolicy") == set()


def test_alerts_may_be_published_to_their_topic_only(bucket: Landing, calls: list[Call]) -> None:
    from sluice.alerts.watch import dead_letters
    from sluice.edge.channels import _sns

    _sns(f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts").send(dead_letters("landing", 1))
    check(calls, statements("AlertsPolicy"))
    assert unused(calls, "AlertsPolicy") == set()
    other = Call("sns:Publish", f"arn:aws:sns:eu-west-1:{ACCOUNT}:others")
    assert not any(allows(statement, other) for statement in statements("AlertsPolicy"))


@pytest.mark.parametrize(
    ("policy", "processes"),
    [("AlertsPolicy", {"workers", "triggerer", "DAG processor"}), ("TaskLogsPolicy", {"workers", "triggerer"})],
)
def test_the_page_says_which_processes_need_a_policy(policy: str, processes: set[str]) -> None:
    """Each of them tells of something, or writes logs."""
    page = (Path(__file__).parents[2] / "docs" / "aws.md").read_text()
    head, row = (
        [
            cell.strip()
            for cell in re.findall(r"[^|]+", next(line for line in page.splitlines() if line.startswith(start)))
        ]
        for start in ("| policy |", f"| `{policy}`")
    )
    assert {name for name, cell in zip(head[2:], row[2:], strict=True) if cell == "yes"} == processes


def test_connections_may_be_read_from_secrets_manager(
    bucket: Landing, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/aws.md configures Airflow's backend, from the JSON that RDS's rotation writes."""
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
    from airflow.sdk import Connection

    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": bucket.url}.items():
        monkeypatch.setenv(name, value)
    page = (Path(__file__).parents[2] / "docs" / "aws.md").read_text()
    configured = re.search(r"^AIRFLOW__SECRETS__BACKEND_KWARGS=(.+)$", page, re.MULTILINE)
    assert configured
    backend = SecretsManagerBackend(**json.loads(configured[1]))
    connection = Connection.from_json(backend.get_conn_value("sluice_warehouse") or "", "sluice_warehouse")
    assert (connection.conn_type, connection.host, connection.login) == ("postgres", "db.example", "sluice_loader")
    assert (connection.password, connection.schema, connection.port) == ("rotated", "warehouse", 5432)
    assert connection.extra_dejson == {"sslmode": "verify-full"}
    assert backend.get_conn_value("aws_default") is None
    assert len(calls) == 1
    check(calls, statements("ConnectionsPolicy"))
    assert unused(calls, "ConnectionsPolicy") == set()


def test_a_session_of_the_warehouse_is_that_of_one_user() -> None:
    (connect,) = statements("WarehousePolicy")
    assert connect["Action"] == ["rds-db:connect"]
    assert connect["Resource"] == f"arn:aws:rds-db:eu-west-1:{ACCOUNT}:dbuser:db-ABC/sluice_loader"


def test_the_namespace_is_that_of_the_metrics() -> None:
    assert Template("access", LandingBucket="l", WorkBucket="w").parameters["MetricsNamespace"] == NAMESPACE
