"""Which files a feed is tried on: files, folders and patterns, each file once, in the order of a run."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from tests.tryout.trying import ORDERS, feed_with_samples, order, orders

from sluice.draft.samples import local_samples
from sluice.errors import PermanentError
from sluice.feed.loading import load_feed
from sluice.sources import Clients
from sluice.spots import short_name
from sluice.tryout.samples import SamplesMissing, find_samples, list_samples, own_samples
from sluice.tryout.trial import Counts, try_files

FILES = {"b.xml": orders(order(1)), "deep/er/a.xml": orders(order(2)), "c.xml.gz": b"\x1f\x8b"}


def names(folder: Path, *paths: str) -> list[str]:
    feed = feed_with_samples(folder, FILES)
    return [file.uri.removeprefix(f"file://{feed.folder}/samples/") for file in find_samples(feed, paths)]


def test_own_samples(tmp_path: Path) -> None:
    """The folder `samples` beside feed.yaml, whole."""
    feed = feed_with_samples(tmp_path, FILES)
    assert names(tmp_path, *own_samples(feed)) == ["b.xml", "c.xml.gz", "deep/er/a.xml"]


def test_without_own_samples(tmp_path: Path) -> None:
    assert own_samples(feed_with_samples(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["b.xml"], ["b.xml"]),
        (["*.xml"], ["b.xml"]),
        (["**"], ["b.xml", "c.xml.gz", "deep/er/a.xml"]),
        (["deep/"], ["deep/er/a.xml"]),
        (["deep", "b.xml", "*.xml"], ["b.xml", "deep/er/a.xml"]),
    ],
)
def test_paths(tmp_path: Path, paths: list[str], expected: list[str]) -> None:
    samples = tmp_path / "orders" / "samples"
    assert names(tmp_path, *(f"{samples}/{path}" for path in paths)) == expected


def test_a_path_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell gives it: from the present folder."""
    feed_with_samples(tmp_path, FILES)
    monkeypatch.chdir(tmp_path / "orders" / "samples")
    assert names(tmp_path, "b.xml", "deep") == ["b.xml", "deep/er/a.xml"]


@pytest.mark.parametrize("path", ["nothing.xml", "deep/*.xml", "empty", "nowhere/*.xml", "nowhere/a.xml"])
def test_a_path_that_leads_to_nothing(tmp_path: Path, path: str) -> None:
    """It is named: a typing error must not pass for success."""
    feed = feed_with_samples(tmp_path, FILES)
    (feed.folder / "samples" / "empty").mkdir()
    with pytest.raises(SamplesMissing, match=os.path.basename(path).replace("*", r"\*")):  # noqa: PTH119
        find_samples(feed, [str(feed.folder / "samples" / path)])


def test_the_date_of_a_file(tmp_path: Path) -> None:
    """It is read as a run would, by the feed's own pattern; other files have none."""
    feed = feed_with_samples(tmp_path, {"2026-03-01.xml": orders(order(1)), "x.xml": orders(order(2))})
    head = f"feed: orders\nsource: {{uri: '{feed.folder}/samples/{{date:%Y-%m-%d}}.xml'}}\n"
    (feed.folder / "feed.yaml").write_text(head + ORDERS)
    feed = load_feed(feed.folder)
    assert [file.file_date for file in find_samples(feed, own_samples(feed))] == [dt.date(2026, 3, 1), None]


def test_samples_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern as in the feed file may lead to S3, and such files are tried as any other."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    feed = feed_with_samples(tmp_path, {})
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="landing")
        client.put_object(Bucket="landing", Key="in/a.xml", Body=orders(order(1)).encode())
        clients = Clients(s3=lambda: client)
        files = find_samples(feed, ["s3://landing/in/*.xml"], clients)
        counts = Counts(len(files))
        for tried in try_files(feed, files, clients):
            counts.take(tried)
    assert (counts.files, counts.accepted) == (1, 1)


def test_no_samples_from_the_web(tmp_path: Path) -> None:
    """They would have to be kept somewhere."""
    with pytest.raises(SamplesMissing, match="download"):
        find_samples(feed_with_samples(tmp_path, {}), ["https://example.com/a.xml"])


def test_draft_reads_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given: odd names, folders with hidden files, patterns across folders."""
    feed = feed_with_samples(
        tmp_path,
        {name: orders(order(1)) for name in ("a[1].xml", "{x}.xml", ".hidden.xml", "half.xml.part", "d*/b.xml")},
    )
    monkeypatch.chdir(feed.folder / "samples")
    for given, expected in {
        ("a[1].xml",): ["a[1].xml"],
        ("{x}.xml",): ["{x}.xml"],
        ("*.xml",): ["a[1].xml", "{x}.xml"],
        ("**",): ["a[1].xml", "d*/b.xml", "{x}.xml"],
        (".",): ["a[1].xml", "d*/b.xml", "{x}.xml"],
        ("d*",): ["d*/b.xml"],
        (".hidden.xml", "half.xml.part"): [".hidden.xml", "half.xml.part"],
        ("{x}.xml", "../samples/a[1].xml", "a[1].xml"): ["a[1].xml", "{x}.xml"],
    }.items():
        assert [short_name(file.uri) for file in find_samples(feed, given)] == expected
        assert [short_name(str(path)) for path in local_samples(given)] == expected


@pytest.mark.parametrize("path", ["a{.xml", "{date:%Y-%m-%d}.xml", "[ab].xml", "none/**"])
def test_all_commands_say_the_same_of_what_is_not_there(tmp_path: Path, path: str) -> None:
    told = []
    for find in (local_samples, list_samples):
        with pytest.raises(SamplesMissing) as caught:
            find([str(tmp_path / path)])
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert path in told[0]


@pytest.mark.parametrize("path", ["s3://landing/*", "https://example.com/a.xml"])
def test_samples_of_a_draft_are_files_of_this_machine(path: str) -> None:
    with pytest.raises(PermanentError, match="download"):
        local_samples([path])
