"""Cut anywhere, a file gives the same records in the same places as uncut, from whatever it is packed in."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.documents import Record, Stream, canonical, elements_at, records_of, streams
from tests.parsed import cut_parts, ledger_file, parse_cut, parse_path, tools_for, write_feed

from sluice import xmlio
from sluice.cutting import cut_file, may_be_packed, spool_parts
from sluice.errors import SourceUnavailable
from sluice.feed.model import Feed
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.reading import Section, sections
from sluice.records import Cut, Part
from sluice.scanner import PathTable

GROUPS = """
namespaces: {default: [urn:d, '']}
max_record_bytes: 100000
malformed: %s
tables:
  things:
    record: /r/g/rec
    columns: {id: "@id", text: ., group: ../@n, head: ../h, top: ../../head/id, late: ../late}
  lines: {parent: things, rows: l, columns: {t: .}}
"""


def feed_of(stream: Stream, folder: Path) -> Feed:
    """A feed that reads the stream's records, whatever namespace they are in."""
    tables = "".join(
        f"  t{number}: {{record: /{'/'.join(path)}, columns: {{c: .}}}}\n" for number, path in enumerate(stream.paths)
    )
    return write_feed(folder, f"namespaces: {{default: ['', urn:d, urn:p]}}\ntables:\n{tables}")


def packed(data: bytes, kind: str) -> tuple[str, bytes]:
    """A file's name and content, with ``data`` in it."""
    sink = io.BytesIO()
    match kind:
        case "plain":
            return "file.xml", data
        case "gz":
            return "file.xml.gz", gzip.compress(data)
        case "bz2":
            return "file.xml.bz2", bz2.compress(data)
        case "xz":
            return "file.xml.xz", lzma.compress(data)
        case "zst":
            return "file.xml.zst", zstandard.compress(data)
        case "zip" | "zip of gz":
            with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.xml", data if kind == "zip" else gzip.compress(data))
            return "file.zip", sink.getvalue()
        case "tar" | "tar.gz":
            with tarfile.open(fileobj=sink, mode="w:gz" if kind == "tar.gz" else "w") as archive:
                info = tarfile.TarInfo("a.xml")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            return f"file.{kind}", sink.getvalue()
    raise AssertionError(kind)


KINDS = ("plain", "gz", "bz2", "xz", "zst", "zip", "zip of gz", "tar", "tar.gz")


def found_in(section: Section, paths: tuple[tuple[str, ...], ...]) -> list[tuple[int, Record]]:
    """Ordinal and record of all that a part holds, by the parser's trees and the reader's places."""
    reader = PieceReader(
        section.stream, PathTable(paths), None, True, 100, 1 << 20, section.context, section.first_byte,
        section.first_line, section.first_record,
    )  # fmt: skip
    found = []
    for piece in reader:
        assert isinstance(piece, Piece)
        root = xmlio.parse_piece(piece)
        elements = [] if piece.is_remnant else elements_at(piece.text, paths)
        assert root is not None
        for index, (element, line) in enumerate(zip(elements, piece.lines().tolist(), strict=True)):
            place = int(piece.starts[index]), int(piece.ends[index]), line
            found.append((piece.first_record + index, Record(*place, canonical(element))))
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=streams(), target=st.integers(1, 400), kind=st.sampled_from(KINDS))
def test_cut_parts_hold_what_the_file_holds(stream: Stream, target: int, kind: str, tmp_path: Path) -> None:
    """Records, ordinals, byte ranges in the decoded file, and lines."""
    name, data = packed(stream.data, kind)
    (tmp_path / name).write_bytes(data)
    tools = tools_for(feed_of(stream, tmp_path), tmp_path)
    parts = cut_parts(tools, tmp_path / name, target)
    found = []
    for section in sections(tools, parts):
        assert isinstance(section, Section)
        found += found_in(section, stream.paths)
    assert found == list(enumerate(records_of(stream), start=1))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=streams(), target=st.integers(1, 300))
def test_cuts_lie_end_to_end(stream: Stream, target: int, tmp_path: Path) -> None:
    """They cover the file, each about as large as asked for, and none without a document or a stretch of one."""
    (tmp_path / "file.xml").write_bytes(stream.data)
    tools = tools_for(feed_of(stream, tmp_path), tmp_path)
    cuts = cut_file(tools, ledger_file(tmp_path / "file.xml"), target)
    assert cuts[0].start_byte == 0
    if len(cuts) == 1:
        assert cuts == [Cut()]
        return
    assert cuts[-1].end_byte == len(stream.data)
    assert [cut.start_byte for cut in cuts[1:]] == [cut.end_byte for cut in cuts[:-1]]
    assert all((cut.end_byte or 0) - cut.start_byte >= target for cut in cuts[:-1])
    assert all(stream.data[cut.start_byte : cut.end_byte].strip() for cut in cuts)
    assert [cut.first_line for cut in cuts] == [1 + stream.data.count(b"\n", 0, cut.start_byte) for cut in cuts]


# -- rows -------------------------------------------------------------------------------------------------------------


def grouped(groups: int, records: int, encoding: str = "utf-8") -> bytes:
    """A document whose records read what stands above them."""
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<r xmlns="urn:d">\n<head><id>zürich</id></head>\n'
    for group in range(groups):
        text += f'<g n="{group}">' + (f"<h>head of {group}</h>\n" if group % 2 else "\n")
        for record in range(records):
            text += f'<rec id="{group}-{record}">é<l>1</l>\n<l>2</l></rec><late>{record}</late>\n'
        text += "</g><foot>none of it</foot>\n"
    return (text + "</r>\n").encode(encoding)


def rows_of(parsed: Any) -> list[dict[str, Any]]:
    """The rows, wherever their parts end."""
    places = ("_part", "_rec")
    return [{name: value for name, value in row.items() if name not in places} for row in parsed.rows("things")]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
@pytest.mark.parametrize("kind", ["plain", "gz", "zip", "tar.gz"])
def test_rows_are_the_same_however_the_file_is_cut(kind: str, encoding: str, tmp_path: Path) -> None:
    """Also what they read above their records: only what stands there before the first record of all."""
    feed = write_feed(tmp_path, GROUPS % "reject")
    name, data = packed(grouped(5, 6, encoding), kind)
    (tmp_path / name).write_bytes(data)
    whole = parse_path(feed, tmp_path / name)
    expected = rows_of(whole)
    assert len(expected) == 30
    assert {row["top"] for row in expected} == {"zürich"}
    assert [row["head"] for row in expected[4:8]] == [None, None, "head of 1", "head of 1"]
    assert {row["late"] for row in expected} == {None}
    lines = [row["t"] for row in whole.rows("lines")]
    for target in (1, 70, 200, 500, 2000):
        cut = parse_cut(feed, tmp_path / name, target)
        assert (len(cut.outcomes) == 1) == (target == 2000)
        assert rows_of(cut) == expected
        assert [row["t"] for row in cut.rows("lines")] == lines
        assert cut.is_conserved()


def test_offsets_are_those_of_the_decoded_file(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, GROUPS % "reject")
    for encoding in ("utf-8", "iso-8859-1", "utf-16"):
        (tmp_path / "file.xml").write_bytes(grouped(3, 3, encoding))
        decoded = grouped(3, 3, encoding).decode(encoding).encode()
        for row in parse_cut(feed, tmp_path / "file.xml", 100).rows("things"):
            raw = decoded[row["_offset"] : row["_offset"] + row["_length"]]
            assert raw.startswith(f'<rec id="{row["id"]}">'.encode())
            assert raw.endswith(b"</l></rec>")
            assert decoded.count(b"\n", 0, row["_offset"]) == row["_line"] - 1


def test_a_later_mapping_finds_its_ancestors_content_in_old_cuts(tmp_path: Path) -> None:
    """Cuts are made once and kept; what a mapping reads may change."""
    first = "namespaces: {default: urn:d}\ntables: {things: {record: /r/g/rec, columns: {id: '@id'}}}"
    (tmp_path / "file.xml").write_bytes(grouped(3, 4))
    tools = tools_for(write_feed(tmp_path, first), tmp_path)
    cuts = cut_file(tools, ledger_file(tmp_path / "file.xml"), 150)
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    assert cuts == cut_file(tools, ledger_file(tmp_path / "file.xml"), 150)


def test_a_large_record_is_cut_out_whole(tmp_path: Path) -> None:
    """A record beyond the limit is in one part, which rejects it; the others go on after it."""
    feed = write_feed(tmp_path, GROUPS % "reject")
    large = b"<rec id='large'>" + b"<l>x</l>" * 200_000 + b"</rec>"
    data = grouped(2, 5).replace(b"</g>", large + b"<rec id='after'/></g>", 1)
    (tmp_path / "file.xml").write_bytes(data)
    whole = parse_path(feed, tmp_path / "file.xml")
    assert [reject.ordinal for reject in whole.rejects] == [6]
    for target in (100, 100_000):
        cut = parse_cut(feed, tmp_path / "file.xml", target)
        assert rows_of(cut) == rows_of(whole)
        assert [(reject.start_byte, reject.end_byte, reject.line) for reject in cut.rejects] == [
            (reject.start_byte, reject.end_byte, reject.line) for reject in whole.rejects
        ]
        assert cut.codes == ["record_too_large"]
        assert cut.is_conserved()


# -- what stays whole -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no XML",
        b"<other/>",
        grouped(3, 5)[:-10],
        b"<r xmlns='urn:d'>" + b"<o>x</o>" * 100 + b"</r>",
        gzip.compress(grouped(3, 5))[:-20],
        b"PK\x03\x04 broken",
    ],
    ids=["empty", "no XML", "other root", "truncated", "no records", "broken gzip", "broken zip"],
)
def test_what_cannot_be_cut_stays_whole(data: bytes, tmp_path: Path) -> None:
    """Parse will say what is wrong with it: cutting never fails for what is in a file."""
    (tmp_path / "file.xml").write_bytes(data)
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    assert cut_file(tools, ledger_file(tmp_path / "file.xml"), 50) == [Cut()]


def test_a_document_that_is_judged_whole_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "main.xsd").write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>')
    feed = write_feed(tmp_path, "xsd: {files: main.xsd, scope: file}" + GROUPS % "reject")
    (tmp_path / "file.xml").write_bytes(grouped(3, 5))
    assert cut_file(tools_for(feed, tmp_path), ledger_file(tmp_path / "file.xml"), 50) == [Cut()]


def test_only_huge_members_of_an_archive_are_cut(tmp_path: Path) -> None:
    """The others are parts by themselves; one that is broken does not keep the others from being cut."""
    small, large = grouped(1, 1), grouped(3, 9)
    with zipfile.ZipFile(tmp_path / "file.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("a.xml", small), ("b.xml", large), ("c.xml", large[:-9]), ("d.xml", b"none")):
            archive.writestr(name, data)
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    cuts = cut_file(tools, ledger_file(tmp_path / "file.zip"), 500)
    assert [cut.member for cut in cuts if cut.is_whole] == ["a.xml", "c.xml", "d.xml"]
    assert {cut.member for cut in cuts if not cut.is_whole} == {"b.xml"}
    assert {cut.spool for cut in cuts if not cut.is_whole} == {""}
    parsed = parse_cut(tools.feed, tmp_path / "file.zip", 500)
    assert parsed.codes == ["truncated", "not_xml"]
    loaded = {part["part_id"] for part in parsed.outcomes if not part["failed"]}
    assert sum(row["_part"] in loaded for row in parsed.rows("things")) == 1 + 27
    assert parsed.is_conserved()


@pytest.mark.parametrize("records", [2, 40], ids=["spooled", "spooled and cut"])
def test_a_bad_member_of_a_large_tar_costs_itself(records: int, tmp_path: Path) -> None:
    """A link, and an archive in the archive, among members that are spooled."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        inner = tarfile.TarInfo("in.xml").tobuf() + bytes(1024)
        for name, data in (("a.xml", grouped(1, records)), ("b.tar", inner), ("c.xml", grouped(1, records))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    (tmp_path / "file.tgz").write_bytes(sink.getvalue())
    parsed = parse_cut(write_feed(tmp_path, GROUPS % "reject"), tmp_path / "file.tgz", 400)
    assert sorted((reject.member, reject.reasons[0].code) for reject in parsed.rejects) == [
        ("b.tar", "archive_refused"), ("link.xml", "archive_refused"),
    ]  # fmt: skip
    assert len(parsed.rows("things")) == 2 * records


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_members_of_a_large_tar_are_spooled(kind: str, tmp_path: Path) -> None:
    """It can only be read from its beginning, which many batches would do again and again."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz" if kind == "tar.gz" else "w") as archive:
        for number in range(20):
            info = tarfile.TarInfo(f"{number:02d}.xml")
            data = grouped(1, 2)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (tmp_path / f"file.{kind}").write_bytes(sink.getvalue())
    feed = write_feed(tmp_path, GROUPS % "reject")
    parts = cut_parts(tools_for(feed, tmp_path), tmp_path / f"file.{kind}", 1000)
    assert len(parts) == 20
    assert all(part.cut.spool and part.cut.is_whole for part in parts)
    assert len(parse_cut(feed, tmp_path / f"file.{kind}", 1000).rows("things")) == 40


# -- spooling ---------------------------------------------------------------------------------------------------------


def gz_parts(tools: Any, tmp_path: Path) -> list[Part]:
    (tmp_path / "file.xml.gz").write_bytes(gzip.compress(grouped(3, 5)))
    file = ledger_file(tmp_path / "file.xml.gz")
    return [Part(number, file, cut) for number, cut in enumerate(cut_file(tools, file, 300), start=1)]


def test_spooled_pieces_are_the_bytes_of_their_parts(tmp_path: Path) -> None:
    """Any selection of them, in one pass."""
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    parts = gz_parts(tools, tmp_path)
    assert len(parts) > 3
    for chosen in (parts, parts[1::2], parts[-1:], parts[:1]):
        for part_id, path in spool_parts(tools, 1, chosen).items():
            cut = parts[part_id - 1].cut
            with tools.work.open_read(path) as file:
                assert file.read() == grouped(3, 5)[cut.start_byte : cut.end_byte]


def replaced_by_less(path: Path) -> None:
    path.write_bytes(gzip.compress(grouped(1, 5)))


def replaced_by_garbage(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08garbage")


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [replaced_by_less, replaced_by_garbage, gone])
def test_a_file_that_changed_is_left_out(change: Callable[[Path], None], tmp_path: Path) -> None:
    """Parse will reject its parts; no short piece is left that could pass for one without records."""
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    parts = gz_parts(tools, tmp_path)
    change(tmp_path / "file.xml.gz")
    assert spool_parts(tools, 1, parts) == {}


def test_a_piece_that_got_shorter_is_not_written(tmp_path: Path) -> None:
    """Should a source give fewer bytes for the version that was cut."""
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    parts = gz_parts(tools, tmp_path)
    (tmp_path / "file.xml.gz").write_bytes(gzip.compress(grouped(2, 5)))
    shorter = ledger_file(tmp_path / "file.xml.gz")
    spooled = spool_parts(tools, 1, [Part(part.part_id, shorter, part.cut) for part in parts])
    assert 1 in spooled
    assert len(parts) not in spooled


def test_a_source_that_does_not_answer_is_not_a_fault_of_the_file(tmp_path: Path) -> None:
    tools = tools_for(write_feed(tmp_path, GROUPS % "reject"), tmp_path)
    folder = tmp_path / "mount"
    folder.mkdir()
    (folder / "file.xml").write_bytes(grouped(3, 5))
    file = ledger_file(folder / "file.xml")
    (folder / "file.xml").unlink()
    folder.rmdir()
    with pytest.raises(SourceUnavailable):
        cut_file(tools, file, 100)


@pytest.mark.parametrize(
    ("uri", "packed"),
    [
        ("s3://b/a.ZIP", True),
        ("/x/a.xml.gz", True),
        ("a.tar", True),
        ("a.xml", False),
        ("gz", False),
        ("a.zip.xml", False),
    ],
)
def test_names_hint_at_packing(uri: str, packed: bool) -> None:
    assert may_be_packed(uri) is packed
