"""Hostile files: refused in bounded memory with a clear code, or read as what they are. Never a death, never a reach
outside the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.hostile.cases import (
    CASES,
    EMPTY,
    FEED,
    MILLION,
    Write,
    around,
    in_record,
    many_combinations,
    many_nested,
    zip_of_many,
)
from tests.hostile.worker import Worker
from tests.parsed import parse_data, parse_path, write_feed

from sluice.errors import REJECT_CODES, PermanentError

ROOT = Path(__file__).parents[2]
# Generous: what Python, lxml and Arrow take for a piece, a block and a record at the limit, and twice that.
MAX_EXTRA_MB = 300
# A record at the limit that is nothing but elements: the tree of it alone takes thirty times its bytes.
MAX_EXTRA_MB_OF_ELEMENTS = 800
# Of CPU time, as the machine may do other things, too; docs/xml.md has what each takes.
MAX_SECONDS = 40
# The benchmark takes the full sizes.
SMALLER = CASES | {
    "a zip of 10,000,000 members": replace(CASES["a zip of 10,000,000 members"], write=zip_of_many(200_000)),
    "a tar of 10,000,000 members": replace(
        CASES["a tar of 10,000,000 members"], feed="quotas: {max_members: 10000}\n" + EMPTY
    ),
    "many records of such texts": many_nested(60),
    "combinations of many attributes": many_combinations(80),
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def parse(
    worker: Worker,
    tmp_path: Path,
    write: Write,
    feed: str = FEED,
    xsd: str | None = None,
    error: str | None = None,
    max_extra_mb: int = MAX_EXTRA_MB,
) -> dict[str, Any]:
    """What became of the file; it must not have needed much memory, nor have lost a record."""
    (tmp_path / "things").mkdir(exist_ok=True)
    if xsd is not None:
        (tmp_path / "things" / "main.xsd").write_text(xsd)
    declared = write_feed(tmp_path, feed)
    path = tmp_path / "file.xml"
    with path.open("wb") as file:
        write(file)
    answer = worker.parse(declared.folder, path)
    path.unlink()
    assert answer["extra_mb"] < max_extra_mb
    assert answer["cpu_seconds"] < MAX_SECONDS
    assert re.search(error, answer["error"]) if error else answer["is_conserved"]
    return answer


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused_or_read_as_what_it_is(name: str, worker: Worker, tmp_path: Path) -> None:
    """With a clear code, in bounded memory, whatever its size."""
    case = SMALLER[name]
    answer = parse(worker, tmp_path, case.write, case.feed, case.xsd, case.error)
    if case.error:
        return
    assert {*answer["codes"]} == ({case.code} if case.code else set())
    assert len(answer["codes"]) <= case.many
    assert all(message and len(message) < 500 for message in answer["messages"])
    assert {*answer["codes"]} <= REJECT_CODES.keys()
    if case.rows or case.code is None:
        assert answer["rows"] == case.rows
        assert not any(answer["failed"])
    else:
        assert all(answer["failed"])


def test_the_page_has_a_row_for_each_case() -> None:
    """And a case for each row, in the same order; with what becomes of it."""
    section = (ROOT / "docs" / "xml.md").read_text().partition("## Hostile files")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| [\d.,]+ [KM]B \| ([^|]+) \| [\d.]+ \| \d+ \|$", section, re.MULTILINE)
    assert [name for name, _ in rows] == list(CASES)
    for name, outcome in rows:
        code = CASES[name].code
        assert (f"rejected (`{code}`)" if code else "the feed is refused" if CASES[name].error else "loads") in outcome


def test_a_record_of_millions_of_rows_is_rejected_alone(worker: Worker, tmp_path: Path) -> None:
    """Its rows would take a hundred times its bytes."""
    write = in_record(b"<rec>", b"<l/>", 3_900_000, b"</rec>")
    answer = parse(worker, tmp_path, write, max_extra_mb=MAX_EXTRA_MB_OF_ELEMENTS)
    assert (answer["codes"], answer["rows"]) == (["record_too_large"], 2)
    write = in_record(b"<rec>", b"<v>1</v>", 1_900_000, b"</rec>")
    answer = parse(worker, tmp_path, write, max_extra_mb=MAX_EXTRA_MB_OF_ELEMENTS)
    assert (answer["codes"], answer["rows"]) == (["several_values"], 2)


def test_a_header_is_not_stored_with_each_record(worker: Worker, tmp_path: Path) -> None:
    """Nor is memory needed for each of them, be they good or bad."""
    header = b"<h>" + b"x" * 900_000 + b"</h>"
    answer = parse(worker, tmp_path, around(b"<r>" + header, b"<rec/>", 20_000, b"</r>"))
    assert answer["codes"] == ["record_too_large"] * 20_000, "the mapping would copy the header into each row"
    feed = FEED.replace(", h: ../h", ", h: ../i")
    answer = parse(worker, tmp_path, around(b"<r>" + header, b"<rec><v>x</v></rec>", 20_000, b"</r>"), feed)
    assert answer["codes"] == ["not_a_number"] * 20_000
    assert answer["reject_bytes"] < 20_000 * 1000


def test_rows_that_look_above_themselves_take_no_time_for_their_neighbours(worker: Worker, tmp_path: Path) -> None:
    """Each of them would else look at all children of the record again; and copy what it finds."""
    feed = FEED.replace("columns: {t: .}", "columns: {t: ., n: ../note}")
    write = in_record(b"<rec>", b"<l/>", 300_000, b"<note>x</note></rec>")
    assert parse(worker, tmp_path, write, feed)["codes"] == []
    write = in_record(b"<rec>", b"<l/>", 300_000, b"<note>" + b"x" * MILLION + b"</note></rec>")
    answer = parse(worker, tmp_path, write, feed)
    assert (answer["codes"], answer["rows"]) == (["record_too_large"], 2)


def test_an_xsd_that_finds_a_million_faults_names_a_few(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "main.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="r"><xs:complexType><xs:sequence>'
        '<xs:element name="rec" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="l" type="xs:int"'
        ' minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="id"/></xs:complexType></xs:element>'
        "</xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    write = in_record(b"<rec>", b"<l>x</l>", 200_000, b"</rec>")
    answer = parse(worker, tmp_path, write, "xsd: {files: main.xsd}" + FEED)
    assert (answer["codes"], answer["rows"]) == (["xsd_invalid"], 2)


def test_values_that_take_long_are_refused_at_once(worker: Worker, tmp_path: Path) -> None:
    """Digits by the million, brackets by the million: each type has its limits before it counts."""
    feed = """
tables:
  things:
    record: /r/rec
    columns:
      i: {path: i, type: bigint}
      d: {path: d, type: "numeric(76,38)"}
      t: {path: t, type: timestamptz}
      f: {path: f, type: date, formats: ["%d.%m.%Y", "%d %B %Y"]}
      j: {path: j, type: json}
      x: {path: "@x", type: xml}
"""
    values = {
        "i": b"9" * 4 * MILLION, "d": b"9" * 4 * MILLION, "t": b"2024-01-01T00:00:00." + b"9" * 4 * MILLION,
        "f": b"1" * 4 * MILLION, "j": b"[" * 4 * MILLION, "x": b"&lt;a&gt;" * MILLION,
    }  # fmt: skip
    for column, value in values.items():
        text = b"<r><rec><%s>%s</%s></rec></r>" % (column.encode(), value, column.encode())
        if column == "x":
            text = b"<r><rec x='%s'/></r>" % value
        answer = parse(worker, tmp_path, lambda file, text=text: file.write(text), feed)
        assert len(answer["codes"]) == 1
        assert answer["reject_bytes"] < 200_000


# -- samples of others ------------------------------------------------------------------------------------------------

SAMPLES = ROOT.parent / "shared" / "data" / "hostile" / "xmltestdata"
SAMPLE_FEED = """
namespaces: {none: "", ns: namespace}
tables:
  bombs: {record: /bomb, columns: {t: .}}
  roots: {record: "/none:root", columns: {t: .}}
  others: {record: "/ns:root", columns: {t: .}}
  tests: {record: /test/node, columns: {t: .}}
  pages: {record: /html/body, columns: {t: .}}
"""
EXPECTED = {
    "cyclic.xml": "refused_dtd",
    "dtd.xml": "text",
    "dtd_element.xml": "A test",
    "external.xml": "unresolved_entity",
    "external_file.xml": "unresolved_entity",
    "quadratic.xml": "refused_dtd",
    "schema-include.xsd": "wrong_document",
    "simple.xml": "\n   text\n   texttail\n   \n",
    "simple-ns.xml": "\n   text\n   texttail\n   \n",
    "xalan_exec.xsl": "wrong_document",
    "xalan_write.xsl": "wrong_document",
    "xmlbomb.xml": "1234567890" * 64,
    "xmlbomb2.xml": "text1234567890",
}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not on this machine")
@pytest.mark.parametrize("name", EXPECTED)
def test_the_samples_of_defusedxml(name: str, tmp_path: Path) -> None:
    """Small bombs are harmless within the limits; what leads outside is refused."""
    parsed = parse_data(write_feed(tmp_path, SAMPLE_FEED), tmp_path, (SAMPLES / name).read_bytes())
    values = [row["t"] for table in parsed.feed.tables for row in parsed.values(table)]
    if EXPECTED[name] in REJECT_CODES:
        assert (parsed.codes, parsed.outcomes[0]["failed"]) == ([EXPECTED[name]], True)
    else:
        assert parsed.codes == []
        assert values == [EXPECTED[name]]
    assert parsed.is_conserved()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not on this machine")
def test_all_samples_are_tried() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == EXPECTED.keys()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not on this machine")
def test_a_schema_that_imports_from_the_web_is_refused(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "a.xsd").write_bytes((SAMPLES / "schema-include.xsd").read_bytes())
    feed = write_feed(tmp_path, "xsd: {files: a.xsd}" + FEED)
    (tmp_path / "file.xml").write_bytes(b"<r><rec/></r>")
    with pytest.raises(PermanentError, match=r"a\.xsd"):
        parse_path(feed, tmp_path / "file.xml")
