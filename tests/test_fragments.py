"""Records are found again in the file that they came from, with what must stand before them."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import pytest
from lxml import etree
from tests.parsed import cut_parts, ledger_file, tools_for, write_feed
from tests.test_reading import FEED, document, zip_of

from sluice.errors import SourceChanged
from sluice.fragments import Fragments
from sluice.pieces import RAW_CAP_BYTES
from sluice.reading import Section, sections
from sluice.records import Cut, Part
from sluice.tools import Tools

HEADED = "tables: {things: {record: /r/group/rec, columns: {c: ., day: ../@day, head: ../head}}}"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_for(write_feed(tmp_path, FEED), tmp_path)


def whole(path: Path) -> Part:
    return Part(1, ledger_file(path), Cut())


def offsets(data: bytes) -> list[int]:
    """Where the records begin."""
    return [match.start() for match in re.finditer(b"<rec>", data)]


def read(tools: Tools, part: Part, wanted: list[int]) -> list[tuple[bytes, bytes | None]]:
    section = next(opened := sections(tools, [part]))
    assert isinstance(section, Section)
    reader = Fragments(tools.feed).open(section)
    found = [reader.read(offset) for offset in wanted]
    assert list(opened) == []
    return found


@pytest.mark.parametrize("kind", ["plain", "gz", "zip", "latin-1"])
@pytest.mark.parametrize("target", [1, 300, 1 << 20])
def test_records_are_found_again(kind: str, target: int, tools: Tools, tmp_path: Path) -> None:
    """In a whole file, a range, a spooled piece or a member."""
    data = document(*(f"é{number}" * 20 for number in range(30)))
    stored = {
        "plain": data,
        "gz": gzip.compress(data),
        "zip": zip_of({"m.xml": data}),
        "latin-1": ("<?xml version='1.0' encoding='latin-1'?>" + data.decode()).encode("latin-1"),
    }[kind]
    path = tmp_path / {"gz": "a.gz", "zip": "a.zip"}.get(kind, "a.xml")
    path.write_bytes(stored)
    decoded = stored.decode("latin-1").encode() if kind == "latin-1" else data
    records = re.findall(b"<rec>.*?</rec>", decoded)
    expected = dict(zip(offsets(decoded), records, strict=True))
    seen: list[bytes] = []
    for part in cut_parts(tools, path, target):
        end = part.cut.end_byte or len(decoded)
        own = [offset for offset in expected if part.cut.start_byte <= offset < end]
        for some in (own, own[::3], own[-1:]):
            assert [raw for raw, _ in read(tools, part, some)] == [expected[offset] for offset in some]
        seen += [raw for raw, _ in read(tools, part, own)]
    assert seen == records


@pytest.mark.parametrize("target", [1, 1 << 20])
def test_the_context_makes_a_document_of_a_record(target: int, tmp_path: Path) -> None:
    """It is that of the record, not that of its part: whole files have none of their own."""
    tools = tools_for(write_feed(tmp_path, HEADED), tmp_path)
    groups = "".join(
        f"<group day='{day}'><head>{day}!</head>" + "".join(f"<rec>{number}</rec>" for number in range(4)) + "</group>"
        for day in range(3)
    )
    path = tmp_path / "a.xml"
    data = f"<r xmlns:x='urn:x'>{groups}</r>".encode()
    path.write_bytes(data)
    parts = cut_parts(tools, path, target)
    assert (len(parts) > 1) == (target == 1)
    found = [fragment for part in parts for fragment in read(tools, part, offsets(data)) if fragment[0]]
    assert [raw for raw, _ in found] == [b"<rec>%d</rec>" % number for number in range(4)] * 3
    for number, (raw, context) in enumerate(found):
        assert context is not None
        root = etree.fromstring(context + raw + b"</group></r>")
        assert root.nsmap == {"x": "urn:x"}
        assert (root.find("group").get("day"), root.findtext("group/head")) == (f"{number // 4}", f"{number // 4}!")  # type: ignore[union-attr]


def test_long_records_are_capped(tools: Tools, tmp_path: Path) -> None:
    data = document("x" * 300_000, "y")
    (tmp_path / "a.xml").write_bytes(data)
    (first, _), (second, _) = read(tools, whole(tmp_path / "a.xml"), offsets(data))
    assert first == data[4 : 4 + RAW_CAP_BYTES]
    assert second == b"<rec>y</rec>"


def test_what_cannot_be_read_any_more_is_left_away(tools: Tools, tmp_path: Path) -> None:
    """What came before the fault is given."""
    data = document(*(random.Random(number).randbytes(500_000).hex() for number in range(3)))
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(data)[:-2000])
    first, _, last = offsets(data)
    found = read(tools, whole(path), [first, last, len(data)])
    assert found[0] == (data[4 : 4 + RAW_CAP_BYTES], b"<r>")
    assert found[1:] == [(b"", None), (b"", None)]


def test_a_place_without_a_record_gives_nothing(tools: Tools, tmp_path: Path) -> None:
    """And does not keep the others from being found."""
    data = document("x", "y")
    (tmp_path / "a.xml").write_bytes(data)
    first, second = offsets(data)
    found = read(tools, whole(tmp_path / "a.xml"), [0, first, first + 1, second])
    assert [raw for raw, _ in found] == [b"", b"<rec>x</rec>", b"", b"<rec>y</rec>"]


def test_a_file_that_has_changed_gives_nothing(tools: Tools, tmp_path: Path) -> None:
    """Also where that is noticed while it is read."""

    class Changing:
        def read(self, size: int) -> bytes:
            raise SourceChanged("it is another one now")

    (tmp_path / "a.xml").touch()
    part = whole(tmp_path / "a.xml")
    assert Fragments(tools.feed).open(Section(part, "", Changing())).read(1) == (b"", None)
