"""Web addresses as a source, against a server of this test."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sluice.errors import PermanentError, SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import SourceFile
from sluice.sources.http import HttpSource, WebAccess
from sluice.sources.pattern import UriPattern
from sluice.workfiles import WorkFiles

MARCH_5 = dt.date(2024, 3, 5)
MARCH_6 = dt.date(2024, 3, 6)


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """What the server answers by path and query, and the headers that it saw."""

    url: str
    answers: dict[str, Answer]
    seen: list[Message]

    @property
    def authorizations(self) -> list[str | None]:
        return [headers["Authorization"] for headers in self.seen]


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def other_site() -> Iterator[Site]:
    with serving() as site:
        yield site


@contextmanager
def serving() -> Iterator[Site]:
    site = Site("", {}, [])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.seen.append(self.headers)
            answer = site.answers.get(self.path, Answer(status=404))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def source(tmp_path: Path) -> HttpSource:
    return HttpSource(WorkFiles(str(tmp_path)), "rates")


def listing(source: HttpSource, pattern: str, *dates: dt.date) -> list[SourceFile]:
    return list(source.list_files(UriPattern(pattern), dates))


def test_listing_fetches_and_archives(site: Site, source: HttpSource, tmp_path: Path) -> None:
    """The version is that of the content, and the copy is read after the page has changed."""
    site.answers["/daily.xml"] = Answer(b"<old/>", headers={"Last-Modified": "Tue, 05 Mar 2024 15:00:00 GMT"})
    (file,) = listing(source, f"{site.url}/daily.xml")
    assert file == SourceFile(
        uri=f"{site.url}/daily.xml",
        version=hashlib.sha256(b"<old/>").hexdigest()[:16],
        size_bytes=6,
        modified_at=dt.datetime(2024, 3, 5, 15, tzinfo=dt.UTC),
        file_date=None,
    )
    site.answers["/daily.xml"] = Answer(b"<new/>")
    (newer,) = listing(source, f"{site.url}/daily.xml")
    assert source.open(file).read() == b"<old/>"
    assert source.open(newer, 1, 4).read() == b"new"
    assert len(list((tmp_path / "archive" / "rates").iterdir())) == 2


def test_an_unchanged_page_is_no_new_file(site: Site, source: HttpSource) -> None:
    site.answers["/daily.xml"] = Answer(b"<a/>")
    first, second = listing(source, f"{site.url}/daily.xml") + listing(source, f"{site.url}/daily.xml")
    assert (first.uri, first.version) == (second.uri, second.version)
    assert first.modified_at.utcoffset() == dt.timedelta(0), "without Last-Modified, the time of the request"


def test_dates_make_addresses_and_those_without_a_page_are_left_out(site: Site, source: HttpSource) -> None:
    site.answers["/rates?on=2024-03-05"] = Answer(b"<a/>")
    pattern = f"{site.url}/rates?on={{date:%Y-%m-%d}}"
    assert [file.file_date for file in listing(source, pattern, MARCH_5, MARCH_6)] == [MARCH_5]
    with pytest.raises(SourceMissing, match="2024-03-06 does not exist"):
        listing(source, pattern, MARCH_6)


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, SourceMissing), (410, SourceMissing), (403, SourceUnavailable), (503, SourceUnavailable)],
)
def test_a_bad_status_is_told(site: Site, source: HttpSource, status: int, error: type[Exception]) -> None:
    site.answers["/daily.xml"] = Answer(b"sorry", status)
    with pytest.raises(error, match=str(status)):
        listing(source, f"{site.url}/daily.xml")


def test_an_answer_that_breaks_off_is_not_archived(site: Site, source: HttpSource, tmp_path: Path) -> None:
    site.answers["/daily.xml"] = Answer(b"<half", headers={"Content-Length": "1000"})
    with pytest.raises(SourceUnavailable, match="does not answer properly"):
        listing(source, f"{site.url}/daily.xml")
    assert not (tmp_path / "archive").exists()


def test_nobody_there(source: HttpSource) -> None:
    with pytest.raises(SourceUnavailable):
        listing(source, "http://127.0.0.1:9/daily.xml")


def test_redirects_are_followed_and_transfer_compression_is_undone(site: Site, source: HttpSource) -> None:
    site.answers["/old"] = Answer(status=302, headers={"Location": "/new"})
    site.answers["/new"] = Answer(gzip.compress(b"<a/>"), headers={"Content-Encoding": "gzip"})
    (file,) = listing(source, f"{site.url}/old")
    assert file.uri == f"{site.url}/old"
    assert source.open(file).read() == b"<a/>"


def test_a_password_is_used_and_not_kept(site: Site, source: HttpSource) -> None:
    site.answers["/daily.xml"] = Answer(b"<a/>")
    address = f"{site.url}/daily.xml".replace("http://", "http://user:p%40ss@")
    (file,) = listing(source, address)
    assert file.uri == f"{site.url}/daily.xml"
    assert site.authorizations == ["Basic dXNlcjpwQHNz"]
    with pytest.raises(SourceMissing) as caught:
        listing(source, address.replace("daily", "other"))
    assert "p%40ss" not in str(caught.value)


def test_a_copy_that_is_gone_or_incomplete_is_told(site: Site, source: HttpSource, tmp_path: Path) -> None:
    site.answers["/daily.xml"] = Answer(b"<a/>")
    (file,) = listing(source, f"{site.url}/daily.xml")
    (copy,) = (tmp_path / "archive" / "rates").iterdir()
    copy.write_bytes(b"<a")
    with pytest.raises(SourceChanged, match="gone or incomplete"), source.open(file) as stretch:
        stretch.read()
    copy.unlink()
    with pytest.raises(SourceChanged, match="gone or incomplete"):
        source.open(file)


KEY = WebAccess(login=("reader", "s3cret"), headers={"X-Api-Key": "k3y"})


def with_access(tmp_path: Path, access: WebAccess) -> HttpSource:
    return HttpSource(WorkFiles(str(tmp_path)), "rates", lambda: access)


def test_a_connection_opens_the_door(site: Site, tmp_path: Path) -> None:
    site.answers["/daily.xml"] = Answer(b"<a/>")
    (file,) = listing(with_access(tmp_path, KEY), f"{site.url}/daily.xml")
    assert file.uri == f"{site.url}/daily.xml"
    (seen,) = site.seen
    assert (seen["Authorization"], seen["X-Api-Key"]) == ("Basic cmVhZGVyOnMzY3JldA==", "k3y")


def test_what_opens_the_door_is_shown_to_no_other_server(site: Site, other_site: Site, tmp_path: Path) -> None:
    site.answers["/daily.xml"] = Answer(status=302, headers={"Location": "/today.xml"})
    site.answers["/today.xml"] = Answer(status=307, headers={"Location": f"{other_site.url}/copy.xml"})
    other_site.answers["/copy.xml"] = Answer(b"<a/>")
    assert listing(with_access(tmp_path, KEY), f"{site.url}/daily.xml")
    assert [seen["X-Api-Key"] for seen in site.seen] == ["k3y", "k3y"]
    (elsewhere,) = other_site.seen
    assert (elsewhere["Authorization"], elsewhere["X-Api-Key"]) == (None, None)


def test_a_circle_of_redirects_ends(site: Site, source: HttpSource) -> None:
    site.answers["/a.xml"] = Answer(status=302, headers={"Location": "/a.xml"})
    with pytest.raises(SourceUnavailable, match="redirects more than 10 times"):
        listing(source, f"{site.url}/a.xml")


def test_a_connection_for_another_host_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"not at partner\.example"):
        listing(with_access(tmp_path, WebAccess("partner.example", ("me", "s3cret"))), f"{site.url}/daily.xml")
    assert not site.seen


def test_a_connection_for_https_shows_nothing_in_clear_text(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="not encrypted"):
        listing(with_access(tmp_path, WebAccess(login=("me", "s3cret"), is_encrypted=True)), f"{site.url}/daily.xml")
    assert not site.seen
