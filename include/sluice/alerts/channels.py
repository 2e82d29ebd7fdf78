"""The channels that carry alerts: mail, Slack, SNS, a webhook. Each waits for a bounded time, and none shows a secret.

Nothing is checked when a channel is made, so that a wrong setting costs its channel and not the alert.
"""

from __future__ import annotations

import base64
import json
import smtplib
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, Protocol

from sluice.alerts.alert import Alert
from sluice.alerts.problems import describe_exception
from sluice.errors import PermanentError

CHANNEL_TIMEOUT_SECONDS = 10
# In all, for all channels together: Airflow ends a DAG processor that takes longer than 50 s over a file.
DELIVERY_SECONDS = 20
SNS_SUBJECT_CHARS = 100
SLACK_CHARS = 20_000


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, alert: Alert) -> None:
        """Send ``alert``; raises whatever kept it from arriving."""


@dataclass(frozen=True)
class Mail:
    """A mail to ``to``. ``security`` is ``none``, ``starttls`` or ``tls``; ``port`` a number, as a text."""

    to: tuple[str, ...]
    sender: str = "sluice@localhost"
    host: str = "localhost"
    port: str = "25"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: str = "none"
    name: str = "mail"

    def send(self, alert: Alert) -> None:
        message = EmailMessage()
        message["Subject"] = alert.subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message.set_content(alert.text + "\n")
        connect = smtplib.SMTP_SSL if self.security == "tls" else smtplib.SMTP
        with connect(self.host, int(self.port), timeout=CHANNEL_TIMEOUT_SECONDS) as server:
            if self.security == "starttls":
                server.starttls()
            if self.user:
                server.login(self.user, self.password or "")
            server.send_message(message)


@dataclass(frozen=True)
class Slack:
    """A message to an incoming webhook of Slack, or of what speaks like it; its address is its secret."""

    url: str = field(repr=False)
    name: str = "slack"

    def send(self, alert: Alert) -> None:
        text = f"*{_as_mrkdwn(alert.subject)}*\n{_as_mrkdwn(alert.text)}"
        _post(self.url, {"text": text[:SLACK_CHARS]}, {})


@dataclass(frozen=True)
class Webhook:
    """A POST of all facts as JSON."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str = "webhook"

    def send(self, alert: Alert) -> None:
        _post(self.url, alert.as_json(), self.headers)


@dataclass(frozen=True)
class Sns:
    """A message to an SNS topic, by its ARN; feed, kind and state are attributes that subscriptions may filter by."""

    topic: str
    client: Callable[[], Any] = field(repr=False)
    name: str = "sns"

    def send(self, alert: Alert) -> None:
        facts = {"feed": alert.cause.feed or "-", "kind": alert.cause.kind, "state": alert.state}
        fifo = {"MessageGroupId": facts["feed"], "MessageDeduplicationId": str(uuid.uuid4())}
        self.client().publish(
            TopicArn=self.topic,
            Subject=alert.subject.encode("ascii", "replace").decode()[:SNS_SUBJECT_CHARS],
            Message=f"{alert.subject}\n{alert.text}\n",
            MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in facts.items()},
            **(fifo if self.topic.endswith(".fifo") else {}),
        )


@dataclass(frozen=True)
class Unusable:
    """A channel that is configured in a way that it cannot be used; ``reason`` says why, without a secret."""

    name: str
    reason: str

    def send(self, alert: Alert) -> None:
        raise PermanentError(self.reason)


def basic_auth(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def deliver(messages: Iterable[tuple[Alert, Sequence[Channel]]]) -> list[dict[str, str]]:
    """Send each alert by its channels, all at the same time; returns, for each alert, the channels that failed with the
    reason. Never raises, and waits ``DELIVERY_SECONDS`` at most.
    """
    failed: list[dict[str, str]] = []
    threads = []
    for alert, channels in messages:
        # whoever has not answered in time has failed; the thread goes with the process
        outcome = {channel.name: f"no answer in {DELIVERY_SECONDS} s" for channel in channels}
        failed.append(outcome)
        for channel in channels:
            thread = threading.Thread(target=_try, args=(channel, alert, outcome), daemon=True)
            thread.start()
            threads.append(thread)
    end = time.monotonic() + DELIVERY_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [dict(outcome) for outcome in failed]


def _try(channel: Channel, alert: Alert, outcome: dict[str, str]) -> None:
    try:
        channel.send(alert)
    except Exception as error:  # noqa: BLE001 - an alert that fails must not hide what it is about
        outcome[channel.name] = _told(error, channel.name)
    else:
        outcome.pop(channel.name, None)


def _told(error: Exception, name: str) -> str:
    """Why a channel failed. An address may hold a token, so of what is not known only the kind is told."""
    response = getattr(error, "response", None)  # botocore's ClientError
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return f"AWS answers {code}" if code else describe_exception(error, name).reason


def _post(url: str, body: dict[str, Any], headers: Mapping[str, str]) -> None:
    if not url.startswith(("https://", "http://")):
        raise PermanentError("its address must begin with https:// or http://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=CHANNEL_TIMEOUT_SECONDS):  # noqa: S310
        pass


def _as_mrkdwn(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
