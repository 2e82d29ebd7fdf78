"""Task logs in CloudWatch, as docs/aws.md configures them: what a task logs is what the UI shows."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import structlog
from tests.airflow_home import HOME
from tests.arrivals.landing import Landing, landing
from tests.deploy.test_policies import Call, as_calls, check, statements, unused

GROUP = "/airflow/tasks"
STREAM = "dag_id=orders/run_id=scheduled__2026-11-26T06:00:00+00:00/task_id=load/map_index=0/attempt=1.log"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Landing]:
    """An account with the log group, and Airflow set up to log there."""
    with landing() as made:
        made_with = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        boto3.client("logs", endpoint_url=made.url, **made_with).create_log_group(logGroupName=GROUP)
        extra = {"endpoint_url": made.url, "region_name": "eu-west-1"}
        connection = {"conn_type": "aws", "login": "x", "password": "x", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        for name, value in {
            "REMOTE_LOGGING": "True",
            "REMOTE_BASE_LOG_FOLDER": f"cloudwatch://arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}",
            "REMOTE_LOG_CONN_ID": "aws_default",
        }.items():
            monkeypatch.setenv(f"AIRFLOW__LOGGING__{name}", value)
        yield made


@pytest.fixture
def calls(aws: Landing, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    from botocore.client import BaseClient

    made: list[Call] = []
    ask = BaseClient._make_api_call

    def record(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        made.extend(as_calls(client.meta.service_model.service_name, operation, asked))
        return ask(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


def handler() -> Any:
    """What the settings make: Airflow does the same in a task, and in the API server."""
    from airflow.providers.amazon.aws.log.cloudwatch_task_handler import CloudWatchRemoteLogIO

    return CloudWatchRemoteLogIO.from_config()


def write_log(*lines: str) -> None:
    """As a task's supervisor does: each record passes through the handler's processors on its way into the file."""
    remote = handler()
    path = HOME / "logs" / STREAM
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        logger = structlog.wrap_logger(
            structlog.BytesLogger(file),
            processors=[
                structlog.processors.TimeStamper(fmt="iso"),
                *remote.processors,
                structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event).encode()),
            ],
        )
        for line in lines:
            logger.info(line, dag_id="orders", map_index=0)
    remote.upload(path)


def test_what_a_task_logs_is_what_the_ui_reads(aws: Landing, calls: list[Call]) -> None:
    """Nothing but the permissions of the workers to write, and of the API server to read."""
    write_log("load: batch 0: 3 loaded", "done")
    check(calls, statements("TaskLogsPolicy"))
    assert unused(calls, "TaskLogsPolicy") == set()
    calls.clear()
    instance = SimpleNamespace(end_date=dt.datetime.now(dt.UTC))
    messages, logs = handler().read(STREAM, instance)
    events = [json.loads(line) for line in logs]
    assert [event["event"] for event in events] == ["load: batch 0: 3 loaded", "done"]
    assert (events[0]["dag_id"], events[0]["map_index"]) == ("orders", 0)
    assert GROUP in messages[0]
    check(calls, statements("ApiServerPolicy"))
    assert unused(calls, "ApiServerPolicy") == set()


ASK = """
from airflow.logging_config import get_remote_task_log
from airflow.sdk.log import load_remote_log_handler
for found in (load_remote_log_handler(), get_remote_task_log()):
    print(type(found).__name__, found.log_group, found.region_name)
"""


def test_tasks_and_the_api_server_take_the_handler_from_these_settings(aws: Landing) -> None:
    """In a process of their own, since Airflow reads them when it is first imported."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [f"CloudWatchRemoteLogIO {GROUP} eu-west-1"] * 2
