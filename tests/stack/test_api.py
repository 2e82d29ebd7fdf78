"""The client of Airflow's API, before servers that are not the stack's."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from sluice.stack.api import AirflowApi
from sluice.stack.home import any_free_port

PASSWORD = "right"


class Airflow(BaseHTTPRequestHandler):
    """As much of an API server as a login needs."""

    def do_POST(self) -> None:
        told = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201 if PASSWORD.encode() in told else 401)
        self.end_headers()
        self.wfile.write(b'{"access_token": "token"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Airflow) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_airflow_that_knows_the_user_answers(url: str) -> None:
    assert AirflowApi(url, "admin", PASSWORD).answers()


def test_another_stack_that_took_the_port_is_not_ours(url: str) -> None:
    assert not AirflowApi(url, "admin", "wrong").answers()


def test_nothing_there_is_no_answer() -> None:
    assert not AirflowApi(f"http://127.0.0.1:{any_free_port()}", "admin", PASSWORD).answers()
