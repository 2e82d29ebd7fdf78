"""Which channels an alert takes: those for all, those of the feed, and what Airflow's connections make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.airflow_home import PROJECT
from tests.alerts.samples import SAMPLES

from sluice.alerts.channels import Mail, Slack, Sns, Unusable, Webhook
from sluice.feed.alerts import Alerts

TOPIC = "arn:aws:sns:eu-west-1:123456789012:sluice"
FOR_ALL = {
    "SLUICE_ALERT_EMAIL": "a@example.org, b@example.org",
    "SLUICE_ALERT_SLACK": "https://hooks.slack.com/services/T/B/all",
    "SLUICE_ALERT_SNS": TOPIC,
    "SLUICE_ALERT_WEBHOOK": "https://example.org/all",
    "SLUICE_SMTP_HOST": "mail.example.org",
}


def channels_of(env: dict[str, str], **own: Any) -> dict[str, Any]:
    from sluice.edge.channels import channels_of

    return {channel.name: channel for channel in channels_of(Alerts(**own), env)}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Defines a connection of Airflow's."""
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    return lambda conn_id, **fields: monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def test_the_environment_is_for_all_feeds(connect: Any) -> None:
    found = channels_of(FOR_ALL)
    assert found["mail"] == Mail(("a@example.org", "b@example.org"), host="mail.example.org")
    assert found["slack"] == Slack("https://hooks.slack.com/services/T/B/all")
    assert found["webhook"] == Webhook("https://example.org/all")
    assert isinstance(found["sns"], Sns)
    assert found["sns"].topic == TOPIC


def test_without_any_setting_there_is_none(connect: Any) -> None:
    assert channels_of({}) == {}


def test_what_a_feed_names_takes_the_place_of_that_for_all(connect: Any) -> None:
    connect("orders_slack", conn_type="slackwebhook", password="T/B/own")
    found = channels_of(FOR_ALL, mail=["own@example.org"], slack="orders_slack")
    assert found["mail"].to == ("own@example.org",)
    assert found["slack"] == Slack("https://hooks.slack.com/services/T/B/own")
    assert found["webhook"] == Webhook("https://example.org/all")


def test_a_feed_may_want_no_mail(connect: Any) -> None:
    assert "mail" not in channels_of(FOR_ALL, mail=[])


@pytest.mark.parametrize(
    ("extra", "security", "port"),
    [
        ({}, "tls", "465"),
        ({"disable_ssl": True}, "starttls", "25"),
        ({"disable_ssl": "true", "disable_tls": "true"}, "none", "25"),
    ],
)
def test_the_mail_server_may_be_airflows(connect: Any, extra: dict, security: str, port: str) -> None:
    connect(
        "smtp_default",
        conn_type="smtp",
        host="smtp.example.org",
        login="u",
        password="p",
        extra={**extra, "from_email": "f@example.org"},
    )
    found = channels_of({}, mail=["own@example.org"])
    assert found["mail"] == Mail(("own@example.org",), "f@example.org", "smtp.example.org", port, "u", "p", security)


def test_a_mail_server_of_the_environment_goes_before_airflows(connect: Any) -> None:
    connect("smtp_default", conn_type="smtp", host="smtp.example.org")
    assert channels_of(FOR_ALL)["mail"].host == "mail.example.org"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"password": "https://example.org/s3cret"}, Webhook("https://example.org/s3cret")),
        ({"host": "https://example.org/hook"}, Webhook("https://example.org/hook")),
        ({"host": "example.org", "port": 8443}, Webhook("https://example.org:8443")),
        (
            {"host": "example.org", "schema": "http", "login": "u", "password": "p", "extra": {"headers": {"X": "1"}}},
            Webhook("http://example.org", {"X": "1", "Authorization": "Basic dTpw"}),
        ),
    ],
)
def test_a_webhook_may_be_a_connection(connect: Any, fields: dict, expected: Webhook) -> None:
    connect("hook", conn_type="http", **fields)
    assert channels_of({}, webhook="hook")["webhook"] == expected


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"password": "https://hooks.slack.com/services/T/B/x"}, "https://hooks.slack.com/services/T/B/x"),
        ({"password": "T/B/x"}, "https://hooks.slack.com/services/T/B/x"),
        ({"password": "/x", "host": "http://chat.example.org/hooks/"}, "http://chat.example.org/hooks/x"),
    ],
)
def test_a_slack_connection_is_read_as_the_provider_reads_it(connect: Any, fields: dict, url: str) -> None:
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    connect("chat", conn_type="slackwebhook", **fields)
    assert channels_of({}, slack="chat")["slack"] == Slack(url)
    assert SlackWebhookHook(slack_webhook_conn_id="chat").client.url == url


def test_a_connection_that_is_not_defined_costs_its_channel(connect: Any) -> None:
    found = channels_of(FOR_ALL, slack="no_such")
    assert found["slack"] == Unusable("slack", "Airflow has no connection 'no_such'")
    assert len(found) == 4


def test_a_connection_without_its_secret_costs_its_channel(connect: Any) -> None:
    connect("empty", conn_type="slackwebhook")
    assert "holds no password" in channels_of({}, slack="empty")["slack"].reason
    assert "holds no host" in channels_of({}, webhook="empty")["webhook"].reason


def test_sns_uses_the_region_of_the_topic_and_the_connection(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    connect("aws_default", conn_type="aws", login="k", password="s", extra={"region_name": "us-east-1"})
    client = channels_of({}, sns=TOPIC)["sns"].client()
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.read_timeout == 5


# -- the desk of a feed -----------------------------------------------------------------------------------------------


@pytest.fixture
def feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Any) -> Path:
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path))
    for name in FOR_ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", "https://example.org/all")
    connect("sluice_warehouse", conn_type="postgres", host="main.example.org")
    connect("other", conn_type="postgres", host="other.example.org")
    text = (PROJECT / "tests/dags/feeds/prices/feed.yaml").read_text()
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices/feed.yaml").write_text(
        text.split("alerts:")[0] + "target: {connection: other}\nalerts: {mail: a@example.org, repeat_hours: 6}\n"
    )
    return tmp_path


def test_a_feed_has_its_own_desk(feeds: Path) -> None:
    from sluice.edge.channels import desk_for

    desk = desk_for("prices")
    assert "host=other.example.org" in (desk.dsn or "")
    assert (desk.names, desk.repeat_hours) == (["mail", "webhook"], 6)


@pytest.mark.parametrize("name", ["no_such_feed", "", "watch", "broken"])
def test_whatever_is_no_feed_goes_to_the_general_one(feeds: Path, name: str) -> None:
    """A feed with mistakes, too: that it has them is what is told then."""
    from sluice.edge.channels import desk_for

    (feeds / "broken").mkdir()
    (feeds / "broken/feed.yaml").write_text("{")
    desk = desk_for(name)
    assert "host=main.example.org" in (desk.dsn or "")
    assert (desk.names, desk.repeat_hours) == (["webhook"], 24)


def test_a_warehouse_that_is_not_defined_is_no_reason_to_be_silent(
    feeds: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sluice.edge.channels import desk_for

    monkeypatch.delenv("AIRFLOW_CONN_OTHER")
    monkeypatch.delenv("SLUICE_ALERT_WEBHOOK")
    (feeds / "prices/feed.yaml").write_text(
        (feeds / "prices/feed.yaml").read_text().replace("mail: a@example.org, ", "")
    )
    desk_for("prices").tell(SAMPLES["failed"])
    assert SAMPLES["failed"].subject in caplog.text
