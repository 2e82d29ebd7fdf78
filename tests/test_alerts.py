"""What an alert says, and that it arrives or is at least logged."""

import http.server
import json
import logging
import socketserver
import threading
from collections.abc import Iterator

import pytest

from sluice.alerts import ADVICE, Alert, AlertSettings, Problem, describe_exception, send
from sluice.errors import PermanentError, SluiceError, SourceMissing, TransientError

LINK = "http://localhost:8080/dags/orders/runs/scheduled__2026-03-06T05%3A00%3A00%2B00%3A00"
ALERT = Alert(
    feed="orders",
    dag_run_id="scheduled__2026-03-06T05:00:00+00:00",
    dates="2026-03-05",
    problems=(
        Problem("parse", "WorkFilesUnavailable", "/var/sluice cannot be written: no space left", "orders-17.xml"),
        Problem("parse", "WorkFilesUnavailable", "/var/sluice cannot be written: no space left", "orders-18.xml"),
        Problem(
            "reconcile",
            "RunFailed",
            "orders-17.xml and 1 other file are not accounted for;"
            " parse [orders-17.xml]: /var/sluice cannot be written: no space left (and 1 more)",
        ),
    ),
    link=LINK,
)


def test_the_text_names_feed_run_stage_file_reason_remedy_and_link() -> None:
    """Golden: one alert tells a person all that is known, one fact a line."""
    assert ALERT.subject == "Sluice: orders failed in parse for 2026-03-05"
    assert ALERT.text.splitlines() == [
        "Feed:   orders",
        "Run:    scheduled__2026-03-06T05:00:00+00:00",
        "Date:   2026-03-05",
        "Stage:  parse [orders-17.xml]",
        f"Reason: {ALERT.problems[-1].reason}",
        "Also:   parse [orders-18.xml]: /var/sluice cannot be written: no space left",
        "To do:  Check the space and the mount of the work folder; then clear the failed tasks in Airflow.",
        f"See:    {LINK}",
    ]


def test_what_is_not_known_is_left_out() -> None:
    """A killed run may leave nothing but Airflow's own word."""
    alert = Alert("orders", "manual__1", "", (Problem("run", "", "Airflow says no more than task_failure"),))
    assert alert.text.splitlines() == [
        "Feed:   orders",
        "Run:    manual__1",
        "Stage:  run",
        "Reason: Airflow says no more than task_failure",
        "To do:  Read the task's log, then clear the failed tasks in Airflow.",
    ]


def test_many_problems_are_cut_short() -> None:
    """A run of a hundred batches with one cause is one short alert."""
    problems = tuple(Problem("load", "WarehouseUnavailable", "no answer", f"batch {n}") for n in range(100))
    text = Alert("orders", "manual__1", "", problems).text
    assert len(text.splitlines()) < 12
    assert "and 93 more" in text


def test_every_error_that_ends_a_task_has_its_advice() -> None:
    """A new error class comes with a line on what to do about it."""

    def leaves(kind: type[SluiceError]) -> set[str]:
        below = kind.__subclasses__()
        return set().union(*map(leaves, below)) if below else {kind.__name__}

    import sluice.errors

    named = {name for name in leaves(PermanentError) | leaves(TransientError) if hasattr(sluice.errors, name)}
    assert named <= ADVICE.keys()


def test_an_expected_error_is_described_by_its_message() -> None:
    problem = describe_exception(SourceMissing("the folder /landing does not exist"), "fetch")
    assert (problem.kind, problem.reason, problem.place) == (
        "SourceMissing",
        "the folder /landing does not exist",
        "fetch",
    )


def test_an_unexpected_error_is_described_without_its_message() -> None:
    """The message of a library may hold a value of a record, and values stay in the quarantine."""
    try:
        raise ValueError("could not convert 'DE89370400440532013000'")
    except ValueError as error:
        problem = describe_exception(error, "load", "a.xml")
    assert "DE89" not in problem.reason
    assert "ValueError at test_alerts.py:" in problem.reason


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """A web server on this machine, and the bodies that were posted to it."""
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    yield from serve(http.server.HTTPServer(("127.0.0.1", 0), Handler), bodies, "http://127.0.0.1:{}/hook")


@pytest.fixture
def mail_server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that speaks as much SMTP as it takes to be given a message, and the messages."""
    messages: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in iter(self.rfile.readline, b""):
                command = line[:4].upper().strip()
                if command == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                if command == b"QUIT":
                    return

    yield from serve(socketserver.TCPServer(("127.0.0.1", 0), Handler), messages, "{}")


def serve(server: socketserver.TCPServer, received: list[bytes], address: str) -> Iterator[tuple[str, list[bytes]]]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield address.format(server.server_address[1]), received
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_gets_the_facts_and_the_text(webhook: tuple[str, list[bytes]]) -> None:
    url, bodies = webhook
    send(ALERT, AlertSettings.from_environment({"SLUICE_ALERT_WEBHOOK": url}))
    (posted,) = map(json.loads, bodies)
    assert posted["text"] == f"{ALERT.subject}\n{ALERT.text}"
    assert posted["feed"] == "orders"
    assert posted["link"] == LINK
    assert posted["problems"][0]["label"] == "orders-17.xml"


def test_mail_goes_to_every_address(mail_server: tuple[str, list[bytes]]) -> None:
    port, messages = mail_server
    env = {
        "SLUICE_ALERT_EMAIL": "a@example.org, b@example.org",
        "SLUICE_SMTP_HOST": "127.0.0.1",
        "SLUICE_SMTP_PORT": port,
    }
    send(ALERT, AlertSettings.from_environment(env))
    (message,) = (text.decode() for text in messages)
    assert f"Subject: {ALERT.subject}" in message
    assert "To: a@example.org, b@example.org" in message
    assert "Stage:  parse [orders-17.xml]" in message


def test_a_channel_that_fails_is_logged_and_does_not_stop_the_others(
    mail_server: tuple[str, list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    """Sending never raises: the alert itself is in the log, and so is that it did not arrive."""
    port, messages = mail_server
    settings = AlertSettings(
        webhook="http://127.0.0.1:9/secret-token",
        mail_to=("a@example.org",),
        smtp_host="127.0.0.1",
        smtp_port=port,
    )
    with caplog.at_level(logging.ERROR):
        send(ALERT, settings)
    assert len(messages) == 1
    assert ALERT.subject in caplog.text
    assert "could not be sent by webhook" in caplog.text
    assert "secret-token" not in caplog.text


def test_only_web_addresses_are_posted_to(caplog: pytest.LogCaptureFixture) -> None:
    send(ALERT, AlertSettings(webhook="file:///etc/passwd"))
    assert "could not be sent by webhook" in caplog.text


def test_a_wrong_setting_costs_its_channel_and_not_the_alert(caplog: pytest.LogCaptureFixture) -> None:
    send(ALERT, AlertSettings.from_environment({"SLUICE_ALERT_EMAIL": "a@example.org", "SLUICE_SMTP_PORT": "smtp"}))
    assert ALERT.subject in caplog.text
    assert "could not be sent by mail" in caplog.text


def test_without_configuration_the_log_is_the_only_channel(caplog: pytest.LogCaptureFixture) -> None:
    send(ALERT, AlertSettings.from_environment({}))
    assert [record.name for record in caplog.records] == ["sluice.alerts"]
