"""SFTP as a source, against a server in this process."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from tests.small_feeds import ITEMS, Ground, item, items
from tests.sources.sftp_server import PASSWORD, USER, sftp_server

from sluice.errors import FeedInvalid, PermanentError, SourceChanged, SourceMissing, SourceUnavailable
from sluice.pipeline import run_feed
from sluice.records import SourceFile
from sluice.sources import Clients
from sluice.sources import sftp as sftp_module
from sluice.sources.pattern import UriPattern
from sluice.sources.sftp import SftpSource
from sluice.tools import Tools

MARCH_5 = dt.date(2024, 3, 5)
MODIFIED = dt.datetime(2024, 3, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "server"
    root.mkdir()
    return root


@pytest.fixture
def port(root: Path) -> Iterator[int]:
    with sftp_server(root) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[paramiko.SFTPClient]:
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.connect(username=USER, password=PASSWORD)
    made = paramiko.SFTPClient.from_transport(transport)
    assert made is not None
    yield made
    transport.close()


@pytest.fixture
def source(client: paramiko.SFTPClient) -> SftpSource:
    return SftpSource(lambda: client)


def put(root: Path, name: str, content: bytes = b"<a/>") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MODIFIED.timestamp(), MODIFIED.timestamp()))
    return path


def names(source: SftpSource, pattern: str, *dates: dt.date) -> list[str]:
    return [file.uri.removeprefix("sftp://host") for file in source.list_files(UriPattern(pattern), dates)]


def only(source: SftpSource, pattern: str = "sftp://host/in/*") -> SourceFile:
    (file,) = source.list_files(UriPattern(pattern), [])
    return file


def test_a_listed_file_is_described(root: Path, source: SftpSource) -> None:
    put(root, "in/a b ü.xml", b"content")
    version = f"7-{MODIFIED.timestamp():.0f}"
    assert only(source) == SourceFile("sftp://host/in/a b ü.xml", version, 7, MODIFIED)


def test_globs_dates_links_and_what_is_left_out(root: Path, source: SftpSource) -> None:
    for name in ("in/b.xml", "in/a.xml", "in/deep/c.xml", "in/.d.xml", "in/e.xml.part", "in/2024-03-05/g.xml"):
        put(root, name)
    (root / "in/link.xml").symlink_to(root / "in/a.xml")
    (root / "in/broken.xml").symlink_to(root / "in/nothing")
    (root / "in/circle").symlink_to(root / "in")
    assert names(source, "sftp://host/in/*.xml") == ["/in/a.xml", "/in/b.xml", "/in/link.xml"]
    assert names(source, "sftp://host/in/") == ["/in/a.xml", "/in/b.xml", "/in/link.xml"]
    assert names(source, "sftp://host/in/a.xml") == ["/in/a.xml"]
    assert "/in/deep/c.xml" in names(source, "sftp://host/in/**/*.xml")
    (dated,) = source.list_files(UriPattern("sftp://host/in/{date:%Y-%m-%d}/*"), [MARCH_5, dt.date(2024, 3, 6)])
    assert (dated.uri, dated.file_date) == ("sftp://host/in/2024-03-05/g.xml", MARCH_5)


def test_a_missing_folder_is_named(source: SftpSource) -> None:
    with pytest.raises(SourceMissing, match="folder /out does not exist on host"):
        names(source, "sftp://host/out/*")


def test_ranges_are_files_of_their_own(root: Path, source: SftpSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in blocks of several requests each, forward and backward."""
    monkeypatch.setattr(sftp_module, "READ_AHEAD_BYTES", 100_000)
    content = os.urandom(350_000)
    put(root, "in/a.xml", content)
    file = only(source)
    with source.open(file) as whole:
        assert whole.read() == content
    with source.open(file, 1000, 300_000) as stretch:
        assert stretch.read(10) == content[1000:1010]
        stretch.seek(150_000)
        assert stretch.read() == content[151_000:300_000]
        stretch.seek(0)
        assert stretch.read(5) == content[1000:1005]


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_a_changed_file_is_not_opened(root: Path, source: SftpSource, change: str) -> None:
    path = put(root, "in/a.xml", b"content")
    file = only(source)
    if change == "longer":
        path.write_bytes(b"contents")
    elif change == "touched":
        os.utime(path, (0, 0))
    else:
        path.unlink()
    with pytest.raises(SourceChanged):
        source.open(file)


def test_a_change_while_reading_is_noticed(root: Path, source: SftpSource) -> None:
    path = put(root, "in/a.xml", b"content")
    opened = source.open(only(source))
    os.utime(path, (0, 0))
    with pytest.raises(SourceChanged, match="was changed after it was listed"):
        opened.read()


def test_a_server_that_has_gone_may_come_back(root: Path, source: SftpSource, client: paramiko.SFTPClient) -> None:
    put(root, "in/a.xml")
    file = only(source)
    client.get_channel().get_transport().close()  # type: ignore[union-attr]
    with pytest.raises(SourceUnavailable, match="cannot be read by SFTP"):
        source.open(file)
    with pytest.raises(SourceUnavailable, match="cannot be read by SFTP"):
        only(source)


def test_a_feed_loads_from_a_server(root: Path, client: paramiko.SFTPClient, ground: Ground) -> None:
    put(root, "in/a.xml", items(item("a"), item("b")).encode())
    feed = sftp_feed(ground, "sftp://host/in/*.xml, connection: partner")
    tools = Tools(feed, ground.dsn, ground.work, Clients(sftp=lambda: client))
    for _ in range(2):
        run_feed(tools, ground.request(feed))
    assert ground.sql("SELECT id FROM items.items ORDER BY id") == [("a",), ("b",)]
    assert ground.sql("SELECT count(*) FROM sluice.loads") == [(1,)]


def test_a_source_on_a_server_needs_a_connection(ground: Ground) -> None:
    with pytest.raises(FeedInvalid, match="needs `connection`"):
        sftp_feed(ground, "sftp://host/in/*.xml")
    with pytest.raises(PermanentError, match="in Airflow only"):
        names(SftpSource(Clients().sftp), "sftp://host/in/*.xml")


def test_airflows_connection_says_who_logs_in(root: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.edge.connections import _clients

    put(root, "in/a.xml")
    fields = {"conn_type": "sftp", "host": "127.0.0.1", "port": port, "login": USER, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_PARTNER", json.dumps({**fields, "extra": {"no_host_key_check": True}}))
    assert names(SftpSource(_clients("partner").sftp), "sftp://host/in/*.xml") == ["/in/a.xml"]


def sftp_feed(ground: Ground, uri: str):  # type: ignore[no-untyped-def]
    from sluice.feed.loading import load_feed

    folder = ground.root / "feeds/items"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feed.yaml").write_text(f"feed: items\nsource: {{uri: {uri}}}\n{ITEMS}")
    return load_feed(folder)
