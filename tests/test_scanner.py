"""The scanner: where records, their ancestors and documents begin and end, in buffers of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents import Stream, records_of, streams

from sluice import scanner
from sluice.scanner import PathTable, scan

KINDS = {
    scanner.ROOT_START: "root", scanner.ANCESTOR_START: "ancestor", scanner.RECORD_START: "record",
    scanner.RECORD_END: "/record", scanner.ANCESTOR_END: "/ancestor", scanner.DOCUMENT_END: "/document",
    scanner.DECLARATION: "declaration",
}  # fmt: skip


def scan_all(
    data: bytes, paths: PathTable, chunk: int = 1 << 20, capacity: int = 100
) -> tuple[list[tuple[str, int, int, int]], int, int]:
    """All events (kind, start, end, depth), the bytes consumed, and the error; the buffer grows by ``chunk``."""
    state, stack = paths.new_state()
    events = np.zeros((capacity, 4), np.int64)
    found, position = [], 0
    for size in range(min(chunk, len(data)), len(data) + chunk, chunk):
        buffer, count = np.frombuffer(data[:size], np.uint8), -1
        while count:
            position, count = scan(paths, buffer, position, state, stack, events)
            found += [(KINDS[kind], start, end, depth) for kind, start, end, depth in events[:count].tolist()]
    return found, position, int(state[scanner.ERROR])


def test_events_of_a_document() -> None:
    """Each event has the place of its tag; an empty element begins and ends at once."""
    data = b"<r><g a='>'><rec>x</rec><o><rec/></o><rec/></g></r>"
    found, position, error = scan_all(data, PathTable([("r", "g", "rec")]))
    assert [(kind, data[start:end], depth) for kind, start, end, depth in found] == [
        ("root", b"<r>", 1),
        ("ancestor", b"<r>", 1),
        ("ancestor", b"<g a='>'>", 2),
        ("record", b"<rec>", 3),
        ("/record", b"</rec>", 3),
        ("record", b"<rec/>", 3),
        ("/record", b"<rec/>", 3),
        ("/ancestor", b"</g>", 2),
        ("/ancestor", b"</r>", 1),
        ("/document", b"</r>", 0),
    ]
    assert (position, error) == (len(data), 0)


@pytest.mark.parametrize(
    "text",
    ["<!--<rec>-->", "<![CDATA[<rec></rec>]]>", "<?pi <rec>?>", "<o x='<rec>'/>", '<o x="\'><rec>"/>', "<!--><rec>-->"],
)
def test_tags_in_comments_and_the_like_are_no_tags(text: str) -> None:
    """Also where they look like the end of what hides them."""
    data = f"<r>{text}<rec/></r>".encode()
    found, _, _ = scan_all(data, PathTable([("r", "rec")]))
    assert [data[start:end] for kind, start, end, _ in found if kind == "record"] == [b"<rec/>"]


def test_records_do_not_nest() -> None:
    """A record within a record is part of it, whatever its name."""
    found, _, _ = scan_all(b"<r><r><r><r/></r></r></r>", PathTable([("r", "r")]))
    assert [(kind, depth) for kind, _, _, depth in found if "record" in kind] == [("record", 2), ("/record", 4)]


def test_the_end_of_a_record_says_how_deep_it_was() -> None:
    """Each for itself, whatever stands between; empty elements count."""
    data = b"<r><rec><a><b/></a><c/></rec><o><p><q><s/></q></p></o><rec/><rec><a></a></rec></r>"
    found, _, _ = scan_all(data, PathTable([("r", "rec")]))
    assert [depth for kind, _, _, depth in found if kind == "/record"] == [4, 2, 3]


def test_prefixes_do_not_count() -> None:
    """Records are found by local names; the parser's tree says which namespace they are in."""
    found, _, _ = scan_all(b"<a:r><b:rec/><rec2/><re/><c:d:rec/></a:r>", PathTable([("r", "rec")]))
    assert [kind for kind, *_ in found].count("record") == 2


def test_several_paths_share_their_begin() -> None:
    paths = PathTable([("r", "x"), ("r", "g", "x"), ("r", "g", "y")])
    found, _, _ = scan_all(b"<r><x/><g><y/><x/><z/></g><y/></r>", paths)
    assert [depth for kind, _, _, depth in found if kind == "record"] == [2, 3, 3]


def test_documents_follow_each_other() -> None:
    """Byte order marks, declarations and DOCTYPEs may stand between them."""
    mark = b"\xef\xbb\xbf"
    first = mark + b"<?xml version='1.0'?><!DOCTYPE r [<!ENTITY e ']><r>'>]><r/>\n"
    data = first + b"<?xml-x?>" + mark + b"<?xml\tversion='1.0'?><r/>"
    found, position, error = scan_all(data, PathTable([("r",)]))
    kinds = ["declaration", "root", "record", "/record", "/document"]
    assert [kind for kind, *_ in found] == kinds * 2
    assert (position, error) == (len(data), 0)


@pytest.mark.parametrize(
    ("data", "error", "consumed"),
    [
        (b"hello", scanner.STRAY_TEXT, 0),
        (b"\xff\xd8\xff\xe0", scanner.STRAY_TEXT, 0),
        (b"<r/> &amp;", scanner.STRAY_TEXT, 5),
        (b"</r>", scanner.STRAY_END_TAG, 0),
        (b"<r></r></r>", scanner.STRAY_END_TAG, 7),
    ],
)
def test_what_cannot_be_xml_stops_the_scan(data: bytes, error: int, consumed: int) -> None:
    assert scan_all(data, PathTable([("r",)]))[1:] == (consumed, error)


@pytest.mark.parametrize("end", ["<?a?>", "<?x?>", "<?xm?>", "<?xml2?>", "<!---->"])
def test_a_file_may_end_with_the_shortest_of_instructions(end: str) -> None:
    """All bytes are consumed: what is left over at the end would count as cut off."""
    data = f"<r/>{end}".encode()
    assert scan_all(data, PathTable([("r",)]))[1] == len(data)


def test_a_full_event_table_loses_nothing() -> None:
    """The scan stops before the table overflows and goes on where it stopped."""
    data = b"<r>" + b"<rec/>" * 1000 + b"</r>"
    found, position, _ = scan_all(data, PathTable([("r", "rec")]), capacity=7)
    assert [kind for kind, *_ in found].count("record") == 1000
    assert position == len(data)


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(1, 40), st.sampled_from((5, 9, 100)))
def test_buffers_may_end_anywhere(stream: Stream, chunk: int, capacity: int) -> None:
    """Whatever a buffer ends in (a tag, a quote, a character, the end of a comment), the events are the same."""
    paths = PathTable(stream.paths)
    assert scan_all(stream.data, paths, chunk, capacity) == scan_all(stream.data, paths)


@settings(max_examples=60, deadline=None)
@given(streams())
def test_records_are_where_other_parsers_find_them(stream: Stream) -> None:
    """Byte ranges as expat has them."""
    found, position, error = scan_all(stream.data, PathTable(stream.paths))
    starts = [start for kind, start, _, _ in found if kind == "record"]
    ends = [end for kind, _, end, _ in found if kind == "/record"]
    assert list(zip(starts, ends, strict=True)) == [(record.start, record.end) for record in records_of(stream)]
    assert (position, error) == (len(stream.data), 0)
