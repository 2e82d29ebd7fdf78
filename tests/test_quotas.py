"""Quotas of the feed file: each is obeyed, and what passes one is told by the quota's name and value."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.containers.samples import tarred, zipped
from tests.parsed import parse_cut, parse_path, write_feed

from sluice.containers import Quotas as ContainerQuotas
from sluice.errors import FeedInvalid
from sluice.feed.mapping import mapping_document
from sluice.feed.model import Quotas

TABLES = """
tables:
  things: {record: /r/rec, columns: {id: "@id"}}
  lines: {parent: things, rows: l, columns: {t: .}}
"""
GOOD = b"<r><rec id='1'/></r>"
MIB = 1 << 20
REFUSED = "archive_refused"


def spaces(records: int) -> bytes:
    return gzip.compress(b"<r>" + (b"<rec>" + b" " * 4 * MIB + b"</rec>") * records + b"</r>")


def deep(levels: int) -> bytes:
    return b"<r><rec>" + b"<a>" * levels + b"</a>" * levels + b"</rec></r>"


IN_ZIP = zipped([("b.xml", GOOD)])
IN_TAR_IN_ZIP = zipped([("b.tar", tarred([("c.zip", IN_ZIP)]))])

# quota → (value, what just does not pass, what just does, the code)
CASES: dict[str, tuple[int, bytes, bytes, str]] = {
    "max_members": (2, zipped([(f"{n}.xml", GOOD) for n in range(3)]), zipped([("1", GOOD), ("2", GOOD)]), REFUSED),
    "max_decoded_bytes": (MIB, gzip.compress(GOOD.ljust(MIB + 1)), gzip.compress(GOOD.ljust(MIB)), "too_large"),
    "max_ratio": (900, spaces(17), spaces(15), REFUSED),
    "max_nesting": (2, zipped([("a.zip", IN_TAR_IN_ZIP)]), zipped([("a.zip", IN_ZIP), ("d.xml", GOOD)]), REFUSED),
    "max_header_bytes": (1024, b"<!--%s-->" % (b"x" * 1024) + GOOD, b"<!--%s-->" % (b"x" * 1000) + GOOD, "too_large"),
    "max_depth": (16, deep(15), deep(14), "too_deep"),
    "max_rows_per_record": (3, b"<r><rec><l/><l/><l/></rec></r>", b"<r><rec><l/><l/></rec></r>", "record_too_large"),
}


def test_each_quota_has_a_case() -> None:
    assert CASES.keys() == Quotas.model_fields.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_quota_is_obeyed_and_named(name: str, tmp_path: Path) -> None:
    """Whether the file is cut or not."""
    value, beyond, within, code = CASES[name]
    feed = write_feed(tmp_path, f"quotas: {{{name}: {value}}}" + TABLES)
    for parse in (parse_path, lambda feed, path: parse_cut(feed, path, MIB)):
        (tmp_path / "file.xml").write_bytes(within)
        assert parse(feed, tmp_path / "file.xml").codes == []
        (tmp_path / "file.xml").write_bytes(beyond)
        parsed = parse(feed, tmp_path / "file.xml")
        assert parsed.codes == [code]
        assert f"quotas.{name} ({value})" in parsed.rejects[0].reasons[0].message
        assert parsed.is_conserved()


def test_defaults_are_those_of_the_readers() -> None:
    """The feed language and what works without it say the same."""
    quotas = Quotas()
    readers = ContainerQuotas()
    assert all(getattr(quotas, name) == getattr(readers, name) for name in ContainerQuotas.__slots__)


@pytest.mark.parametrize("quotas", ["max_members: 0", "max_depth: 4096", "max_ratio: no", "max_textbytes: 5"])
def test_a_quota_that_is_none_is_refused(quotas: str, tmp_path: Path) -> None:
    with pytest.raises(FeedInvalid, match="quotas"):
        write_feed(tmp_path, f"quotas: {{{quotas}}}" + TABLES)


def test_only_what_is_not_the_default_is_part_of_the_mapping(tmp_path: Path) -> None:
    """So that existing feeds keep their hash, and files that passed a quota are taken again after it was raised."""
    plain = mapping_document(write_feed(tmp_path, TABLES))
    assert not {"quotas", "encoding"} & plain.keys()
    assert mapping_document(write_feed(tmp_path, "quotas: {max_depth: 2048}" + TABLES)) == plain
    raised = mapping_document(write_feed(tmp_path, "encoding: utf-8\nquotas: {max_ratio: 2000}" + TABLES))
    assert raised == {**plain, "encoding": "utf-8", "quotas": {"max_ratio": 2000}}


@pytest.mark.parametrize("encoding", ["utf8x", "idna", "hex", ""])
def test_an_encoding_that_is_none_is_refused(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(FeedInvalid, match="encoding"):
        write_feed(tmp_path, f"encoding: '{encoding}'" + TABLES)
