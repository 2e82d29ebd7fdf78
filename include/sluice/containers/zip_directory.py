"""The directory at the end of a zip archive, read one entry at a time.

The standard library takes a directory of any size into memory first, and believes the last end record that it finds,
which in a truncated archive may be that of an archive inside it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sluice.containers.limits import Meter
from sluice.containers.streams import Readable
from sluice.errors import MalformedXML

_END_MAGIC, _END_64_MAGIC, _LOCATOR_64_MAGIC, _ENTRY_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x01\x02"
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4sxB2x2H4x3L3H4x2L")

_MAX_COMMENT_BYTES = 0xFFFF
_IN_EXTRA = 0xFFFFFFFF
_EXTRA_64 = 1
_IS_UTF8 = 0x800
_IS_ENCRYPTED = 0x1
_UNIX_SYSTEMS = {3, 19}


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory says of a member. ``mode`` is the Unix file mode, 0 where there is none."""

    name: str
    method: int
    is_encrypted: bool
    checksum: int
    packed_bytes: int
    size_bytes: int
    offset: int
    mode: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class _End:
    """The end record: where the directory starts and ends, and how many entries it has."""

    start: int
    size: int
    entries: int


def walk_directory(source: Readable, meter: Meter) -> Iterator[Entry]:
    """The entries of the archive's directory, in its order. ``source`` may be moved between them.

    Raises ``MalformedXML``.
    """
    end = _find_end(source)
    meter.expect_members(end.entries)
    place, count = end.start, 0
    while place < end.start + end.size:
        meter.add_members(1)
        source.seek(place)
        entry, length = _read_entry(source)
        yield entry
        place, count = place + length, count + 1
    # Counts beyond 16 bits wrap around where the writer knows no 64-bit records.
    if (count - end.entries) % 0x10000:
        raise _broken(f"{count} entries instead of {end.entries}")


def _find_end(source: Readable) -> _End:
    file_size = source.seek(0, os.SEEK_END)
    window = min(file_size, _END.size + _MAX_COMMENT_BYTES)
    source.seek(file_size - window)
    tail = source.read(window)
    place = tail.rfind(_END_MAGIC)
    if place < 0 or len(tail) - place < _END.size:
        raise MalformedXML("truncated", "the zip archive ends before its directory")
    _, disk, first_disk, _, entries, size, start, _ = _END.unpack_from(tail, place)
    found = _read_end_64(source, file_size - window + place) or (file_size - window + place, _End(start, size, entries))
    limit, end = found
    if disk not in (0, 0xFFFF) or first_disk not in (0, 0xFFFF):
        raise _broken("it is one of several volumes")
    if end.start + end.size != limit:
        raise _broken("it is not where the end of the archive says")
    return end


def _read_end_64(source: Readable, limit: int) -> tuple[int, _End] | None:
    """The 64-bit end record and its place, if there is one right before ``limit``."""
    place = limit - _LOCATOR_64.size - _END_64.size
    if place < 0:
        return None
    source.seek(place)
    data = source.read(_END_64.size + _LOCATOR_64.size)
    if not data.startswith(_END_64_MAGIC) or not data.startswith(_LOCATOR_64_MAGIC, _END_64.size):
        return None
    *_, entries, size, start = _END_64.unpack_from(data)
    return place, _End(start, size, entries)


def _read_entry(source: Readable) -> tuple[Entry, int]:
    """The entry at the source's position, and its length in the directory."""
    head = source.read(_ENTRY.size)
    if len(head) < _ENTRY.size or not head.startswith(_ENTRY_MAGIC):
        raise _broken("it has an entry that is none")
    _, system, flags, method, checksum, packed, size, *lengths, attributes, offset = _ENTRY.unpack(head)
    name_bytes, extra_bytes, _ = lengths
    name = _decode(source.read(name_bytes), flags)
    size, packed, offset = _wide(source.read(extra_bytes), size, packed, offset)
    mode = attributes >> 16 if system in _UNIX_SYSTEMS else 0
    entry = Entry(name, method, bool(flags & _IS_ENCRYPTED), checksum, packed, size, offset, mode)
    return entry, _ENTRY.size + sum(lengths)


def _decode(name: bytes, flags: int) -> str:
    return name.decode("utf-8", "surrogateescape") if flags & _IS_UTF8 else name.decode("cp437")


def _wide(extra: bytes, *values: int) -> list[int]:
    """``values``, those that do not fit 32 bits taken from the extra fields."""
    wide = _find_extra_64(extra) if _IN_EXTRA in values else b""
    whole = []
    for value in values:
        if value == _IN_EXTRA:
            if len(wide) < 8:
                raise _broken("it lacks a 64-bit size")
            value, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        whole.append(value)
    return whole


def _find_extra_64(extra: bytes) -> bytes:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _EXTRA_64:
            return extra[4 : 4 + length]
        extra = extra[4 + length :]
    return b""


def _broken(why: str) -> MalformedXML:
    return MalformedXML("archive_broken", f"the zip archive's directory is broken: {why}")
