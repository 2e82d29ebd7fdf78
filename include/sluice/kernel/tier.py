"""Takes pieces, and makes blocks of columns of them; declines what the reference tier has to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from sluice.compiled.looks import look_over
from sluice.feed.model import Feed
from sluice.kernel import output, typed
from sluice.kernel.block import Block, Limits, Mark
from sluice.kernel.columns import ColumnReader, Tokens
from sluice.kernel.grammar import measure_declaration, measure_doctype
from sluice.kernel.headers import Headers
from sluice.kernel.interning import Full
from sluice.kernel.machine import Machine
from sluice.kernel.states import MAX_SCALE
from sluice.kernel.tokenizer import tokenize
from sluice.pieces import Piece, strip_lead
from sluice.places import PiecePlaces, PlaceAt
from sluice.plan import Plan
from sluice.records import Reason
from sluice.sightings import Sighting
from sluice.tablefiles import TableWriter

# Enough that a column costs little more than its values, and few enough that they stay in the processor's cache.
BLOCK_BYTES = 2 << 20
BLOCK_ROWS = 1 << 14
# After so many pieces in a row were declined, only some are tried.
PATIENCE = 8
MAX_PAUSE = 256
_PROLOG_BYTES = 1 << 10
# The smallest that a record can be is <a/>; but where they are so small, leaps are not worth while.
MIN_RECORD_BYTES = 32
# Up to here Python's own decoder is faster than the way around it.
SMALL_BYTES = 64 << 10
_NOT_CHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")


def can_take(feed: Feed, plan: Plan) -> bool:
    """Whether the tier has what a feed needs: no XSD, no fragments as XML, no paths that lead up within a record."""
    leads_up = any(path.up <= table.xml_depth for table in plan.tables.values() for path in table.upward)
    has_fragments = any(
        column.column_type.is_markup for table in feed.tables.values() for column in table.columns.values()
    )
    return feed.xsd is None and not leads_up and not has_fragments


@dataclass(slots=True)
class Columns:
    """One table of a block: by row its record (counted from the first of the block) and its place below the parent row;
    its columns, and what did not fit.
    """

    name: str
    records: np.ndarray
    positions: list[np.ndarray]
    arrays: list[pa.Array]
    reasons: list[tuple[int, Reason]]


class FastTier:
    """One for a batch. ``take`` says whether a piece was taken; ``drain`` gives what has been taken since the last."""

    def __init__(self, feed: Feed, plan: Plan, writers: dict[str, TableWriter]) -> None:
        self._feed, self._plan = feed, plan
        self._is_too_small = False
        self._prepare(scale=1)
        self._limits = Limits(plan.max_taken, plan.max_rows, feed.quotas.max_depth)
        self._writers = [writers[name] for name in self._machine.table_names]
        self._readers = [self._new_readers(name) for name in self._machine.table_names]
        self._refused = 0
        self._pause = 0
        self.pieces = 0
        """How many pieces were taken, over all blocks."""
        self.records = 0
        """How many records the block holds."""

    def _prepare(self, scale: int) -> None:
        """Empty tables, and an empty block."""
        self._machine = Machine(self._feed, self._plan, scale)
        self._block = Block(self._machine)
        # By what the block notes; None where there are more names than are remembered.
        self._sighted: dict[int, Sighting | None] = {}
        self._headers = Headers(self._plan, self._machine)

    def _new_readers(self, name: str) -> list[ColumnReader]:
        first = self._machine.first_cell[name]
        writer = self._writers[self._machine.table_names.index(name)]
        return [
            ColumnReader(converter, tuple(first + cell for cell in cells))
            for converter, (_, cells) in zip(writer.converters, writer.plan.columns, strict=True)
        ]

    # -- taking -------------------------------------------------------------------------------------------------------

    def take(self, piece: Piece, places: PiecePlaces) -> bool:
        """Take a piece with all of its records, or nothing of it."""
        if self._pause:
            self._pause -= 1
            return False
        if not len(piece.starts) or piece.is_remnant:
            return False
        is_taken = self._try(piece, places)
        if is_taken:
            self.pieces += 1
            self._refused = 0
        else:
            self._refused += 1
            if self._refused >= PATIENCE:
                self._pause = min(self._refused, MAX_PAUSE)
        return is_taken

    def leap(self, piece: Piece, places_of: Callable[[Piece], PiecePlaces]) -> PiecePlaces | None:
        """Take a piece of which nobody has looked yet where its records are, if it holds whole records of the ancestors
        in which it begins, and nothing that ends these; or a whole stream, unless columns read what stands above.
        """
        block = self._block
        if piece.is_stream and (self._pause or self._headers.are_read):
            return None
        mark = block.mark()
        start = self._tokenize(piece, is_leap=True)
        if start is None:
            block.go_back(mark)
            return None
        found = block.out.records[: block.progress[output.RECORDS]] + (piece.offset - start)
        piece = piece.with_records(found[:, 0].copy(), found[:, 1].copy())
        places = places_of(piece)
        if not len(piece.starts) or not self._keep(piece, places, mark):
            block.go_back(mark)
            return None
        self.pieces += 1
        return places

    def _try(self, piece: Piece, places: PiecePlaces) -> bool:
        block = self._block
        mark = block.mark()
        start = self._tokenize(piece, is_leap=False)
        found = block.out.records[: block.progress[output.RECORDS], 0]
        if (
            start is None
            or not np.array_equal(found, piece.starts + (start - piece.offset))
            or not self._keep(piece, places, mark)
        ):
            block.go_back(mark)
            return False
        return True

    def _tokenize(self, piece: Piece, *, is_leap: bool) -> int | None:
        """Put a piece behind the others and walk through it; returns where its body begins, None if it is declined.

        That place is where byte ``piece.offset`` of the stream would be: white space before a document is left out.
        """
        body = piece.body if piece.context else strip_lead(piece.body)
        parts = (piece.context, body, piece.tail)
        block = self._block
        start = block.put(parts, len(piece.starts) if not is_leap else len(body) // MIN_RECORD_BYTES)
        end = start + sum(map(len, parts))
        body_at = start + len(piece.context)
        declared = measure_declaration((piece.context or body)[:_PROLOG_BYTES])
        has_controls, has_returns, has_marks = look_over(block.buffer[start:end])
        if declared < 0 or has_controls or not _is_text(piece, has_marks):
            return None
        block.begin(start + declared, end, self._limits, has_returns)
        if is_leap:
            block.guard(body_at, end - len(piece.tail), len(piece.chain))
        try:
            answer = self._run(end)
        except Full:
            self._is_too_small = self._machine.scale < MAX_SCALE
            return None
        return body_at - (len(piece.body) - len(body)) if answer == output.DONE else None

    def _keep(self, piece: Piece, places: PiecePlaces, mark: Mark) -> bool:
        """Make what has come of a piece part of the block; False where the reference tier has to look at it."""
        block, found = self._block, len(piece.starts)
        longest = self._feed.max_record_bytes
        if len(piece.body) > longest and int((piece.ends - piece.starts).max()) > longest:
            return False
        if self._headers.are_read and not self._headers.fill_in(block, mark, piece):
            return False
        self._note_sightings(places, found)
        # Rows count their records from the piece's first; from now on from the block's.
        block.out.rows[mark.rows : block.row_count, 1] += self.records
        self.records += found
        return True

    def _run(self, end: int) -> int:
        block, machine = self._block, self._machine
        progress = block.progress
        asked: tuple[int, ...] = ()
        while True:
            answer = tokenize(block.buffer, block.words, machine.tables, block.out, progress)
            if answer in (output.DONE, output.DECLINED):
                return int(answer)
            a, b = int(progress[output.A]), int(progress[output.B])
            before, asked = asked, (answer, a, b, int(progress[output.AT]), len(block.buffer))
            if asked == before:
                return output.DECLINED  # whatever it is, it must not go on for ever
            if answer == output.NEEDS_ROOM:
                if not block.grow():
                    return output.DECLINED
            elif answer == output.NEEDS_NAME:
                if not machine.learn_name(block.buffer[a:b].tobytes()):
                    return output.DECLINED
            elif answer == output.NEEDS_DECLARATION:
                if not machine.learn_declaration(block.buffer[a:b].tobytes()):
                    return output.DECLINED
            elif answer == output.NEEDS_DOCTYPE:
                at = int(progress[output.AT])
                length = measure_doctype(block.buffer[at : min(at + _PROLOG_BYTES, end)].tobytes())
                if length < 0:
                    return output.DECLINED
                progress[output.AT], progress[output.HAS_DOCTYPE] = at + length, 1
            else:
                _LEARN[answer](machine, a, b)

    def _note_sightings(self, places: PiecePlaces, records: int) -> None:
        sightings = self._plan.sightings
        for what, record in self._block.take_touched():
            if what not in self._sighted:
                sightings.place = PlaceAt(places, record)
                self._sighted[what] = self._machine.sighting_of(what, sightings)
        # What is seen between this piece and the next is said to be where the reference tier would say.
        sightings.place = PlaceAt(places, records - 1)

    def _count_sightings(self) -> None:
        times = self._block.take_noted()
        for what, sighting in self._sighted.items():
            if sighting is not None:
                sighting.add(int(times[what]))

    # -- giving -------------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return self._block.bytes_used >= BLOCK_BYTES or self._block.row_count >= BLOCK_ROWS

    def drain(self) -> list[Columns]:
        """The tables of the block, which is empty then."""
        block = self._block
        rows = [block.rows_of(number) for number in range(len(self._writers))]
        tokens = block.tokens
        chosen = iter(self._choose(tokens, [len(records) for records, _ in rows]))
        found: list[Columns] = []
        levels: dict[str, list[np.ndarray]] = {}
        for own, writer, (records, parents) in zip(self._readers, self._writers, rows, strict=True):
            name = writer.plan.name
            parent = self._feed.tables[name].parent
            levels[name] = [] if parent is None else _positions(levels[parent], parents)
            columns = Columns(name, records, levels[name], [], [])
            for reader, (column, _) in zip(own, writer.plan.columns, strict=True):
                array, bad = reader.read(tokens, next(chosen), len(records))
                columns.arrays.append(array)
                columns.reasons += [(int(records[one.index]), writer.reason(column, one)) for one in bad]
            found.append(columns)
        block.clear()
        self._count_sightings()
        self.records = 0
        self.enlarge()
        return found

    def _choose(self, tokens: Tokens, row_counts: list[int]) -> list[np.ndarray]:
        """For each column of each table, the token of each row, -1 where there is none; nothing for lists."""
        base = np.full(max(self._machine.cell_count, 1), -1, np.int64)
        rank = np.zeros(len(base), np.int32)
        begins = [0]
        for own, count in zip(self._readers, row_counts, strict=True):
            for reader in own:
                for number, cell in enumerate(() if reader.is_list else reader.cells):
                    base[cell], rank[cell] = begins[-1], number
                begins.append(begins[-1] + (0 if reader.is_list else count))
        chosen, ranks = np.full(begins[-1], -1, np.int32), np.zeros(begins[-1], np.int32)
        typed.choose(tokens.tokens, len(tokens.tokens), base, rank, chosen, ranks)
        return [chosen[begin:end] for begin, end in pairwise(begins)]

    def enlarge(self) -> None:
        """Make larger tables where a piece was declined because they were full; the block must be empty."""
        if self._is_too_small:
            self._is_too_small = False
            self._prepare(2 * self._machine.scale)


_LEARN = {
    output.NEEDS_STEP: Machine.learn_step,
    output.NEEDS_ELEMENT: Machine.learn_element,
    output.NEEDS_ATTRIBUTE: Machine.learn_attribute,
    output.NEEDS_CHILD: Machine.learn_child,
    output.NEEDS_CHOICE: Machine.learn_choice,
    output.NEEDS_SLOT: Machine.learn_slot,
}


def _is_text(piece: Piece, has_marks: bool) -> bool:
    """Whether the bytes are characters that XML has, in UTF-8; control characters have been looked for already.

    ``has_marks`` tells whether there are bytes that the two characters begin with which are none.
    """
    for part in (piece.context, piece.body):
        if part.isascii():
            continue
        if len(part) < SMALL_BYTES:
            try:
                text = part.decode()
            except UnicodeDecodeError:
                return False
            if "\ufffe" in text or "\uffff" in text:
                return False
            continue
        if has_marks and any(code in part for code in _NOT_CHARACTERS):
            return False
        offsets = np.array([0, len(part)], np.int32)
        try:
            pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(part)).validate(full=True)
        except pa.ArrowInvalid:
            return False
    return True


def _positions(above: Sequence[np.ndarray], parents: np.ndarray) -> list[np.ndarray]:
    """The positions of rows below their parents: those of the parent, then which of its rows it is, from 1."""
    count = len(parents)
    firsts = np.flatnonzero(np.diff(parents, prepend=-1)) if count else np.zeros(0, np.int64)
    runs = np.diff(np.append(firsts, count))
    own = np.arange(count, dtype=np.int32) - np.repeat(firsts, runs).astype(np.int32) + 1
    return [*(level[parents] for level in above), own]
