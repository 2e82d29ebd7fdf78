"""Hostile files: refused in bounded memory with a clear code, or read as what they are. Never a death, never a reach
outside the file.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.parsed import parse_data, parse_path, write_feed

from sluice.errors import REJECT_CODES, PermanentError

ROOT = Path(__file__).parents[2]
MILLION = 1_000_000
# Generous: what Python, lxml and Arrow take for a piece, a block and a record at the limit, and twice that.
MAX_EXTRA_MB = 300

FEED = """
tables:
  things: {record: /r/rec, columns: {id: "@id", v: {path: v, type: integer}, h: ../h, x: {path: x, type: xml}}}
  lines: {parent: things, rows: l, columns: {t: .}}
"""
GOOD = b"<rec id='1'/>"

Write = Callable[[BinaryIO], object]


def around(before: bytes, unit: bytes, count: int, after: bytes) -> Write:
    """Writes ``unit`` over and over between two texts, without holding it all."""

    def write(file: BinaryIO) -> None:
        file.write(before)
        in_block = (1 << 20) // max(len(unit), 1)
        for written in range(0, count, in_block):
            file.write(unit * min(in_block, count - written))
        file.write(after)

    return write


def numbered(before: bytes, form: bytes, count: int, after: bytes) -> Write:
    """Writes ``form`` with the numbers up to ``count``."""
    return lambda file: file.writelines([before, *(form % number for number in range(count)), after])


def in_record(before: bytes, unit: bytes, count: int, after: bytes) -> Write:
    """Between two good records, one that is none."""
    return around(b"<r>" + GOOD + before, unit, count, after + GOOD + b"</r>")


def bomb(depth: int, use: bytes) -> bytes:
    """Entities, each ten of the one before: ten to the power of ``depth`` times ten characters."""
    entities = b"".join(b"<!ENTITY e%d '%s'>" % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, depth))
    return b"<!DOCTYPE r [<!ENTITY e0 'aaaaaaaaaa'>" + entities + b"]>" + use.replace(b"@", b"&e%d;" % (depth - 1))


def packed(pack: Callable[[bytes], bytes], before: bytes, unit: bytes, count: int, after: bytes) -> Write:
    def write(file: BinaryIO) -> None:
        sink = io.BytesIO()
        around(before, unit, count, after)(sink)
        file.write(pack(sink.getvalue()))

    return write


def zip_of(names: list[str]) -> Write:
    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"<r>" + GOOD + b"</r>")

    return write


def tar_of(name: str, kind: bytes) -> Write:
    def write(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)

    return write


R, REC = b"<r>" + GOOD, b"<r>" + GOOD + b"<rec>"
BIG = 100 * MILLION

# name → (what is in the file, the code of its reject or None, the rows that come of it)
CASES: dict[str, tuple[Write, str | None, int]] = {
    # entities
    "billion laughs in text": (lambda f: f.write(bomb(9, b"<r><rec>@</rec></r>")), "refused_dtd", 0),
    "billion laughs in an attribute": (lambda f: f.write(bomb(9, b"<r><rec id='@'/></r>")), "refused_dtd", 0),
    "billion laughs in the root's start tag": (lambda f: f.write(bomb(9, b"<r a='@'><rec/></r>")), "refused_dtd", 0),
    "billion laughs that are never used": (lambda f: f.write(bomb(9, b"<r><rec/></r>")), None, 1),
    "quadratic blow-up": (
        around(b"<!DOCTYPE r [<!ENTITY e '" + b"a" * 100_000 + b"'>]>" + REC, b"&e;", 50_000, b"</rec></r>"),
        "refused_dtd", 0,
    ),
    "an entity in itself": (
        lambda f: f.write(b"<!DOCTYPE r [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><r><rec>&a;</rec></r>"),
        "refused_dtd", 0,
    ),
    "a parameter entity in itself": (
        lambda f: f.write(b"<!DOCTYPE r [<!ENTITY % a '%b;'><!ENTITY % b '%a;'>%a;]><r><rec/></r>"),
        "unresolved_entity", 0,
    ),
    "50,000 entities": (numbered(b"<!DOCTYPE r [", b"<!ENTITY e%d 'x'>", 50_000, b"]>" + R + b"</r>"), None, 1),
    # depth
    "10,000 levels": (
        lambda f: f.write(REC + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</rec></r>"), "too_deep", 1,
    ),
    "1,000,000 levels": (
        lambda f: f.write(REC + b"<a>" * MILLION + b"</a>" * MILLION + b"</rec></r>"), "too_deep", 1,
    ),
    "1,000,000 levels outside the records": (
        lambda f: f.write(R + b"<a>" * MILLION + b"</a>" * MILLION + b"</r>"), "too_deep", 0,
    ),
    "10,000,000 levels without an end": (around(REC, b"<a>", 10 * MILLION, b""), "truncated", 0),
    "1,000,000 end tags": (around(R + b"</r>", b"</r>", MILLION, b""), "malformed", 0),
    # sizes
    "a text of 100 MB in a record": (in_record(b"<rec>", b"x", BIG, b"</rec>"), "record_too_large", 2),
    "a text of 100 MB between records": (in_record(b"", b"x", BIG, b""), "too_large", 0),
    "CDATA of 100 MB": (in_record(b"<rec><![CDATA[", b"<", BIG, b"]]></rec>"), "record_too_large", 2),
    "an attribute of 100 MB": (in_record(b"<rec><v a='", b"x", BIG, b"'/></rec>"), "too_large", 0),
    "an attribute of 100 MB in the root": (around(b"<r a='", b"x", BIG, b"'>" + GOOD + b"</r>"), "too_large", 0),
    "a comment of 100 MB": (in_record(b"<!--", b" ", BIG, b"-->"), "too_large", 0),
    "a comment of 100 MB in a record": (in_record(b"<rec><!--", b" ", BIG, b"--></rec>"), "record_too_large", 2),
    "a comment of 100 MB in front": (around(b"<!--", b" ", BIG, b"-->" + R + b"</r>"), "too_large", 0),
    "a comment of 100 MB at the end": (around(R + b"</r><!--", b" ", BIG, b"-->"), "too_large", 0),
    "an instruction of 100 MB": (in_record(b"<?x ", b"?", BIG, b"?>"), "too_large", 0),
    "a DOCTYPE of 100 MB": (around(b"<!DOCTYPE r [", b"<!ENTITY a 'x'>", 7 * MILLION, b"]><r/>"), "too_large", 0),
    "white space of 100 MB": (around(b"", b" ", BIG, R + b"</r>"), "too_large", 0),
    "a name of 10 MB": (around(REC + b"<", b"n", 10 * MILLION, b"/></rec></r>"), None, 2),
    # numbers
    "100,000 attributes": (numbered(R + b"<rec ", b" a%d='x'", 100_000, b"/></r>"), None, 2),
    "100,000 attributes of the root": (numbered(b"<r ", b" a%d='x'", 100_000, b">" + GOOD + b"</r>"), "too_large", 0),
    "an attribute 100,000 times": (around(R + b"<rec ", b" a='x'", 100_000, b"/></r>"), "malformed", 0),
    "100,000 namespaces": (numbered(R + b"<rec ", b" xmlns:a%d='x'", 100_000, b"/></r>"), None, 2),
    "300,000 names": (numbered(REC, b"<n%d/>", 300_000, b"</rec></r>"), None, 2),
    "300,000 names beside the records": (numbered(R, b"<n%d/>", 300_000, b"</r>"), None, 1),
    "20,000 documents": (around(b"", R + b"</r>\n", 20_000, b""), None, 20_000),
    # compression
    "a gzip bomb": (packed(gzip.compress, REC, b" ", BIG, b"</rec></r>"), "archive_refused", 0),
    "a bzip2 bomb": (packed(bz2.compress, REC, b" ", BIG, b"</rec></r>"), "archive_refused", 0),
    "a gzip bomb in gzip": (
        packed(lambda data: gzip.compress(gzip.compress(data)), REC, b" ", BIG, b"</rec></r>"),
        "archive_refused", 0,
    ),
    "gzip in gzip in gzip": (
        packed(lambda data: gzip.compress(gzip.compress(gzip.compress(data))), R, b"", 0, b"</r>"),
        "archive_refused", 0,
    ),
    "a zip that climbs": (zip_of(["../../etc/cron.d/x.xml"]), "archive_refused", 0),
    "a zip from the root": (zip_of(["/etc/cron.d/x.xml"]), "archive_refused", 0),
    "a zip with one name twice": (zip_of(["a.xml", "a.xml"]), None, 2),
    "a tar with a link": (tar_of("a.xml", tarfile.SYMTYPE), "archive_refused", 0),
    "a tar with a device": (tar_of("a.xml", tarfile.CHRTYPE), "archive_refused", 0),
    # other things
    "nothing": (lambda f: f.write(b""), "empty_file", 0),
    "white space": (lambda f: f.write(b" \n\t"), "empty_file", 0),
    "a picture": (lambda f: f.write(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + bytes(range(256)) * 40), "not_xml", 0),
    "a PDF": (lambda f: f.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n<<>>"), "not_xml", 0),
    "JSON": (lambda f: f.write(b'{"r": {"rec": []}}'), "not_xml", 0),
    "a program": (lambda f: f.write(b"\x7fELF" + b"\0" * 100), "not_xml", 0),
    "NULs": (lambda f: f.write(b"\0" * 1000), "not_xml", 0),
    "a web page": (
        lambda f: f.write(b"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><p>Error 503<br></html>"),
        "malformed", 0,
    ),
    "a tidy web page": (
        lambda f: f.write(
            b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://127.0.0.1:9/x.dtd"><html><p>&nbsp;</p></html>'
        ),
        "wrong_document", 0,
    ),
    "another feed": (lambda f: f.write(b"<other xmlns='urn:o'><rec id='1'/></other>"), "wrong_document", 0),
    "another namespace": (lambda f: f.write(b"<r xmlns='urn:o'><rec id='1'/></r>"), "wrong_document", 0),
    "random bytes in XML": (lambda f: f.write(R + bytes(range(128, 256)) + b"</r>"), "encoding", 0),
    "UTF-7": (lambda f: f.write(b'<?xml version="1.0" encoding="utf-7"?>' + R + b"</r>"), "encoding", 0),
    "zlib as an encoding": (lambda f: f.write(b'<?xml version="1.0" encoding="zlib"?>' + R + b"</r>"), "encoding", 0),
}  # fmt: skip


class Worker:
    """The program that parses each file in a process of its own; see ``worker``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.worker"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'include'}{os.pathsep}{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def parse(self, feed: Path, path: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(feed), str(path)]), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "died" not in answer, answer
        return answer

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


def parse(worker: Worker, tmp_path: Path, write: Write, feed: str = FEED) -> dict[str, Any]:
    """What became of the file; it must not have needed much memory, nor have lost a record."""
    declared = write_feed(tmp_path, feed)
    path = tmp_path / "file.xml"
    with path.open("wb") as file:
        write(file)
    answer = worker.parse(declared.folder, path)
    path.unlink()
    assert answer["is_conserved"]
    assert answer["extra_mb"] < MAX_EXTRA_MB
    return answer


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused_or_read_as_what_it_is(name: str, worker: Worker, tmp_path: Path) -> None:
    """With a clear code, in bounded memory, whatever its size."""
    write, code, rows = CASES[name]
    answer = parse(worker, tmp_path, write)
    assert answer["codes"] == ([] if code is None else [code])
    assert all(message and len(message) < 500 for message in answer["messages"])
    assert {*answer["codes"]} <= REJECT_CODES.keys()
    if rows or code is None:
        assert answer["rows"] == rows
        assert not any(answer["failed"])
    else:
        assert all(answer["failed"])


def test_a_record_of_millions_of_rows_is_rejected_alone(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows would take a hundred times its bytes."""
    monkeypatch.setitem(globals(), "MAX_EXTRA_MB", 800)
    answer = parse(worker, tmp_path, in_record(b"<rec>", b"<l/>", 3_900_000, b"</rec>"))
    assert (answer["codes"], answer["rows"]) == (["record_too_large"], 2)
    answer = parse(worker, tmp_path, in_record(b"<rec>", b"<v>1</v>", 1_900_000, b"</rec>"))
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
