"""Tar archives: honest ones, broken ones and hostile ones."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from tests.containers.samples import COMPRESSIONS, Packer, faults, special, tarred, unpack

from sluice.containers import Archive, Quotas, iter_members, list_members
from sluice.errors import MalformedXML

FILES = [("a.xml", b"<a/>" * 1000), ("deep/b.xml", b""), ("c.xml", b"<c/>")]
SAME: Packer = bytes
packings = pytest.mark.parametrize("pack", [SAME, *COMPRESSIONS.values()], ids=["plain", *COMPRESSIONS])
formats = pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def fault_of(data: bytes, quotas: Quotas | None = None) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        unpack(data, quotas or Quotas())
    return caught.value


@packings
@formats
def test_members_come_in_order_in_any_compression(pack: Packer, tar_format: int) -> None:
    data = pack(tarred(FILES, tar_format))
    assert list(unpack(data).items()) == FILES
    assert list_members(io.BytesIO(data), Quotas()) == Archive(
        "tar", (("a.xml", 4000), ("deep/b.xml", 0), ("c.xml", 4))
    )


@packings
def test_members_may_be_left_unread_or_skipped(pack: Packer) -> None:
    data = pack(tarred(FILES))
    assert [member.name for member in iter_members(io.BytesIO(data), Quotas())] == [name for name, _ in FILES]
    assert unpack(data, only=frozenset({"c.xml"})) == {"c.xml": b"<c/>"}


def test_a_member_ends_with_its_turn() -> None:
    members = iter_members(io.BytesIO(tarred(FILES)), Quotas())
    first = next(members)
    assert first.stream.read(4) == b"<a/>"
    next(members)
    assert first.stream.closed


def test_compressed_members_are_decoded() -> None:
    data = tarred([("a.xml.gz", gzip.compress(b"<a/>")), ("b.xml", b"<b/>")])
    assert unpack(data) == {"a.xml.gz": b"<a/>", "b.xml": b"<b/>"}


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names(tar_format: int) -> None:
    names = ["long/" * 60 + "a.xml", "Überweisung-日本.xml"]
    assert list(unpack(tarred([(name, b"<a/>") for name in names], tar_format))) == names


def test_a_name_that_is_no_utf8_is_spelled_out() -> None:
    data = tarred([("caf\udce9.xml", b"")], tarfile.USTAR_FORMAT)
    assert list(unpack(data)) == ["caf\\xe9.xml"]


def test_folders_and_hidden_files_are_skipped_and_names_told_apart() -> None:
    names = [("./a.xml", b"1"), (".hidden", b""), ("a.xml", b"2"), ("._a.xml", b"")]
    assert unpack(tarred([(special("./", tarfile.DIRTYPE), b""), *names])) == {"a.xml": b"1", "a.xml#2": b"2"}


def test_global_headers_are_skipped() -> None:
    """As `git archive` writes them."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", pax_headers={"comment": "x" * 2000}) as archive:
        info = tarfile.TarInfo("a.xml")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"<a/>"))
    assert unpack(target.getvalue()) == {"a.xml": b"<a/>"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"?"]
)
def test_links_devices_and_the_unknown_are_refused(kind: bytes) -> None:
    """They cost themselves: the members around them are read."""
    data = tarred([("a.xml", b"<a/>"), (special("evil.xml", kind, "/etc/passwd"), b""), ("b.xml", b"<b/>")])
    ((name, fault),) = faults(data).items()
    assert (name, fault.code, "'evil.xml'" in fault.message) == ("evil.xml", "archive_refused", True)
    assert unpack(data, only=frozenset({"a.xml", "b.xml"})) == {"a.xml": b"<a/>", "b.xml": b"<b/>"}
    assert list_members(io.BytesIO(data), Quotas()) == Archive("tar", (("a.xml", 4), ("evil.xml", 0), ("b.xml", 4)))


def test_a_size_that_a_link_gives_is_not_that_of_data() -> None:
    """As some writers have it for hard links."""
    link = special("link.xml", tarfile.LNKTYPE, "a.xml")
    link.size = 4000
    data = tarred([("a.xml", b"<a/>")])[:1024] + link.tobuf() + tarred([("b.xml", b"<b/>")])
    assert list(faults(data)) == ["link.xml"]
    assert unpack(data, only=frozenset({"b.xml"})) == {"b.xml": b"<b/>"}


def test_what_goes_on_behind_a_sparse_header_is_passed_over() -> None:
    """GNU's old kind continues its map of holes in blocks that no size counts."""
    header = bytearray(special("sparse.xml", tarfile.GNUTYPE_SPARSE).tobuf())
    header[482] = 1
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    more = [bytes(504) + bytes([flag]) + bytes(7) for flag in (1, 0)]
    data = bytes(header) + b"".join(more) + tarred([("b.xml", b"<b/>")])
    assert list(faults(data)) == ["sparse.xml"]
    assert unpack(data, only=frozenset({"b.xml"})) == {"b.xml": b"<b/>"}


@pytest.mark.parametrize("name", ["../a.xml", "x/../../a.xml", "/etc/a.xml", "..\\a.xml", "a\nb.xml"])
def test_names_that_climb_or_trick_are_refused(name: str) -> None:
    assert fault_of(tarred([(name, b"<a/>")])).code == "archive_refused"
    assert fault_of(tarred([(special(name + "/", tarfile.DIRTYPE), b"")])).code == "archive_refused"


def test_sparse_files_are_refused() -> None:
    """Their holes would be written out as zeros without end."""
    info = tarfile.TarInfo("a.xml")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    assert fault_of(tarred([(info, b"<a/>")])).code == "archive_refused"
    assert fault_of(tarred([(special("a.xml", tarfile.GNUTYPE_SPARSE), b"")])).code == "archive_refused"


def test_an_extended_header_of_any_size_is_not_taken_on_trust() -> None:
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        assert fault_of(tarred([(special("x", kind), b"x" * (2 << 20))])).code == "archive_refused"


@pytest.mark.parametrize("records", [b"no records", b"12 path=x", b"9999 path=x\n", b"3 x\n", b"-1 path=x\n"])
def test_a_broken_extended_header_is_told(records: bytes) -> None:
    assert fault_of(tarred([(special("x", tarfile.XHDTYPE), records), ("a.xml", b"")])).code == "archive_broken"


def test_a_size_in_the_extended_header_counts_and_must_be_one() -> None:
    def with_size(size: str) -> bytes:
        record = f"size={size}\n"
        record = f"{len(record) + 3} {record}"
        return tarred([(special("x", tarfile.XHDTYPE), record.encode()), ("a.xml", b"<a/>")])

    assert unpack(with_size("0000004")) == {"a.xml": b"<a/>"}
    assert fault_of(with_size("9999999")).code == "truncated"
    assert fault_of(with_size("-999999")).code == "archive_broken"


@packings
def test_an_archive_that_ends_early_is_truncated(pack: Packer) -> None:
    """Also between two members, where nothing but the missing end mark shows it."""
    data = tarred(FILES)
    end_mark = data.rindex(b"<c/>") + 512 - 4
    assert set(data[end_mark + 4 :]) == {0}
    for length in (600, 4000, 512 + 4096, 512 + 4096 + 512, end_mark - 512, end_mark - 512 + 4):
        assert fault_of(pack(data[:length])).code == "truncated", length
        with pytest.raises(MalformedXML):
            list_members(io.BytesIO(pack(data[:length])), Quotas())


def test_a_truncated_compression_around_it_is_truncated() -> None:
    data = gzip.compress(tarred(FILES))
    for length in range(20, len(data), 11):
        assert fault_of(data[:length]).code == "truncated", length


def test_the_checksum_of_the_compression_is_checked_though_it_comes_after_the_end_mark() -> None:
    data = bytearray(gzip.compress(tarred(FILES)))
    data[-8] ^= 0xFF
    with pytest.raises(MalformedXML) as caught:
        list_members(io.BytesIO(bytes(data)), Quotas())
    assert caught.value.code == "archive_broken"


def test_a_second_archive_behind_the_first_is_not_left_out_in_silence() -> None:
    assert fault_of(tarred(FILES) + tarred(FILES)).code == "archive_broken"


def test_a_damaged_header_is_broken() -> None:
    data = bytearray(tarred(FILES))
    data[512 + 4096 + 3] ^= 0xFF
    assert fault_of(bytes(data)).code == "archive_broken"


def test_the_number_of_headers_is_limited() -> None:
    entries = [(special(f"{number}/", tarfile.DIRTYPE), b"") for number in range(11)]
    assert unpack(tarred(entries), Quotas(max_members=11)) == {}
    assert fault_of(tarred(entries), Quotas(max_members=10)).code == "archive_refused"
