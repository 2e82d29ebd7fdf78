"""The shapes are well-formed, the same for the same seed, hold what they say, and can be read at any place."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from benchmarks.cpu import Meter
from benchmarks.shapes import SHAPES, RecordFile
from benchmarks.shapes.invoices import write_invoices
from benchmarks.shapes.recordfile import FIRST_ID
from benchmarks.workers import floor
from benchmarks.workers.sluice_run import (
    DAY,
    FEEDS,
    RECORD_ENDS,
    check_counts,
    count_records,
    make_tools,
    run_stages,
)
from benchmarks.workers.virtual_s3 import VirtualBucket
from lxml import etree

from sluice.feed.loading import load_feeds
from sluice.sources import Clients, UriPattern, source_for
from sluice.workfiles import WorkFiles

SMALL = {name: replace(shape, records_per_block=40) for name, shape in SHAPES.items()}
ID_PATHS = {"citations": "MedlineCitation/PMID/text()", "items": "id/text()", "posts": "@Id"}


def whole(file: RecordFile) -> bytes:
    return b"".join(file.chunks())


@pytest.mark.parametrize("name", SHAPES)
def test_equal_seeds_give_equal_bytes(name: str) -> None:
    """A benchmark can be run again on the very same input."""
    one, same, other = (whole(RecordFile(SMALL[name], 90, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_holds_so_many_records_with_ids_of_their_own(name: str) -> None:
    """Also over the ends of blocks, of which only the first is made."""
    file = RecordFile(SMALL[name], 90, stride=3, skip=1)
    records = list(etree.fromstring(whole(file)))
    ids = [int(id_) for record in records for id_ in record.xpath(ID_PATHS[name])]
    assert ids == [FIRST_ID + 1 + 3 * number for number in range(90)]


@pytest.mark.parametrize("name", SHAPES)
def test_any_range_is_that_of_the_whole(name: str) -> None:
    """What is streamed and what is written are the same file."""
    file, choose = RecordFile(SMALL[name], 130), random.Random(3)
    written = whole(file)
    assert len(written) == file.size
    for _ in range(200):
        start, length = choose.randrange(file.size), choose.randrange(file.size)
        assert file.read(start, length) == written[start : start + length]


@pytest.mark.parametrize("size", [1, 30_000, 100_000])
@pytest.mark.parametrize("name", SHAPES)
def test_a_file_of_a_size_is_the_smallest_that_is_not_smaller(name: str, size: int) -> None:
    """With one record at least."""
    file = RecordFile.of_size(SMALL[name], size)
    assert file.size >= size
    assert file.records == 1 or RecordFile(SMALL[name], file.records - 1).size < size


def test_a_later_revision_is_newer_and_otherwise_the_same_item() -> None:
    """So that an upsert has something to win."""
    older, newer = (etree.fromstring(whole(RecordFile(SMALL["items"], 60, revision=n))) for n in (0, 1))
    for one, other in zip(older, newer, strict=True):
        assert [one.findtext(tag) for tag in ("id", "sku", "created")] == [
            other.findtext(tag) for tag in ("id", "sku", "created")
        ]
        assert (one.findtext("updated") or "") < (other.findtext("updated") or "")


def test_invoices_are_small_documents_that_add_up(tmp_path: Path) -> None:
    """Some 13 KB each, and the lines come to the amount."""
    written = write_invoices(tmp_path, 40)
    paths = sorted(tmp_path.glob("*.xml"))
    assert written == sum(path.stat().st_size for path in paths)
    assert 8_000 < written / len(paths) < 18_000
    for path in paths:
        root = etree.parse(path).getroot()
        amounts = root.xpath("//*[local-name()='InvoiceLine']/*[local-name()='LineExtensionAmount']/text()")
        total = root.findtext("{*}LegalMonetaryTotal/{*}LineExtensionAmount")
        assert sum(round(100 * float(amount)) for amount in amounts) == round(100 * float(total or 0))


def test_the_virtual_bucket_gives_the_file_through_the_s3_source(tmp_path: Path) -> None:
    """Listed as one object, read in ranges."""
    file = RecordFile(SMALL["items"], 300)
    bucket = VirtualBucket(file)
    source = source_for(bucket.uri, Clients(s3=lambda: bucket), WorkFiles(str(tmp_path)), "items")
    (listed,) = source.list_files(UriPattern(bucket.uri), [DAY])
    with source.open(listed, 1000, 9000) as stretch:
        assert stretch.read() == whole(file)[1000:9000]


def test_the_floor_reads_all_of_a_file_and_finds_faults(tmp_path: Path) -> None:
    """A pass that stopped early would be a floor in the air."""
    path = tmp_path / "items.xml"
    RecordFile(SMALL["items"], 100).write(path)
    assert floor.measure(str(path))["mb"] == path.stat().st_size / 1e6
    path.write_bytes(path.read_bytes().replace(b"</item>", b"</itme>", 1))
    with pytest.raises(ValueError, match="libxml2 stopped"):
        floor.measure(str(path))


def test_the_feeds_of_the_benchmark_have_no_mistakes() -> None:
    assert set(load_feeds(FEEDS)) == {*SHAPES, "items_appended", "invoices"}


@pytest.mark.parametrize("name", SHAPES)
def test_records_are_counted_in_the_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the bytes are read in pieces, and over several files."""
    for number in (1, 2):
        RecordFile(SMALL[name], 45).write(tmp_path / f"{number}.xml")
    for chunk_bytes in (7, 1001, 1 << 20):
        monkeypatch.setattr("benchmarks.workers.sluice_run._CHUNK_BYTES", chunk_bytes)
        assert count_records(f"{tmp_path}/*.xml", RECORD_ENDS[name]) == 90


@pytest.mark.parametrize(
    ("records", "counts"), [(59, {"inserted": 60}), (60, {"inserted": 59}), (61, {"inserted": 61}), (59, None)]
)
def test_a_time_counts_only_if_every_record_is_there(records: int, counts: dict[str, int] | None) -> None:
    check_counts({"records": 60, "counts": {"inserted": 40, "updated": 20}}, 60)
    check_counts({"records": 60}, 60)
    with pytest.raises(RuntimeError, match="there are 60 records"):
        check_counts({"records": records} | ({"counts": counts} if counts else {}), 60)


@pytest.mark.slow
@pytest.mark.parametrize("feed", ["citations", "invoices", "items", "items_appended", "posts"])
def test_a_feed_takes_every_record_of_its_shape(feed: str, tmp_path: Path, database: str) -> None:
    """Nothing is rejected, by parse or by the gate: a benchmark of rejects would be another one."""
    if feed == "invoices":
        write_invoices(tmp_path / "in", 60)
    else:
        RecordFile(SMALL[feed.removesuffix("_appended")], 60).write(tmp_path / "in" / "file.xml")
    meter = Meter(os.getpid())
    tools = make_tools(feed, database, str(tmp_path / "work"))
    done = run_stages(tools, f"{tmp_path}/in/*.xml", "test", meter)
    assert (done["records"], done["counts"]["inserted"]) == (60, 60)
    assert set(meter.costs) == {"fetch", "split", "parse", "validate", "load", "reconcile"}
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT sum(loaded), sum(quarantined) FROM sluice.runs").fetchone()
    assert rows == (60, 0)
