"""Cuts a stream of XML into pieces that a parser can take one by one, each a well-formed document of its own.

A piece is ``context + body + tail``: the prolog and the open ancestors with what they hold before their first record; a
stretch of the file with whole records; the closing tags. The bodies of a document's pieces, laid end to end, are the
document. So when each piece parses, the document is well-formed, and a wrong cut cannot go unnoticed: it would leave a
piece that is not. Memory is bounded by the piece and by the largest record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from sluice import scanner
from sluice.errors import MalformedXML
from sluice.scanner import PathTable

# Measured best for lxml (the tree stays in the processor's cache): 256 to 512 KiB.
PIECE_BYTES = 512 << 10
READ_BYTES = 256 << 10
MAX_CONTEXT_BYTES = 1 << 20
RAW_CAP_BYTES = 64 << 10

_TAG_NAME = re.compile(rb"<([^\s/>]+)")

RootCheck = Callable[[bytes], None]


class Readable(Protocol):
    """All that is asked of a stream: up to ``size`` bytes, none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """``offset`` is the position of ``body`` in the stream; ``starts`` and ``ends`` are those of its records, in stream
    bytes.

    ``first_record`` and ``first_line`` count from 1 over the whole stream. ``record_context`` is what its first record
    must be preceded by to stand alone.
    """

    context: bytes
    body: bytes
    tail: bytes
    offset: int
    starts: np.ndarray
    ends: np.ndarray
    first_record: int
    first_line: int
    document: int
    record_context: bytes = b""

    @property
    def text(self) -> bytes:
        """The piece as a document. Leading white space goes, as an XML declaration must come first."""
        return self.context + self.body + self.tail if self.context else _strip_lead(self.body) + self.tail

    def raw(self, index: int) -> bytes:
        """The bytes of record ``index`` of this piece."""
        return self.body[int(self.starts[index]) - self.offset : int(self.ends[index]) - self.offset]

    def lines(self) -> np.ndarray:
        """The line on which each record begins."""
        newlines = np.flatnonzero(np.frombuffer(self.body, np.uint8) == 10)
        return self.first_line + np.searchsorted(newlines, self.starts - self.offset)


@dataclass(frozen=True, slots=True)
class OversizeRecord:
    """A record that is larger than the limit; only its first bytes (``raw``) were kept."""

    start: int
    end: int
    ordinal: int
    line: int
    raw: bytes


def _strip_lead(data: bytes) -> bytes:
    return data.lstrip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")


@dataclass(slots=True)
class _Ancestor:
    """An open element on the way to the records. ``lead`` is None until it is known: see ``PieceReader.keep_leads``."""

    start: int
    name: bytes
    lead: bytes | None = None


@dataclass(slots=True)
class PieceReader:
    """Iterates over the pieces of one stream (UTF-8, see ``xmlio.as_utf8``).

    ``check_root`` is called with a small document (prolog, root start tag, closed at once) as soon as a root element is
    seen, so that a wrong document is refused before it is read; it raises ``MalformedXML``. With ``keep_leads`` the
    context of a piece holds what its ancestors contain before their first record (1 MiB at most), else their start tags
    only. Iterating raises ``MalformedXML`` for what the scanner itself finds; the pieces before the fault have been
    yielded by then.
    """

    stream: Readable
    paths: PathTable
    check_root: RootCheck | None = None
    keep_leads: bool = False
    piece_bytes: int = PIECE_BYTES
    max_record_bytes: int = 16 << 20
    bytes_read: int = 0
    records_seen: int = 0
    ends_line: int = 1  # line at which the buffer begins; after the last piece, of the end of the stream
    _buffer: bytes = b""
    _base: int = 0  # stream position of _buffer[0]
    _scanned: int = 0  # index in _buffer
    _document: int = 0
    _prolog: bytes = b""
    _context: bytes = b""  # of the next piece; empty for the first of a document
    _record_context: bytes = b""
    _in_document: bool = False
    _declaration: int | None = None  # stream position of an XML declaration outside a document
    _ancestors: list[_Ancestor] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _oversize: OversizeRecord | None = None
    _state: np.ndarray = field(init=False)

    def __iter__(self) -> Iterator[Piece | OversizeRecord]:
        self._state, stack = self.paths.new_state()
        events = np.zeros((scanner.EVENT_CAPACITY, 4), np.int64)
        is_last = False
        while not is_last:
            chunk = self.stream.read(READ_BYTES)
            is_last = not chunk
            self.bytes_read += len(chunk)
            self._buffer += chunk
            count = -1
            while count:
                view = np.frombuffer(self._buffer, np.uint8)
                self._scanned, count = scanner.scan(self.paths, view, self._scanned, self._state, stack, events)
                yield from self._follow(events[:count].tolist())
            if self._state[scanner.ERROR]:
                raise self._scan_error()
            yield from self._make_room()
        yield from self._finish()

    # -- events ---------------------------------------------------------------------------------------------------

    def _follow(self, events: list[list[int]]) -> Iterator[Piece | OversizeRecord]:
        base = self._base  # cuts move the buffer, so positions are made stream positions first
        for kind, start_index, end_index, _depth in events:
            start, end = start_index + base, end_index + base
            if kind == scanner.RECORD_START:
                self._freeze_leads(start)
                if not self._starts:
                    self._record_context = self.context()
                self._starts.append(start)
            elif kind == scanner.RECORD_END:
                self._ends.append(end)
                if self._oversize is not None:
                    yield self._close_oversize(end)
                elif end - self._base >= self.piece_bytes:
                    yield self._cut(end)
            elif kind == scanner.ROOT_START:
                self._begin_document(start, end)
            elif kind == scanner.ANCESTOR_START:
                self._freeze_leads(start)
                lead = None if self.keep_leads else self._slice(start, end)
                self._ancestors.append(_Ancestor(start, self._name_at(start), lead))
            elif kind == scanner.ANCESTOR_END:
                self._ancestors.pop()
            elif kind == scanner.DECLARATION:
                self._declaration = start
            else:
                yield self._cut(end)
                self._in_document, self._context = False, b""

    def _begin_document(self, start: int, end: int) -> None:
        """What stands before an XML declaration here (comments, white space) belongs to the end of the document before."""
        if self._declaration is not None and self._document:
            self._drop_until(self._declaration)
        self._declaration = None
        self._document += 1
        self._prolog = _strip_lead(self._slice(self._base, start))
        self._in_document = True
        if self.check_root is not None:
            tag = self._slice(start, end)
            closing = b"" if tag.endswith(b"/>") else b"</" + self._name_at(start) + b">"
            self.check_root(self._prolog + tag + closing)

    def _freeze_leads(self, position: int) -> None:
        """The innermost open ancestor has got its first child on the path: what it holds so far is its lead."""
        if self._ancestors and self._ancestors[-1].lead is None:
            ancestor = self._ancestors[-1]
            ancestor.lead = self._slice(ancestor.start, position)
            if len(ancestor.lead) > MAX_CONTEXT_BYTES:
                raise self._header_too_large(ancestor)

    # -- pieces ---------------------------------------------------------------------------------------------------

    def _cut(self, end: int) -> Piece:
        """The piece from the buffer's begin to ``end``, with the records that ended in it; the buffer then begins at
        ``end``.
        """
        done = len(self._ends)
        piece = Piece(
            context=self._context,
            body=self._slice(self._base, end),
            tail=self.tail(),
            offset=self._base,
            starts=np.array(self._starts[:done], np.int64),
            ends=np.array(self._ends, np.int64),
            first_record=self.records_seen + 1,
            first_line=self.ends_line,
            document=self._document,
            record_context=self._record_context,
        )
        self.records_seen += done
        self._starts, self._ends = self._starts[done:], []
        if self._starts:
            self._record_context = self.context()
        self._drop_until(end)
        self._context = self.context()
        return piece

    def context(self) -> bytes:
        """What a piece that begins here must be preceded by; nothing between two documents."""
        if not self._ancestors:
            return b""
        return self._prolog + b"".join(ancestor.lead or b"" for ancestor in self._ancestors)

    def tail(self) -> bytes:
        """What closes a piece that ends here."""
        return b"".join(b"</" + ancestor.name + b">" for ancestor in reversed(self._ancestors))

    @property
    def is_inside_record(self) -> bool:
        """Whether a record was open where the last piece ended (it was cut off to make room for an oversize one)."""
        return len(self._starts) > len(self._ends)

    def _make_room(self) -> Iterator[Piece | OversizeRecord]:
        """Keep the buffer within its bound where no record ended for long."""
        if self._oversize is not None:
            self._drop_until(self._base + self._scanned)
        elif len(self._buffer) <= self.piece_bytes:
            return
        elif len(self._starts) > len(self._ends):
            if self._base + len(self._buffer) - self._starts[-1] > self.max_record_bytes:
                yield from self._open_oversize()
        elif self._in_document:
            if self._ancestors and self._ancestors[-1].lead is None:
                if len(self._buffer) > MAX_CONTEXT_BYTES + self.piece_bytes:
                    raise self._header_too_large(self._ancestors[-1])
            elif self._state[scanner.LAST_SIBLING_END] > 0:
                yield self._cut(self._base + int(self._state[scanner.LAST_SIBLING_END]))
        if len(self._buffer) > self.max_record_bytes + MAX_CONTEXT_BYTES + self.piece_bytes:
            message = f"a stretch without records is larger than {self.max_record_bytes} bytes"
            raise MalformedXML("too_large", message, offset=self._base, line=self.ends_line)

    def _open_oversize(self) -> Iterator[Piece]:
        start = self._starts[-1]
        if start > self._base:
            yield self._cut(start)
        raw = self._buffer[:RAW_CAP_BYTES]
        self._oversize = OversizeRecord(start, start, self.records_seen + 1, self.ends_line, raw)
        self._drop_until(self._base + self._scanned)

    def _close_oversize(self, end: int) -> OversizeRecord:
        assert self._oversize is not None
        record, self._oversize = replace(self._oversize, end=end), None
        self._starts, self._ends = [], []
        self.records_seen += 1
        self._drop_until(end)
        return record

    # -- the end of the stream ------------------------------------------------------------------------------------

    def _finish(self) -> Iterator[Piece]:
        """What is left after the last byte: nothing, a trailing comment, or a document without its end."""
        rest = _strip_lead(self._buffer)
        if self._in_document or self._state[scanner.MODE] != scanner.OUTSIDE or self._scanned < len(self._buffer):
            if self._ends:
                yield self._cut(self._ends[-1])
            raise self._truncated()
        if not self._document:
            if rest:
                raise MalformedXML(
                    "truncated", "the file ends before its root element begins", offset=self._base, line=1
                )
            raise MalformedXML("empty_file", "the file is empty", offset=0, line=1)
        self._drop_until(self._base + len(self._buffer))

    def _truncated(self) -> MalformedXML:
        end = self._base + len(self._buffer)
        line = self.ends_line + self._buffer.count(b"\n")
        if len(self._starts) > len(self._ends):
            inside = f"inside record {self.records_seen + len(self._starts)}, which begins at byte {self._starts[-1]}"
        elif self._ancestors:
            inside = f"inside <{self._ancestors[-1].name.decode(errors='replace')}>"
        else:
            inside = "before its root element is closed"
        return MalformedXML("truncated", f"the XML ends at byte {end}, line {line}, {inside}", offset=end, line=line)

    def _scan_error(self) -> MalformedXML:
        offset = self._base + self._scanned
        line = self.ends_line + self._buffer.count(b"\n", 0, self._scanned)
        if not self._document:
            return MalformedXML("not_xml", "the file does not begin like XML", offset=offset, line=line)
        message = f"something other than a comment stands after the root element, at byte {offset}, line {line}"
        return MalformedXML("malformed", message, offset=offset, line=line)

    def _header_too_large(self, ancestor: _Ancestor) -> MalformedXML:
        name = ancestor.name.decode(errors="replace")
        message = f"<{name}> holds more than {MAX_CONTEXT_BYTES} bytes before its first record"
        return MalformedXML("too_large", message, offset=ancestor.start, line=self.ends_line)

    # -- the buffer -----------------------------------------------------------------------------------------------

    def _slice(self, start: int, end: int) -> bytes:
        return self._buffer[start - self._base : end - self._base]

    def _drop_until(self, position: int) -> None:
        size = position - self._base
        if size <= 0:
            return
        self.ends_line += self._buffer.count(b"\n", 0, size)
        self._buffer = self._buffer[size:]
        self._base = position
        self._scanned -= size
        self._state[scanner.LAST_SIBLING_END] = max(int(self._state[scanner.LAST_SIBLING_END]) - size, -1)

    def _name_at(self, start: int) -> bytes:
        match = _TAG_NAME.match(self._buffer, start - self._base)
        return match.group(1) if match else b""
