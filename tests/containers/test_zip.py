"""Zip archives: honest ones, broken ones and hostile ones."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import zipfile
from collections.abc import Callable

import pytest
from tests.containers.samples import drain, faults, tarred, unpack, zipped

from sluice.containers import Archive, Quotas, iter_members, list_members
from sluice.errors import MalformedXML

FILES = [("a.xml", b"<a/>" * 1000), ("deep/b.xml", b""), ("c.xml", b"<c/>")]


def fault_of(data: bytes, quotas: Quotas | None = None) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        unpack(data, quotas or Quotas())
    return caught.value


def patched(data: bytes, magic: bytes, offset: int, value: bytes, occurrence: int = 0) -> bytes:
    """``data`` with bytes replaced at ``offset`` after an occurrence of ``magic``."""
    place = -1
    for _ in range(occurrence + 1):
        place = data.index(magic, place + 1)
    place += offset
    return data[:place] + value + data[place + len(value) :]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_members_come_in_the_order_of_the_directory(method: int) -> None:
    data = zipped(FILES, method)
    assert list(unpack(data).items()) == FILES
    assert list_members(io.BytesIO(data), Quotas()) == Archive(
        "zip", (("a.xml", 4000), ("deep/b.xml", 0), ("c.xml", 4))
    )
    assert [member.size for member in iter_members(io.BytesIO(data), Quotas())] == [4000, 0, 4]


def test_only_the_members_asked_for_are_read() -> None:
    data = patched(zipped(FILES), b"PK\x03\x04", 0, b"XXXX", occurrence=1)
    assert unpack(data, only=frozenset({"c.xml"})) == {"c.xml": b"<c/>"}
    assert fault_of(data).code == "archive_broken"


def test_compressed_members_are_decoded() -> None:
    data = zipped([("a.xml.gz", gzip.compress(b"<a/>") + gzip.compress(b"<!-- -->")), ("b.xml", b"<b/>")])
    assert unpack(data) == {"a.xml.gz": b"<a/><!-- -->", "b.xml": b"<b/>"}
    assert [member.size for member in iter_members(io.BytesIO(data), Quotas())] == [None, 4]


def test_folders_notes_of_macs_and_hidden_files_are_skipped() -> None:
    names = ["folder/", "__MACOSX/._a.xml", ".DS_Store", "x/.hidden", ".git/c.xml", "./b.xml", "a.xml"]
    assert unpack(zipped((name, b"") for name in names)) == {"b.xml": b"", "a.xml": b""}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_of_one_name_are_told_apart() -> None:
    data = zipped([("a.xml", b"1"), ("a.xml", b"2"), ("a.xml#2", b"3"), ("a.xml", b"4")])
    assert unpack(data) == {"a.xml": b"1", "a.xml#2": b"2", "a.xml#2#2": b"3", "a.xml#3": b"4"}
    assert unpack(data, only=frozenset({"a.xml#3"})) == {"a.xml#3": b"4"}


def test_an_empty_archive_and_one_with_a_comment() -> None:
    assert unpack(zipped([])) == {}
    target = io.BytesIO(zipped(FILES))
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = b"x" * 1000
    assert unpack(target.getvalue()) == dict(FILES)


def test_sizes_of_64_bits_and_archives_written_as_a_stream() -> None:
    """A writer that cannot seek puts sizes behind the data; the directory has them all the same."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    archive = zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED)  # type: ignore[call-overload]
    with archive, archive.open("a.xml", "w", force_zip64=True) as member:
        member.write(b"<a/>")
    assert unpack(pipe.data) == {"a.xml": b"<a/>"}


def as_zip64(data: bytes) -> bytes:
    """``data`` with its end record moved to the 64-bit one, as archives beyond 4 GiB have it."""
    place = data.rindex(b"PK\x05\x06")
    _, _, _, entries, _, size, start, _ = struct.unpack("<4s4H2LH", data[place:])
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:place] + end_64 + locator + end


def test_the_64_bit_end_record_is_read() -> None:
    assert unpack(as_zip64(zipped(FILES))) == dict(FILES)


def test_names_of_old_and_new_writers() -> None:
    assert list(unpack(zipped([("Überweisung-日本.xml", b"")]))) == ["Überweisung-日本.xml"]
    old = zipped([("XYZ.xml", b"")]).replace(b"XYZ.xml", b"\x81\x94\x84.xml")
    assert list(unpack(old)) == ["üöä.xml"], "code page 437 without a flag"


@pytest.mark.parametrize(
    "name",
    [
        "../a.xml",
        "x/../../a.xml",
        "/etc/a.xml",
        "C:\\a.xml",
        "c:/a.xml",
        "..\\a.xml",
        "\\\\host\\a.xml",
        "a\nb.xml",
        "x" * 2000,
    ],
)
def test_names_that_climb_or_trick_are_refused(name: str) -> None:
    data = zipped([("good.xml", b"<a/>"), (name, b"<a/>")])
    assert [fault.code for fault in faults(data).values()] == ["archive_refused"]
    (good, size), (spelled, _) = list_members(io.BytesIO(data), Quotas()).members
    assert (good, size, [spelled]) == ("good.xml", 4, list(faults(data)))
    assert spelled.isprintable()
    assert len(spelled) <= 1024
    assert unpack(data, only=frozenset({"good.xml"})) == {"good.xml": b"<a/>"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(kind: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("a.xml")
        info.create_system, info.external_attr = 3, (kind | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    assert fault_of(target.getvalue()).code == "archive_refused"


def test_encrypted_members_are_listed_and_refused_when_read() -> None:
    data = patched(zipped(FILES), b"PK\x01\x02", 8, b"\x01\x00", occurrence=2)
    fault = fault_of(data)
    assert fault.code == "archive_refused"
    assert "'c.xml' is encrypted" in fault.message
    assert [name for name, _ in list_members(io.BytesIO(data), Quotas()).members] == ["a.xml", "deep/b.xml", "c.xml"]


def test_a_method_that_is_not_read_is_named() -> None:
    fault = fault_of(patched(zipped(FILES), b"PK\x01\x02", 10, b"\x09\x00"))
    assert (fault.code, "method 9" in fault.message) == ("archive_broken", True)


def test_an_archive_in_an_archive_is_refused_unless_allowed() -> None:
    inner = zipped(FILES)
    for data in (zipped([("in.zip", inner)]), zipped([("in.tar", tarred(FILES))]), tarred([("in.zip", inner)])):
        assert fault_of(data).code == "archive_refused"
    both = zipped([("in.zip", inner), ("x.xml", b"<x/>")])
    allowed = Quotas(max_nesting=2)
    assert unpack(both, allowed) == {**{f"in.zip/{name}": content for name, content in FILES}, "x.xml": b"<x/>"}
    assert list(unpack(both, allowed, only=frozenset({"in.zip"}))) == [f"in.zip/{name}" for name, _ in FILES]
    assert fault_of(zipped([("out.zip", both)]), allowed).code == "archive_refused"


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bad_member_costs_itself_only(pack: Callable[..., bytes]) -> None:
    """Whatever is bad about it, and wherever it stands."""
    inner = zipped(FILES)
    data = pack(
        [("in.zip", inner), ("a.xml", b"<a/>"), ("b.7z", b"7z\xbc\xaf\x27\x1c"), ("../c", b""), ("d.xml", b"<d/>")]
    )
    assert {name: fault.code for name, fault in faults(data).items()} == {
        "in.zip": "archive_refused", "b.7z": "not_xml", "../c": "archive_refused",
    }  # fmt: skip
    assert unpack(data, only=frozenset({"a.xml", "d.xml"})) == {"a.xml": b"<a/>", "d.xml": b"<d/>"}
    assert len(list_members(io.BytesIO(data), Quotas()).members) == 5


def test_a_bad_archive_in_an_archive_costs_itself_only() -> None:
    data = zipped([("in.zip", zipped(FILES)[:-5]), ("x.xml", b"<x/>")])
    assert {name: fault.code for name, fault in faults(data, Quotas(max_nesting=2)).items()} == {"in.zip": "truncated"}


def test_a_compressed_zip_is_read() -> None:
    data = gzip.compress(zipped(FILES))
    assert unpack(data) == dict(FILES)
    assert list_members(io.BytesIO(data), Quotas()).kind == "zip"


def test_an_archive_that_ends_early_is_truncated_or_broken() -> None:
    """Also where it ends right behind an archive that it holds, whose directory is not its own."""
    data = zipped(FILES)
    for length in range(30, len(data), 7):
        assert fault_of(data[:length]).code == "truncated", length
    inner = zipped([("in.xml", b"<in/>")])
    outer = zipped([("in.zip", inner), *FILES], zipfile.ZIP_STORED)
    cut = outer.index(inner) + len(inner)
    assert fault_of(outer[:cut]).code == "archive_broken"


@pytest.mark.parametrize(
    ("offset", "value", "what"),
    [
        (16, b"\x00\x00\x00\x00", "checksum"),
        (20, b"\x01\x00\x00\x00", "packed size, less"),
        (20, b"\xf0\xff\xff\x00", "packed size, more"),
        (24, b"\x01\x00\x00\x00", "size, less"),
        (24, b"\xf0\xff\xff\x7f", "size, more"),
        (42, b"\x02\x00\x00\x00", "offset"),
        (42, b"\xf0\xff\xff\x7f", "offset beyond the end"),
    ],
)
def test_a_directory_that_lies_is_found_out(offset: int, value: bytes, what: str) -> None:
    assert fault_of(patched(zipped(FILES), b"PK\x01\x02", offset, value)).code in ("archive_broken", "truncated"), what


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (4, b"\x01\x00"),
        (10, b"\x02\x00"),
        (12, b"\xff\xff\xff\x7f"),
        (12, b"\x10\x00\x00\x00"),
        (16, b"\x00\x00\x00\x00"),
    ],
)
def test_an_end_record_that_lies_is_found_out(offset: int, value: bytes) -> None:
    """Volumes, entries, size and place of the directory."""
    assert fault_of(patched(zipped(FILES), b"PK\x05\x06", offset, value)).code == "archive_broken"


def test_the_number_of_members_is_limited_before_any_is_read() -> None:
    data = zipped((f"{number}.xml", b"") for number in range(11))
    assert len(unpack(data, Quotas(max_members=11))) == 11
    with pytest.raises(MalformedXML, match=r"more members than quotas.max_members \(10\)") as caught:
        list_members(io.BytesIO(data), Quotas(max_members=10))
    assert caught.value.code == "archive_refused"


def test_a_damaged_member_costs_the_reader_only_that_member() -> None:
    """The reader may go on with the next one."""
    data = patched(zipped(FILES), b"PK\x03\x04", 40, b"\xff\xff\xff\xff")
    contents = []
    for member in iter_members(io.BytesIO(data), Quotas()):
        try:
            contents.append(drain(member))
        except MalformedXML as error:
            contents.append(error.code)  # type: ignore[arg-type]
    assert contents == ["archive_broken", b"", b"<c/>"]
