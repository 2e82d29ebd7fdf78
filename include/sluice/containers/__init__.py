"""What a file holds: XML as it is, compressed, or in an archive; told by content, never by name.

Plain content, gzip, bzip2, xz and zstd (also of several concatenated frames), zip, and tar in any of these
compressions; members of archives may be compressed themselves. Everything is read as streams, in memory that does not
depend on sizes. Broken data raises ``MalformedXML`` with the code ``archive_broken``, or ``truncated`` where it ends
early; what passes a quota ``archive_refused`` or ``too_large``; what Sluice does not read ``not_xml``.

A bad member (broken, encrypted, a link, an archive itself, with a name that climbs) costs that member: reading its
stream raises, and the walk goes on. Only a broken directory or header, or a quota, ends the walk.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, cast

from sluice.containers.decoding import Decoded, codec_of
from sluice.containers.limits import Counted, Meter, Quotas
from sluice.containers.names import refused
from sluice.containers.streams import Peekable, Readable, Stream, Unreadable
from sluice.containers.tars import is_tar, walk_tar
from sluice.containers.zips import is_zip, walk_zip
from sluice.errors import MalformedXML
from sluice.workfiles import open_scratch

__all__ = ["Archive", "Member", "Quotas", "iter_members", "list_members"]

_MAX_LAYERS = 2
_HEAD_BYTES = 512
_BUFFER_BYTES = 64 << 10
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One document of a file. ``name`` is '' when the file is no archive.

    ``stream`` gives decoded bytes, in order. Where ``is_plain``, it is the raw file itself, fit to be read by ranges;
    elsewhere a fault in the data is raised by the read after the one that gave the last good bytes. ``size`` counts
    decoded bytes; None where only reading tells. ``outermost`` is the member of the file itself that this one is or
    lies in, by the name that ``list_members`` gives it.
    """

    name: str
    stream: BinaryIO
    size: int | None
    is_plain: bool
    outermost: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """What a file is, and what it says of its members: name and size, which is None where only reading tells.

    A file that is no archive has one member, without a name.
    """

    kind: Literal["plain", "compressed", "zip", "tar"]
    members: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class _Content:
    """A stream with its compression taken off; ``layers`` counts how often."""

    kind: Literal["plain", "zip", "tar"]
    stream: Readable
    layers: int


def iter_members(raw: BinaryIO, quotas: Quotas, only: frozenset[str] | None = None) -> Iterator[Member]:
    """The documents in ``raw`` (seekable, read from its start). A stream is valid until the next member is asked for.

    ``only`` takes members by the names of ``list_members``. Folders, ``__MACOSX/`` and hidden files are skipped; of
    members with one name, the second is called ``name#2``. Members of an archive in an archive are ``outer/inner``.
    """
    counted = Counted(raw)
    meter = Meter(quotas, counted)
    content = _peel(_buffered(counted), meter)
    if content.kind != "plain":
        yield from _walk_members(content, meter, only, depth=1)
    elif content.layers:
        yield Member("", _as_file(content.stream), None, False)
    else:
        raw.seek(0)
        yield Member("", raw, counted.size, True)


def list_members(raw: BinaryIO, quotas: Quotas) -> Archive:
    """What ``raw`` (seekable) is and holds: by a zip's directory or a tar's headers; else only the start is read."""
    counted = Counted(raw)
    meter = Meter(quotas, counted)
    content = _peel(_buffered(counted), meter)
    if content.kind != "plain":
        return Archive(content.kind, tuple((name, size) for name, size, _ in _walk(content, meter)))
    if content.layers:
        content.stream.read(1)  # what is broken from its first byte on may be anything
        return Archive("compressed", (("", None),))
    return Archive("plain", (("", counted.size),))


def _walk_members(content: _Content, meter: Meter, only: frozenset[str] | None, depth: int) -> Iterator[Member]:
    for name, size, stream in _walk(content, meter):
        if only is not None and name not in only:
            continue
        try:
            inner = _peel(stream, meter)
            if inner.kind == "plain":
                yield Member(name, _as_file(inner.stream), None if inner.layers else size, False, name)
            elif depth < meter.quotas.max_nesting:
                for member in _walk_members(inner, meter, None, depth + 1):
                    yield replace(member, name=f"{name}/{member.name}", outermost=name)
            else:
                raise refused(name, f"is an archive itself, beyond quotas.max_nesting ({meter.quotas.max_nesting})")
        except MalformedXML as fault:
            yield Member(name, _as_file(Unreadable(fault)), size, False, name)


def _walk(content: _Content, meter: Meter) -> Iterator[tuple[str, int, Stream]]:
    if content.kind == "tar":
        yield from walk_tar(content.stream, meter)
    elif content.stream.seekable():
        yield from walk_zip(content.stream, meter)
    else:
        # A zip's directory is at its end, so that one without random access is written down first.
        with open_scratch() as scratch:
            shutil.copyfileobj(_as_file(content.stream), scratch, _COPY_BYTES)
            yield from walk_zip(scratch, meter)


def _peel(stream: Peekable, meter: Meter) -> _Content:
    layers = 0
    while codec := codec_of(stream.peek(_HEAD_BYTES)):
        layers += 1
        if layers > _MAX_LAYERS:
            raise MalformedXML("archive_refused", f"the content is compressed more than {_MAX_LAYERS} times over")
        stream = Decoded(stream, codec, meter)
    head = stream.peek(_HEAD_BYTES)
    if is_zip(head):
        return _Content("zip", stream, layers)
    return _Content("tar" if is_tar(head) else "plain", stream, layers)


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw, _BUFFER_BYTES)


def _as_file(stream: object) -> BinaryIO:
    """Streams are files in all that their readers use; the type does not say so."""
    return cast(BinaryIO, stream)
