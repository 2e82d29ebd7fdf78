"""Decompression bombs, and memory: nothing depends on what a file decodes to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator

import pytest
import zstandard
from tests.containers.samples import COMPRESSIONS, Packer, overlapping, tarred, zipped

from sluice.containers import Quotas, iter_members, limits, list_members
from sluice.errors import MalformedXML

MIB = 1 << 20
compressions = pytest.mark.parametrize("pack", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())


def count(data: bytes, quotas: Quotas | None = None) -> int:
    """How many bytes ``data`` decodes to, read as readers do."""
    total = 0
    for member in iter_members(io.BytesIO(data), quotas or Quotas()):
        while piece := member.stream.read(MIB):
            total += len(piece)
    return total


def refusal(data: bytes, quotas: Quotas) -> str:
    with pytest.raises(MalformedXML) as caught:
        count(data, quotas)
    return caught.value.code


@pytest.fixture
def low_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RATIO_FLOOR_BYTES", MIB)


@compressions
@pytest.mark.usefixtures("low_floor")
def test_a_bomb_is_refused_by_its_ratio(pack: Packer) -> None:
    bomb = pack(bytes(8 * MIB))
    ratio = 8 * MIB // len(bomb)
    assert refusal(bomb, Quotas(max_ratio=ratio // 2)) == "archive_refused"
    assert count(bomb, Quotas(max_ratio=ratio + 1)) == 8 * MIB


def test_small_files_may_compress_as_well_as_they_can() -> None:
    """The ratio is not judged before ``RATIO_FLOOR_BYTES``."""
    assert count(gzip.compress(bytes(MIB)), Quotas(max_ratio=2)) == MIB


@compressions
def test_decoded_bytes_are_limited(pack: Packer) -> None:
    assert refusal(pack(bytes(MIB + 1)), Quotas(max_decoded_bytes=MIB)) == "too_large"
    assert count(pack(bytes(MIB)), Quotas(max_decoded_bytes=MIB)) == MIB


def test_members_count_together() -> None:
    files = [(f"{number}.xml", bytes(MIB)) for number in range(3)]
    for data in (zipped(files), gzip.compress(tarred(files))):
        assert refusal(data, Quotas(max_decoded_bytes=2 * MIB)) == "too_large"


@pytest.mark.usefixtures("low_floor")
def test_what_is_skipped_counts_too() -> None:
    """A member that nobody reads still has to be decoded to get past it; so do zeros between frames."""
    data = gzip.compress(tarred([("huge.xml", bytes(8 * MIB)), ("a.xml", b"<a/>")]))
    with pytest.raises(MalformedXML):
        list(iter_members(io.BytesIO(data), Quotas(max_ratio=100), only=frozenset({"a.xml"})))
    with pytest.raises(MalformedXML):
        list_members(io.BytesIO(data), Quotas(max_ratio=100))
    assert refusal(gzip.compress(gzip.compress(b"<a/>") + bytes(8 * MIB)), Quotas(max_ratio=100)) == "archive_refused"


@pytest.mark.usefixtures("low_floor")
def test_a_bomb_in_layers_is_refused() -> None:
    assert refusal(bz2.compress(gzip.compress(bytes(64 * MIB))), Quotas()) == "archive_refused"


@pytest.mark.usefixtures("low_floor")
def test_members_that_overlap_do_not_hide_the_ratio() -> None:
    """Many entries of the directory share the same bytes, each with an honest ratio."""
    members = 50
    kernel = zlib.compress(bytes(MIB), 9)[2:-4]
    bomb = overlapping(members, bytes(MIB))
    assert count(bomb, Quotas(max_ratio=100_000)) == members * MIB
    honest_ratio = MIB // len(kernel) + 1
    assert refusal(bomb, Quotas(max_ratio=honest_ratio)) == "archive_refused"


def bombs(size: int) -> Iterator[tuple[str, bytes]]:
    """Files that decode to ``size`` bytes, made without holding these."""
    piece = bytes(MIB)
    for name, compressor in (
        ("gzip", zlib.compressobj(9, wbits=31)),
        ("bzip2", bz2.BZ2Compressor()),
        ("xz", lzma.LZMACompressor(preset=0)),
    ):
        yield name, b"".join(compressor.compress(piece) for _ in range(size // MIB)) + compressor.flush()
    frame = zstandard.ZstdCompressor().compressobj()
    yield "zstd", b"".join(frame.compress(piece) for _ in range(size // MIB)) + frame.flush()
    for name, method in (("zip", zipfile.ZIP_DEFLATED), ("zip of bzip2", zipfile.ZIP_BZIP2)):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", method) as archive, archive.open("a.xml", "w") as member:
            for _ in range(size // MIB):
                member.write(piece)
        yield name, target.getvalue()
    packed = zlib.compressobj(9, wbits=31)
    header = tarfile.TarInfo("a.xml")
    header.size = size
    parts = [header.tobuf(), *[piece] * (size // MIB), bytes(1024)]
    yield "tar of gzip", b"".join(map(packed.compress, parts)) + packed.flush()


@pytest.mark.parametrize(
    ("name", "data"), list(bombs(64 * MIB)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_memory_does_not_depend_on_what_a_file_decodes_to(name: str, data: bytes) -> None:
    """64 MiB (hundreds of times the file) are read in pieces of 1 MiB with a small part of that in memory."""
    tracemalloc.start()
    try:
        total = count(data, Quotas(max_ratio=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == 64 * MIB
    assert len(data) < total // 200
    assert peak < 24 * MIB, f"{name}: {peak / MIB:.1f} MiB"
