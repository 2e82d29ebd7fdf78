"""parse: rows, rejects and counts of a batch. Whatever is in a file, the task ends well, and nothing is dropped."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.documents import SHAPES, Stream, canonical, is_well_formed, make_stream, records_of, streams
from tests.hostile.cases import PATTERN
from tests.parsed import NUMBER, RUN_ID, Parsed, cut_parts, ledger_file, parse_cut, parse_data, parse_parts, tools_for
from tests.parsed import write_feed as write

from sluice import batch_parser
from sluice.errors import REJECT_CODES, PermanentError, WorkFilesUnavailable
from sluice.feed.model import Feed
from sluice.pieces import RAW_CAP_BYTES
from sluice.places import MAX_REASONS
from sluice.records import Cut, Part
from sluice.stages import parse as parse_stage
from sluice.validity import judging

TABLES = """
tables:
  things:
    record: /r/rec
    columns: {id: {path: "@id", required: true}, n: {path: n, type: integer}}
  lines: {parent: things, rows: l, columns: {d: {path: "@d", type: date}}}
"""
KEEP = "malformed: keep_records" + TABLES


def document(*records: str, root: str = "r") -> bytes:
    return f"<{root}>\n{''.join(records)}</{root}>\n".encode()


def rec(number: int | str, content: str = "") -> str:
    return f"<rec id='{number}'>{content}</rec>\n"


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return write(tmp_path, TABLES)


# -- rows and rejects -------------------------------------------------------------------------------------------------


def test_rows_have_their_place_and_children_their_parents(feed: Feed, tmp_path: Path) -> None:
    """The columns that validate and load build on."""
    data = document(rec(1, "<n>5</n><l d='2024-01-01'/><l/>"), rec(2), rec(3, "<l/>"))
    parsed = parse_data(feed, tmp_path, data)
    assert parsed.values() == [{"id": "1", "n": 5}, {"id": "2", "n": None}, {"id": "3", "n": None}]
    for number, row in enumerate(parsed.rows(), start=1):
        raw = data[row["_offset"] : row["_offset"] + row["_length"]]
        assert raw.startswith(f"<rec id='{number}'>".encode())
        assert raw.endswith(b"</rec>")
        assert (row["_part"], row["_member"], row["_record"], row["_line"]) == (1, "", number, number + 1)
    records = [row["_rec"] for row in parsed.rows()]
    assert len(set(records)) == 3
    assert [(row["_rec"], row["_n1"]) for row in parsed.rows("lines")] == [
        (records[0], 1), (records[0], 2), (records[2], 1),
    ]  # fmt: skip
    assert parsed.summary.line().startswith("parse: batch 0: 1 files, 3 records, 0 rejected, ")


def test_a_bad_record_is_rejected_whole_with_all_its_reasons(feed: Feed, tmp_path: Path) -> None:
    """Its child rows go with it; the others stay; the quarantine gets place, bytes, context and values."""
    bad = "<rec><n>x</n><l d='2024-02-30'/><n>1</n></rec>\n"
    data = document(rec(1, "<l/>"), bad, rec(3, "<l/>"))
    parsed = parse_data(feed, tmp_path, data)
    assert [row["id"] for row in parsed.rows()] == ["1", "3"]
    assert [row["_n1"] for row in parsed.rows("lines")] == [1, 1]
    (reject,) = parsed.rejects
    start = data.index(b"<rec><n>")
    assert (reject.part_id, reject.member, reject.ordinal, reject.line) == (1, "", 2, 3)
    assert (reject.start_byte, reject.end_byte) == (start, start + len(bad) - 1)
    assert (reject.raw, reject.raw_is_whole, reject.context) == (bad.strip().encode(), True, b"<r>")
    assert {(reason.code, reason.table, reason.column, reason.value) for reason in reject.reasons} == {
        ("several_values", "things", "n", None),
        ("required_missing", "things", "id", None),
        ("not_a_number", "things", "n", "x"),
        ("not_a_date", "lines", "d", "2024-02-30"),
    }
    assert all(reason.path for reason in reject.reasons)
    (outcome,) = parsed.outcomes
    assert (outcome["found"], outcome["rejected"], outcome["failed"]) == (3, 1, False)
    assert parsed.is_conserved()


def test_a_reject_is_bounded(feed: Feed, tmp_path: Path) -> None:
    """However large the record, however much is wrong with it."""
    data = document(rec(1, "<l d='x'/>" * 20_000))
    (reject,) = parse_data(feed, tmp_path, data).rejects
    assert len(reject.reasons) == MAX_REASONS
    assert (len(reject.raw), reject.raw_is_whole) == (RAW_CAP_BYTES, False)


@pytest.mark.parametrize("limit", [1024, 5000])
@pytest.mark.parametrize("records", [1, 200])
def test_a_record_beyond_the_limit_is_rejected_wherever_it_stands(limit: int, records: int, tmp_path: Path) -> None:
    """Also where it would fit the buffer: the answer must not depend on how the file was read."""
    feed = write(tmp_path, f"max_record_bytes: {limit}\n{TABLES}")
    small = rec(1, "<n>1</n>" + " " * (limit - 26))
    assert len(small.strip()) == limit
    parsed = parse_data(feed, tmp_path, document(*[small, small.replace("</n>", "</n> ")] * records))
    assert len(parsed.rows()) == records
    assert parsed.codes == ["record_too_large"] * records
    assert [reject.ordinal for reject in parsed.rejects] == list(range(2, 2 * records + 1, 2))
    assert parsed.is_conserved()


def test_blocks_are_written_as_they_fill(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejects and child rows find their records across blocks and pieces."""
    monkeypatch.setattr("sluice.tabulate.BLOCK_RECORDS", 3)
    monkeypatch.setattr(batch_parser, "PIECE_BYTES", 100)
    records = [rec(number, "<l/>" * (number % 3)) if number % 4 else "<rec/>\n" for number in range(50)]
    parsed = parse_data(feed, tmp_path, document(*records))
    expected = [number for number in range(50) if number % 4]
    assert [int(row["id"]) for row in parsed.rows()] == expected
    by_record = {row["_rec"]: int(row["id"]) for row in parsed.rows()}
    children = [by_record[row["_rec"]] for row in parsed.rows("lines")]
    assert children == [number for number in expected for _ in range(number % 3)]
    assert [reject.ordinal for reject in parsed.rejects] == [number + 1 for number in range(0, 50, 4)]
    assert [reject.line for reject in parsed.rejects] == [number + 2 for number in range(0, 50, 4)]
    assert parsed.is_conserved()


def test_records_of_another_namespace_are_rejected_one_by_one(tmp_path: Path) -> None:
    feed = write(tmp_path, "namespaces: {default: urn:1, p: urn:2}" + TABLES)
    data = b"<r xmlns='urn:1' xmlns:p='urn:2'><rec id='1'/><p:rec id='2'/><x><rec/></x></r>"
    parsed = parse_data(feed, tmp_path, data)
    assert [row["id"] for row in parsed.rows()] == ["1"]
    assert parsed.codes == ["wrong_document"]
    assert parsed.is_conserved()


@pytest.mark.parametrize(("empty", "codes"), [("false", ["no_records"]), ("true", [])])
def test_a_document_without_records_is_as_the_feed_wants(empty: str, codes: list[str], tmp_path: Path) -> None:
    parsed = parse_data(write(tmp_path, f"allow_empty: {empty}{TABLES}"), tmp_path, document("<o/>"))
    assert parsed.codes == codes
    assert parsed.outcomes[0]["failed"] is bool(codes)
    assert parsed.is_conserved()
    if codes:
        assert "holds no <rec>" in parsed.rejects[0].reasons[0].message


def test_unknown_elements_are_counted(feed: Feed, tmp_path: Path) -> None:
    assert parse_data(feed, tmp_path, document(rec(1, "<new/><n/>"), rec(2, "<new/>"))).drift == {"rec/new": 2}


def test_a_rerun_overwrites_its_own_output(feed: Feed, tmp_path: Path) -> None:
    first = parse_data(feed, tmp_path, document(rec(1), "<rec/>"))
    assert (len(first.rows()), len(first.rejects)) == (1, 1)
    again = parse_stage.parse(tools_for(feed, tmp_path), RUN_ID, NUMBER)
    assert (again.records, again.rejected) == (2, 1)
    assert (len(first.rows()), len(first.rejects)) == (1, 1)


def test_a_disk_that_is_full_leaves_nothing_half_written(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is one that may pass; no table of the batch is visible."""

    def fail(*_: Any, **__: Any) -> None:
        raise WorkFilesUnavailable("no space left on device")

    monkeypatch.setattr("sluice.tablefiles.TableWriter.write", fail)
    (tmp_path / "file.xml").write_bytes(document(rec(1)))
    tools = tools_for(feed, tmp_path)
    with pytest.raises(WorkFilesUnavailable):
        parse_parts(tools, [Part(1, ledger_file(tmp_path / "file.xml"), Cut())])
    assert not tools.work.exists(tools.work.table("things", RUN_ID, NUMBER, "things"))
    assert not tools.work.exists(tools.work.table("things", RUN_ID, NUMBER, "lines"))


# -- files that are malformed -----------------------------------------------------------------------------------------

SMALL = (
    "<?xml version='1.0'?>\n<!-- c -->\n<!DOCTYPE r [<!ENTITY e 'x'>]>\n<r a='1'>\n<o><![CDATA[<rec>]]></o>\n"
    "<rec id='1'>é&e;<?p x?></rec>\n<rec id='2'><l/><n>1</n></rec>\n<rec id='3'/>\n<t/></r>"
).encode()


def check_refused(parsed: Parsed) -> None:
    """One reject for the whole file, with code, place and line; and nothing of it counts as a row."""
    (outcome,) = parsed.outcomes
    assert outcome["failed"]
    (reject,) = parsed.rejects
    assert reject.ordinal is None
    assert reject.records == outcome["found"]
    assert reject.reasons[0].code in REJECT_CODES
    assert isinstance(reject.start_byte, int)
    assert isinstance(reject.line, int)
    assert reject.start_byte >= 0
    assert reject.line >= 1
    assert parsed.is_conserved()


def parse_cut_off(feed: Feed, tmp_path: Path, data: bytes = SMALL) -> Parsed:
    """Part n + 1 is the file's first n bytes."""
    parts = []
    for end in range(len(data)):
        path = tmp_path / f"{end}.xml"
        path.write_bytes(data[:end])
        parts.append(Part(end + 1, ledger_file(path, end + 1), Cut()))
    return parse_parts(tools_for(feed, tmp_path), parts)


def test_a_file_that_was_cut_off_within_odd_values_is_truncated(feed: Feed, tmp_path: Path) -> None:
    """A value may hold what else ends a tag, and a text what else begins one."""
    data = document(
        "<rec id='a>b' x=\"c>'d\"><l a='>'>e>f</l><![CDATA[<g>]]><!-- <h> --><?i >?></rec>", "<m x='>' y='é>'/>"
    )
    data = data.rstrip()
    parsed = parse_cut_off(feed, tmp_path, data)
    assert parsed.codes == ["empty_file", *["truncated"] * (len(data) - 1)]


def test_a_file_that_was_cut_off_is_refused_at_every_byte(feed: Feed, tmp_path: Path) -> None:
    """Never an error of the task, never a part of it in the tables."""
    parsed = parse_cut_off(feed, tmp_path)
    assert all(outcome["failed"] for outcome in parsed.outcomes)
    assert parsed.codes == ["empty_file", *["truncated"] * (len(SMALL) - 1)]
    for end, reject in enumerate(parsed.rejects):
        assert (reject.part_id, reject.ordinal, reject.start_byte) == (end + 1, None, end)
        assert reject.line == 1 + SMALL.count(b"\n", 0, end)
    assert parsed.is_conserved()


def test_the_whole_records_of_a_file_that_was_cut_off_may_be_kept(tmp_path: Path) -> None:
    """Where the feed says so: those that ended before the cut, and the reject says that there was more."""
    parsed = parse_cut_off(write(tmp_path, KEEP), tmp_path)
    ends = [match.end() for match in re.finditer(rb"<rec id='3'/>|</rec>", SMALL)]
    assert len(ends) == 3
    ids: dict[int, list[str]] = {}
    for row in parsed.rows():
        ids.setdefault(row["_part"], []).append(row["id"])
    for end, (outcome, reject) in enumerate(zip(parsed.outcomes, parsed.rejects, strict=True)):
        kept = sum(place <= end for place in ends)
        assert (outcome["found"], outcome["failed"]) == (kept, not kept)
        assert ids.get(end + 1, []) == ["1", "2", "3"][:kept]
        assert (reject.ordinal, reject.records, reject.start_byte) == (None, 0, end)
    assert parsed.is_conserved()


MALFORMED = {
    "mismatched tags": (document(rec(1), "<rec id='2'><n></rec></n>", rec(3)), "malformed", 1),
    "a tag not closed": (document(rec(1), "<rec id='2'><n>", rec(3)), "malformed", 1),
    "two tags not closed": (document(rec(1), "<rec id='2'><n><m>", rec(3)), "malformed", 1),
    "an end tag too many": (document(rec(1), "</n>", rec(3)), "malformed", 1),
    "a bad character": (document(rec(1), rec(2, "\x01"), rec(3)), "malformed", 1),
    "bad UTF-8": (document(rec(1), rec(2, "@"), rec(3)).replace(b"@", b"\xff"), "encoding", 1),
    "a NUL": (document(rec(1), rec(2, "\0"), rec(3)), "encoding", 1),
    "an undefined entity": (document(rec(1), rec(2, "&nbsp;"), rec(3)), "unresolved_entity", 1),
    "a bare ampersand": (document(rec(1), rec(2, "a & b"), rec(3)), "malformed", 1),
    "an attribute twice": (document(rec(1), "<rec id='2' id='2'/>", rec(3)), "malformed", 1),
    "a prefix that is not declared": (document(rec(1), rec(2, "<p:n/>"), rec(3)), "malformed", 1),
    "a comment not closed": (document(rec(1), rec(2), "<!-- ", rec(3)), "truncated", 2),
    "two hyphens in a comment": (document(rec(1), rec(2), "<!-- -- -->", rec(3)), "malformed", 2),
    "garbage after the root": (document(rec(1), rec(2)) + b"garbage", "malformed", 2),
    "an end tag after the root": (document(rec(1), rec(2)) + b"</r>", "malformed", 2),
    "a bad comment after the root": (document(rec(1), rec(2)) + b"<!-- -- -->", "malformed", 2),
    "another root": (document(rec(1), rec(2)) + b"<other/>", "wrong_document", 2),
    "a root not closed after another": (document(rec(1), rec(2)) + b"<r><rec id='3'/><rec>", "truncated", 3),
    "too deep": (document(rec(1), "<a>" * 5000 + "</a>" * 5000), "too_deep", 1),
    "a bomb": (
        b"<!DOCTYPE r [<!ENTITY a '" + b"a" * 1000 + b"'><!ENTITY b '" + b"&a;" * 1000 + b"'>]>"
        + document(rec(1), rec(2, "&b;&b;&b;&b;&b;")), "refused_dtd", 1
    ),
    "records out of an entity": (
        b"<!DOCTYPE r [<!ENTITY a '<rec/>'>]>" + document(rec(1), "&a;", rec(2)), "refused_dtd", 0
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_whole(name: str, feed: Feed, tmp_path: Path) -> None:
    data, code, _ = MALFORMED[name]
    parsed = parse_data(feed, tmp_path, data)
    check_refused(parsed)
    assert parsed.codes == [code]


@pytest.mark.parametrize("name", MALFORMED)
def test_the_records_before_the_fault_may_be_kept(name: str, tmp_path: Path) -> None:
    data, code, kept = MALFORMED[name]
    parsed = parse_data(write(tmp_path, KEEP), tmp_path, data)
    assert parsed.codes == [code]
    assert parsed.outcomes[0]["failed"] == (kept == 0)
    if kept:
        assert [row["id"] for row in parsed.rows()] == [str(number + 1) for number in range(kept)]
    assert parsed.is_conserved()


@pytest.mark.parametrize("pack", ["gz", "utf-16"])
def test_what_ends_early_below_the_xml_keeps_its_records_too(pack: str, tmp_path: Path) -> None:
    """Compressed data, or characters of several bytes."""
    data = document(*(rec(number, random.Random(number).randbytes(200).hex()) for number in range(2000)))
    broken = {"gz": gzip.compress(data)[:-50_000], "utf-16": data.decode().encode("utf-16")[:-50_001]}[pack]
    parsed = parse_data(write(tmp_path, KEEP), tmp_path, broken)
    assert parsed.codes == ["truncated"]
    count = len(parsed.rows())
    assert 1000 < count < 2000
    assert [int(row["id"]) for row in parsed.rows()] == list(range(count))
    assert parsed.is_conserved()
    check_refused_or_placeless(parse_data(write(tmp_path, TABLES), tmp_path, broken))


def test_damaged_data_is_never_kept(tmp_path: Path) -> None:
    """A checksum tells at the end that something was wrong, and not what: a digit may be another one."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.xml", document(rec(1, "<n>100</n>"), rec(2)))
    damaged = sink.getvalue().replace(b"<n>100", b"<n>900")
    parsed = parse_data(write(tmp_path, KEEP), tmp_path, damaged)
    assert parsed.codes == ["archive_broken"]
    check_refused_or_placeless(parsed)


def check_refused_or_placeless(parsed: Parsed) -> None:
    """A fault of an archive has no place in the decoded bytes."""
    (outcome,) = parsed.outcomes
    (reject,) = parsed.rejects
    assert outcome["failed"]
    assert (reject.ordinal, reject.records) == (None, outcome["found"])
    assert parsed.is_conserved()


def test_one_bad_file_costs_one_file(feed: Feed, tmp_path: Path) -> None:
    """Of a batch of many, in which it may stand anywhere."""
    tools, parts = tools_for(feed, tmp_path), []
    contents = [*(data for data, _, _ in MALFORMED.values()), document(rec(7))] * 2
    for number, data in enumerate(contents, start=1):
        (tmp_path / f"{number}.xml").write_bytes(data)
        parts.append(Part(number, ledger_file(tmp_path / f"{number}.xml", number), Cut()))
    parsed = parse_parts(tools, parts)
    good = [len(MALFORMED) + 1, len(parts)]
    assert [outcome["part_id"] for outcome in parsed.outcomes if not outcome["failed"]] == good
    assert [row["id"] for row in parsed.rows() if row["_part"] in good] == ["7", "7"]
    assert parsed.codes == [code for _, code, _ in MALFORMED.values()] * 2
    assert parsed.is_conserved()


def test_errors_in_a_cut_part_have_their_place_in_the_file(feed: Feed, tmp_path: Path) -> None:
    """Byte and line, in the columns and in the message."""
    records = [rec(number) for number in range(60)]
    data = document(*records[:40], "<rec id='40'>\n<n></rec></n>\n", *records[41:])
    (tmp_path / "file.xml").write_bytes(data)
    parsed = parse_cut(feed, tmp_path / "file.xml", 200)
    assert len(parsed.outcomes) > 4
    (reject,) = parsed.rejects
    place = data.index(b"</rec></n>")
    assert place <= (reject.start_byte or 0) <= place + 6
    assert reject.line == 43
    assert reject.reasons[0].message.startswith("line 43: ")
    assert [outcome["failed"] for outcome in parsed.outcomes].count(True) == 1
    assert parsed.is_conserved()


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the feed keeps what it can: the records may be of two versions."""
    feed = write(tmp_path, KEEP)
    monkeypatch.setattr(batch_parser, "PIECE_BYTES", 1000)
    data = document(*(rec(number, "<n>1</n>") for number in range(20_000)))
    (tmp_path / "file.xml").write_bytes(data)
    part = Part(1, ledger_file(tmp_path / "file.xml"), Cut())
    take = batch_parser.BatchParser._parse_piece
    pieces = itertools.count()

    def change_after_the_first(self: Any, *args: Any) -> Any:
        taken = take(self, *args)
        if next(pieces) == 0:
            (tmp_path / "file.xml").write_bytes(data[:-1] + b" ")
        return taken

    monkeypatch.setattr(batch_parser.BatchParser, "_parse_piece", change_after_the_first)
    parsed = parse_parts(tools_for(feed, tmp_path), [part])
    assert set(parsed.codes) == {"source_changed"}
    assert parsed.outcomes[0]["failed"]
    assert parsed.is_conserved()


# -- the property -----------------------------------------------------------------------------------------------------


def feed_of(paths: tuple[tuple[str, ...], ...], folder: Path, options: str = "") -> Feed:
    tables = "".join(
        f"  t{number}: {{record: /{'/'.join(path)}, columns: {{c: {{path: ., type: xml}}}}}}\n"
        for number, path in enumerate(paths)
    )
    return write(
        folder, f"{options}\nallow_empty: true\nnamespaces: {{default: ['', urn:d, urn:p]}}\ntables:\n{tables}"
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=streams(), piece_bytes=st.sampled_from((1, 100, 1 << 20)))
def test_each_record_of_a_sound_stream_is_a_row(stream: Stream, piece_bytes: int, tmp_path: Path) -> None:
    """With its place, its ordinal and its content."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_parser, "PIECE_BYTES", piece_bytes)
        parsed = parse_data(feed_of(stream.paths, tmp_path), tmp_path, stream.data)
    assert parsed.rejects == []
    rows = sorted((row for name in parsed.feed.tables for row in parsed.rows(name)), key=lambda row: row["_record"])
    expected = records_of(stream)
    assert [row["_record"] for row in rows] == [*range(1, len(expected) + 1)]
    assert [(row["_offset"], row["_offset"] + row["_length"], row["_line"]) for row in rows] == [
        (record.start, record.end, record.line) for record in expected
    ]
    assert [canonical(etree.fromstring(row["c"])) for row in rows] == [record.canonical for record in expected]
    assert parsed.is_conserved()


_TOKENS = b"< > / ' \" & --> <!-- ]]> <rec> </rec> <x> = <? \0".split()
MUTATIONS = st.tuples(
    st.sampled_from(("drop", "insert", "double", "cut")),
    st.integers(0, 1 << 20),
    st.sampled_from((*_TOKENS, b"\xff", b"\xc3", b"\n")),
)


def mutated(data: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, new in mutations:
        place %= len(data) + 1
        size = len(new)
        match kind:
            case "drop":
                data = data[:place] + data[place + size :]
            case "insert":
                data = data[:place] + new + data[place:]
            case "double":
                data = data[:place] + data[place : place + 20] * 2 + data[place + 20 :]
            case "cut":
                data = data[:place] if size > 4 else data
    return data


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    shape=st.integers(0, len(SHAPES) - 1),
    mutations=st.lists(MUTATIONS, min_size=1, max_size=3),
    piece_bytes=st.sampled_from((1, 60, 1 << 20)),
    keeps=st.booleans(),
)
def test_what_is_not_well_formed_is_never_taken_for_sound(
    seed: int, shape: int, mutations: list[tuple[str, int, bytes]], piece_bytes: int, keeps: bool, tmp_path: Path
) -> None:
    """Documents with bytes lost, added or moved: rejected as other parsers would, and conserved."""
    stream = make_stream(seed, 1 + seed % 2, shape)
    # In names, expat knows fewer characters than lxml does.
    sound = stream.data.replace("€😀".encode(), b"").replace(b' encoding="UTF-8"', b"")
    data = mutated(sound, mutations)
    options = "malformed: keep_records" if keeps else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_parser, "PIECE_BYTES", piece_bytes)
        parsed = parse_data(feed_of(stream.paths, tmp_path, options), tmp_path, data)
    assert parsed.is_conserved()
    whole = [reject for reject in parsed.rejects if reject.ordinal is None]
    if not is_well_formed(data):
        assert whole
    elif whole:
        assert [reject.reasons[0].code for reject in whole] == ["wrong_document"]
    for reject in whole:
        assert isinstance(reject.start_byte, int)
        assert isinstance(reject.line, int)


def test_a_wrong_schema_ends_the_task(tmp_path: Path) -> None:
    """It is nobody's fault but the feed's."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "a.xsd").write_text(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element/></xs:schema>"
    )
    with pytest.raises(PermanentError, match=r"a\.xsd"):
        parse_data(write(tmp_path, "xsd: {files: a.xsd}" + TABLES), tmp_path, document(rec(1)))


@pytest.mark.parametrize("is_first", [True, False])
def test_what_an_xsd_cannot_judge_of_one_file_says_nothing_of_another(
    tmp_path: Path, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file of a batch has its own count of them, and its own outcome, in whichever order they are read."""
    monkeypatch.setattr(judging, "MAX_GIVEN_UP", 2)
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "a.xsd").write_text(PATTERN.format("1|(x+x+)+y"))
    feed = write(tmp_path, "xsd: {files: a.xsd}" + TABLES)
    (tmp_path / "bad.xml").write_bytes(document(rec(1), *[rec("x" * 40)] * 3))
    (tmp_path / "good.xml").write_bytes(document(rec(1), rec(2), rec("x" * 40), rec(1)))
    bad, good = (Part(n, ledger_file(tmp_path / f"{name}.xml", n), Cut()) for n, name in enumerate(["bad", "good"], 1))
    parsed = parse_parts(tools_for(feed, tmp_path), [bad, good] if is_first else [good, bad])
    assert {o["part_id"]: (o["found"], o["rejected"], o["failed"]) for o in parsed.outcomes} == {
        1: (4, 0, True),
        2: (4, 2, False),
    }
    assert {(r.part_id, r.ordinal, r.line, r.reasons[0].code) for r in parsed.rejects} == {
        (1, None, 5, "xsd_invalid"),
        (2, 2, 3, "xsd_invalid"),
        (2, 3, 4, "xsd_invalid"),
    }
    assert parsed.is_conserved()


def test_documents_that_are_judged_whole(tmp_path: Path) -> None:
    """An invalid one is refused with its file; a malformed one says that it is that, not that it is too large."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "a.xsd").write_text(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='r'><xs:complexType><xs:sequence>"
        "<xs:element name='rec' maxOccurs='3'><xs:complexType mixed='true'><xs:attribute name='id' type='xs:int'/>"
        "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    feed = write(tmp_path, "xsd: {files: a.xsd, scope: file}\n" + KEEP)
    good, bad = document(rec(1), rec(2)), document(rec(1), "<rec id='x'/>\n")
    assert len(parse_data(feed, tmp_path, good + good).rows()) == 4
    parsed = parse_data(feed, tmp_path, good + bad)
    check_refused(parsed)
    assert (parsed.codes, parsed.rejects[0].line) == (["xsd_invalid"], 7)
    for data, code in (
        (good[:-5], "truncated"),
        (good + good[:20], "truncated"),
        (good.replace(b"2'>", b"2'><x>"), "malformed"),
    ):
        parsed = parse_data(feed, tmp_path, data)
        check_refused_or_placeless(parsed) if not data.startswith(good) else None
        assert parsed.codes == [code]
        assert parsed.is_conserved()
    assert cut_parts(tools_for(feed, tmp_path), tmp_path / "file.xml", 10)[0].cut.is_whole
