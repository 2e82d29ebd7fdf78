"""Files that hold one document: plain or compressed, whole or broken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import re

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.containers.samples import COMPRESSIONS, Packer, drain, unpack

from sluice.containers import Archive, Quotas, decoding, iter_members, list_members
from sluice.errors import MalformedXML

CONTENT = b"<r>" + b"".join(b"<a>%d</a>" % number for number in random.Random(1).sample(range(10**9), 40_000)) + b"</r>"

compressions = pytest.mark.parametrize("pack", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())


def fault_of(data: bytes, quotas: Quotas | None = None) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        unpack(data, quotas or Quotas())
    return caught.value


@pytest.mark.parametrize(
    "content",
    [b"", b"<", b"<a/>", CONTENT, b"\xff\xfe<\0a\0/\0>\0", b"\0" * 600],
    ids=["empty", "bracket", "small", "large", "utf16", "zeros"],
)
def test_a_plain_file_is_given_as_it_is(content: bytes) -> None:
    """The raw file itself, at its start, so that ranges of it can be read; whatever its content."""
    raw = io.BytesIO(content)
    raw.seek(1)
    (member,) = iter_members(raw, Quotas())
    assert (member.name, member.size, member.is_plain) == ("", len(content), True)
    assert member.stream is raw
    assert raw.read() == content
    assert list_members(raw, Quotas()) == Archive("plain", (("", len(content)),))


@compressions
@pytest.mark.parametrize("content", [b"", b"<a/>", CONTENT], ids=["empty", "small", "large"])
def test_a_compressed_file_is_decoded(pack: Packer, content: bytes) -> None:
    (member,) = iter_members(io.BytesIO(pack(content)), Quotas())
    assert (member.name, member.size, member.is_plain) == ("", None, False)
    assert drain(member) == content
    assert list_members(io.BytesIO(pack(content)), Quotas()) == Archive("compressed", (("", None),))


@compressions
def test_concatenated_frames_are_one_document(pack: Packer) -> None:
    """As `cat` and parallel compressors make them; zeros between and after them are padding."""
    assert unpack(pack(b"<a>") + pack(b"") + pack(CONTENT) + pack(b"</a>")) == {"": b"<a>" + CONTENT + b"</a>"}
    assert unpack(pack(b"<a>") + b"\0" * 100_000 + pack(b"</a>") + b"\0" * 512) == {"": b"<a></a>"}


@compressions
def test_frames_may_end_anywhere_in_a_block_of_input(pack: Packer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_INPUT_BYTES", 7)
    pieces = [b"%d," % number for number in range(50)]
    assert unpack(b"".join(map(pack, pieces))) == {"": b"".join(pieces)}


@compressions
def test_data_that_ends_early_is_truncated_wherever_it_ends(pack: Packer) -> None:
    """Also in a later frame, and where only the checksum at the end is missing."""
    data = pack(CONTENT[:5000]) + pack(CONTENT[:100])
    whole_frames = {0, len(pack(CONTENT[:5000])), len(data)}
    for length in [*range(12, len(data), 101), *range(len(data) - 40, len(data))]:
        if length not in whole_frames:
            assert fault_of(data[:length]).code == "truncated", length


@compressions
def test_what_is_good_before_a_fault_is_given_first(pack: Packer) -> None:
    """A feed may keep the records before the fault, so it comes after the last good byte, however that is read."""
    data = pack(CONTENT)
    found = []
    for size in (999, 1 << 20):
        (member,) = iter_members(io.BytesIO(data[: len(data) // 2]), Quotas())
        good: list[bytes] = []
        with pytest.raises(MalformedXML):
            good.extend(iter(lambda stream=member.stream, size=size: stream.read(size), b""))  # type: ignore[misc]
        with pytest.raises(MalformedXML):
            member.stream.read(1)
        found.append(b"".join(good))
    assert CONTENT.startswith(found[0])
    assert found[0] == found[1]


def test_most_of_a_truncated_gzip_is_given() -> None:
    data = gzip.compress(CONTENT)
    (member,) = iter_members(io.BytesIO(data[: len(data) // 2]), Quotas())
    assert len(member.stream.read(len(CONTENT))) > len(CONTENT) // 3


@compressions
def test_damaged_data_is_broken(pack: Packer) -> None:
    data = bytearray(pack(CONTENT))
    data[len(data) // 2] ^= 0xFF
    assert fault_of(bytes(data)).code in ("archive_broken", "truncated")


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_a_wrong_checksum_is_broken(name: str) -> None:
    data = bytearray(COMPRESSIONS[name](b"<a/>"))
    position = {"gzip": -8, "bzip2": 10, "xz": -40}[name]
    data[position] ^= 0xFF
    assert fault_of(bytes(data)).code == "archive_broken"


@compressions
def test_anything_but_frames_after_the_data_is_broken(pack: Packer) -> None:
    """Nothing is left out in silence."""
    fault = fault_of(pack(b"<a/>") + b"garbage that is long enough")
    assert fault.code == "archive_broken"
    assert re.match(r"the \w+ data is broken: .", fault.message)


def test_zstd_with_a_skippable_frame_first() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert unpack(skippable + zstandard.compress(b"<a/>")) == {"": b"<a/>"}


def test_compressed_twice_is_read_and_more_is_refused() -> None:
    twice = gzip.compress(bz2.compress(b"<a/>"))
    assert unpack(twice) == {"": b"<a/>"}
    assert fault_of(lzma.compress(twice)).code == "archive_refused"


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (b"\x1f\x9d\x90", "compress"),
        (b"\x04\x22\x4d\x18", "LZ4"),
    ],
)
def test_formats_that_are_not_read_are_named(start: bytes, name: str) -> None:
    fault = fault_of(start + b"\0" * 100)
    assert fault.code == "not_xml"
    assert name in fault.message


def test_a_window_beyond_the_memory_limit_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert fault_of(frame.compress(b"<a/>") + frame.flush()).code == "archive_refused"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    assert fault_of(lzma.compress(b"<a/>", filters=filters)).code == "archive_refused"


@given(
    pieces=st.lists(st.binary(max_size=200), max_size=4),
    sizes=st.lists(st.integers(1, 300), min_size=1),
    data=st.data(),
)
def test_reads_of_any_sizes_give_the_same_bytes(pieces: list[bytes], sizes: list[int], data: st.DataObject) -> None:
    """``read``, ``readinto`` and ``peek`` agree; short reads come only at the end."""
    pieces = [b"<a>", *pieces]  # what starts like another container would be taken for one
    packed = b"".join(map(gzip.compress, pieces))
    (member,) = iter_members(io.BytesIO(packed), Quotas())
    content, result = b"".join(pieces), b""
    for size in sizes * (len(content) // sum(sizes) + 1):
        if data.draw(st.booleans()):
            buffer = bytearray(size)
            got = bytes(buffer[: member.stream.readinto(buffer)])  # type: ignore[attr-defined]
        else:
            got = member.stream.read(size)
        result += got
        assert got == content[len(result) - len(got) : len(result)]
        assert len(got) == min(size, len(content) - len(result) + len(got))
    assert result + member.stream.read() == content


def test_without_isal_the_standard_library_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    monkeypatch.setattr(decoding, "inflate", zlib)
    data = gzip.compress(CONTENT)
    assert unpack(data + data) == {"": CONTENT * 2}
    assert fault_of(data[:-3]).code == "truncated"
    assert fault_of(data[:-8] + os.urandom(4) + data[-4:]).code == "archive_broken"
