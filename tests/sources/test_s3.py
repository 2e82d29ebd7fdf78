"""S3 as a source, against moto's implementation of its protocol."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from sluice.errors import SourceChanged, SourceMissing, SourceUnavailable
from sluice.records import SourceFile
from sluice.sources import s3
from sluice.sources.pattern import UriPattern

MARCH_5 = dt.date(2024, 3, 5)
MARCH_6 = dt.date(2024, 3, 6)


class Recorder:
    """Remembers the requests that a client sends."""

    def __init__(self, client: Any) -> None:
        self.ranges: list[str] = []
        self.listings: list[dict[str, Any]] = []
        client.meta.events.register("provide-client-params.s3.GetObject", self._get)
        client.meta.events.register("provide-client-params.s3.ListObjectsV2", self._list)

    def _get(self, params: dict[str, Any], **_: Any) -> None:
        self.ranges.append(params["Range"])

    def _list(self, params: dict[str, Any], **_: Any) -> None:
        self.listings.append(params)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="landing")
        yield client


@pytest.fixture
def source(client: Any) -> s3.S3Source:
    return s3.S3Source(lambda: client)


def put(client: Any, key: str, content: bytes = b"<a/>") -> None:
    client.put_object(Bucket="landing", Key=key, Body=content)


def names(source: s3.S3Source, pattern: str, *dates: dt.date) -> list[str]:
    return [file.uri.removeprefix("s3://landing/") for file in source.list_files(UriPattern(pattern), dates)]


def only(source: s3.S3Source, pattern: str) -> SourceFile:
    (file,) = source.list_files(UriPattern(pattern), [])
    return file


def test_a_listed_object_has_its_etag_as_version(client: Any, source: s3.S3Source) -> None:
    put(client, "in/a.xml", b"12345")
    file = only(source, "s3://landing/in/*.xml")
    assert (file.uri, file.version, file.size_bytes) == ("s3://landing/in/a.xml", "827ccb0eea8a706c4c34a16891f84e7b", 5)
    assert file.modified_at.utcoffset() == dt.timedelta(0)
    assert file.file_date is None


def test_globs_dates_and_what_is_left_out(client: Any, source: s3.S3Source) -> None:
    for key in (
        "in/b.xml",
        "in/a.xml",
        "in/deep/c.xml",
        "in/",
        "in/.d.xml",
        "in/e.xml.tmp",
        "other/f.xml",
        "in/2024-03-05/g.xml",
    ):
        put(client, key)
    assert names(source, "s3://landing/in/*.xml") == ["in/a.xml", "in/b.xml"]
    assert names(source, "s3://landing/in/") == ["in/a.xml", "in/b.xml"]
    assert names(source, "s3://landing/in/**/*.xml") == ["in/2024-03-05/g.xml", "in/a.xml", "in/b.xml", "in/deep/c.xml"]
    assert names(source, "s3://landing/in/a.xml") == ["in/a.xml"]
    dated = list(source.list_files(UriPattern("s3://landing/in/{date:%Y-%m-%d}/*"), [MARCH_6, MARCH_5]))
    assert [(file.uri, file.file_date) for file in dated] == [("s3://landing/in/2024-03-05/g.xml", MARCH_5)]
    assert names(source, "s3://landing/nothing/*.xml") == [], "S3 has no folders that could be missing"


def test_only_what_can_match_is_listed(client: Any, source: s3.S3Source) -> None:
    recorder = Recorder(client)
    names(source, "s3://landing/in/{date:%Y}/x*.xml", MARCH_5)
    names(source, "s3://landing/in/x*/*.xml")
    assert [(item["Prefix"], item.get("Delimiter")) for item in recorder.listings] == [
        ("in/2024/x", "/"),
        ("in/x", None),
    ]


def test_a_wildcard_before_the_date_takes_no_other_day(client: Any, source: s3.S3Source) -> None:
    for key in ("a/2024-03-05/x.xml", "b/2024-03-05/x.xml", "b/2024-03-06/x.xml", "b/2024-03-07/x.xml"):
        put(client, key)
    pattern = "s3://landing/*/{date:%Y-%m-%d}/*.xml"
    assert names(source, pattern, MARCH_5) == ["a/2024-03-05/x.xml", "b/2024-03-05/x.xml"]
    recorder = Recorder(client)
    assert names(source, pattern, MARCH_6, MARCH_5)[-1] == "b/2024-03-06/x.xml"
    assert len(recorder.listings) == 1, "both days have the same prefix"


def test_files_come_once_and_by_uri_whatever_the_order_of_the_days(client: Any, source: s3.S3Source) -> None:
    for key in ("2024-3/05.xml", "2024-03/06.xml", "2024-03/05.xml"):
        put(client, key)
    assert names(source, "s3://landing/{date:%Y-%m}/*.xml", MARCH_6, MARCH_5) == ["2024-03/05.xml", "2024-03/06.xml"]
    assert names(source, "s3://landing/{date:%Y-%m/%d}.xml", MARCH_6, MARCH_5) == ["2024-03/05.xml", "2024-03/06.xml"]


def test_nothing_to_look_up_asks_for_no_client() -> None:
    """Every fetch looks up what was announced, also where nothing was and nobody has an account."""
    source = s3.S3Source(lambda: pytest.fail("a client was made"))
    assert list(source.look_up([], UriPattern("s3://landing/*"))) == []


def test_a_listing_is_read_as_it_comes(client: Any, source: s3.S3Source) -> None:
    """So that it needs no more memory for millions of keys."""
    for number in range(2001):
        put(client, f"many/{number:04}.xml")
    recorder = Recorder(client)
    next(source.list_files(UriPattern("s3://landing/many/*.xml"), []))
    assert len(recorder.listings) == 1


def test_listings_of_many_pages_are_complete(client: Any, source: s3.S3Source) -> None:
    for number in range(1001):
        put(client, f"many/{number:04}.xml")
    assert len(names(source, "s3://landing/many/*.xml")) == 1001


@pytest.mark.parametrize(
    "key", ["with space.xml", "per%20cent.xml", "plus+and&.xml", "Überweisung-日本.xml", "a//b.xml", "q?x=1#y.xml"]
)
def test_keys_are_kept_as_they_are(client: Any, source: s3.S3Source, key: str) -> None:
    put(client, f"in/{key}", b"content")
    file = only(source, "s3://landing/in/**")
    assert file.uri == f"s3://landing/in/{key}"
    assert source.open(file).read() == b"content"


def test_ranges_are_files_of_their_own(client: Any, source: s3.S3Source) -> None:
    put(client, "a.xml", b"0123456789")
    file = only(source, "s3://landing/a.xml")
    with source.open(file, 2, 7) as stretch:
        assert stretch.read(3) == b"234"
        assert stretch.read() == b"56"
        assert stretch.seek(-2, os.SEEK_END) == 3
        assert stretch.read(9) == b"56"
    assert source.open(file, 8).read() == b"89"
    assert source.open(file, 8, 99).read() == b"89"
    assert source.open(file, 5, 5).read() == b""


def test_reading_forward_requests_each_byte_once(
    client: Any, source: s3.S3Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of reads; going back within the last block costs no request."""
    monkeypatch.setattr(s3, "READ_AHEAD_BYTES", 100_000)
    content = os.urandom(250_000)
    put(client, "a.xml", content)
    file = only(source, "s3://landing/a.xml")
    recorder = Recorder(client)
    with source.open(file, 1_000) as stretch:
        assert b"".join(iter(lambda: stretch.read(777), b"")) == content[1_000:]
        stretch.seek(-10_000, os.SEEK_END)
        assert stretch.read() == content[-10_000:]
    assert recorder.ranges == ["bytes=1000-100999", "bytes=101000-200999", "bytes=201000-249999"]


def test_a_replaced_or_deleted_object_has_changed(client: Any, source: s3.S3Source) -> None:
    put(client, "a.xml", b"old")
    file = only(source, "s3://landing/a.xml")
    put(client, "a.xml", b"new")
    with pytest.raises(SourceChanged, match=r"s3://landing/a\.xml was changed or deleted"):
        source.open(file).read()
    client.delete_object(Bucket="landing", Key="a.xml")
    with pytest.raises(SourceChanged):
        source.open(file).read()


@pytest.fixture
def keeping(client: Any) -> Any:
    """The client, of a bucket that keeps versions."""
    client.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
    return client


def test_a_bucket_that_keeps_versions_gives_the_listed_one(keeping: Any, source: s3.S3Source) -> None:
    """Also when it was replaced twice, or deleted, and from where a reader stands in the middle of it."""
    put(keeping, "a.xml", b"<old/>" * 4)
    put(keeping, "a.xml.bak", b"<other/>")
    file = only(source, "s3://landing/a.xml")
    with source.open(file, 6) as content:
        keeping.put_object(Bucket="landing", Key="a.xml", Body=b"<new/>")
        assert content.read() == b"<old/>" * 3
    put(keeping, "a.xml", b"<newest/>")
    assert source.open(file).read() == b"<old/>" * 4
    keeping.delete_object(Bucket="landing", Key="a.xml")
    assert source.open(file, 0, 6).read() == b"<old/>"


def test_the_listed_version_may_be_gone_for_good(keeping: Any, source: s3.S3Source) -> None:
    put(keeping, "a.xml", b"<old/>")
    file = only(source, "s3://landing/a.xml")
    (old,) = keeping.list_object_versions(Bucket="landing", Prefix="a.xml")["Versions"]
    put(keeping, "a.xml", b"<new/>")
    keeping.delete_object(Bucket="landing", Key="a.xml", VersionId=old["VersionId"])
    with pytest.raises(SourceChanged):
        source.open(file).read()


def test_versions_that_nobody_may_list_are_as_good_as_gone(keeping: Any, source: s3.S3Source) -> None:
    put(keeping, "a.xml", b"<old/>")
    file = only(source, "s3://landing/a.xml")
    put(keeping, "a.xml", b"<new/>")

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectVersions")

    keeping.meta.events.register("before-call.s3.ListObjectVersions", refuse)
    with pytest.raises(SourceChanged):
        source.open(file).read()


def test_the_same_content_again_is_the_same_version(client: Any, source: s3.S3Source) -> None:
    put(client, "a.xml")
    before = only(source, "s3://landing/a.xml")
    put(client, "a.xml")
    assert only(source, "s3://landing/a.xml").version == before.version


def test_a_missing_bucket_is_named(source: s3.S3Source) -> None:
    with pytest.raises(SourceMissing, match="bucket nowhere does not exist"):
        names(source, "s3://nowhere/in/*.xml")


def test_an_endpoint_that_does_not_answer_may_answer_later() -> None:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    source = s3.S3Source(lambda: client)
    with pytest.raises(SourceUnavailable, match="bucket landing cannot be listed"):
        names(source, "s3://landing/*.xml")
    file = SourceFile("s3://landing/a.xml", "version", 3, dt.datetime.now(dt.UTC))
    with pytest.raises(SourceUnavailable, match=r"s3://landing/a\.xml cannot be read"), source.open(file) as stretch:
        stretch.read()


def test_missing_credentials_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    source = s3.S3Source(lambda: boto3.session.Session().client("s3", region_name="us-east-1"))
    with pytest.raises(SourceUnavailable, match="credentials"):
        names(source, "s3://landing/*.xml")
