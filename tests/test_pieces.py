"""Pieces of a stream: each parses by itself, and together they hold what the whole holds, in the same places."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.documents import Record, Stream, canonical, elements_at, records_of, streams

from sluice import piece_reader, xmlio
from sluice.errors import MalformedXML
from sluice.piece_reader import PieceReader
from sluice.pieces import CONTEXT_CAP_BYTES, OversizeRecord, Piece, brief_opening, closing
from sluice.scanner import PathTable

FLAT = PathTable([("r", "rec")])
GROUPED = PathTable([("r", "g", "rec")])


class Dripping:
    """A stream whose reads are as short as they like."""

    def __init__(self, data: bytes, most: int, seed: int) -> None:
        self._data, self._most, self._random = io.BytesIO(data), most, random.Random(seed)

    def read(self, size: int) -> bytes:
        return self._data.read(self._random.randint(1, min(self._most, size)))


def read(data: bytes, paths: PathTable = FLAT, **options: Any) -> list[Piece | OversizeRecord]:
    return list(PieceReader(io.BytesIO(data), paths, **options))


def pieces_of(data: bytes, paths: PathTable = FLAT, **options: Any) -> list[Piece]:
    return [item for item in read(data, paths, **options) if isinstance(item, Piece)]


def fault_of(data: bytes, paths: PathTable = FLAT, **options: Any) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        read(data, paths, **options)
    return caught.value


def until_fault(reader: PieceReader) -> tuple[list[Piece], MalformedXML]:
    """What the reader yields, and what it raises then."""
    pieces: list[Piece] = []
    try:
        for item in reader:
            assert isinstance(item, Piece)
            pieces.append(item)
    except MalformedXML as fault:
        return pieces, fault
    raise AssertionError("no fault")


def raws(items: list[Piece]) -> list[bytes]:
    return [piece.raw(index) for piece in items for index in range(len(piece.starts))]


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piece_reader, "READ_BYTES", 16)


def found_in(piece: Piece, stream: Stream) -> Iterator[Record]:
    """The records of a piece, by a parser's tree, with the piece's places."""
    elements = elements_at(piece.text, stream.paths)
    assert len(elements) == len(piece.starts) == len(piece.ends)
    for index, (element, line) in enumerate(zip(elements, piece.lines().tolist(), strict=True)):
        yield Record(int(piece.starts[index]), int(piece.ends[index]), line, canonical(element))


# -- the property -----------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    streams(),
    st.sampled_from((1, 2, 7, 30, 400, 1 << 20)),
    st.sampled_from((1, 10, 60, 300, 1 << 20)),
    st.booleans(),
    st.integers(0, 99),
)
def test_pieces_hold_what_the_whole_holds(stream: Stream, most: int, piece_bytes: int, leads: bool, seed: int) -> None:
    """For any size of reads and pieces: records, ordinals, byte ranges and lines are those of other parsers."""
    reader = PieceReader(
        Dripping(stream.data, most, seed), PathTable(stream.paths), keep_leads=leads, piece_bytes=piece_bytes
    )
    found: list[Record] = []
    for piece in reader:
        assert isinstance(piece, Piece)
        xmlio.parse_piece(piece)
        if not piece.is_remnant:
            assert piece.first_record == len(found) + 1
            found += found_in(piece, stream)
    assert found == records_of(stream)
    assert [stream.data[record.start : record.start + 1] for record in found] == [b"<"] * len(found)
    assert (reader.records_seen, reader.bytes_read) == (len(found), len(stream.data))


@settings(max_examples=100, deadline=None)
@given(streams(), st.sampled_from((1, 10, 60)), st.booleans())
def test_bodies_make_the_stream(stream: Stream, piece_bytes: int, leads: bool) -> None:
    """Laid end to end, with white space between documents, the bodies are the stream: nothing goes unparsed."""
    position = 0
    for piece in pieces_of(stream.data, PathTable(stream.paths), piece_bytes=piece_bytes, keep_leads=leads):
        assert stream.data[position : piece.offset].strip() in (b"", "\ufeff".encode())
        assert stream.data[piece.offset : piece.offset + len(piece.body)] == piece.body
        position = piece.offset + len(piece.body)
    assert stream.data[position:].strip() == b""


@settings(max_examples=100, deadline=None)
@given(streams(), st.sampled_from((1, 60, 1 << 20)))
def test_a_record_stands_alone_in_its_context(stream: Stream, piece_bytes: int) -> None:
    """What the quarantine keeps of a record makes it again: the ancestors that are open there, and its bytes."""
    expected = iter(records_of(stream))
    for piece in pieces_of(stream.data, PathTable(stream.paths), piece_bytes=piece_bytes):
        for index, chain in enumerate(piece.record_chains()):
            text = brief_opening(piece.prolog, chain) + piece.raw(index) + closing(chain)
            (element,) = elements_at(text, stream.paths)
            assert canonical(element) == next(expected).canonical


@settings(max_examples=100, deadline=None)
@given(streams(most_documents=1), st.sampled_from((1, 60, 1 << 20)), st.integers(0, 1 << 20))
def test_the_head_of_a_piece_holds_its_first_records(stream: Stream, piece_bytes: int, choice: int) -> None:
    expected = records_of(stream)
    for piece in pieces_of(stream.data, PathTable(stream.paths), piece_bytes=piece_bytes):
        if len(piece.starts):
            count = choice % len(piece.starts) + 1
            first = piece.first_record - 1
            assert list(found_in(piece.head(count), stream)) == expected[first : first + count]


# -- where pieces end -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_reads")
@pytest.mark.parametrize(
    "data",
    [
        b"<r><o>" + b"x" * 60 + b"</o><g><o>y</o>" + b"<!--" + b"z" * 60 + b"--><rec/></g></r>",
        b"<r><g><o>" + b"x" * 60 + b"</o></g>" + b"z" * 60 + b"<g><rec/></g></r>",
        b"<r><g><o/><rec/><rec/></g>" + b"<o>" + b"z" * 200 + b"</o><g><rec/></g></r>",
        b"<r><g><rec/></g>" + b"<o>x</o>" * 50 + b"<g><rec/><o/></g></r>",
    ],
)
def test_a_piece_without_records_ends_where_its_ancestors_stand(data: bytes) -> None:
    """Also where an ancestor was opened, closed, or had a record since the last child ended."""
    for leads in (False, True):
        items = pieces_of(data, GROUPED, piece_bytes=40, keep_leads=leads)
        for piece in items:
            etree.fromstring(piece.text)
        assert raws(items) == [b"<rec/>"] * data.count(b"<rec/>")


def test_a_root_that_is_the_record_is_one_piece() -> None:
    """However large it is: what follows is the end of the document, not another piece."""
    data = b"<?xml version='1.0'?>\n<r>" + b"x" * 1000 + b"</r>\n"
    (piece,) = pieces_of(data * 2, PathTable([("r",)]), piece_bytes=100)[:1]
    assert (piece.body, piece.tail, piece.first_line) == (data[:-1], b"", 1)
    assert raws(pieces_of(data * 2, PathTable([("r",)]), piece_bytes=100)) == [data[22:-1]] * 2


def test_leads_are_kept_where_asked_for() -> None:
    """What the ancestors hold before their first record opens each later piece; what comes after it does not."""
    data = b"<r a='1'><h>1</h><g><i>2</i><rec/>x<rec/></g><t/><g><rec/></g></r>"
    contexts = [piece.context for piece in pieces_of(data, GROUPED, piece_bytes=1, keep_leads=True)]
    first, second = b"<r a='1'><h>1</h><g><i>2</i>", b"<r a='1'><h>1</h><g>"
    assert contexts == [b"", first, first, second]
    contexts = [piece.context for piece in pieces_of(data, GROUPED, piece_bytes=1)]
    assert contexts == [b"", b"<r a='1'><g>", b"<r a='1'><g>", b"<r a='1'><g>"]


def test_each_record_has_the_context_of_its_own_ancestors() -> None:
    """Records of several groups in one piece are told apart."""
    data = b"<r><g n='1'><rec/><rec/></g><g n='2'/><g n='3'><rec/></g></r>"
    (piece,) = pieces_of(data, GROUPED)
    contexts = [brief_opening(piece.prolog, chain) for chain in piece.record_chains()]
    assert contexts == [b"<r><g n='1'>", b"<r><g n='1'>", b"<r><g n='3'>"]


def test_a_long_context_is_cut_down_to_start_tags() -> None:
    """A header of a megabyte would else be stored with each rejected record."""
    header = b"<h>" + b"x" * CONTEXT_CAP_BYTES + b"</h>"
    (piece,) = pieces_of(b"<r a='1'>" + header + b"<g><rec/></g></r>", GROUPED, keep_leads=True)
    (chain,) = piece.record_chains()
    assert brief_opening(piece.prolog, chain) == b"<r a='1'><g>"


def test_places_count_from_where_the_stream_begins_in_its_file() -> None:
    data = b"<r>\n<rec/>\n<rec>"
    reader = PieceReader(io.BytesIO(data), FLAT, first_byte=1000, first_line=50, first_record=7)
    (piece, _), fault = until_fault(reader)
    assert fault.message == "the XML ends at byte 1016, line 52, inside record 8, which begins at byte 1011"
    assert (piece.offset, piece.first_record, piece.starts.tolist(), piece.lines().tolist()) == (1000, 7, [1004], [51])


# -- limits -----------------------------------------------------------------------------------------------------------


def test_an_oversize_record_is_told_and_passed_over() -> None:
    """Its place is exact, its first bytes are kept, and what stands around it is not harmed."""
    big = b"<rec>" + b"<a>x</a>\n" * 50_000 + b"</rec>"
    data = b"<r>\n<rec/>" + big + b"<rec>last</rec></r>"
    items = read(data, max_record_bytes=100_000, piece_bytes=1000)
    (oversize,) = [item for item in items if isinstance(item, OversizeRecord)]
    assert (oversize.start, oversize.end, oversize.ordinal, oversize.line) == (10, 10 + len(big), 2, 2)
    assert big.startswith(oversize.raw)
    pieces = [item for item in items if isinstance(item, Piece)]
    assert raws(pieces) == [b"<rec/>", b"<rec>last</rec>"]
    assert [piece.first_record for piece in pieces if len(piece.starts)] == [1, 3]
    assert [piece.lines().tolist() for piece in pieces] == [[2], [50_002]]
    for piece in pieces:
        etree.fromstring(piece.text)


def test_an_oversize_root_leaves_the_next_document_alone() -> None:
    big = b"<?xml version='1.0'?><!-- a --><rec>" + b"x" * 600_000 + b"</rec>"
    small = b"<?xml version='1.0'?><rec/>"
    items = read(small + big + small, PathTable([("rec",)]), max_record_bytes=1000, piece_bytes=1000)
    assert [type(item) for item in items] == [Piece, OversizeRecord, Piece]
    assert isinstance(items[1], OversizeRecord)
    assert items[1].raw.startswith(b"<rec>xxx")
    assert items[1].ordinal == 2


@pytest.mark.parametrize(
    "data",
    [
        b"<r><!--" + b"x" * 3_000_000,
        b"<r><o a='" + b"x" * 3_000_000,
        b"<r><rec a='" + b"x" * 3_000_000,
        b"<r><rec><o a='" + b"x" * 3_000_000,
        b"<r>" + b"x" * 3_000_000,
        b"<?pi " + b"x" * 3_000_000,
        b"<!DOCTYPE r [" + b"<!ENTITY a 'x'>" * 300_000,
        b" " * 3_000_000,
    ],
    ids=["comment", "attribute", "record's attribute", "attribute in record", "text", "PI", "DOCTYPE", "white space"],
)
def test_nothing_makes_the_buffer_grow_without_end(data: bytes) -> None:
    """A token or stretch beyond all limits is refused when it passes them, not at its end."""
    reader = PieceReader(io.BytesIO(data + b" " * 20_000_000), FLAT, max_record_bytes=10_000, piece_bytes=10_000)
    with pytest.raises(MalformedXML) as caught:
        list(reader)
    assert caught.value.code == "too_large"
    assert caught.value.offset is not None
    assert caught.value.line == 1
    assert reader.bytes_read < 3_000_000


def test_a_header_has_a_limit_only_where_it_is_kept() -> None:
    header = b"<h>" + b"x" * (1 << 20) + b"</h>"
    data = b"<r>\n" + header + b"<rec/></r>"
    assert raws(pieces_of(data)) == [b"<rec/>"]
    fault = fault_of(data, keep_leads=True)
    assert (fault.code, fault.offset, fault.line) == ("too_large", 0, 1)
    assert "<r> holds more bytes before its first record than quotas.max_header_bytes (1048576)" in fault.message


def test_a_start_tag_that_would_stand_in_every_piece_has_a_limit() -> None:
    """Whether leads are kept or not."""
    data = b"<r a='" + b"x" * (1 << 20) + b"'>" + b"<rec/></r>"
    for leads in (False, True):
        assert fault_of(data, keep_leads=leads).code == "too_large"


def test_what_stands_before_a_header_is_no_part_of_it() -> None:
    """A group's header is measured from the group on, not from where the buffer begins."""
    before, header = b"<o>" + b"x" * 900_000 + b"</o>", b"<h>" + b"x" * 900_000 + b"</h>"
    data = b"<r><g><rec/></g>" + before + b"<g>" + header + b"<rec/></g></r>"
    assert raws(pieces_of(data, GROUPED, keep_leads=True)) == [b"<rec/>"] * 2


def test_a_long_prolog_is_refused() -> None:
    """It would stand in every piece."""
    fault = fault_of(b"<!--" + b"x" * (1 << 20) + b"-->\n<r/>")
    assert (fault.code, fault.line) == ("too_large", 2)


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "offset", "line"),
    [
        (b"", "empty_file", 0, 1),
        (b" \n\xef\xbb\xbf", "empty_file", 0, 1),
        (b"<!-- only\na comment -->", "truncated", 23, 2),
        (b"<r>", "truncated", 3, 1),
        (b"<r>\n<rec/>\n<rec><", "truncated", 17, 3),
        (b"<r/>\n<!-- not closed", "truncated", 20, 2),
        (b"<r/><r", "truncated", 6, 1),
        (b"GIF89a", "not_xml", 0, 1),
        (b"\n\nhello", "not_xml", 2, 3),
        (b"<r/>\ntext", "malformed", 5, 2),
        (b"<r></r>\n</r>", "malformed", 8, 2),
    ],
)
def test_faults_have_a_code_a_place_and_a_line(data: bytes, code: str, offset: int, line: int) -> None:
    fault = fault_of(data)
    assert (fault.code, fault.offset, fault.line) == (code, offset, line)


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"<r><g><rec/></g>", 1),
        (b"<r><g><rec/></g><g>", 1),
        (b"<r><g><rec/></g><g><rec/><rec>", 2),
        (b"<r><g><rec/></g><g><h/><rec/>text", 2),
        (b"<r><g><rec/></g></r><r><g><rec/>", 2),
    ],
)
def test_the_whole_records_before_a_fault_come_first(data: bytes, records: int) -> None:
    """In a piece that closes the ancestors that they stand in, which may be closed already."""
    for leads in (False, True):
        items, fault = until_fault(PieceReader(io.BytesIO(data), GROUPED, keep_leads=leads))
        assert fault.code == "truncated"
        whole = [piece for piece in items if not piece.is_remnant]
        assert raws(whole) == [b"<rec/>"] * records
        for piece in whole:
            etree.fromstring(piece.text)


def test_a_fault_of_the_stream_comes_after_its_records() -> None:
    """A compressed file that breaks gives what it held until then."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(10)
            if not data:
                raise MalformedXML("archive_broken", "the gzip data is broken")
            return data

    reader = PieceReader(Breaking(b"<r><rec/><rec>x</rec><re"), FLAT)
    items, fault = until_fault(reader)
    assert raws(items) == [b"<rec/>", b"<rec>x</rec>"]
    assert (fault.code, reader.fault) == ("archive_broken", fault)


def test_a_rest_that_is_malformed_is_given_to_the_parser() -> None:
    """An end tag that is missing in the middle looks, to the scanner, like a file that ends too early."""
    reader = PieceReader(io.BytesIO(b"<r>\n<rec/>\n<rec>\n<a>\n</rec>\n<b></r>"), FLAT)
    (_, remnant), _ = until_fault(reader)
    assert remnant.is_remnant
    with pytest.raises(MalformedXML, match="line 5: Opening and ending tag mismatch: a and rec"):
        xmlio.parse_piece(remnant)


@pytest.mark.parametrize(
    "gap", [b"<!-- a -- b -->", b"<?xml version='1.0'?><!-- -->", b"<!-- \x01 -->", b"<?PI\xff?>", b"<!DOCTYPE r>"]
)
def test_what_stands_after_the_root_is_proven_as_well(gap: bytes) -> None:
    (piece, remnant) = pieces_of(b"<r><rec/></r>\n" + gap)
    assert (raws([piece]), remnant.is_remnant, remnant.first_line) == ([b"<rec/>"], True, 1)
    with pytest.raises(MalformedXML):
        xmlio.parse_piece(remnant)


def test_the_root_is_checked_before_the_rest_is_read() -> None:
    """With its prolog, since entities and default namespaces may stand there; the fault has the root's place."""
    seen: list[bytes] = []

    def refuse(document: bytes) -> None:
        seen.append(document)
        raise MalformedXML("wrong_document", "not this")

    data = b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!DOCTYPE x>\n<p:r a='>'>" + b"<rec/>" * 100_000
    reader = PieceReader(io.BytesIO(data), FLAT, refuse)
    with pytest.raises(MalformedXML) as caught:
        list(reader)
    assert seen == [b"<?xml version='1.0'?>\n<!DOCTYPE x>\n<p:r a='>'></p:r>"]
    assert (caught.value.code, caught.value.offset, caught.value.line) == ("wrong_document", data.index(b"<p:r"), 4)
    assert reader.bytes_read < len(data)


def test_a_place_in_the_parsers_text_is_one_in_the_stream() -> None:
    """The context before the body does not count, white space that was taken off does."""
    data = b"\n\n<r>\n<rec/>\n<rec>\n</rec></r>"
    first, second, _ = pieces_of(data, piece_bytes=1)
    assert first.text == b"<r>\n<rec/></r>"
    assert first.place_of(1, 1) == (2, 3)
    assert first.place_of(2, 3) == (8, 4)
    assert second.text == b"<r>\n<rec>\n</rec></r>"
    assert second.place_of(1, 2) == (12, 4), "in the context, so at the begin of the body"
    assert second.place_of(2, 1) == (13, 5)
    assert second.place_of(3, 4) == (22, 6)
    assert second.place_of(3, 99) == (25, 6), "where the body ends"
