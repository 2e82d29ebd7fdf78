"""Zip archives. What the directory says of a member (size, checksum) is held against what it decodes to."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator

from sluice.containers.decoding import BZIP2, DEFLATE, ZSTD, Codec, Decoded
from sluice.containers.limits import Meter
from sluice.containers.names import DistinctNames, broken, refused, spelled_name, visible_name
from sluice.containers.streams import PIECE_BYTES, Readable, Slice, Stream, Unreadable
from sluice.containers.zip_directory import Entry, walk_directory
from sluice.errors import MalformedXML

_LOCAL_MAGIC = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s22x2H")
_MAGICS = (_LOCAL_MAGIC, b"PK\x05\x06", b"PK\x07\x08PK")  # a member, the end of an empty archive, a split one's mark

_CODECS: dict[int, Codec | None] = {0: None, 8: DEFLATE, 12: BZIP2, 93: ZSTD}


def is_zip(head: bytes) -> bool:
    return head.startswith(_MAGICS)


def walk_zip(source: Readable, meter: Meter) -> Iterator[tuple[str, int, Stream]]:
    """(name, size, content) of the archive's files; ``source`` is seekable.

    What must not or cannot be read has a content that says so. Raises ``MalformedXML`` for a broken directory.
    """
    names = DistinctNames()
    for entry in walk_directory(source, meter):
        try:
            name = _name_of(entry)
        except MalformedXML as fault:
            yield names.add(spelled_name(entry.name)), 0, Unreadable(fault)
            continue
        if name is not None:
            yield names.add(name), entry.size_bytes, _ZipMember(source, entry, meter)


def _name_of(entry: Entry) -> str | None:
    """The member's name; None for folders and what is skipped. Raises for what cannot or must not be read."""
    name = visible_name(entry.name)
    if name is None or entry.is_folder:
        return None
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused(name, "is a link or a device")
    if entry.is_encrypted:
        raise refused(name, "is encrypted")
    if entry.method not in _CODECS:
        raise broken(name, f"is compressed by method {entry.method}, which Sluice does not read")
    return name


class _ZipMember(Stream):
    """The decoded content of a member."""

    def __init__(self, source: Readable, entry: Entry, meter: Meter) -> None:
        super().__init__(meter)
        self._source = source
        self._entry = entry
        self._content: Stream | None = None
        self._size = 0
        self._checksum = 0

    def _pull(self) -> bytes:
        self._content = self._content or self._open()
        piece = self._content.read(PIECE_BYTES)
        self._size += len(piece)
        self._checksum = zlib.crc32(piece, self._checksum)
        is_over = self._size > self._entry.size_bytes
        if is_over or (not piece and (self._size, self._checksum) != (self._entry.size_bytes, self._entry.checksum)):
            raise broken(self._entry.name, "does not have the size and checksum that the directory gives")
        return piece

    def _open(self) -> Stream:
        self._source.seek(self._entry.offset)
        header = self._source.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(_LOCAL_MAGIC):
            raise broken(self._entry.name, "is not where the directory says")
        _, name_bytes, extra_bytes = _LOCAL.unpack(header)
        start = self._entry.offset + _LOCAL.size + name_bytes + extra_bytes
        packed = Slice(self._source, self._entry.packed_bytes, start)
        codec = _CODECS[self._entry.method]
        return Decoded(packed, codec) if codec else packed
