"""Pieces of a stream of XML, each a well-formed document of its own; ``piece_reader`` cuts them.

A piece is ``context + body + tail``: the prolog and the open ancestors with what they hold before their first record; a
stretch of the file with whole records; the closing tags. The bodies of a document's pieces, laid end to end, are the
document. So when each piece parses, the document is well-formed, and a wrong cut cannot go unnoticed: it would leave a
piece that is not. All but the records that are left out as too large or too deep: no parser looks into them, only the
scanner does, for their end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from sluice.compiled.lines import lines_of

# How much of a record or file the quarantine keeps, and of what stands around a record.
RAW_CAP_BYTES = 64 << 10
CONTEXT_CAP_BYTES = 16 << 10
NO_RECORDS = np.array([], np.int64)


@dataclass(slots=True, eq=False)
class Ancestor:
    """An open element on the way to the records; ``start`` is its place in the stream, ``tag`` its start tag.

    ``lead`` is what a piece must begin with to be in it: its start tag, and what it holds before its first record where
    that is kept. It is None until it is known.
    """

    start: int
    name: bytes
    tag: bytes
    lead: bytes | None = None


Chain = tuple[Ancestor, ...]


def opening(prolog: bytes, chain: Chain) -> bytes:
    """What must stand before bytes that lie in these ancestors."""
    return prolog + b"".join(ancestor.lead or b"" for ancestor in chain)


@lru_cache(8)
def brief_opening(prolog: bytes, chain: Chain, needs_leads: bool = False) -> bytes | None:
    """``opening``, or where that is long the start tags alone: what one record may cost the quarantine is bounded.

    None where that is still too long, and where ``needs_leads`` says that start tags alone are not enough.
    """
    if len(prolog) + sum(len(ancestor.lead or b"") for ancestor in chain) <= CONTEXT_CAP_BYTES:
        return opening(prolog, chain)
    tags = b"".join(ancestor.tag for ancestor in chain)
    return tags if len(tags) <= CONTEXT_CAP_BYTES and not needs_leads else None


def closing(chain: Chain) -> bytes:
    """The end tags of these ancestors."""
    return b"".join(b"</" + ancestor.name + b">" for ancestor in reversed(chain))


@dataclass(frozen=True, slots=True)
class Piece:
    """``offset`` is the place of ``body`` in the stream; ``starts`` and ``ends`` are those of its records.

    ``first_record`` and ``first_line`` count from 1 over the whole stream. ``chain`` holds the ancestors that are open
    where the body begins; ``families`` holds pairs: the index of a record, and the ancestors that the records have from
    it on. A remnant has no records: it is parsed for the proof only (what stands between two documents) or to learn
    what is wrong (what is left where the stream ends too early). A piece that ``is_stream`` is all of a short one, and
    nobody has looked what stands above its records: it tells neither prolog nor families.
    """

    context: bytes
    body: bytes
    tail: bytes
    offset: int
    starts: np.ndarray
    ends: np.ndarray
    first_record: int
    first_line: int
    prolog: bytes = b""
    chain: Chain = ()
    families: tuple[tuple[int, Chain], ...] = ()
    is_remnant: bool = False
    is_stream: bool = False

    @classmethod
    def of_stream(cls, data: bytes, offset: int, first_record: int, first_line: int) -> Piece:
        """All of a short stream, of which nobody has looked where its records are."""
        return cls(b"", data, b"", offset, NO_RECORDS, NO_RECORDS, first_record, first_line, is_stream=True)

    def with_records(self, starts: np.ndarray, ends: np.ndarray) -> Piece:
        """The piece, once it is known where its records are; they stand in the ancestors in which it begins."""
        families = () if self.is_stream else ((0, self.chain),)
        # By place, since there is one for each of thousands of small files.
        return Piece(
            self.context, self.body, self.tail, self.offset, starts, ends, self.first_record, self.first_line,
            self.prolog, self.chain, families, self.is_remnant, self.is_stream,
        )  # fmt: skip

    @property
    def text(self) -> bytes:
        """The piece as a document. Leading white space goes, as an XML declaration must come first."""
        return self.context + self.body + self.tail if self.context else strip_lead(self.body) + self.tail

    @property
    def is_whole(self) -> bool:
        """Whether the piece is a document as it came, not a part of one."""
        return not self.context and not self.tail

    def raw(self, index: int) -> bytes:
        """The bytes of record ``index`` of this piece."""
        return self.body[int(self.starts[index]) - self.offset : int(self.ends[index]) - self.offset]

    def lines(self) -> np.ndarray:
        """The line on which each record begins."""
        if len(self.starts) == 1:  # of thousands of small files each has but one
            return np.array([self.first_line + self.body.count(b"\n", 0, int(self.starts[0]) - self.offset)])
        return lines_of(self.body, self.starts - self.offset, self.first_line)

    def record_chains(self) -> Iterator[Chain]:
        """The ancestors of each record."""
        for (first, chain), (end, _) in pairwise([*self.families, (len(self.starts), ())]):
            yield from [chain] * (end - first)

    def head(self, count: int) -> Piece:
        """The piece up to the end of its first ``count`` records (one or more)."""
        end = int(self.ends[count - 1]) - self.offset
        families = tuple(family for family in self.families if family[0] < count)
        return replace(
            self,
            body=self.body[:end],
            tail=closing(families[-1][1]),
            starts=self.starts[:count],
            ends=self.ends[:count],
            families=families,
        )

    def place_of(self, line: int, column: int) -> tuple[int, int]:
        """The place in the stream, and the line there, of a line and column of ``text`` (all but the place from 1)."""
        text = self.text
        start = 0
        for _ in range(line - 1):
            start = text.find(b"\n", start) + 1
        before_body = len(self.context) or len(strip_lead(self.body)) - len(self.body)
        index = min(max(start + column - 1 - before_body, 0), len(self.body))
        return self.offset + index, self.first_line + self.body.count(b"\n", 0, index)


@dataclass(frozen=True, slots=True)
class OversizeRecord:
    """A record that no parser shall see: larger than the limit, or nested deeper (``levels`` is then its depth).

    Only its first bytes (``raw``) were kept.
    """

    start: int
    end: int
    ordinal: int
    line: int
    raw: bytes
    prolog: bytes
    chain: Chain
    levels: int | None = None


def strip_lead(data: bytes) -> bytes:
    """``data`` without white space and a byte order mark at its begin."""
    return data.lstrip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
