"""The templates are sound, make what the documentation says, and watch metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from cfnlint.api import lint_file
from moto.server import ThreadedMotoServer
from tests.deploy.cloudformation import TEMPLATES, Template

from sluice.arrivals.announcements import read_message
from sluice.arrivals.collector import POLL_SECONDS, VISIBILITY_SECONDS
from sluice.metrics.catalog import METRICS, NAMESPACE

STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")

CREDENTIALS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS")
OF_SQS = {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}
"""After "Available CloudWatch metrics for Amazon SQS"."""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_cfn_lint_finds_nothing(template: Path) -> None:
    assert [str(found) for found in lint_file(template)] == []


@pytest.fixture
def aws() -> Iterator[Any]:
    """Makes clients of an empty account."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto = boto3.Session(**CREDENTIALS)
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    yield lambda service: boto.client(service, endpoint_url=f"http://{host}:{port}")
    server.stop()


def deploy(aws: Any, template: Template, name: str, **parameters: str) -> dict[str, str]:
    """Returns the outputs."""
    client = aws("cloudformation")
    client.create_stack(
        StackName=name,
        TemplateBody=template.text,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def test_what_lands_is_announced_and_what_is_received_too_often_goes_to_the_dead_letters(aws: Any) -> None:
    """moto leaves out the bucket's notifications; they are set as the template has them."""
    template = Template("landing", BucketName="acme-landing", MaxReceives="10")
    outputs = deploy(aws, template, "landing", BucketName="acme-landing", MaxReceives="10")
    sqs, s3 = aws("sqs"), aws("s3")
    url = sqs.get_queue_url(QueueName="sluice-arrivals")["QueueUrl"]
    assert outputs["QueueUrl"].endswith("/123456789012/sluice-arrivals")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(found["RedrivePolicy"])["deadLetterTargetArn"] == outputs["DeadLetterQueueArn"]
    assert found["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert found["VisibilityTimeout"] == str(VISIBILITY_SECONDS)
    assert found["ReceiveMessageWaitTimeSeconds"] == str(POLL_SECONDS)

    (bucket,) = template.resources("AWS::S3::Bucket").values()
    (announced,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert announced == {"Event": "s3:ObjectCreated:*", "Queue": "<Queue.Arn>"}
    configuration = {"QueueConfigurations": [{"QueueArn": outputs["QueueArn"], "Events": [announced["Event"]]}]}
    s3.put_bucket_notification_configuration(Bucket="acme-landing", NotificationConfiguration=configuration)
    s3.put_object(Bucket="acme-landing", Key="a b.xml", Body=b"<a/>")
    bodies = [message["Body"] for message in _receive(sqs, url, visibility=0)]
    assert [item.uri for body in bodies for item in read_message(body)] == ["s3://acme-landing/a b.xml"]
    for _ in range(10):
        _receive(sqs, url, visibility=0)
    dead = sqs.get_queue_url(QueueName="sluice-arrivals-dead")["QueueUrl"]
    assert len(_receive(sqs, dead, visibility=0)) == len(bodies)


def _receive(sqs: Any, url: str, visibility: int) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=visibility, WaitTimeSeconds=0)
    return list(answer.get("Messages", []))


def test_only_the_bucket_may_send_and_nobody_without_tls() -> None:
    template = Template("landing", BucketName="acme-landing")
    (policy,) = template.resources("AWS::SQS::QueuePolicy").values()
    allowed, denied = policy["PolicyDocument"]["Statement"]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert allowed["Action"] == "sqs:SendMessage"
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::acme-landing"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_bucket_is_versioned_encrypted_and_closed() -> None:
    (bucket,) = Template("landing", BucketName="acme-landing").resources("AWS::S3::Bucket").values()
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_nothing_that_holds_data_goes_with_its_stack() -> None:
    for template in TEMPLATES:
        for name, resource in _resources(template.stem).items():
            if resource["Type"] in ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup"):
                assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def _resources(name: str) -> dict[str, Any]:
    needed = {"BucketName": "b", "LandingBucket": "l", "WorkBucket": "w"}
    template = Template(name, **needed)
    return dict(template.document["Resources"])


@pytest.mark.parametrize(
    ("given", "optional"),
    [
        ({}, set()),
        (
            {"AlertTopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts", "DatabaseResourceId": "db-ABC"},
            {"AlertsPolicy", "WarehousePolicy"},
        ),
    ],
)
def test_iam_takes_the_policies(aws: Any, given: dict[str, str], optional: set[str]) -> None:
    """Without a topic or a database to sign in to there are no policies for them."""
    parameters = {"LandingBucket": "acme-landing", "WorkBucket": "acme-work", **given}
    outputs = deploy(aws, Template("access", **parameters), "access", **parameters)
    made = {"ConnectionsPolicy", "WorkerPolicy", "TaskLogsPolicy", "TriggererPolicy", "ApiServerPolicy"} | optional
    names = {policy["Arn"]: policy["PolicyName"] for policy in aws("iam").list_policies(Scope="Local")["Policies"]}
    assert {names[arn].split("-")[1] for key, arn in outputs.items() if key.endswith("Arn")} == made
    (group,) = aws("logs").describe_log_groups()["logGroups"]
    assert outputs["RemoteBaseLogFolder"] == f"cloudwatch://{group['arn'].removesuffix(':*')}"
    assert group["retentionInDays"] == 30


def test_alarms_and_dashboard_are_taken_by_cloudwatch(aws: Any) -> None:
    """moto's CloudFormation makes no alarms; its CloudWatch does."""
    template = Template("alarms", Email="on-call@example.com")
    deploy(aws, template, "sluice", Email="on-call@example.com")
    client = aws("cloudwatch")
    assert [entry["DashboardName"] for entry in client.list_dashboards()["DashboardEntries"]] == ["sluice"]
    alarms = template.resources("AWS::CloudWatch::Alarm")
    for name, properties in alarms.items():
        client.put_metric_alarm(AlarmName=name, **{**properties, "Threshold": float(properties["Threshold"])})
    assert {alarm["AlarmName"] for alarm in client.describe_alarms()["MetricAlarms"]} == set(alarms)
    (topic,) = aws("sns").list_topics()["Topics"]
    assert topic["TopicArn"].endswith(":sluice")


def test_alarms_watch_metrics_of_the_list_that_are_sent_without_dimensions() -> None:
    for name, alarm in Template("alarms").resources("AWS::CloudWatch::Alarm").items():
        if alarm["Namespace"] == "AWS/SQS":
            assert alarm["MetricName"] in OF_SQS, name
            continue
        metric = METRICS[alarm["MetricName"]]
        assert alarm["Namespace"] == NAMESPACE, name
        assert "Dimensions" not in alarm, name
        assert metric.is_overall or not metric.dimensions, name
        assert alarm.get("Unit", metric.unit) == metric.unit, name
        # what may be added up is; of what says how things stand the worst counts
        expected = {"Sum"} if metric.kind == "counter" else {"Maximum", "SampleCount"}
        assert alarm["Statistic"] in expected, name


def test_every_metric_that_is_sent_without_dimensions_has_a_use() -> None:
    """It costs as much as one more feed; those without an alarm are for a person's own over all feeds."""
    watched = {alarm["MetricName"] for alarm in Template("alarms").resources("AWS::CloudWatch::Alarm").values()}
    overall = {name for name, metric in METRICS.items() if metric.is_overall}
    assert overall - watched == {
        "runs_succeeded",
        "records_found",
        "records_loaded",
        "records_quarantined",
        "records_held",
        "bytes_read",
        "dead_letters",
    }


def test_the_dashboard_shows_metrics_of_the_list_by_their_dimensions() -> None:
    (dashboard,) = Template("alarms").resources("AWS::CloudWatch::Dashboard").values()
    body = json.loads(dashboard["DashboardBody"])
    shown = [line for widget in body["widgets"] for line in widget["properties"]["metrics"]]
    searches = [line[0]["expression"] for line in shown if isinstance(line[0], dict)]
    for search in searches:
        found = re.fullmatch(r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=\"(\w+)\"', '(Sum|Maximum)', \d+\)", search)
        assert found, search
        assert found[1] == NAMESPACE
        assert tuple(found[2].split(",")) == METRICS[found[3]].dimensions
    plain = [line for line in shown if isinstance(line[0], str)]
    assert {line[0] for line in plain} == {"AWS/SQS"}
    assert {line[1] for line in plain} <= OF_SQS
    assert len(searches) >= 10


def test_what_the_documentation_counts_for_the_bill_is_so() -> None:
    """Metrics of a feed, without dimensions, of a queue; and alarms."""
    page = (Path(__file__).parents[2] / "docs" / "aws.md").read_text()
    of_feeds = [metric for metric in METRICS.values() if metric.dimensions == ("feed",)]
    gauges = list(METRICS)[list(METRICS).index("heartbeat") :]
    standing = sum(metric.name in gauges for metric in of_feeds)
    by_run = len(of_feeds) - standing + len(STAGES)
    assert f"a feed is {standing + by_run} metrics: {by_run} that its runs send (6 of them by stage)" in page
    assert f"{standing} gauges that are always there" in page
    overall = sum(metric.is_overall for metric in METRICS.values())
    of_queue = sum(metric.dimensions == ("queue",) for metric in METRICS.values())
    assert f"{overall} without dimensions, {of_queue} for each queue, 1 heartbeat" in page
    alarms = list(Template("alarms").resources("AWS::CloudWatch::Alarm"))
    section = page.split("## 5.")[1].split("## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == alarms
    policies = Template(
        "access", LandingBucket="l", WorkBucket="w", AlertTopicArn="a", DatabaseResourceId="db"
    ).resources("AWS::IAM::ManagedPolicy")
    section = page.split("## 2.")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(policies)
