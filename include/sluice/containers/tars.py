"""Tar archives, read strictly forward.

The standard library's reader keeps every header and takes the sizes of extended headers on trust; this one holds one
header at a time. An archive must end with its end mark: without it, a cut between two members would go unnoticed.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator

from sluice.containers.limits import Meter
from sluice.containers.names import DistinctNames, refused, spelled_name, visible_name
from sluice.containers.streams import Readable, Slice, Stream, Unreadable
from sluice.errors import MalformedXML

_BLOCK = tarfile.BLOCKSIZE
_MAX_HEADER_BYTES = 1 << 20
_SKIP_BYTES = 1 << 20
# Where GNU's sparse headers, the first and those that continue it, say that another one follows.
_SPARSE_MORE, _SPARSE_MORE_AGAIN = 482, 504

_FILE_TYPES = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE}
_EXTENDED_TYPES = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
# Global headers, names of links, volume labels, GNU's listings of folders.
_IGNORED_TYPES = {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK, b"V", b"D"}
# No data follows the headers of these, whatever size they give.
_BARE_TYPES = {
    tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
}  # fmt: skip
_REFUSED_TYPES = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.GNUTYPE_SPARSE: "is a sparse file",
}


def is_tar(head: bytes) -> bool:
    """Whether ``head`` (512 bytes or more) starts with a tar header: one whose checksum is right."""
    try:
        _parse_header(head[:_BLOCK])
    except tarfile.HeaderError:
        return False
    return True


def walk_tar(source: Readable, meter: Meter) -> Iterator[tuple[str, int, Stream]]:
    """(name, size, content) of the archive's files, a content being valid until the next is asked for.

    What must not be read has a content that says so. Raises ``MalformedXML`` for a broken header or an early end.
    """
    names = DistinctNames()
    for info in _walk_headers(source, meter):
        content = Slice(source, info.size)
        try:
            name = _name_of(info)
        except MalformedXML as fault:
            yield names.add(spelled_name(info.name)), 0, Unreadable(fault)
        else:
            if name is not None:
                yield names.add(name), info.size, content
                content.close()
        if info.type not in _BARE_TYPES:
            _skip(source, content.left + _padding(info.size))


def _walk_headers(source: Readable, meter: Meter) -> Iterator[tarfile.TarInfo]:
    """Headers of members, with what extended headers say applied. The caller reads or skips the data between."""
    extended: dict[str, str] = {}
    while any(block := _read_block(source)):
        info = _header_of(block)
        meter.add_members(1)
        if info.type == tarfile.GNUTYPE_LONGNAME:
            extended["path"] = _decode(_read_small(source, info.size).rstrip(b"\0"))
        elif info.type in _EXTENDED_TYPES:
            extended |= _parse_records(_read_small(source, info.size))
        elif info.type in _IGNORED_TYPES:
            _skip(source, info.size + _padding(info.size))
        else:
            if info.type == tarfile.GNUTYPE_SPARSE:
                _skip_sparse_headers(source, block)
            yield _with_extended(info, extended)
            extended = {}
    _check_rest(source)


def _name_of(info: tarfile.TarInfo) -> str | None:
    """The name of a file; None for folders and what is skipped. Raises for anything else that an archive can hold."""
    name = visible_name(info.name)
    if name is None or info.type == tarfile.DIRTYPE:
        return None
    if info.type not in _FILE_TYPES:
        raise refused(name, _REFUSED_TYPES.get(info.type, "is neither a file nor a folder"))
    return name


def _read_block(source: Readable) -> bytes:
    block = source.read(_BLOCK)
    if len(block) < _BLOCK:
        raise MalformedXML("truncated", "the tar archive ends without its end mark")
    return block


def _parse_header(block: bytes) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")


def _header_of(block: bytes) -> tarfile.TarInfo:
    try:
        info = _parse_header(block)
    except tarfile.HeaderError as error:
        raise MalformedXML("archive_broken", f"the tar archive has a broken header: {error}") from error
    if info.size < 0:
        raise MalformedXML("archive_broken", "the tar archive has a member of negative size")
    return info


def _read_small(source: Readable, size: int) -> bytes:
    """The data of an extended header."""
    if size > _MAX_HEADER_BYTES:
        raise MalformedXML("archive_refused", f"the tar archive has an extended header of {size} bytes")
    data = source.read(size + _padding(size))
    if len(data) < size:
        raise MalformedXML("truncated", "the tar archive ends within a header")
    return data[:size]


def _parse_records(data: bytes) -> dict[str, str]:
    """The ``length key=value`` records of a POSIX extended header."""
    records: dict[str, str] = {}
    place = 0
    while place < len(data):
        digits, _, _ = data[place : place + 8].partition(b" ")
        end = place + (int(digits) if digits.isdigit() else 0)
        key, equals, value = data[place + len(digits) + 1 : end].partition(b"=")
        if end > len(data) or not equals or not value.endswith(b"\n"):
            raise MalformedXML("archive_broken", "the tar archive has a broken extended header")
        records[_decode(key)] = _decode(value[:-1])
        place = end
    return records


def _with_extended(info: tarfile.TarInfo, extended: dict[str, str]) -> tarfile.TarInfo:
    if any(key.startswith("GNU.sparse.") for key in extended):
        info.type = tarfile.GNUTYPE_SPARSE
    info.name = extended.get("path", info.name)
    size = extended.get("size", str(info.size))
    if not (size.isascii() and size.isdigit() and len(size) < 20):
        raise MalformedXML("archive_broken", f"the tar archive has a member of size {size[:40]!r}")
    info.size = int(size)
    return info


def _skip_sparse_headers(source: Readable, block: bytes) -> None:
    has_more = block[_SPARSE_MORE]
    while has_more:
        has_more = _read_block(source)[_SPARSE_MORE_AGAIN]


def _padding(size: int) -> int:
    return -size % _BLOCK


def _skip(source: Readable, count: int) -> None:
    if source.seekable():
        _skip_by_seeking(source, count)
        return
    while count:
        data = source.read(min(count, _SKIP_BYTES))
        if not data:
            raise MalformedXML("truncated", "the tar archive ends within a member")
        count -= len(data)


def _skip_by_seeking(source: Readable, count: int) -> None:
    target = source.seek(0, os.SEEK_CUR) + count
    if target > source.seek(0, os.SEEK_END):
        raise MalformedXML("truncated", "the tar archive ends within a member")
    source.seek(target)


def _check_rest(source: Readable) -> None:
    """Reads what follows the end mark, which also makes a compressed archive check its own sum."""
    while data := source.read(_SKIP_BYTES):
        if any(data):
            raise MalformedXML("archive_broken", "the tar archive goes on after its end mark")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
