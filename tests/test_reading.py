"""Opening the parts of a batch: plain, packed and cut; what cannot be opened costs its part, never the task."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parsed import ledger_file, parse_cut, tools_for, write_feed

from sluice import reading
from sluice.charsets import Utf8Stream, Utf8Text
from sluice.cutting import cut_file
from sluice.errors import MalformedXML, SourceChanged, SourceUnavailable
from sluice.reading import Digest, Section, Unreadable, sections
from sluice.records import Cut, LedgerFile, Part
from sluice.tools import Tools

FEED = "tables: {things: {record: /r/rec, columns: {c: .}}}"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_for(write_feed(tmp_path, FEED), tmp_path)


def document(*texts: str) -> bytes:
    return ("<r>\n" + "".join(f"<rec>{text}</rec>\n" for text in texts) + "</r>").encode()


def zip_of(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return sink.getvalue()


def tar_of(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def parts_of(path: Path, *cuts: Cut) -> list[Part]:
    file = ledger_file(path)
    return [Part(number, file, cut) for number, cut in enumerate(cuts or (Cut(),), start=1)]


def read_section(section: Section) -> bytes:
    return b"".join(iter(lambda: section.stream.read(1000), b""))


def outcomes(tools: Tools, parts: list[Part]) -> list[tuple[int, str, bytes | str]]:
    """Part, member, and content or the code of the fault."""
    found: list[tuple[int, str, bytes | str]] = []
    for item in sections(tools, parts):
        if isinstance(item, Section):
            found.append((item.part.part_id, item.member, read_section(item)))
        else:
            found.append((item.part.part_id, item.part.cut.member, item.error.code))
    return found


# -- short streams ----------------------------------------------------------------------------------------------------


class Chunks:
    """A stream that gives these chunks, one for each read; an error among them is raised."""

    encoding = "cp1252"

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = list(chunks)

    def read(self, size: int) -> bytes:
        chunk = self._chunks.pop(0) if self._chunks else b""
        if isinstance(chunk, Exception):
            raise chunk
        assert len(chunk) <= size
        return chunk


def section_of(stream: Any) -> Section:
    return Section(Part(1, LedgerFile(1, "a.xml", "1", 1, dt.datetime.now(dt.UTC), None), Cut()), "", stream)


def test_all_bytes_of_a_short_stream_can_be_had_and_then_be_read() -> None:
    section = section_of(Chunks(b"<r>", b"1", b"</r>"))
    assert section.all_bytes() == section.all_bytes() == b"<r>1</r>"
    assert read_section(section) == b"<r>1</r>"
    assert section.stream.encoding == "cp1252"  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", [reading.SHORT_BYTES - 1, reading.SHORT_BYTES, 3 * reading.SHORT_BYTES])
def test_a_long_stream_is_read_from_its_begin(size: int) -> None:
    data = bytes(range(250)) * (size // 250 + 1)
    section = section_of(io.BytesIO(data[:size]))
    assert section.all_bytes() == (data[:size] if size < reading.SHORT_BYTES else None)
    assert read_section(section) == data[:size]


@pytest.mark.parametrize("error", [MalformedXML("encoding", "no"), SourceChanged("it is another file")])
def test_a_stream_that_breaks_gives_what_was_good_before(error: Exception) -> None:
    section = section_of(Chunks(b"<r>", b"1", error))
    assert section.all_bytes() is None
    assert section.stream.read(100) == b"<r>1"
    with pytest.raises(type(error), match=str(error)):
        section.stream.read(100)


def test_what_passes_by_itself_is_raised_at_once() -> None:
    with pytest.raises(SourceUnavailable):
        section_of(Chunks(b"<r>", SourceUnavailable("later"))).all_bytes()


@pytest.mark.parametrize(
    ("data", "assured", "is_text"),
    [
        (b"<r/>", None, True),
        (b"<?xml version='1.0' encoding='UTF-8'?><r/>", None, True),
        (b"<?xml version='1.0' encoding='us-ascii'?><r/>", None, True),
        (b"<?xml version='1.0' encoding='UTF-8'?><r/>", "latin-1", False),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><r/>", None, False),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><r/>", "utf-8", True),
        ("<r/>".encode("utf-16-le"), None, False),
        (b"\xef\xbb\xbf<r/>", None, False),
        (b" <r/>", None, False),
        (gzip.compress(b"<r/>"), None, False),
        (b"", None, False),
    ],
)
def test_what_looks_like_a_document_in_utf8_is_taken_for_one(data: bytes, assured: str | None, is_text: bool) -> None:
    text = Utf8Text.of(data, assured)
    assert (text is not None) == is_text
    if text is not None:
        stream = Utf8Stream(io.BytesIO(data), assured)
        assert (text.read(), text.encoding, text.is_assured) == (data, stream.encoding, stream.is_assured)
        assert stream.is_identity


def test_a_tar_whose_first_member_is_named_like_a_tag_is_no_document() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("<r>"), io.BytesIO())
    assert sink.getvalue().startswith(b"<r>")
    assert Utf8Text.of(sink.getvalue(), None) is None


def test_an_encoding_that_nobody_knows_is_said(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"<?xml version='1.0' encoding='klingon'?><r/>")
    assert outcomes(tools, parts_of(tmp_path / "a.xml")) == [(1, "", "encoding")]


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_plain_file_is_one_section_and_is_hashed(tools: Tools, tmp_path: Path) -> None:
    data = document("1", "2" * 1_000_000)
    (tmp_path / "a.xml").write_bytes(data)
    digests: dict[int, str | None] = {}
    (section,) = sections(tools, parts_of(tmp_path / "a.xml"), digests)
    assert isinstance(section, Section)
    assert (section.member, section.first_byte, section.first_record, section.first_line) == ("", 0, 1, 1)
    assert len(list(sections(tools, parts_of(tmp_path / "a.xml"), digests))) == 1
    assert digests == {1: None}, "nobody read it to its end"
    assert outcomes(tools, parts_of(tmp_path / "a.xml")) == [(1, "", data)]
    for item in sections(tools, parts_of(tmp_path / "a.xml"), digests):
        assert isinstance(item, Section)
        read_section(item)
    assert digests == {1: hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: tar_of({"m.xml": data})])
def test_a_packed_file_is_hashed_as_it_is(pack: Any, tools: Tools, tmp_path: Path) -> None:
    """The digest is that of the file that arrived, not of what is in it."""
    data = pack(document(*map(str, range(1000))))
    (tmp_path / "a").write_bytes(data)
    digests: dict[int, str | None] = {}
    for item in sections(tools, parts_of(tmp_path / "a"), digests):
        assert isinstance(item, Section)
        read_section(item)
    assert digests == {1: hashlib.sha256(data).hexdigest()}


def test_an_archive_that_nobody_looked_into_gives_its_members(tools: Tools, tmp_path: Path) -> None:
    members = {"a.xml": document("1"), "sub/b.xml.gz": gzip.compress(document("2"))}
    for pack in (zip_of, tar_of):
        (tmp_path / "archive").write_bytes(pack(members))
        found = outcomes(tools, parts_of(tmp_path / "archive"))
        assert found == [(1, "a.xml", document("1")), (1, "sub/b.xml.gz", document("2"))]


@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_members_share_one_pass_over_their_archive(
    pack: Any, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their order, and whichever of them the batch has."""
    (tmp_path / "archive").write_bytes(pack({f"{n}.xml": document(str(n)) for n in range(9)}))
    opened: list[str] = []
    open_raw = reading.open_raw
    monkeypatch.setattr(reading, "open_raw", lambda *args: opened.append(args[1].uri) or open_raw(*args))
    parts = parts_of(tmp_path / "archive", *(Cut(f"{n}.xml") for n in (7, 2, 4)))
    assert sorted(outcomes(tools, parts)) == [
        (1, "7.xml", document("7")), (2, "2.xml", document("2")), (3, "4.xml", document("4")),
    ]  # fmt: skip
    assert len(opened) == 1


def test_a_broken_member_costs_itself(tools: Tools, tmp_path: Path) -> None:
    """Its encoding is not known; the others are read."""
    bad = b'<?xml version="1.0" encoding="x-none"?><r/>'
    (tmp_path / "a.zip").write_bytes(zip_of({"1": document("1"), "2": bad, "3": document("3")}))
    found = outcomes(tools, parts_of(tmp_path / "a.zip", *map(Cut, "123")))
    assert found == [(1, "1", document("1")), (2, "2", "encoding"), (3, "3", document("3"))]


def test_a_broken_archive_costs_what_comes_after_the_fault(tools: Tools, tmp_path: Path) -> None:
    whole = gzip.decompress(tar_of({str(n): document(str(n) * 400) for n in range(4)}))
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"2" * 400)])
    items = sections(tools, parts_of(tmp_path / "a.tar", *map(Cut, "0123")))
    found = [(item.part.cut.member, isinstance(item, Unreadable)) for item in items]
    assert found[:2] == [("0", False), ("1", False)]
    assert ("3", True) in found


def test_a_member_that_is_gone_is_told(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"1": document("1")}))
    assert outcomes(tools, parts_of(tmp_path / "a.zip", Cut("1"), Cut("2"))) == [
        (1, "1", document("1")), (2, "2", "archive_broken"),
    ]  # fmt: skip


@pytest.mark.parametrize("target", [20, 1 << 20], ids=["cut", "whole"])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_an_archive_in_an_archive_costs_itself(pack: Any, target: int, tools: Tools, tmp_path: Path) -> None:
    """The members beside it load; the reason names it."""
    members = {"a.zip": zip_of({"in.xml": document("0")}), "b.xml": document("1", "2"), "c.xml": document("3")}
    path = tmp_path / "archive.zip"
    path.write_bytes(pack(members))
    parsed = parse_cut(tools.feed, path, target)
    assert [row["c"] for row in parsed.rows()] == ["1", "2", "3"]
    (reject,) = parsed.rejects
    assert (reject.member, reject.ordinal, reject.reasons[0].code) == ("a.zip", None, "archive_refused")
    assert "'a.zip' is an archive itself" in reject.reasons[0].message
    assert parsed.is_conserved()
    assert [outcome["failed"] for outcome in parsed.outcomes].count(True) == 1


def test_archives_in_archives_are_refused(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"in.zip": zip_of({"1": document("1")})}))
    assert outcomes(tools, parts_of(tmp_path / "a.zip")) == [(1, "", "archive_refused")]
    assert outcomes(tools, parts_of(tmp_path / "a.zip", Cut("in.zip"))) == [(1, "in.zip", "archive_refused")]


def test_a_cut_part_is_its_range_and_its_tail(tools: Tools, tmp_path: Path) -> None:
    """The context is handed over beside it."""
    (tmp_path / "a.xml").write_bytes(document("1", "2", "3"))
    cuts = cut_file(tools, ledger_file(tmp_path / "a.xml"), 1)
    found = [item for item in sections(tools, parts_of(tmp_path / "a.xml", *cuts)) if isinstance(item, Section)]
    assert [(item.context, item.first_byte, item.first_record, item.first_line) for item in found][:2] == [
        (b"", 0, 1, 1),
        (b"<r>\n", 16, 2, 2),
    ]
    contents = [content for _, _, content in outcomes(tools, parts_of(tmp_path / "a.xml", *cuts))]
    assert contents[:2] == [b"<r>\n<rec>1</rec></r>", b"\n<rec>2</rec></r>"]


def test_several_files_in_one_batch(tools: Tools, tmp_path: Path) -> None:
    """A fault in one says nothing of the next."""
    contents = [
        document("1"),
        b"",
        gzip.compress(document("2"))[:-3],
        b"PK\x05\x06",
        b"7z\xbc\xaf\x27\x1c",
        document("3"),
    ]
    parts = []
    for number, data in enumerate(contents, start=1):
        (tmp_path / str(number)).write_bytes(data)
        parts.append(Part(number, ledger_file(tmp_path / str(number), number), Cut()))
    codes = ["section" if isinstance(item, Section) else item.error.code for item in sections(tools, parts)]
    assert codes == ["section", "section", "section", "truncated", "not_xml", "section"]


# -- sources that change ----------------------------------------------------------------------------------------------


def test_a_file_that_was_replaced_is_told(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(document("1"))
    (tmp_path / "b.xml").write_bytes(document("2"))
    old, other = ledger_file(tmp_path / "a.xml"), ledger_file(tmp_path / "b.xml", 2)
    (tmp_path / "a.xml").write_bytes(document("changed"))
    found = outcomes(tools, [Part(1, old, Cut()), Part(2, old, Cut("m")), Part(3, other, Cut())])
    assert found == [(1, "", "source_changed"), (2, "m", "source_changed"), (3, "", document("2"))]
    (tmp_path / "a.xml").unlink()
    assert outcomes(tools, [Part(1, old, Cut())]) == [(1, "", "source_changed")]


def test_a_source_that_does_not_answer_ends_the_task(tools: Tools, tmp_path: Path) -> None:
    """It may answer later; its files are not at fault."""
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "a.xml").write_bytes(document("1"))
    parts = parts_of(tmp_path / "mount" / "a.xml")
    (tmp_path / "mount" / "a.xml").unlink()
    (tmp_path / "mount").rmdir()
    with pytest.raises(SourceUnavailable):
        list(sections(tools, parts))


# -- hashing ----------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.lists(st.tuples(st.sampled_from("rris"), st.integers(0, 30)), max_size=12))
def test_a_digest_is_right_or_none(data: bytes, steps: list[tuple[str, int]]) -> None:
    """However the stream was read, jumped about in, and read again."""
    digest = Digest(io.BytesIO(data))
    seen = 0
    gapless = True
    for kind, number in steps:
        position = digest.tell()
        if kind == "s":
            digest.seek(min(number, len(data)))
            continue
        read = len(digest.read(number)) if kind == "r" else digest.readinto(bytearray(number))
        if read:
            gapless = gapless and position <= seen
            seen = max(seen, position + read)
    expected = hashlib.sha256(data).hexdigest() if gapless and seen == len(data) else None
    assert digest.hexdigest(len(data)) == expected
