"""Cuts a stream of XML into pieces that a parser can take one by one. Memory is bounded by the piece and the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from sluice import scanner
from sluice.charsets import check_same_encoding
from sluice.errors import MalformedXML
from sluice.pieces import (
    NO_RECORDS,
    RAW_CAP_BYTES,
    Ancestor,
    Chain,
    OversizeRecord,
    Piece,
    closing,
    opening,
    strip_lead,
)
from sluice.scanner import PathTable
from sluice.stream_buffer import StreamBuffer

# Measured best for lxml (the tree stays in the processor's cache): 256 to 512 KiB.
PIECE_BYTES = 512 << 10
READ_BYTES = 256 << 10
# So often in a row a leap may fail, before no more are tried in a stream.
MAX_MISSES = 4
# So few are followed one by one.
FEW_EVENTS = 32
# libxml2 goes no deeper, not even where it is told to take documents of any size.
MAX_DEPTH = 2048

_NO_EVENTS = np.empty((0, 4), np.int64)

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
    bytes_read: int = 0
    records_seen: int = 0
    fault: MalformedXML | None = None
    _buffer: StreamBuffer = field(init=False)  # begins where the last piece ended
    _scanned: int = 0  # index in the buffer
    _documents: int = 0
    _prolog: bytes = b""
    _opened: Chain = ()  # the ancestors of the next piece; none for the first of a document
    _in_document: bool = False
    _declaration: int | None = None  # stream position of an XML declaration outside a document
    _ancestors: list[Ancestor] = field(default_factory=list)
    _chain: Chain | None = None  # the ancestors as they stand in ``_families``; None once they have changed
    _families: list[tuple[int, Chain]] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _oversize: OversizeRecord | None = None
    _record_tag: bytes = b""  # how the records' start tags begin
    _misses: int = 0  # leaps in a row that failed
    _state: np.ndarray = field(init=False)
    _stack: np.ndarray = field(init=False)
    _events: np.ndarray = field(init=False)

    def __iter__(self) -> Iterator[Piece | OversizeRecord]:
        self._state, self._stack = self.paths.new_state()
        self._events = _NO_EVENTS
        self._buffer = StreamBuffer(self.first_byte - len(self.context), self.first_line)
        try:
            if self.context:
                yield from self._enter()
            yield from self._read()
        except MalformedXML as fault:
            self.fault = fault
            if self._is_ahead:
                # What was to be leapt over has whole records, too.
                with suppress(MalformedXML):
                    yield from self._catch_up()
            yield from self._rest(fault.code)
            self._buffer.data, self._events = b"", _NO_EVENTS  # the fault holds on to the reader
            raise

    def _enter(self) -> Iterator[Piece | OversizeRecord]:
        """Open the ancestors in which the stream begins; what they hold from here on is no part of their leads."""
        self._buffer.data = self.context
        yield from self._scan()
        self._freeze_lead(self.first_byte)
        self._opened = tuple(self._ancestors)
        self._drop_until(self.first_byte)
        self._buffer.line = self.first_line

    def _read(self) -> Iterator[Piece | OversizeRecord]:
        # Reads grow with the buffer: a large record would be copied over and over else.
        while chunk := self.stream.read(max(READ_BYTES, len(self._buffer) // 2)):
            self.bytes_read += len(chunk)
            self._buffer.data += chunk
            if self._leap():
                continue
            yield from self._scan()
            if self._state[scanner.ERROR]:
                raise self._scan_error()
            yield from self._make_room()
        if self._is_ahead:
            yield from self._catch_up()
            if self._state[scanner.ERROR]:
                raise self._scan_error()
        yield from self._finish()

    @property
    def _is_ahead(self) -> bool:
        """Whether bytes were read that have not been scanned, in the hope that they need not be."""
        return bool(self._record_tag)

    def _catch_up(self) -> Iterator[Piece | OversizeRecord]:
        """Scan what was to be leapt over; there are no leaps any more."""
        self.leaper, self._record_tag = None, b""
        yield from self._scan()

    def _scan(self) -> Iterator[Piece | OversizeRecord]:
        if not len(self._events):
            self._events = np.empty((scanner.EVENT_CAPACITY, 4), np.int64)
        count = -1
        while count:
            view = np.frombuffer(self._buffer.data, np.uint8)
            self._scanned, count = scanner.scan(self.paths, view, self._scanned, self._state, self._stack, self._events)
            yield from self._follow(self._events[:count])
            if self._record_tag:
                return

    # -- leaps --------------------------------------------------------------------------------------------------------

    def _leap(self) -> bool:
        """Hand over what is in the buffer without looking at it first, up to a guess; True to go on reading."""
        if self.leaper is None or not self._record_tag:
            return False
        if len(self._buffer) < self.piece_bytes:
            return True
        end = self._buffer.data.rfind(self._record_tag)
        taken = 0
        if end > 0:
            piece = self._unscanned(
                self._buffer.data[:end],
                context=self.open_context(),
                tail=closing(self._opened),
                prolog=self._prolog,
                chain=self._opened,
            )
            taken = self.leaper(piece)
        if not taken:
            self._misses += 1
            self._record_tag = b""
            return False
        self._misses = 0
        self.records_seen += taken
        self._drop_until(self._buffer.begin + end)
        self._scanned = 0
        return True

    def _go_back(self, record_tag: bytes) -> None:
        """Forget what the scan has seen beyond the last cut, a record's end: from there on leaps are tried."""
        self._starts, self._ends, self._families = [], [], []
        self._record_tag, self._scanned = record_tag, 0
        names = [ancestor.name for ancestor in self._opened]
        self._state, self._stack = self.paths.new_state(names)

    # -- events -------------------------------------------------------------------------------------------------------

    def _follow(self, events: np.ndarray) -> Iterator[Piece | OversizeRecord]:
        """Most events are those of records, one after another in the same ancestors: these are taken in runs."""
        events[:, 1:3] += self._buffer.begin  # cuts move the buffer, so positions are made stream positions first
        if len(events) < FEW_EVENTS:
            yield from self._follow_each(events.tolist())
            return
        is_record = events[:, 0] == scanner.RECORD_START
        is_record |= events[:, 0] == scanner.RECORD_END
        edges = [0, *(np.flatnonzero(np.diff(is_record)) + 1).tolist(), len(events)]
        for first, end in pairwise(edges):
            run = events[first:end]
            if end > first and is_record[first] and self._oversize is None and int(run[:, 3].max()) <= self.max_depth:
                yield from self._follow_records(run)
            else:
                yield from self._follow_each(run.tolist())
            if self._record_tag:
                return

    def _follow_records(self, run: np.ndarray) -> Iterator[Piece]:
        """Take in a run of records' starts and ends; none of them is too deep."""
        is_start = run[:, 0] == scanner.RECORD_START
        starts, ends = run[is_start, 1], run[~is_start, 2]
        while len(starts) or len(ends):
            full = int(np.searchsorted(ends, self._buffer.begin + self.piece_bytes)) if self._ancestors else len(ends)
            if full == len(ends):
                self._begin_records(starts.tolist())
                self._ends += ends.tolist()
                return
            end = int(ends[full])
            begun = int(np.searchsorted(starts, end))
            self._begin_records(starts[:begun].tolist())
            self._ends += ends[: full + 1].tolist()
            starts, ends = starts[begun:], ends[full + 1 :]
            yield from self._cut_behind_record(end)
            if self._record_tag:
                return

    def _cut_behind_record(self, end: int) -> Iterator[Piece]:
        """Cut where a record ended; what comes then need not be scanned where leaps may be tried."""
        tag = self._buffer.tag_at(self._starts[0])
        yield self._cut(end)
        if self.leaper is not None and self._misses < MAX_MISSES:
            self._go_back(tag)

    def _follow_each(self, events: list[list[int]]) -> Iterator[Piece | OversizeRecord]:
        for kind, start, end, depth in events:
            if kind == scanner.RECORD_START:
                self._begin_records([start])
            elif kind == scanner.RECORD_END:
                if depth > self.max_depth and self._oversize is None:
                    yield from self._open_oversize(end, depth)
                self._ends.append(end)
                if self._oversize is not None:
                    yield self._close_oversize(end)
                elif end - self._buffer.begin >= self.piece_bytes and self._ancestors:
                    yield from self._cut_behind_record(end)
                    if self._record_tag:
                        return
            elif kind == scanner.ROOT_START:
                yield from self._leave_gap()
                self._begin_document(start, end)
            elif kind == scanner.ANCESTOR_START:
                self._freeze_lead(start)
                self._open_ancestor(start, self._buffer.slice(start, end))
            elif kind == scanner.ANCESTOR_END:
                self._ancestors.pop()
                self._chain = None
            elif kind == scanner.DECLARATION:
                self._declaration = start
            else:
                if end > self._buffer.begin:  # else its only record was too large, and is gone
                    yield self._cut(end)
                self._in_document = False

    def _leave_gap(self) -> Iterator[Piece]:
        """What stands before an XML declaration here (comments, white space) belongs to no document."""
        declaration, self._declaration = self._declaration, None
        if declaration is not None and self._documents and declaration > self._buffer.begin:
            yield from self._take_gap(declaration)

    def _take_gap(self, end: int) -> Iterator[Piece]:
        gap = self._unscanned(
            self._buffer.slice(self._buffer.begin, end), context=b"<_>", tail=b"</_>", is_remnant=True
        )
        self._drop_until(end)
        if strip_lead(gap.body):
            yield gap

    def _begin_document(self, start: int, end: int) -> None:
        self._documents += 1
        self._prolog = strip_lead(self._buffer.slice(self._buffer.begin, start))
        self._in_document = True
        line = self._buffer.line_of(start)
        if len(self._prolog) > self.max_header_bytes:
            message = f"more bytes stand before the root element than {self._header_quota}"
            raise MalformedXML("too_large", message, offset=start, line=line)
        tag = self._buffer.slice(start, end)
        closing_tag = b"" if tag.endswith(b"/>") else b"</" + self._buffer.name_at(start) + b">"
        try:
            if self._documents > 1:
                check_same_encoding(self.stream, self._prolog)
            if self.check_root is not None:
                self.check_root(self._prolog + tag + closing_tag)
        except MalformedXML as error:
            raise MalformedXML(error.code, error.message, offset=start, line=line) from None

    def _open_ancestor(self, start: int, tag: bytes) -> None:
        ancestor = Ancestor(start, self._buffer.name_at(start), tag, None if self.keep_leads else tag)
        if len(tag) > self.max_header_bytes:
            raise self._header_too_large(ancestor)
        self._ancestors.append(ancestor)
        self._chain = None

    def _begin_records(self, starts: list[int]) -> None:
        """Records begin, all in the present ancestors."""
        if not starts:
            return
        self._freeze_lead(starts[0])
        if self._chain is None:
            self._chain = tuple(self._ancestors)
        if not self._families or self._families[-1][1] is not self._chain:
            self._families.append((len(self._starts), self._chain))
        self._starts += starts

    def _freeze_lead(self, position: int) -> None:
        """The innermost open ancestor has got its first child on the path: what it holds so far is its lead."""
        if self._ancestors and self._ancestors[-1].lead is None:
            ancestor = self._ancestors[-1]
            ancestor.lead = self._buffer.slice(ancestor.start, position)
            if len(ancestor.lead) > self.max_header_bytes:
                raise self._header_too_large(ancestor)

    # -- pieces -------------------------------------------------------------------------------------------------------

    def _cut(self, end: int, chain: Chain | None = None) -> Piece:
        """The piece up to ``end``, a place in ``chain`` (the present ancestors), with the records that ended in it."""
        chain = tuple(self._ancestors) if chain is None else chain
        done = len(self._ends)
        piece = Piece(
            context=self.open_context(),
            body=self._buffer.slice(self._buffer.begin, end),
            tail=closing(chain),
            offset=self._buffer.begin,
            starts=np.array(self._starts[:done], np.int64),
            ends=np.array(self._ends, np.int64),
            first_record=self._next,
            first_line=self._buffer.line,
            prolog=self._prolog,
            chain=self._opened,
            families=tuple(self._families),
        )
        self.records_seen += done
        self._starts, self._ends = self._starts[done:], []
        self._families = [(0, self._families[-1][1])] if self._starts else []
        self._drop_until(end)
        self._opened = chain
        return piece

    def _unscanned(self, body: bytes, *, context: bytes = b"", tail: bytes = b"", **more: Any) -> Piece:
        """A piece that begins where the last one ended, of which no records are known (yet)."""
        buffer = self._buffer
        return Piece(context, body, tail, buffer.begin, NO_RECORDS, NO_RECORDS, self._next, buffer.line, **more)

    def open_context(self) -> bytes:
        """What a piece that begins where the last one ended must be preceded by; nothing between two documents."""
        return opening(self._prolog, self._opened) if self._opened else b""

    def tail(self) -> bytes:
        """What closes a piece that ends here."""
        return closing(tuple(self._ancestors))

    @property
    def _next(self) -> int:
        """The ordinal of the first record that no piece has given yet."""
        return self.first_record + self.records_seen

    @property
    def ends_line(self) -> int:
        """The line in which the last piece ended."""
        return self._buffer.line

    @property
    def is_inside_record(self) -> bool:
        """Whether a record was open where the last piece ended (it was cut off to make room for an oversize one)."""
        return len(self._starts) > len(self._ends)

    def _make_room(self) -> Iterator[Piece]:
        """Keep the buffer within its bound where no record ended for long."""
        if self._oversize is not None:
            self._drop_until(self._buffer.begin + self._scanned)
        elif len(self._buffer) <= self.piece_bytes:
            return
        elif self.is_inside_record:
            if self._buffer.end - self._starts[-1] > self.max_record_bytes:
                yield from self._open_oversize(self._buffer.begin + self._scanned)
        elif self._ancestors and self._ancestors[-1].lead is None:
            if self._buffer.begin + self._scanned - self._ancestors[-1].start > self.max_header_bytes:
                raise self._header_too_large(self._ancestors[-1])
        elif self._state[scanner.LAST_CHILD_END] > 0:
            yield self._cut(self._buffer.begin + int(self._state[scanner.LAST_CHILD_END]))
        if len(self._buffer) > self.max_record_bytes + self.max_header_bytes + self.piece_bytes:
            message = f"a tag, comment or stretch without records passes max_record_bytes ({self.max_record_bytes})"
            raise MalformedXML("too_large", message, offset=self._buffer.begin, line=self._buffer.line)

    def _open_oversize(self, seen: int, levels: int | None = None) -> Iterator[Piece]:
        """Cut before the record that is open, and let go of it up to ``seen``, a place in the stream."""
        start = self._starts[-1]
        if start > self._buffer.begin and self._ancestors:
            yield self._cut(start)
        self._drop_until(start)
        raw, chain = self._buffer.data[: min(RAW_CAP_BYTES, seen - start)], self._families[-1][1]
        self._oversize = OversizeRecord(start, start, self._next, self._buffer.line, raw, self._prolog, chain, levels)
        self._drop_until(seen)

    def _close_oversize(self, end: int) -> OversizeRecord:
        assert self._oversize is not None
        record, self._oversize = replace(self._oversize, end=end), None
        self._starts, self._ends, self._families = [], [], []
        self.records_seen += 1
        self._drop_until(end)
        return record

    # -- the end of the stream ----------------------------------------------------------------------------------------

    def _finish(self) -> Iterator[Piece]:
        """What is left after the last byte: nothing, a trailing comment, or a document without its end."""
        is_open = self._in_document or self._state[scanner.MODE] != scanner.OUTSIDE
        if is_open or self._scanned < len(self._buffer):
            raise self._truncated()
        if not self._documents:
            if strip_lead(self._buffer.data):
                message = "the file ends before its root element begins"
                raise MalformedXML("truncated", message, offset=self._buffer.end, line=self._buffer.line_of(None))
            raise MalformedXML("empty_file", "the file is empty", offset=0, line=1)
        yield from self._take_gap(self._buffer.end)

    def _rest(self, code: str) -> Iterator[Piece]:
        """At a fault: the whole records before it; where the stream ends early, also what then is left."""
        if self._oversize is not None:
            return
        if self._ends:
            done = len(self._ends)
            yield self._cut(self._ends[-1], next(chain for first, chain in reversed(self._families) if first < done))
        if code == "truncated" and self._state[scanner.MODE] == scanner.CONTENT:
            # Not within a tag that is not whole: a value may hold such a character.
            body = self._buffer.data[: self._buffer.data.rfind(b">", 0, self._scanned) + 1]
            yield self._unscanned(body, context=self.open_context(), is_remnant=True)

    def _truncated(self) -> MalformedXML:
        end, line = self._buffer.end, self._buffer.line_of(None)
        if self.is_inside_record:
            inside = f"inside record {self._next + len(self._ends)}, which begins at byte {self._starts[-1]}"
        elif self._ancestors:
            inside = f"inside <{self._ancestors[-1].name.decode(errors='replace')}>"
        else:
            inside = "before its root element is closed"
        return MalformedXML("truncated", f"the XML ends at byte {end}, line {line}, {inside}", offset=end, line=line)

    def _scan_error(self) -> MalformedXML:
        offset = self._buffer.begin + self._scanned
        line = self._buffer.line_of(offset)
        if not self._documents:
            return MalformedXML("not_xml", "the file does not begin like XML", offset=offset, line=line)
        message = f"something other than a comment stands after the root element, at byte {offset}, line {line}"
        return MalformedXML("malformed", message, offset=offset, line=line)

    @property
    def _header_quota(self) -> str:
        return f"quotas.max_header_bytes ({self.max_header_bytes})"

    def _header_too_large(self, ancestor: Ancestor) -> MalformedXML:
        name = ancestor.name.decode(errors="replace")
        message = f"<{name}> holds more bytes before its first record than {self._header_quota}"
        return MalformedXML("too_large", message, offset=ancestor.start, line=self._buffer.line_of(ancestor.start))

    def _drop_until(self, place: int) -> None:
        if size := self._buffer.drop_until(place):
            self._scanned -= size
            self._state[scanner.LAST_CHILD_END] = max(int(self._state[scanner.LAST_CHILD_END]) - size, -1)
