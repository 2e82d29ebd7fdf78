"""Where a file is cut: huge ones at record boundaries, archives between their members.

A cut stretch, read with its context before it and its tail behind it, is a document of its own. The scan that finds the
cuts goes to the end of the file, so head and tail are known to match before a part of it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import BinaryIO

from sluice import containers
from sluice.errors import MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.pieces import OversizeRecord, PieceReader
from sluice.plan import Plan
from sluice.reading import QUOTAS, READ_BYTES, open_raw
from sluice.records import Cut, LedgerFile, Part
from sluice.scanner import PathTable
from sluice.stages import Tools
from sluice.validity import RootCheck
from sluice.xmlio import Utf8Stream

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
            archive = containers.list_members(raw, QUOTAS)
        with open_raw(tools, file) as raw:
            if archive.kind in ("zip", "tar"):
                total = sum(size or 0 for _, size in archive.members)
                # A tar can only be read from its beginning: many batches would read it many times.
                must_spool = archive.kind == "tar" and max(total, file.size_bytes) > 2 * target
                return list(cutter.cut_members(raw, archive, must_spool)) or [Cut()]
            for member in containers.iter_members(raw, QUOTAS):
                return cutter.cut_stream(Utf8Stream(member.stream), "", member.is_plain)
    except (MalformedXML, SourceChanged):
        pass
    return [Cut()]


class _Cutter:
    def __init__(self, feed: Feed, target: int) -> None:
        plan = Plan(feed)
        self._paths = PathTable(plan.local_paths)
        self._check_root = RootCheck(plan)
        self._keep_leads = plan.reads_ancestor_content or feed.xsd is not None
        self._stays_whole = feed.xsd is not None and feed.xsd.scope == "file"
        self._max_record_bytes = feed.max_record_bytes
        self._target = target

    def cut_members(self, raw: BinaryIO, archive: containers.Archive, must_spool: bool) -> Iterator[Cut]:
        """Members stay whole unless they are huge; one that cannot be read stays whole as well."""
        sizes = dict(archive.members)
        huge = frozenset(name for name, size in archive.members if size is None or size > self._target * 3 // 2)
        cut_members: dict[str, list[Cut]] = {}
        for member in containers.iter_members(raw, QUOTAS, only=huge) if huge else ():
            try:
                cut_members[member.name] = self.cut_stream(Utf8Stream(member.stream), member.name, False)
            except MalformedXML:
                continue
        for name in sizes:
            yield from cut_members.get(name) or [Cut(name, spool="" if must_spool else None)]

    def cut_stream(self, stream: Utf8Stream, member: str, is_plain: bool) -> list[Cut]:
        """The cuts of one stream of XML. Raises ``MalformedXML``."""
        whole = Cut(member)
        if self._stays_whole:
            return [whole]
        spool = None if is_plain and stream.is_identity else ""
        reader = PieceReader(
            stream, self._paths, self._check_root, self._keep_leads, max_record_bytes=self._max_record_bytes
        )
        cuts: list[Cut] = []
        start, context, first_record, first_line = 0, b"", 1, 1
        for item in reader:
            # An oversize record ends where its parent goes on, so the context and tail there are those of the reader.
            end = item.end if isinstance(item, OversizeRecord) else item.offset + len(item.body)
            if end - start < self._target or reader.is_inside_record:
                continue
            cuts.append(Cut(member, start, end, context, reader.tail(), first_record, first_line, spool))
            start, context, first_record, first_line = end, reader.context(), reader.records_seen + 1, reader.ends_line
        if not cuts:
            return [whole]
        if start < reader.bytes_read:
            cuts.append(Cut(member, start, reader.bytes_read, context, b"", first_record, first_line, spool))
        return cuts


def spool_parts(tools: Tools, run_id: int, parts: Sequence[Part]) -> dict[int, str]:
    """Write the decoded bytes of these parts to work files, in one pass over each file; part id to path.

    Parts of a file that cannot be read any more are left out. Raises ``WorkFilesUnavailable``, ``SourceUnavailable``.
    """
    written: dict[int, str] = {}
    for _, group in groupby(parts, key=lambda part: part.file.file_id):
        waiting = sorted(group, key=lambda part: (part.cut.member, part.cut.start_byte))
        try:
            for part_id, path in _spool_file(tools, run_id, waiting):
                written[part_id] = path
        except (MalformedXML, SourceChanged):
            continue
    return written


def _spool_file(tools: Tools, run_id: int, parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    by_member = {member: list(group) for member, group in groupby(parts, key=lambda part: part.cut.member)}
    with open_raw(tools, parts[0].file) as raw:
        for member in containers.iter_members(raw, QUOTAS, only=frozenset(by_member) - {""} or None):
            stream = Utf8Stream(member.stream)
            buffer, position = b"", 0
            for part in by_member.get(member.name, ()):
                path = tools.work.spool(tools.feed.feed, run_id, f"part-{part.part_id}")
                with tools.work.open_write(path) as sink:
                    end = part.cut.end_byte
                    while end is None or position < end:
                        buffer = buffer or stream.read(READ_BYTES)
                        if not buffer:
                            break
                        size = len(buffer) if end is None else min(end - position, len(buffer))
                        if position >= part.cut.start_byte:
                            sink.write(buffer[:size])
                        elif position + size > part.cut.start_byte:
                            sink.write(buffer[part.cut.start_byte - position : size])
                        position, buffer = position + size, buffer[size:]
                yield part.part_id, path
