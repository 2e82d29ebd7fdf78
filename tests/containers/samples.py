"""Containers made for the tests: each function packs files by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterable

import zstandard

from sluice.containers import Member, Quotas, iter_members
from sluice.errors import MalformedXML

Packer = Callable[[bytes], bytes]

COMPRESSIONS: dict[str, Packer] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


def zipped(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def tarred(files: Iterable[tuple[str | tarfile.TarInfo, bytes]], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tar_format) as archive:
        for entry, content in files:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A tar entry that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpack(data: bytes, quotas: Quotas = Quotas(), only: frozenset[str] | None = None) -> dict[str, bytes]:  # noqa: B008 - frozen
    """Member name to content, read as readers do: in pieces, in order."""
    return {member.name: drain(member) for member in iter_members(io.BytesIO(data), quotas, only)}


def faults(data: bytes, quotas: Quotas = Quotas()) -> dict[str, MalformedXML]:  # noqa: B008 - frozen
    """What each bad member says when it is read; the others are read as well."""
    found: dict[str, MalformedXML] = {}
    for member in iter_members(io.BytesIO(data), quotas):
        try:
            drain(member)
        except MalformedXML as fault:
            found[member.name] = fault
    return found


def drain(member: Member, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: member.stream.read(size), b""))


def overlapping(members: int, content: bytes) -> bytes:
    """A zip whose members share the same bytes: an honest ratio each, and none together."""
    single = zipped([("a.xml", content)])
    start, end = single.index(b"PK\x01\x02"), single.rindex(b"PK\x05\x06")
    entry = single[start:end]
    directory = b"".join(entry.replace(b"a.xml", b"%05d" % number) for number in range(members))
    counts = members.to_bytes(2, "little") * 2
    places = len(directory).to_bytes(4, "little") + start.to_bytes(4, "little")
    return single[:start] + directory + single[end : end + 8] + counts + places + b"\0\0"
