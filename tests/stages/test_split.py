"""Split: batches of equal weight, and cuts that are made once for ever."""

from __future__ import annotations

import gzip
import tarfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from tests.small_feeds import ITEMS, KEYLESS, MOMENT, Ground, item, items, zipped

from sluice.batches import read_batch
from sluice.errors import PermanentError
from sluice.feed.model import Feed
from sluice.records import Batch, Cut, LedgerFile, Part
from sluice.stages import split as split_stage
from sluice.stages.fetch import fetch
from sluice.stages.parse import parse
from sluice.stages.split import (
    MAX_BATCH_BYTES,
    MAX_BATCHES,
    MAX_PARTS_IN_BATCH,
    MEGABYTE,
    batch_bytes,
    label,
    pack,
    slot_share,
    split,
    weigh_file,
    weigh_parts,
)
from sluice.stages.validate import validate

RECORDS = [item(f"k{number}", name="n" * 1_000) for number in range(4_000)]
LARGE = items(*RECORDS)
LARGE_UTF16 = f'<?xml version="1.0" encoding="UTF-16"?>{LARGE}'.encode("utf-16")


def start(ground: Ground, feed: Feed, **options: Any) -> int:
    return fetch(ground.tools(feed), ground.request(feed, **options)).run_id


def cuts(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql(
        "SELECT member, start_byte, end_byte, first_record, is_spooled FROM sluice.parts ORDER BY part_id"
    )


# -- for ever ---------------------------------------------------------------------------------------------------------


def test_a_retry_gives_the_same_batches(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("large.xml", LARGE)
    ground.put("small.xml", items(item("a")))
    run_id = start(ground, feed, batch_mb=1)
    tools = ground.tools(feed)
    first = split(tools, run_id)
    batches = [read_batch(tools, run_id, batch.number) for batch in first.batches]
    assert len(batches) > 2
    assert split(tools, run_id) == first
    assert [read_batch(tools, run_id, batch.number) for batch in first.batches] == batches
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: split(tools, run_id), range(4))) == {first}


def test_what_was_loaded_meanwhile_is_left_out_of_a_retry(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("large.xml", LARGE)
    run_id, numbers = ground.prepare(feed, batch_mb=1)
    ground.load(feed, run_id, numbers[1])
    again = [batch.number for batch in split(ground.tools(feed), run_id).batches]
    assert again == [number for number in numbers if number != numbers[1]]


@pytest.mark.parametrize("text", [ITEMS, KEYLESS], ids=["keyed", "keyless"])
def test_a_later_run_reuses_the_cuts_whatever_its_batch_size(ground: Ground, text: str) -> None:
    feed = ground.feed(text)
    ground.put("large.xml", LARGE)
    first, numbers = ground.prepare(feed, batch_mb=1)
    made = cuts(ground)
    second, few = ground.prepare(feed, batch_mb=100)
    assert cuts(ground) == made
    assert (len(few), len(made)) == (1, len(numbers))
    ground.load(feed, first, numbers[0])
    known = ground.load(feed, second, few[0])
    assert (known.parts_known, known.found) == (1, 4_000 - ground.ledger()[0][5])
    for number in numbers:
        assert ground.load(feed, first, number).parts_known == 1
    assert len(ground.tables(feed)["items"]) == 4_000
    assert (ground.reconcile(feed, first), ground.reconcile(feed, second)) == (None, None)


def test_two_runs_that_split_a_file_at_once_agree_on_its_cuts(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("large.xml", LARGE)
    for number in range(10):
        ground.put(f"{number}.xml", items(item("a")))
    runs = [start(ground, feed, batch_mb=size) for size in (1, 2, 1, 2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda run_id: split(ground.tools(feed), run_id), runs))
    assert ground.sql("SELECT count(*) FROM sluice.files WHERE part_count IS NULL") == [(0,)]
    parts = "(SELECT count(*) FROM sluice.parts p WHERE p.file_id = f.file_id)"
    assert ground.sql(f"SELECT FROM sluice.files f WHERE part_count <> {parts}") == []


# -- cuts -------------------------------------------------------------------------------------------------------------


def archive_tar(members: dict[str, str]) -> bytes:
    sink = BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, BytesIO(content.encode()))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "is_spooled"),
    [
        ("a.xml", LARGE.encode(), False),
        ("a.xml.gz", gzip.compress(LARGE.encode(), mtime=0), True),
        ("a.zip", zipped({"small.xml": items(item("s")), "large.xml": LARGE}), True),
        ("a.tar.gz", archive_tar({"small.xml": items(item("s")), "large.xml": LARGE}), True),
        ("a.utf16.xml", LARGE_UTF16, True),
    ],
    ids=["plain", "gzip", "zip", "tar", "utf16"],
)
def test_a_cut_file_gives_the_records_of_the_whole(ground: Ground, name: str, data: bytes, is_spooled: bool) -> None:
    """Each record once, at its own place, whatever it is packed in."""
    feed = ground.feed(ITEMS)
    ground.put(name, data)
    run_id, numbers = ground.prepare(feed, batch_mb=1)
    assert len(numbers) > 2
    assert is_spooled == any(row[4] for row in cuts(ground))
    for number in reversed(numbers):
        ground.load(feed, run_id, number)
    rows = ground.sql("SELECT id, _record FROM items.items WHERE id LIKE 'k%%' ORDER BY _record")
    assert rows == [(f"k{number}", number + 1) for number in range(4_000)]
    assert ground.sql("SELECT count(DISTINCT (_member, _offset)) = count(*) FROM items.items") == [(True,)]
    assert ground.reconcile(feed, run_id) is None
    assert not Path(ground.work.batch(feed.feed, run_id, 0)).parent.parent.exists(), "work files go when all is loaded"


def test_small_archives_are_handed_out_member_by_member(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.zip", {"1.xml": items(item("a")), "2.xml": items(item("b"))})
    ground.put("b.xml.gz", gzip.compress(items(item("c")).encode()))
    split(ground.tools(feed), start(ground, feed))
    assert cuts(ground) == [("1.xml", 0, None, 1, False), ("2.xml", 0, None, 1, False), ("", 0, None, 1, False)]


@pytest.mark.parametrize(
    "data",
    [LARGE[: len(LARGE) // 2].encode(), zipped({"a.xml": LARGE})[:100_000], b"PK\x03\x04", b"", b"no xml" * 500_000],
    ids=["cut off", "archive cut off", "archive's start", "empty", "no XML"],
)
def test_what_cannot_be_read_stays_whole_and_is_quarantined(ground: Ground, data: bytes) -> None:
    """The scan for cuts goes to the end: a large file that is truncated loads nothing."""
    feed = ground.feed(ITEMS)
    ground.put("a.zip", data)
    ground.put("b.xml", items(item("b")))
    assert "1 file quarantined" in str(ground.run(feed, batch_mb=1))
    assert [row[2] for row in ground.tables(feed)["items"]] == ["b"]
    assert len(cuts(ground)) == 2


def test_a_file_that_goes_while_it_is_cut_is_quarantined_too(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml.gz", gzip.compress(LARGE.encode()))
    path = ground.put("b.xml", LARGE)
    run_id = start(ground, feed, batch_mb=1)
    path.unlink()
    ground.put("a.xml.gz", b"other", MOMENT.replace(minute=1))
    for batch in split(ground.tools(feed), run_id).batches:
        parse(ground.tools(feed), run_id, batch.number)
        validate(ground.tools(feed), run_id, batch.number)
        ground.load(feed, run_id, batch.number)
    assert {row[0] for row in ground.sql("SELECT code FROM sluice.quarantine")} == {"source_changed"}
    assert "2 files quarantined" in str(ground.reconcile(feed, run_id))


# -- batches ----------------------------------------------------------------------------------------------------------


def parts_of(*sizes: int, name: str = "f.xml") -> list[Part]:
    files = [LedgerFile(n, f"file:///{n}/{name}", "v", size, MOMENT, None) for n, size in enumerate(sizes)]
    return [Part(file.file_id, file, Cut()) for file in files]


def test_tiny_files_are_packed_and_no_part_is_lost() -> None:
    parts = parts_of(*[2_000] * 10_000)
    batches = pack(parts, 64 * MEGABYTE)
    assert [part for batch in batches for part in batch.parts] == parts
    assert [batch.number for batch in batches] == list(range(len(batches)))
    assert len(batches) == 3
    assert max(len(batch.parts) for batch in batches) <= MAX_PARTS_IN_BATCH


def test_tiny_files_make_a_batch_for_each_slot_as_long_as_it_holds_no_more_bytes_than_another() -> None:
    """To open a file costs time as some bytes do, but nobody has to hold these in memory."""
    parts = parts_of(*[13_000] * 10_000)
    total = sum(map(weigh_file, (part.file for part in parts)))
    target = batch_bytes(total, slots=4)
    assert target == MAX_BATCH_BYTES < slot_share(total, 4)
    assert [len(batch.parts) for batch in pack(parts, target, slot_share(total, 4))] == [2_500] * 4
    for batch in pack(parts, target, slot_share(total, 1)):
        assert sum(part.file.size_bytes for part in batch.parts) < MAX_BATCH_BYTES + 13_000
    large = parts_of(*[20 * MEGABYTE] * 30)
    assert [len(batch.parts) for batch in pack(large, target, 200 * MEGABYTE)] == [4] * 7 + [2]


def test_no_batch_is_much_heavier_than_asked_for_unless_one_part_is() -> None:
    sizes = [MEGABYTE * size for size in (1, 3, 9, 1, 1, 40, 2, 2, 2, 1, 1, 1)]
    for batch in pack(parts_of(*sizes), 4 * MEGABYTE):
        weights = weigh_parts(batch.parts)
        assert len(batch.parts) == 1 or sum(weights.values()) <= 5 * MEGABYTE


def test_members_of_an_archive_share_its_weight() -> None:
    """Else a thousand members of 50 MB would be one batch, as their sizes are not noted."""
    file = LedgerFile(1, "file:///a.zip", "v", 100 * MEGABYTE, MOMENT, None)
    members = [Part(number, file, Cut(f"{number}.xml")) for number in range(100)]
    batches = pack(members, 64 * MEGABYTE)
    assert len(batches) == -(-weigh_file(file) // (64 * MEGABYTE)) or len(batches) > 10
    assert max(len(batch.parts) for batch in batches) <= 10


def test_a_run_has_no_more_than_so_many_batches(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_stage, "MEGABYTE", 1)
    monkeypatch.setattr(split_stage, "MAX_BATCHES", 5)
    feed = ground.feed(ITEMS)
    for number in range(40):
        ground.put(f"{number:02d}.xml", items(item("a")))
    summary = split(ground.tools(feed), start(ground, feed, batch_mb=1))
    assert len(summary.batches) <= 8
    assert sum(batch.parts for batch in summary.batches) == summary.files == 40
    assert MAX_BATCHES == 256


def test_a_run_without_files_has_no_batches(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    run_id = start(ground, feed)
    summary = split(ground.tools(feed), run_id)
    assert summary.batches == ()
    assert summary.line() == "split: 0 files in 0 parts and 0 batches, about 0.0 MB"
    assert ground.reconcile(feed, run_id) is None


def test_labels_name_the_file_and_the_place() -> None:
    one, two = parts_of(1, 1)
    member = Part(3, one.file, Cut("m.xml"))
    later = Part(4, one.file, Cut("", 5_000_000, 6_000_000))
    labels = [label(Batch(7, parts)) for parts in ((one,), (one, two), (member,), (member, member), (later,))]
    assert labels == [
        "7: f.xml",
        "7: 2 files from f.xml",
        "7: f.xml!m.xml",
        "7: f.xml!m.xml, 2 parts",
        "7: f.xml from 5 MB",
    ]


def test_a_batch_that_is_not_there_says_what_to_clear(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    run_id = start(ground, feed)
    with pytest.raises(PermanentError, match="clear `split` as well"):
        read_batch(ground.tools(feed), run_id, 5)
