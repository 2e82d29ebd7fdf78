"""The hostile files: how each is written, what becomes of it, and under which feed;
``benchmarks.hostile`` measures them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import zstandard
from tests.containers.samples import overlapping, zipped

MILLION = 1_000_000
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


@dataclass(frozen=True)
class Case:
    """A file, and the code of its reject (None where it loads); ``rows`` are those that come of it all the same.

    ``error`` is what ends the task, where the feed itself is at fault. Rejects may be ``many`` of the same code.
    """

    write: Write
    code: str | None
    rows: int
    feed: str = FEED
    xsd: str | None = None
    error: str | None = None
    many: int = 1


def zip_of(names: list[str]) -> Write:
    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"<r>" + GOOD + b"</r>")

    return write


def zip_with_link(file: BinaryIO) -> None:
    info = zipfile.ZipInfo("a.xml")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")


def lying_zip(file: BinaryIO) -> None:
    """A member of 100 MB, of which the directory says that it has four bytes."""
    data = bytearray(zipped([("a.xml", REC + b" " * BIG + b"</rec></r>")]))
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (4).to_bytes(4, "little")
    file.write(data)


def tar_of(name: str, kind: bytes) -> Write:
    def write(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)

    return write


def nested_zip(levels: int) -> Write:
    """Archives in archives: sixteen in each, and a megabyte of spaces in the innermost."""

    def write(file: BinaryIO) -> None:
        data = zipped([("a.xml", R + b" " * MILLION + b"</r>")])
        for level in range(levels):
            data = zipped([(f"{level}-{number}.zip", data) for number in range(16)])
        file.write(data)

    return write


def zip_of_many(count: int) -> Write:
    """A directory of so many members (ten thousand, or a multiple), which share the same bytes."""

    def write(file: BinaryIO) -> None:
        single = zipped([("00000000.xml", b"<r/>")])
        start, end = single.index(b"PK\x01\x02"), single.rindex(b"PK\x05\x06")
        entry = single[start:end]
        file.write(single[:start])
        for block in range(0, count, 10_000):
            file.writelines(entry.replace(b"00000000", b"%08d" % number) for number in range(block, block + 10_000))
        size = len(entry) * count
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, start + size, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))

    return write


def tar_of_many(count: int) -> Write:
    """So many members of four bytes, compressed a thousand at a time."""

    def write(file: BinaryIO) -> None:
        info = tarfile.TarInfo("a.xml")
        info.size = 4
        block = gzip.compress((info.tobuf() + b"<r/>".ljust(512, b"\0")) * 1000)
        for _ in range(count // 1000):
            file.write(block)
        file.write(gzip.compress(bytes(1024)))

    return write


R, REC = b"<r>" + GOOD, b"<r>" + GOOD + b"<rec>"
BIG = 100 * MILLION

EMPTY = "allow_empty: true" + FEED
NESTED = "quotas: {max_nesting: 8}" + FEED
XSD_FEED = "xsd: {files: main.xsd}" + FEED
PATTERN = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="r"><xs:complexType><xs:sequence>'
    '<xs:element name="rec" maxOccurs="unbounded"><xs:complexType><xs:attribute name="id"><xs:simpleType>'
    '<xs:restriction base="xs:string"><xs:pattern value="{}"/></xs:restriction></xs:simpleType></xs:attribute>'
    "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"
)
FROM_WEB = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:{} schemaLocation="http://127.0.0.1:9/types.xsd"/>'
    '<xs:element name="r"/></xs:schema>'
)


def feed_of(paths: list[str]) -> str:
    columns = ", ".join(f'c{number}: "{path}"' for number, path in enumerate(paths))
    return f"tables: {{things: {{record: /r/rec, columns: {{{columns}}}}}}}"


# A hundred columns, each of which looks for its own among a hundred thousand elements.
PREDICATES = feed_of([f"l[@t='{number}'][a/b/c='x']" for number in range(100)])
# A hundred columns, each of which compares all the text below an element, one level further down each time.
DEEP_PREDICATES = feed_of(["a/" * levels + "a[a='y']" for levels in range(99)])

_TUPLES: dict[str, tuple[Write, str | None, int]] = {
    # entities
    "billion laughs in text": (lambda f: f.write(bomb(9, b"<r><rec>@</rec></r>")), "refused_dtd", 0),
    "billion laughs in an attribute": (lambda f: f.write(bomb(9, b"<r><rec id='@'/></r>")), "refused_dtd", 0),
    "billion laughs in the root's start tag": (lambda f: f.write(bomb(9, b"<r a='@'><rec/></r>")), "refused_dtd", 0),
    "billion laughs that are never used": (lambda f: f.write(bomb(9, b"<r><rec/></r>")), None, 1),
    "quadratic blow-up": (
        around(b"<!DOCTYPE r [<!ENTITY e '" + b"a" * 100_000 + b"'>]>" + REC, b"&e;", 50_000, b"</rec></r>"),
        "refused_dtd", 0,
    ),
    "billion laughs of parameter entities": (
        lambda f: f.write(
            b"<!DOCTYPE r [<!ENTITY % e0 'aaaaaaaaaa'>"
            + b"".join(b"<!ENTITY %% e%d '%s'>" % (n, b"&#37;e%d;" % (n - 1) * 10) for n in range(1, 10))
            + b"%e9;]>" + R + b"</r>"
        ),
        "unresolved_entity", 0,
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
    "an entity that is a file": (
        lambda f: f.write(b"<!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><r><rec>&e;</rec></r>"),
        "unresolved_entity", 0,
    ),
    "an entity from the web": (
        lambda f: f.write(b"<!DOCTYPE r [<!ENTITY e SYSTEM 'http://127.0.0.1:9/e'>]><r><rec>&e;</rec></r>"),
        "unresolved_entity", 0,
    ),
    "a DTD from the web": (
        lambda f: f.write(b"<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/r.dtd'>" + R + b"</r>"), None, 1,
    ),
    "an XInclude of a file": (
        lambda f: f.write(
            REC + b"<i:include xmlns:i='http://www.w3.org/2001/XInclude' href='/etc/passwd' parse='text'/></rec></r>"
        ),
        None, 2,
    ),
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
    "an xz bomb": (packed(lzma.compress, REC, b" ", BIG, b"</rec></r>"), "archive_refused", 0),
    "a zstd bomb": (packed(zstandard.compress, REC, b" ", BIG, b"</rec></r>"), "archive_refused", 0),
    "a gzip bomb in gzip": (
        packed(lambda data: gzip.compress(gzip.compress(data)), REC, b" ", BIG, b"</rec></r>"),
        "archive_refused", 0,
    ),
    "gzip in gzip in gzip": (
        packed(lambda data: gzip.compress(gzip.compress(gzip.compress(data))), R, b"", 0, b"</r>"),
        "archive_refused", 0,
    ),
    "a zip bomb": (
        packed(lambda data: zipped([("a.xml", data)]), REC, b" ", BIG, b"</rec></r>"), "archive_refused", 0,
    ),
    "a zip that lies about a size": (lying_zip, "archive_broken", 0),
    "a zip with a link": (zip_with_link, "archive_refused", 0),
    "a zip that climbs as Windows does": (zip_of(["..\\..\\x.xml"]), "archive_refused", 0),
    "a zip that climbs": (zip_of(["../../etc/cron.d/x.xml"]), "archive_refused", 0),
    "a zip from the root": (zip_of(["/etc/cron.d/x.xml"]), "archive_refused", 0),
    "a zip with one name twice": (zip_of(["a.xml", "a.xml"]), None, 2),
    "a tar with a link": (tar_of("a.xml", tarfile.SYMTYPE), "archive_refused", 0),
    "a tar with a device": (tar_of("a.xml", tarfile.CHRTYPE), "archive_refused", 0),
    "zip in zip": (nested_zip(1), "archive_refused", 0),
    "a tar that climbs": (tar_of("../../x.xml", tarfile.REGTYPE), "archive_refused", 0),
    "a tar with a hard link": (tar_of("a.xml", tarfile.LNKTYPE), "archive_refused", 0),
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


def many_nested(count: int) -> Case:
    """Records of texts in one another, each of which a column takes."""
    record = b"<rec>" + b"<a>" * 100 + b"<b>xxxxxxxx</b>" * 6000 + b"</a>" * 100 + b"</rec>"
    columns = ["a/" * levels + "a" for levels in range(99)]
    return Case(around(b"<r>", record, count, b"</r>"), None, count, feed_of(columns))


def many_combinations(count: int) -> Case:
    """Records that all have other attributes."""
    attributes = b" ".join(b"a%d=''" % n for n in range(30_000))
    return Case(numbered(b"<r>", b"<rec n%d='' " + attributes + b"/>", count, b"</r>"), None, count)


CASES = {name: Case(*case) for name, case in _TUPLES.items()} | {
    "a bomb of zips in zips": Case(nested_zip(6), "archive_refused", 0, NESTED, many=2),
    "members of a zip that overlap": Case(
        lambda f: f.write(overlapping(1_000, R + b" " * 10 * MILLION + b"</r>")), "archive_refused", 0, many=2
    ),
    "a zip of 10,000,000 members": Case(zip_of_many(10 * MILLION), "archive_refused", 0, EMPTY),
    "a tar of 10,000,000 members": Case(tar_of_many(10 * MILLION), "archive_refused", 0, EMPTY),
    "an XSD that includes from the web": Case(
        around(R, b"", 0, b"</r>"), None, 0, XSD_FEED, FROM_WEB.format("include"), error=r"main\.xsd"
    ),
    "an XSD that imports from the web": Case(
        around(R, b"", 0, b"</r>"), None, 0, XSD_FEED, FROM_WEB.format("import namespace='urn:x'"), error=r"main\.xsd"
    ),
    "an XSD that the document names": Case(
        around(
            b"<r xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:noNamespaceSchemaLocation='http://127.0.0.1:9/r'>",
            b"<rec id='1'/>", 1, b"</r>",
        ),
        None, 1, XSD_FEED, PATTERN.format("1"),
    ),
    "a pattern of an XSD that explodes": Case(
        in_record(b"<rec id='", b"x", 2000, b"'/>"), "xsd_invalid", 2, XSD_FEED, PATTERN.format("1|(x+x+)+y")
    ),
    "a pattern that explodes on each record": Case(
        around(R, b"<rec id='" + b"x" * 40 + b"'/>", 1000, b"</r>"),
        "xsd_invalid", 0, XSD_FEED, PATTERN.format("1|(x+x+)+y"), many=21,
    ),
    "one invalid record among 80,000, three times": Case(
        around(R, b"<rec/>" * 80_000 + b"<rec id='2'/>", 3, b"</r>"),
        "xsd_invalid", 240_001, XSD_FEED, PATTERN.format("1"), many=3,
    ),
    "2,500 attributes of the root, and invalid records": Case(
        around(
            b"<r%s>" % b"".join(b" a%d='x'" % number for number in range(2500)) + GOOD,
            b"<rec id='2'>" + b"x" * 24_000 + b"</rec>", 1500, b"</r>",
        ),
        "xsd_invalid", 1, XSD_FEED, PATTERN.format("1"), many=1500,
    ),
    "paths that look for their elements": Case(
        in_record(b"<rec>", b"<l t='1'><a><b><c>y</c></b></a></l>", 100_000, b"</rec>"), None, 3, PREDICATES
    ),
    "paths that take long texts in one another": Case(
        in_record(b"<rec>" + b"<a>" * 101, b"<b>xxxxxxxx</b>", 600_000, b"</a>" * 101 + b"</rec>"),
        "record_too_large", 2, feed_of(["a/" * levels + "a" for levels in range(99)]),
    ),
    "many records of such texts": many_nested(200),
    "paths that compare long texts": Case(
        in_record(b"<rec>" + b"<a>" * 101, b"<b>xxxxxxxx</b>", 600_000, b"</a>" * 101 + b"</rec>"),
        None, 3, DEEP_PREDICATES,
    ),
    "a text that many columns take": Case(
        in_record(b"<rec><v>", b"x", 4 * MILLION, b"</v></rec>"), "record_too_large", 2, feed_of(["v"] * 200)
    ),
    "fragments below long namespaces": Case(
        around(
            b"<r" + b"".join(b" xmlns:n%d='urn:%s'" % (n, b"u" * 90_000) for n in range(10)) + b">",
            b"<rec><x/></rec>", 10_000, b"</r>",
        ),
        None, 10_000,
    ),
    "fragments below 5,000 namespaces": Case(
        around(
            b"<r" + b"".join(b" xmlns:n%d='urn:n'" % n for n in range(5_000)) + b">",
            b"<rec><x><n4999:y/></x></rec>", 10_000, b"</r>",
        ),
        None, 10_000,
    ),
    "combinations of many attributes": many_combinations(240),
}  # fmt: skip
