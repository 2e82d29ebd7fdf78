"""Opens the parts of a batch for reading: ranges of plain files, spooled pieces, whole files with what is packed in
them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO, cast

from sluice import containers
from sluice.charsets import Utf8Stream, Utf8Text
from sluice.containers import Quotas
from sluice.errors import MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.piece_reader import READ_BYTES, PieceReader, Readable
from sluice.records import LedgerFile, Part
from sluice.scanner import PathTable
from sluice.sources import source_for
from sluice.tools import Tools

# What a file may have to be read as a whole before it is looked at.
SMALL_BYTES = 256 << 10
# What a stream has less of is short: all of it is looked at before pieces are cut.
SHORT_BYTES = READ_BYTES


@dataclass(slots=True)
class Section:
    """A stream of XML (UTF-8) that is a part, or one archive member of it.

    ``context`` is what a parser must read before it. ``first_byte``, ``first_record`` and ``first_line`` say where it
    begins in the decoded file or member.
    """

    part: Part
    member: str
    stream: Readable
    context: bytes = b""
    first_byte: int = 0
    first_record: int = 1
    first_line: int = 1

    def all_bytes(self) -> bytes | None:
        """All that the stream has, if it is short and nothing is wrong with it; it can be read all the same."""
        if not isinstance(self.stream, Utf8Text):
            self.stream = _read_ahead(self.stream)
        data = self.stream.getvalue() if isinstance(self.stream, Utf8Text) else None
        return data if data is not None and len(data) <= SHORT_BYTES else None


@dataclass(slots=True)
class Unreadable:
    """A part that could not be opened or unpacked."""

    part: Part
    error: MalformedXML


class Digest:
    """A raw stream that is hashed as it is read from front to back; ``hexdigest`` is None once somebody has jumped
    about.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._sha = hashlib.sha256()
        self._hashed = 0
        self._is_sequential = True

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self._hash(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._hash(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def _hash(self, data: bytes) -> None:
        if not data:
            return
        start = self._raw.tell() - len(data)
        if start > self._hashed:
            self._is_sequential = False
        elif self._is_sequential and start + len(data) > self._hashed:
            self._sha.update(data[self._hashed - start :])
            self._hashed = start + len(data)

    def hexdigest(self, size: int) -> str | None:
        """SHA-256 of all ``size`` bytes; None where they were not all read in order."""
        return self._sha.hexdigest() if self._is_sequential and self._hashed == size else None


class _Joined:
    """Two byte sources read one after another."""

    def __init__(self, stream: Readable, tail: bytes) -> None:
        self._sources: list[Readable] = [stream, io.BytesIO(tail)]

    def read(self, size: int) -> bytes:
        chunks: list[bytes] = []
        while size > 0 and self._sources:
            chunk = self._sources[0].read(size)
            if chunk:
                chunks.append(chunk)
                size -= len(chunk)
            else:
                self._sources.pop(0)
        return b"".join(chunks)


class _Resumed:
    """A stream of which some was read already, and what then went wrong, if anything did."""

    def __init__(self, head: bytes, stream: Readable, error: Exception | None) -> None:
        self._head, self._stream, self._error = head, stream, error

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        if head:
            return head
        if self._error is not None:
            raise self._error
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _read_ahead(stream: Readable) -> Utf8Text | _Resumed:
    """The stream from its begin: a text if it is short, and can be read to its end."""
    head, error = b"", None
    try:
        while len(head) < SHORT_BYTES and (more := stream.read(SHORT_BYTES - len(head))):
            head += more
    except (MalformedXML, SourceChanged) as raised:
        error = raised
    if error is not None or len(head) >= SHORT_BYTES:
        return _Resumed(head, stream, error)
    return Utf8Text(head, getattr(stream, "encoding", "utf-16"), is_assured=getattr(stream, "is_assured", False))


# -- opening
# ------------------------------------------------------------------------------------------------------------


def open_raw(tools: Tools, file: LedgerFile, start: int = 0, end: int | None = None) -> BinaryIO:
    """The raw bytes of a file as its source has them; raises as ``Source.open`` does."""
    source = source_for(file.uri, tools.clients, tools.work, tools.feed.feed)
    return source.open(file.as_source_file(), start, end)


def quotas_of(feed: Feed) -> Quotas:
    """What a compressed file or an archive of this feed may hold."""
    quotas = feed.quotas
    return Quotas(quotas.max_members, quotas.max_decoded_bytes, quotas.max_ratio, quotas.max_nesting)


def sections(
    tools: Tools, parts: Sequence[Part], digests: dict[int, str | None] | None = None
) -> Iterator[Section | Unreadable]:
    """Open part after part; archive members of one file share one pass over it.

    ``digests`` is filled with the SHA-256 of each part that one reader saw whole. A part may give several sections (an
    archive that nobody looked into before), or an ``Unreadable`` after some. A section is valid until the next is asked
    for. Raises ``SourceUnavailable`` and ``WorkFilesUnavailable``.
    """
    found = digests if digests is not None else {}
    for (_, is_member), group in groupby(
        parts, key=lambda part: (part.file.file_id, bool(part.cut.member) and part.cut.spool is None)
    ):
        if is_member:
            yield from _member_sections(tools, list(group))
            continue
        for part in group:
            try:
                yield from (
                    _whole_sections(tools, part, found)
                    if part.cut.is_whole and part.cut.spool is None
                    else _cut_sections(tools, part)
                )
            except MalformedXML as error:
                yield Unreadable(part, error)
            except SourceChanged as error:
                yield Unreadable(part, MalformedXML("source_changed", str(error)))


def _whole_sections(tools: Tools, part: Part, digests: dict[int, str | None]) -> Iterator[Section]:
    if part.file.size_bytes <= SMALL_BYTES:
        yield from _small_sections(tools, part, digests)
        return
    with open_raw(tools, part.file) as raw:
        digest = Digest(raw)
        for member in containers.iter_members(cast("BinaryIO", digest), quotas_of(tools.feed)):
            yield Section(part, member.name, Utf8Stream(member.stream, tools.feed.encoding))
        digests[part.part_id] = digest.hexdigest(part.file.size_bytes)


def _small_sections(tools: Tools, part: Part, digests: dict[int, str | None]) -> Iterator[Section]:
    """Of a small file all bytes at once, since there may be thousands."""
    with open_raw(tools, part.file) as raw:
        data = raw.read()
    digests[part.part_id] = hashlib.sha256(data).hexdigest() if len(data) == part.file.size_bytes else None
    text = Utf8Text.of(data, tools.feed.encoding)
    if text is not None:
        yield Section(part, "", text)
        return
    for member in containers.iter_members(io.BytesIO(data), quotas_of(tools.feed)):
        yield Section(part, member.name, Utf8Stream(member.stream, tools.feed.encoding))


def _cut_sections(tools: Tools, part: Part) -> Iterator[Section]:
    cut = part.cut
    opened = tools.work.open_read(cut.spool) if cut.spool else open_raw(tools, part.file, cut.start_byte, cut.end_byte)
    with opened as raw:
        stream = _Joined(cast("Readable", raw), cut.tail)
        yield Section(part, cut.member, stream, cut.context, cut.start_byte, cut.first_record, cut.first_line)


def _member_sections(tools: Tools, parts: list[Part]) -> Iterator[Section | Unreadable]:
    """Whole archive members: one pass over their archive. A bad one costs itself; a broken archive what comes after the
    fault."""
    waiting = {part.cut.member: part for part in parts}
    by_member = dict(waiting)
    try:
        with open_raw(tools, parts[0].file) as raw:
            for member in containers.iter_members(raw, quotas_of(tools.feed), only=frozenset(waiting)):
                part = by_member[member.outermost]
                waiting.pop(member.outermost, None)
                try:
                    yield Section(part, member.name, Utf8Stream(member.stream, tools.feed.encoding))
                except MalformedXML as error:
                    yield Unreadable(part, error)
        missing: MalformedXML = MalformedXML("archive_broken", "the archive no longer holds this member")
    except MalformedXML as error:
        missing = error
    except SourceChanged as error:
        missing = MalformedXML("source_changed", str(error))
    for part in waiting.values():
        yield Unreadable(part, missing)


def read_pieces(feed: Feed, section: Section, paths: PathTable, **options: Any) -> PieceReader:
    """The pieces of a section, within the feed's limits; ``options`` are further ones of ``PieceReader``."""
    return PieceReader(
        section.stream,
        paths,
        max_record_bytes=feed.max_record_bytes,
        max_header_bytes=feed.quotas.max_header_bytes,
        max_depth=feed.quotas.max_depth,
        context=section.context,
        first_byte=section.first_byte,
        first_line=section.first_line,
        first_record=section.first_record,
        **options,
    )
