"""Each channel reaches a real listener; none raises, waits for ever, or shows a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.alerts.listeners import deaf_server, mail_server, web_server
from tests.alerts.samples import SAMPLES

from sluice.alerts import channels
from sluice.alerts.channels import Channel, Mail, Slack, Sns, Unusable, Webhook, deliver
from sluice.alerts.desk import Desk

ALERT = SAMPLES["limits"]


def test_mail_goes_to_every_address_as_plain_text() -> None:
    with mail_server() as server:
        mail = Mail(("a@example.org", "b@example.org"), "sluice@example.org", "127.0.0.1", str(server.port))
        assert deliver([(ALERT, [mail])]) == [{}]
    (message,) = server.mails()
    assert message["Subject"] == ALERT.subject
    assert message["To"] == "a@example.org, b@example.org"
    assert message["From"] == "sluice@example.org"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == ALERT.text + "\n"


def test_slack_gets_subject_and_text() -> None:
    with web_server() as server:
        assert deliver([(ALERT, [Slack(f"http://127.0.0.1:{server.port}/services/T/B/x")])]) == [{}]
    (posted,) = server.json()
    assert posted == {"text": f"*{ALERT.subject}*\n{ALERT.text}"}


def test_slack_takes_nothing_of_an_alert_for_a_link() -> None:
    with web_server() as server:
        alert = ALERT.__class__(cause=ALERT.cause, headline="<!channel> & more")
        deliver([(alert, [Slack(f"http://127.0.0.1:{server.port}/")])])
    assert server.json()[0]["text"].startswith("*Sluice: &lt;!channel&gt; &amp; more*")


def test_a_webhook_gets_all_facts() -> None:
    with web_server() as server:
        webhook = Webhook(f"http://127.0.0.1:{server.port}/hook", {"X-Token": "s3cret"})
        assert deliver([(ALERT, [webhook])]) == [{}]
    (posted,) = server.json()
    assert posted == json.loads(json.dumps(ALERT.as_json()))
    assert (posted["feed"], posted["kind"], posted["state"]) == ("orders", "limits", "new")
    assert posted["text"] == f"{ALERT.subject}\n{ALERT.text}"
    assert server.headers[0]["X-Token"] == "s3cret"
    assert server.headers[0]["Content-Type"] == "application/json"


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """Clients of an SNS and an SQS, and a queue that is subscribed to a topic."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": "eu-west-1",
        "aws_access_key_id": "it",
        "aws_secret_access_key": "is",
    }
    yield boto3.client("sns", **given), boto3.client("sqs", **given)
    server.stop()


def subscribe(aws: Any, name: str, **attributes: str) -> tuple[str, str]:
    """A topic and a queue that gets what is sent to it."""
    sns, sqs = aws
    topic = sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    queue = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return topic, queue


def received(aws: Any, queue: str) -> dict[str, Any]:
    (message,) = aws[1].receive_message(QueueUrl=queue)["Messages"]
    return json.loads(message["Body"])


def test_sns_gets_the_text_with_attributes_to_filter_by(aws: Any) -> None:
    topic, queue = subscribe(aws, "alerts")
    assert deliver([(ALERT, [Sns(topic, lambda: aws[0])])]) == [{}]
    message = received(aws, queue)
    assert message["Subject"] == ALERT.subject
    assert message["Message"] == f"{ALERT.subject}\n{ALERT.text}\n"
    assert {name: attribute["Value"] for name, attribute in message["MessageAttributes"].items()} == {
        "feed": "orders",
        "kind": "limits",
        "state": "new",
    }


def test_sns_takes_a_long_subject_in_another_script(aws: Any) -> None:
    """A subject that is no ASCII, or longer than 100 characters, would be refused with the message."""
    topic, queue = subscribe(aws, "long")
    alert = ALERT.__class__(cause=ALERT.cause, headline="Überweisungen " + "x" * 200)
    assert deliver([(alert, [Sns(topic, lambda: aws[0])])]) == [{}]
    message = received(aws, queue)
    assert message["Subject"].startswith("Sluice: ?berweisungen")
    assert len(message["Subject"]) == 100
    assert "Überweisungen" in message["Message"]


def test_a_fifo_topic_gets_what_it_wants(aws: Any) -> None:
    topic, queue = subscribe(aws, "alerts.fifo", FifoTopic="true", FifoQueue="true")
    assert deliver([(ALERT, [Sns(topic, lambda: aws[0])])]) == [{}]
    assert received(aws, queue)["Subject"] == ALERT.subject


def test_a_topic_that_is_not_there_is_told_by_its_code(aws: Any) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:no-such"
    assert deliver([(ALERT, [Sns(topic, lambda: aws[0])])]) == [{"sns": "AWS answers NotFound"}]


# -- when it does not work --------------------------------------------------------------------------------------------


def broken(port: int) -> dict[str, Channel]:
    """Channels that fail each in its way, each with a secret in its settings."""
    return {
        "nobody listens": Webhook("http://127.0.0.1:9/s3cret"),
        "refused": Webhook(f"http://127.0.0.1:{port}/s3cret", {"Authorization": "s3cret"}),
        "no web address": Webhook("file:///s3cret"),
        "no address at all": Slack("http://[s3cret"),
        "control characters": Webhook("http://127.0.0.1/s3cret\n"),
        "wrong port": Mail(("a@example.org",), host="127.0.0.1", port="smtp", password="s3cret"),
        "no mail server": Mail(("a@example.org",), host="127.0.0.1", port="9", user="u", password="s3cret"),
        "no client": Sns("arn:aws:sns:eu-west-1:123456789012:x", lambda: 1 / 0),
        "not defined": Unusable("slack", "Airflow has no connection 'x'"),
    }


@pytest.mark.parametrize("name", broken(0))
def test_a_channel_that_fails_is_logged_once_without_its_secret(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with web_server(status=500) as server, mail_server() as other, caplog.at_level(logging.DEBUG):
        mail = Mail(("a@example.org",), host="127.0.0.1", port=str(other.port), name="other")
        channel = broken(server.port)[name]
        desk = Desk(None, lambda: [channel, mail])
        desk.tell(ALERT)
    assert len(other.received) == 1  # it does not stop the others
    told = [message for message in caplog.messages if "could not be sent" in message]
    assert len(told) == 1
    assert told[0].startswith(f"the alert could not be sent by {channel.name}: ")
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(channel)


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A server that takes the connection and says nothing, not even that, costs its channel."""
    monkeypatch.setattr(channels, "DELIVERY_SECONDS", 0.2)
    with deaf_server() as server:
        mail = Mail(("a@example.org",), host="127.0.0.1", port=str(server.port))
        Desk(None, lambda: [mail]).tell(ALERT)
    assert "could not be sent by mail: no answer in 0.2 s" in caplog.text


def test_channels_that_cannot_be_made_cost_themselves_only(caplog: pytest.LogCaptureFixture) -> None:
    Desk(None, lambda: [][1]).tell(ALERT)
    assert ALERT.subject in caplog.text


def test_without_configuration_the_log_is_the_only_channel(caplog: pytest.LogCaptureFixture) -> None:
    Desk(None, list).tell(ALERT)
    assert f"{ALERT.subject}\n{ALERT.text}" in caplog.messages
    assert "could not be sent" not in caplog.text
