"""What is open where a stream has come, which records have begun and ended there, and the pieces that are cut of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

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
from sluice.stream_buffer import StreamBuffer


@dataclass(slots=True)
class PieceCutter:
    """Told by its methods what comes in the stream; places count from the stream's beginning.

    ``buffer`` begins where the last piece ended. ``opened`` are the ancestors of the next piece; none for the first of
    a document. For ``keep_leads``, ``max_header_bytes`` and ``first_record`` see ``PieceReader``.
    """

    buffer: StreamBuffer
    keep_leads: bool
    max_header_bytes: int
    first_record: int
    records_seen: int = 0
    prolog: bytes = b""
    opened: Chain = ()
    ancestors: list[Ancestor] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    oversize: OversizeRecord | None = None
    _chain: Chain | None = None  # the ancestors as they stand in ``_families``; None once they have changed
    _families: list[tuple[int, Chain]] = field(default_factory=list)

    @property
    def next_record(self) -> int:
        """The ordinal of the first record that no piece has given yet."""
        return self.first_record + self.records_seen

    @property
    def is_inside_record(self) -> bool:
        """Whether a record was open where the last piece ended (it was cut off to make room for an oversize one)."""
        return len(self.starts) > len(self.ends)

    def open_context(self) -> bytes:
        """What a piece that begins where the last one ended must be preceded by; nothing between two documents."""
        return opening(self.prolog, self.opened) if self.opened else b""

    def tail(self) -> bytes:
        """What closes a piece that ends here."""
        return closing(tuple(self.ancestors))

    # -- what comes ---------------------------------------------------------------------------------------------------

    def begin_document(self, start: int) -> None:
        """The root's start tag begins: what stands before it is the prolog. Raises ``MalformedXML``: too_large."""
        self.prolog = strip_lead(self.buffer.slice(self.buffer.begin, start))
        if len(self.prolog) > self.max_header_bytes:
            message = f"more bytes stand before the root element than {self._header_quota}"
            raise MalformedXML("too_large", message, offset=start, line=self.buffer.line_of(start))

    def open_ancestor(self, start: int, end: int) -> None:
        """Raises ``MalformedXML``: too_large."""
        self.freeze_lead(start)
        tag = self.buffer.slice(start, end)
        ancestor = Ancestor(start, self.buffer.name_at(start), tag, None if self.keep_leads else tag)
        if len(tag) > self.max_header_bytes:
            raise self._header_too_large(ancestor)
        self.ancestors.append(ancestor)
        self._chain = None

    def close_ancestor(self) -> None:
        self.ancestors.pop()
        self._chain = None

    def enter(self, place: int) -> None:
        """The stream begins here, in what is open; what that holds from here on is no part of its lead."""
        self.freeze_lead(place)
        self.opened = tuple(self.ancestors)
        self.buffer.drop_until(place)

    def begin_records(self, starts: list[int]) -> None:
        """Records begin, all in the present ancestors. Raises ``MalformedXML``: too_large."""
        if not starts:
            return
        self.freeze_lead(starts[0])
        if self._chain is None:
            self._chain = tuple(self.ancestors)
        if not self._families or self._families[-1][1] is not self._chain:
            self._families.append((len(self.starts), self._chain))
        self.starts += starts

    def freeze_lead(self, position: int) -> None:
        """The innermost open ancestor has got its first child on the path: what it holds so far is its lead."""
        if self.ancestors and self.ancestors[-1].lead is None:
            ancestor = self.ancestors[-1]
            ancestor.lead = self.buffer.slice(ancestor.start, position)
            if len(ancestor.lead) > self.max_header_bytes:
                raise self._header_too_large(ancestor)

    def forget_records(self) -> None:
        """What has begun since the last piece counts no more."""
        self.starts, self.ends, self._families = [], [], []

    def check_lead(self, place: int) -> bool:
        """Whether the innermost open ancestor waits for its first child here. Raises ``MalformedXML``: too_large."""
        if not self.ancestors or self.ancestors[-1].lead is not None:
            return False
        if place - self.ancestors[-1].start > self.max_header_bytes:
            raise self._header_too_large(self.ancestors[-1])
        return True

    # -- pieces -------------------------------------------------------------------------------------------------------

    def cut(self, end: int, chain: Chain | None = None) -> Piece:
        """The piece up to ``end``, a place in ``chain`` (the present ancestors), with the records that ended in it."""
        chain = tuple(self.ancestors) if chain is None else chain
        done = len(self.ends)
        piece = Piece(
            context=self.open_context(),
            body=self.buffer.slice(self.buffer.begin, end),
            tail=closing(chain),
            offset=self.buffer.begin,
            starts=np.array(self.starts[:done], np.int64),
            ends=np.array(self.ends, np.int64),
            first_record=self.next_record,
            first_line=self.buffer.line,
            prolog=self.prolog,
            chain=self.opened,
            families=tuple(self._families),
        )
        self.records_seen += done
        self.starts, self.ends = self.starts[done:], []
        self._families = [(0, self._families[-1][1])] if self.starts else []
        self.buffer.drop_until(end)
        self.opened = chain
        return piece

    def cut_what_ended(self) -> Iterator[Piece]:
        """A piece up to the end of the last record that has one, if there is any."""
        if self.ends:
            done = len(self.ends)
            yield self.cut(self.ends[-1], next(chain for first, chain in reversed(self._families) if first < done))

    def unscanned(self, body: bytes, *, context: bytes = b"", tail: bytes = b"", **more: Any) -> Piece:
        """A piece that begins where the last one ended, of which no records are known (yet)."""
        buffer = self.buffer
        return Piece(context, body, tail, buffer.begin, NO_RECORDS, NO_RECORDS, self.next_record, buffer.line, **more)

    def cut_gap(self, end: int) -> Iterator[Piece]:
        """What stands up to ``end`` and belongs to no document, if it is more than white space."""
        gap = self.unscanned(self.buffer.slice(self.buffer.begin, end), context=b"<_>", tail=b"</_>", is_remnant=True)
        self.buffer.drop_until(end)
        if strip_lead(gap.body):
            yield gap

    def open_oversize(self, seen: int, levels: int | None = None) -> Iterator[Piece]:
        """Cut before the record that is open, and let go of it up to ``seen``, a place in the stream."""
        start = self.starts[-1]
        if start > self.buffer.begin and self.ancestors:
            yield self.cut(start)
        self.buffer.drop_until(start)
        raw, chain = self.buffer.data[: min(RAW_CAP_BYTES, seen - start)], self._families[-1][1]
        self.oversize = OversizeRecord(
            start, start, self.next_record, self.buffer.line, raw, self.prolog, chain, levels
        )
        self.buffer.drop_until(seen)

    def close_oversize(self, end: int) -> OversizeRecord:
        assert self.oversize is not None
        record, self.oversize = replace(self.oversize, end=end), None
        self.forget_records()
        self.records_seen += 1
        self.buffer.drop_until(end)
        return record

    # -- faults -------------------------------------------------------------------------------------------------------

    def tell_truncated(self) -> MalformedXML:
        """The stream ends where it must not."""
        end, line = self.buffer.end, self.buffer.line_of(None)
        if self.is_inside_record:
            inside = f"inside record {self.next_record + len(self.ends)}, which begins at byte {self.starts[-1]}"
        elif self.ancestors:
            inside = f"inside <{self.ancestors[-1].name.decode(errors='replace')}>"
        else:
            inside = "before its root element is closed"
        return MalformedXML("truncated", f"the XML ends at byte {end}, line {line}, {inside}", offset=end, line=line)

    @property
    def _header_quota(self) -> str:
        return f"quotas.max_header_bytes ({self.max_header_bytes})"

    def _header_too_large(self, ancestor: Ancestor) -> MalformedXML:
        name = ancestor.name.decode(errors="replace")
        message = f"<{name}> holds more bytes before its first record than {self._header_quota}"
        return MalformedXML("too_large", message, offset=ancestor.start, line=self.buffer.line_of(ancestor.start))
