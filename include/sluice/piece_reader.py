"""Cuts a stream of XML into pieces that a parser can take one by one. Memory is bounded by the piece and the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from sluice import scanner
from sluice.charsets import check_same_encoding
from sluice.errors import MalformedXML
from sluice.piece_cutter import PieceCutter
from sluice.pieces import OversizeRecord, Piece, closing, strip_lead
from sluice.scanner import PathTable
from sluice.stream_buffer import StreamBuffer
from sluice.stream_scan import StreamScan

# Measured best for lxml (the tree stays in the processor's cache): 256 to 512 KiB.
PIECE_BYTES = 512 << 10
READ_BYTES = 256 << 10
# So often in a row a leap may fail, before no more are tried in a stream.
MAX_MISSES = 4
# So few are followed one by one.
FEW_EVENTS = 32
# libxml2 goes no deeper, not even where it is told to take documents of any size.
MAX_DEPTH = 2048

RootCheck = Callable[[bytes], None]
Leaper = Callable[[Piece], int]
"""Takes a piece that was cut at a guess, without its records' places, and returns how many records it held; 0 where
the guess was wrong, or it does not take it.
"""


class Readable(Protocol):
    """All that is asked of a stream: up to ``size`` bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class PieceReader:
    """Iterates over the pieces of one stream (UTF-8, see ``charsets.Utf8Stream``).

    ``check_root`` is called with a small document (prolog, root start tag, closed at once) as soon as a root element is
    seen, so that a wrong document is refused before it is read; it raises ``MalformedXML``. With ``keep_leads`` the
    context of a piece holds what its ancestors contain before their first record (``max_header_bytes`` at most), else
    their start tags only. A record with elements below level ``max_depth`` of its document is left out. A stream that
    begins within a document goes on from ``context``, which is no part of it. Places, lines and ordinals count from
    ``first_byte``, ``first_line`` and ``first_record``: where the stream begins in its file.

    Iterating raises ``MalformedXML`` for what the stream or the scanner finds; the whole records before the fault have
    been yielded by then, the last of them when ``fault`` was set already.

    With a ``leaper``, most pieces are cut without a scan: they end before the last start tag in the buffer that looks
    like a record's. Whoever takes such a piece proves that the guess was right; such pieces are not yielded.

    ``cutter`` tells what is open where the last piece ended.
    """

    stream: Readable
    paths: PathTable
    check_root: RootCheck | None = None
    keep_leads: bool = False
    piece_bytes: int = PIECE_BYTES
    max_record_bytes: int = 16 << 20
    context: bytes = b""
    first_byte: int = 0
    first_line: int = 1
    first_record: int = 1
    max_header_bytes: int = 1 << 20
    max_depth: int = MAX_DEPTH
    leaper: Leaper | None = None
    cutter: PieceCutter = field(init=False)
    bytes_read: int = 0
    fault: MalformedXML | None = None
    _documents: int = 0
    _in_document: bool = False
    _declaration: int | None = None  # place of an XML declaration outside a document
    _record_tag: bytes = b""  # how the records' start tags begin, while leaps are tried
    _misses: int = 0  # leaps in a row that failed
    _buffer: StreamBuffer = field(init=False)
    _scan: StreamScan = field(init=False)

    def __post_init__(self) -> None:
        self._buffer = StreamBuffer(self.first_byte - len(self.context), self.first_line)
        self.cutter = PieceCutter(self._buffer, self.keep_leads, self.max_header_bytes, self.first_record)
        self._scan = StreamScan(self.paths, self._buffer)

    @property
    def records_seen(self) -> int:
        """How many records the pieces so far have held."""
        return self.cutter.records_seen

    def __iter__(self) -> Iterator[Piece | OversizeRecord]:
        try:
            if self.context:
                yield from self._enter()
            yield from self._read()
        except MalformedXML as fault:
            self.fault = fault
            if self._record_tag:
                # What was to be leapt over has whole records, too.
                with suppress(MalformedXML):
                    yield from self._catch_up()
            yield from self._rest(fault.code)
            self._buffer.data = b""  # the fault holds on to the reader
            self._scan.release()
            raise

    def _enter(self) -> Iterator[Piece | OversizeRecord]:
        """Open the ancestors in which the stream begins."""
        self._buffer.data = self.context
        yield from self._follow_scan()
        self.cutter.enter(self.first_byte)
        self._buffer.line = self.first_line

    def _read(self) -> Iterator[Piece | OversizeRecord]:
        # Reads grow with the buffer: a large record would be copied over and over else.
        while chunk := self.stream.read(max(READ_BYTES, len(self._buffer) // 2)):
            self.bytes_read += len(chunk)
            self._buffer.data += chunk
            if self._leap():
                continue
            yield from self._follow_scan()
            if self._scan.has_failed:
                raise self._scan_error()
            yield from self._make_room()
        if self._record_tag:
            yield from self._catch_up()
            if self._scan.has_failed:
                raise self._scan_error()
        yield from self._finish()

    def _catch_up(self) -> Iterator[Piece | OversizeRecord]:
        """Scan what was to be leapt over; there are no leaps any more."""
        self.leaper, self._record_tag = None, b""
        yield from self._follow_scan()

    # -- leaps --------------------------------------------------------------------------------------------------------

    def _leap(self) -> bool:
        """Hand over what is in the buffer without looking at it first, up to a guess; True to go on reading."""
        if self.leaper is None or not self._record_tag:
            return False
        if len(self._buffer) < self.piece_bytes:
            return True
        cutter, end = self.cutter, self._buffer.data.rfind(self._record_tag)
        taken = 0
        if end > 0:
            piece = cutter.unscanned(
                self._buffer.data[:end],
                context=cutter.open_context(),
                tail=closing(cutter.opened),
                prolog=cutter.prolog,
                chain=cutter.opened,
            )
            taken = self.leaper(piece)
        if not taken:
            self._misses += 1
            self._record_tag = b""
            return False
        self._misses = 0
        cutter.records_seen += taken
        self._buffer.drop_until(self._buffer.begin + end)
        self._scan_from_here()
        return True

    def _cut_behind_record(self, end: int) -> Iterator[Piece]:
        """Cut where a record ended; what comes then need not be scanned where leaps may be tried."""
        tag = self._buffer.tag_at(self.cutter.starts[0])
        yield self.cutter.cut(end)
        if self.leaper is not None and self._misses < MAX_MISSES:
            # What the scan has seen beyond the cut is forgotten.
            self.cutter.forget_records()
            self._record_tag = tag
            self._scan_from_here()

    def _scan_from_here(self) -> None:
        self._scan.restart([ancestor.name for ancestor in self.cutter.opened])

    # -- events -------------------------------------------------------------------------------------------------------

    def _follow_scan(self) -> Iterator[Piece | OversizeRecord]:
        """Most events are those of records, one after another in the same ancestors: these are taken in runs."""
        for events in self._scan.events():
            if len(events) < FEW_EVENTS:
                yield from self._follow_each(events.tolist())
            else:
                yield from self._follow_runs(events)
            if self._record_tag:
                return

    def _follow_runs(self, events: np.ndarray) -> Iterator[Piece | OversizeRecord]:
        is_record = events[:, 0] == scanner.RECORD_START
        is_record |= events[:, 0] == scanner.RECORD_END
        edges = [0, *(np.flatnonzero(np.diff(is_record)) + 1).tolist(), len(events)]
        for first, end in pairwise(edges):
            run = events[first:end]
            is_plain = is_record[first] and self.cutter.oversize is None and int(run[:, 3].max()) <= self.max_depth
            yield from self._follow_records(run) if is_plain else self._follow_each(run.tolist())
            if self._record_tag:
                return

    def _follow_records(self, run: np.ndarray) -> Iterator[Piece]:
        """Take in a run of records' starts and ends; none of them is too deep."""
        cutter = self.cutter
        is_start = run[:, 0] == scanner.RECORD_START
        starts, ends = run[is_start, 1], run[~is_start, 2]
        while len(starts) or len(ends):
            full = int(np.searchsorted(ends, self._buffer.begin + self.piece_bytes)) if cutter.ancestors else len(ends)
            if full == len(ends):
                cutter.begin_records(starts.tolist())
                cutter.ends += ends.tolist()
                return
            end = int(ends[full])
            begun = int(np.searchsorted(starts, end))
            cutter.begin_records(starts[:begun].tolist())
            cutter.ends += ends[: full + 1].tolist()
            starts, ends = starts[begun:], ends[full + 1 :]
            yield from self._cut_behind_record(end)
            if self._record_tag:
                return

    def _follow_each(self, events: list[list[int]]) -> Iterator[Piece | OversizeRecord]:
        cutter = self.cutter
        for kind, start, end, depth in events:
            if kind == scanner.RECORD_START:
                cutter.begin_records([start])
            elif kind == scanner.RECORD_END:
                yield from self._end_record(end, depth)
                if self._record_tag:
                    return
            elif kind == scanner.ROOT_START:
                yield from self._leave_gap()
                self._begin_document(start, end)
            elif kind == scanner.ANCESTOR_START:
                cutter.open_ancestor(start, end)
            elif kind == scanner.ANCESTOR_END:
                cutter.close_ancestor()
            elif kind == scanner.DECLARATION:
                self._declaration = start
            else:
                if end > self._buffer.begin:  # else its only record was too large, and is gone
                    yield cutter.cut(end)
                self._in_document = False

    def _end_record(self, end: int, depth: int) -> Iterator[Piece | OversizeRecord]:
        cutter = self.cutter
        if depth > self.max_depth and cutter.oversize is None:
            yield from cutter.open_oversize(end, depth)
        cutter.ends.append(end)
        if cutter.oversize is not None:
            yield cutter.close_oversize(end)
        elif end - self._buffer.begin >= self.piece_bytes and cutter.ancestors:
            yield from self._cut_behind_record(end)

    def _leave_gap(self) -> Iterator[Piece]:
        """What stands before an XML declaration here (comments, white space) belongs to no document."""
        declaration, self._declaration = self._declaration, None
        if declaration is not None and self._documents and declaration > self._buffer.begin:
            yield from self.cutter.cut_gap(declaration)

    def _begin_document(self, start: int, end: int) -> None:
        self._documents += 1
        self._in_document = True
        line = self._buffer.line_of(start)
        self.cutter.begin_document(start)
        prolog, tag = self.cutter.prolog, self._buffer.slice(start, end)
        closing_tag = b"" if tag.endswith(b"/>") else b"</" + self._buffer.name_at(start) + b">"
        try:
            if self._documents > 1:
                check_same_encoding(self.stream, prolog)
            if self.check_root is not None:
                self.check_root(prolog + tag + closing_tag)
        except MalformedXML as error:
            raise MalformedXML(error.code, error.message, offset=start, line=line) from None

    # -- bounds -------------------------------------------------------------------------------------------------------

    def _make_room(self) -> Iterator[Piece]:
        """Keep the buffer within its bound where no record ended for long."""
        cutter = self.cutter
        if cutter.oversize is not None:
            self._buffer.drop_until(self._scan.place)
        elif len(self._buffer) <= self.piece_bytes:
            return
        elif cutter.is_inside_record:
            if self._buffer.end - cutter.starts[-1] > self.max_record_bytes:
                yield from cutter.open_oversize(self._scan.place)
        elif not cutter.check_lead(self._scan.place) and (end := self._scan.last_child_end) is not None:
            yield cutter.cut(end)
        if len(self._buffer) > self.max_record_bytes + self.max_header_bytes + self.piece_bytes:
            message = f"a tag, comment or stretch without records passes max_record_bytes ({self.max_record_bytes})"
            raise MalformedXML("too_large", message, offset=self._buffer.begin, line=self._buffer.line)

    # -- the end of the stream ----------------------------------------------------------------------------------------

    def _finish(self) -> Iterator[Piece]:
        """What is left after the last byte: nothing, a trailing comment, or a document without its end."""
        if self._in_document or not self._scan.is_outside or self._scan.place < self._buffer.end:
            raise self.cutter.tell_truncated()
        if not self._documents:
            if strip_lead(self._buffer.data):
                message = "the file ends before its root element begins"
                raise MalformedXML("truncated", message, offset=self._buffer.end, line=self._buffer.line_of(None))
            raise MalformedXML("empty_file", "the file is empty", offset=0, line=1)
        yield from self.cutter.cut_gap(self._buffer.end)

    def _rest(self, code: str) -> Iterator[Piece]:
        """At a fault: the whole records before it; where the stream ends early, also what then is left."""
        if self.cutter.oversize is not None:
            return
        yield from self.cutter.cut_what_ended()
        if code == "truncated" and self._scan.is_in_content:
            # Not within a tag that is not whole: a value may hold such a character.
            seen = self._scan.place - self._buffer.begin
            body = self._buffer.data[: self._buffer.data.rfind(b">", 0, seen) + 1]
            yield self.cutter.unscanned(body, context=self.cutter.open_context(), is_remnant=True)

    def _scan_error(self) -> MalformedXML:
        offset = self._scan.place
        line = self._buffer.line_of(offset)
        if not self._documents:
            return MalformedXML("not_xml", "the file does not begin like XML", offset=offset, line=line)
        message = f"something other than a comment stands after the root element, at byte {offset}, line {line}"
        return MalformedXML("malformed", message, offset=offset, line=line)
