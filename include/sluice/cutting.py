"""Where a file is cut: huge ones at record boundaries, archives between their members.

A cut stretch, read with its context before it and its tail behind it, is a document of its own. The scan that finds the
cuts goes to the end of the file, so head and tail are known to match before a part of it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import BinaryIO

from sluice import containers
from sluice.charsets import Utf8Stream
from sluice.errors import MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.piece_reader import PIECE_BYTES, READ_BYTES, PieceReader
from sluice.pieces import OversizeRecord, Piece
from sluice.plan import Plan
from sluice.reading import open_raw, quotas_of
from sluice.records import Cut, LedgerFile, Part
from sluice.scanner import PathTable
from sluice.tools import Tools
from sluice.validity import RootCheck

_PACKED_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".tbz2", ".txz", ".tzst")


def may_be_packed(uri: str) -> bool:
    """Whether the name of a file says that it is compressed or an archive. Only a hint: the content decides."""
    return uri.lower().endswith(_PACKED_SUFFIXES)


def cut_file(tools: Tools, file: LedgerFile, target: int) -> list[Cut]:
    """Cut a file into stretches of about ``target`` decoded bytes.

    What cannot be read stays whole: parse will say what is wrong with it, and quarantine it. Raises
    ``SourceUnavailable``.
    """
    cutter = _Cutter(tools.feed, target)
    try:
        with open_raw(tools, file) as raw:
            archive = containers.list_members(raw, quotas_of(tools.feed))
        with open_raw(tools, file) as raw:
            if archive.kind in ("zip", "tar"):
                total = sum(size or 0 for _, size in archive.members)
                # A tar can only be read from its beginning: many batches would read it many times.
                must_spool = archive.kind == "tar" and max(total, file.size_bytes) > 2 * target
                return list(cutter.cut_members(raw, archive, must_spool)) or [Cut()]
            for member in containers.iter_members(raw, quotas_of(tools.feed)):
                return cutter.cut_stream(Utf8Stream(member.stream, tools.feed.encoding), "", member.is_plain)
    except (MalformedXML, SourceChanged):
        pass
    return [Cut()]


class _Cutter:
    def __init__(self, feed: Feed, target: int) -> None:
        plan = Plan(feed)
        self._paths = PathTable(plan.local_paths)
        self._check_root = RootCheck(plan)
        self._stays_whole = feed.xsd is not None and feed.xsd.scope == "file"
        self._feed = feed
        self._target = target

    def cut_members(self, raw: BinaryIO, archive: containers.Archive, must_spool: bool) -> Iterator[Cut]:
        """Members stay whole unless they are huge; one that cannot be read stays whole as well."""
        sizes = dict(archive.members)
        huge = frozenset(name for name, size in archive.members if size is None or size > self._target * 3 // 2)
        cut_members: dict[str, list[Cut]] = {}
        for member in containers.iter_members(raw, quotas_of(self._feed), only=huge) if huge else ():
            if member.name != member.outermost:
                continue  # what lies in an inner archive stays with it
            try:
                stream = Utf8Stream(member.stream, self._feed.encoding)
                cut_members[member.name] = self.cut_stream(stream, member.name, False)
            except MalformedXML:
                continue
        for name in sizes:
            yield from cut_members.get(name) or [Cut(name, spool="" if must_spool else None)]

    def cut_stream(self, stream: Utf8Stream, member: str, is_plain: bool) -> list[Cut]:
        """The cuts of one stream of XML. Raises ``MalformedXML``."""
        whole = Cut(member)
        if self._stays_whole:
            return [whole]
        reader = self._new_reader(stream)
        cutter = reader.cutter
        cuts: list[Cut] = []
        next_cut = Cut(member, spool=None if is_plain and stream.is_identity else "")
        seen_end = 0
        for item in reader:
            end = item.end if isinstance(item, OversizeRecord) else item.offset + len(item.body)
            if isinstance(item, Piece) and item.is_remnant:
                # Comments after a document stay with it: a part cannot begin with them.
                if cuts and item.offset == next_cut.start_byte:
                    cuts[-1] = replace(cuts[-1], end_byte=end)
                    next_cut = replace(next_cut, start_byte=end, first_line=cutter.buffer.line)
                continue
            seen_end = end
            if end - next_cut.start_byte < self._target or cutter.is_inside_record:
                continue
            cuts.append(replace(next_cut, end_byte=end, tail=cutter.tail()))
            next_cut = Cut(
                member,
                end,
                None,
                cutter.open_context(),
                b"",
                reader.records_seen + 1,
                cutter.buffer.line,
                next_cut.spool,
            )
        if seen_end > next_cut.start_byte:
            cuts.append(replace(next_cut, end_byte=reader.bytes_read))
        elif cuts:  # what follows is white space
            cuts[-1] = replace(cuts[-1], end_byte=reader.bytes_read)
        return cuts if len(cuts) > 1 and reader.records_seen else [whole]

    def _new_reader(self, stream: Utf8Stream) -> PieceReader:
        return PieceReader(
            stream,
            self._paths,
            self._check_root,
            # Cuts are made once for all mappings to come, which may read what this one does not.
            keep_leads=True,
            piece_bytes=min(PIECE_BYTES, self._target),
            max_record_bytes=self._feed.max_record_bytes,
            max_header_bytes=self._feed.quotas.max_header_bytes,
            max_depth=self._feed.quotas.max_depth,
        )


def spool_parts(tools: Tools, run_id: int, parts: Sequence[Part]) -> dict[int, str]:
    """Write the decoded bytes of these parts to work files, in one pass over each file; part id to path.

    Parts of a file or an archive member that cannot be read are left out. Raises ``WorkFilesUnavailable``,
    ``SourceUnavailable``.
    """
    written: dict[int, str] = {}
    for _, group in groupby(parts, key=lambda part: part.file.file_id):
        waiting = sorted(group, key=lambda part: (part.cut.member, part.cut.start_byte))
        try:
            written.update(_spool_file(tools, run_id, waiting))
        except (MalformedXML, SourceChanged):
            continue
    return written


def _spool_file(tools: Tools, run_id: int, parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    by_member = {member: list(group) for member, group in groupby(parts, key=lambda part: part.cut.member)}
    with open_raw(tools, parts[0].file) as raw:
        only = frozenset(by_member) - {""} or None
        for member in containers.iter_members(raw, quotas_of(tools.feed), only=only):
            with suppress(MalformedXML):
                copier = _Copier(Utf8Stream(member.stream, tools.feed.encoding))
                for part in by_member.get(member.name, ()):
                    path = tools.work.spool(tools.feed.feed, run_id, f"part-{part.part_id}")
                    with tools.work.open_write(path) as sink:
                        copier.copy(part.cut.start_byte, part.cut.end_byte, sink)
                    yield part.part_id, path


class _Copier:
    """Copies stretches of a stream, in their order, to files."""

    def __init__(self, stream: Utf8Stream) -> None:
        self._stream = stream
        self._buffer = b""
        self._position = 0

    def copy(self, start: int, end: int | None, sink: BinaryIO) -> None:
        """Raises ``MalformedXML`` where the stream ends before the stretch does."""
        while end is None or self._position < end:
            self._buffer = self._buffer or self._stream.read(READ_BYTES)
            if not self._buffer:
                if end is None:
                    return
                raise MalformedXML("truncated", f"the content is {end - self._position} bytes shorter than it was")
            size = len(self._buffer) if end is None else min(end - self._position, len(self._buffer))
            sink.write(self._buffer[max(start - self._position, 0) : size])
            self._position, self._buffer = self._position + size, self._buffer[size:]
