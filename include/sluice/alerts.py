"""What a person reads when a run has failed, and the channels that carry it: the log, mail, a webhook.

An alert names the feed, the stage, the file, the reason, what to do and where to look. It holds no value of any record:
the message of Sluice's own errors never does, and of other exceptions only the kind and the place are told.
"""

from __future__ import annotations

import json
import logging
import smtplib
import traceback
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any

from sluice.errors import SluiceError

log = logging.getLogger(__name__)

CHANNEL_TIMEOUT_SECONDS = 15
PROBLEMS_SHOWN = 5

ADVICE = {
    "FeedInvalid": "Correct the feed file, then clear the run in Airflow.",
    "MappingChanged": "Clear the run's `fetch` in Airflow, downstream too: it takes the new mapping.",
    "RunFailed": "Look at what is in quarantine (table sluice.quarantine), correct the feed or the file, then"
    " trigger with `Load again: changed` (a corrected file is a new version and loads by itself).",
    "SourceChanged": "Clear the run in Airflow: fetch lists the files anew.",
    "SourceMissing": "Check the feed's `source`, and that the sender's folder is there; then clear the run in Airflow.",
    "SourceUnavailable": "Check that the workers can reach the source; then clear the failed tasks in Airflow.",
    "TablesDiffer": "Review the SQL in the task's log and run it, or change the feed; then clear the run in Airflow.",
    "WarehouseUnavailable": "Check that PostgreSQL is up and answers; then clear the failed tasks in Airflow.",
    "WorkFilesGone": "Clear the run's `parse` in Airflow, or `split` if it unpacked files, downstream too.",
    "WorkFilesUnavailable": "Check the space and the mount of the work folder; then clear the failed tasks in Airflow.",
    "WorkerDied": "Look at the memory and the log of the worker, then clear the failed tasks in Airflow.",
}
GENERAL_ADVICE = "Read the task's log, then clear the failed tasks in Airflow."


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a task failed. ``kind`` is the exception's class name, ``label`` what a mapped task held ('' for others)."""

    stage: str
    kind: str
    reason: str
    label: str = ""

    @property
    def place(self) -> str:
        return f"{self.stage} [{self.label}]" if self.label else self.stage


@dataclass(frozen=True, slots=True)
class Alert:
    """A failed run. ``problems``, at least one, are in the order of the stages; ``dates`` and ``link`` may be ''."""

    feed: str
    dag_run_id: str
    dates: str
    problems: tuple[Problem, ...]
    link: str = ""

    @property
    def subject(self) -> str:
        day = f" for {self.dates}" if self.dates else ""
        return f"Sluice: {self.feed} failed in {self.problems[0].stage}{day}"

    @property
    def text(self) -> str:
        """The whole alert as plain text, one fact a line."""
        facts = {
            "Feed": self.feed,
            "Run": self.dag_run_id,
            "Date": self.dates,
            "Stage": self.problems[0].place,
            "Reason": self._reason(),
            "Also": self._others(),
            "To do": ADVICE.get(self.problems[0].kind, GENERAL_ADVICE),
            "See": self.link,
        }
        return "\n".join(f"{name + ':':<8}{_indent(value)}" for name, value in facts.items() if value)

    def as_json(self) -> dict[str, Any]:
        """The alert for a webhook; ``text`` is what chat services show."""
        return {"subject": self.subject, "text": f"{self.subject}\n{self.text}", **asdict(self)}

    def _reason(self) -> str:
        """What the last stage says, since reconcile sums up the others; with the first cause unless it is in there."""
        first, last = self.problems[0].reason, self.problems[-1].reason
        return last if first in last else f"{first}\n{last}"

    def _others(self) -> str:
        others = [f"{problem.place}: {problem.reason}" for problem in self.problems[1:-1]]
        hidden = len(others) - PROBLEMS_SHOWN
        return "\n".join(others[:PROBLEMS_SHOWN] + ([f"and {hidden} more"] if hidden > 0 else []))


@dataclass(frozen=True)
class AlertSettings:
    """Where alerts go, besides the log. ``smtp_security`` is ``none``, ``starttls`` or ``tls``.

    Nothing is checked here, so that a wrong setting costs its channel and not the alert.
    """

    webhook: str | None = None
    mail_to: tuple[str, ...] = ()
    mail_from: str = "sluice@localhost"
    smtp_host: str = "localhost"
    smtp_port: str = "25"
    smtp_user: str | None = None
    smtp_password: str | None = None
    smtp_security: str = "none"

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> AlertSettings:
        """The settings of ``SLUICE_ALERT_WEBHOOK``, ``SLUICE_ALERT_EMAIL`` (commas between), ``SLUICE_SMTP_HOST``, …"""
        return cls(
            webhook=env.get("SLUICE_ALERT_WEBHOOK") or None,
            mail_to=tuple(filter(None, map(str.strip, env.get("SLUICE_ALERT_EMAIL", "").split(",")))),
            mail_from=env.get("SLUICE_ALERT_FROM") or cls.mail_from,
            smtp_host=env.get("SLUICE_SMTP_HOST") or cls.smtp_host,
            smtp_port=env.get("SLUICE_SMTP_PORT") or cls.smtp_port,
            smtp_user=env.get("SLUICE_SMTP_USER") or None,
            smtp_password=env.get("SLUICE_SMTP_PASSWORD") or None,
            smtp_security=env.get("SLUICE_SMTP_SECURITY") or cls.smtp_security,
        )


def describe_exception(error: BaseException, stage: str, label: str = "") -> Problem:
    """``error`` as a problem that a person may read and that holds no value of any record."""
    kind = type(error).__name__
    if isinstance(error, (SluiceError, OSError)):
        return Problem(stage, kind, str(error) or kind, label)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return Problem(stage, kind, f"unexpected {kind}{place}; the task's log has the details", label)


def send(alert: Alert, settings: AlertSettings) -> None:
    """Log ``alert`` and send it to every channel of ``settings``. Never raises: what could not be sent is logged."""
    log.error("%s\n%s", alert.subject, alert.text)
    channels: dict[str, Callable[[], None]] = {}
    if settings.webhook:
        channels["webhook"] = lambda: _post(alert, settings.webhook or "")
    if settings.mail_to:
        channels["mail"] = lambda: _mail(alert, settings)
    for name, deliver in channels.items():
        try:
            deliver()
        except Exception as error:  # noqa: BLE001 - an alert that fails must not hide what it is about
            # the address may hold a token, so it is not logged
            log.error("the alert could not be sent by %s: %s", name, describe_exception(error, name).reason)


def _post(alert: Alert, url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("SLUICE_ALERT_WEBHOOK must be an http(s) address")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, json.dumps(alert.as_json()).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=CHANNEL_TIMEOUT_SECONDS):  # noqa: S310
        pass


def _mail(alert: Alert, settings: AlertSettings) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(alert.subject.split())
    message["From"] = settings.mail_from
    message["To"] = ", ".join(settings.mail_to)
    message.set_content(alert.text + "\n")
    connect = smtplib.SMTP_SSL if settings.smtp_security == "tls" else smtplib.SMTP
    with connect(settings.smtp_host, int(settings.smtp_port), timeout=CHANNEL_TIMEOUT_SECONDS) as server:
        if settings.smtp_security == "starttls":
            server.starttls()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password or "")
        server.send_message(message)


def _indent(text: str) -> str:
    return text.replace("\n", "\n" + " " * 8)
