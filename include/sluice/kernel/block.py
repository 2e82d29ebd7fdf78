"""A block: pieces that were tokenized one after another, until there is enough for columns to be made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sluice.compiled.words import words_of
from sluice.kernel import output
from sluice.kernel.columns import Tokens
from sluice.kernel.machine import Machine
from sluice.kernel.output import PROGRESS_SIZE, STACK_SIZE, Output

PADDING = len(output.STOPS)
_STOPS = np.frombuffer(output.STOPS, np.uint8)
_FIRST_BYTES = 1 << 20
_FIRST_TOKENS = 1 << 15


@dataclass(frozen=True, slots=True)
class Limits:
    """How many characters may be taken from a record, how many rows it may give, how many levels a document has."""

    taken: int
    rows: int
    depth: int


@dataclass(slots=True)
class Mark:
    """How far a block had come before a piece."""

    tokens: int
    rows: int
    arena: int
    row_count: np.ndarray
    noted: np.ndarray


class Block:
    """The buffer, the tokens and the rows; what the tokenizer remembers of names stays when a block is emptied."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.progress = np.zeros(PROGRESS_SIZE, np.int64)
        self._set_buffer(np.zeros(_FIRST_BYTES, np.uint8))
        names = 2 * machine.max_names
        # What was seen, and how often: states, then slots.
        self.noted = np.zeros(2 * machine.max_states, np.int64)
        self.out = Output(
            tokens=np.zeros((_FIRST_TOKENS + 2 * machine.most_tokens, 4), np.int32),
            rows=np.zeros((_FIRST_TOKENS, 3), np.int32),
            records=np.zeros((1024, 2), np.int64),
            touched=np.zeros((4 * output.MAX_ATTRIBUTES, 2), np.int32),
            visits=self.noted[: machine.max_states],
            sights=self.noted[machine.max_states :],
            seen=np.zeros(machine.max_names, np.int64),
            seen_full=np.zeros(names, np.int64),
            follower=np.full(names, -1, np.int64),
            last_row=np.full(max(machine.cell_count, 1), -1, np.int32),
            row_count=np.zeros(len(machine.table_names), np.int32),
            stack=np.zeros((output.MAX_LEVELS, STACK_SIZE), np.int64),
            attributes=np.zeros((output.MAX_ATTRIBUTES, 6), np.int64),
        )

    @property
    def bytes_used(self) -> int:
        return int(self.progress[output.ARENA])

    @property
    def row_count(self) -> int:
        return int(self.progress[output.ROWS])

    def mark(self) -> Mark:
        progress = self.progress
        return Mark(
            int(progress[output.TOKENS]),
            int(progress[output.ROWS]),
            self.bytes_used,
            self.out.row_count.copy(),
            self.noted.copy(),
        )

    def go_back(self, mark: Mark) -> None:
        """Forget all that has come since the mark."""
        progress, out = self.progress, self.out
        progress[output.TOKENS], progress[output.ROWS] = mark.tokens, mark.rows
        progress[output.ARENA] = mark.arena
        out.row_count[:] = mark.row_count
        out.last_row[:] = -1
        self.noted[:] = mark.noted
        progress[output.TOUCHED] = 0

    def take_touched(self) -> list[tuple[int, int]]:
        """What of the unknown was seen for the first time since ``noted`` was taken, and has not been given yet: which
        of ``noted``, and in which record of the piece.
        """
        count = int(self.progress[output.TOUCHED])
        self.progress[output.TOUCHED] = 0
        slots = self._machine.max_states - 1
        return [(slots - what if what < 0 else what, record) for what, record in self.out.touched[:count].tolist()]

    def take_noted(self) -> np.ndarray:
        """How often everything unknown was seen since the last call."""
        times = self.noted.copy()
        self.noted[:] = 0
        return times

    def put(self, parts: tuple[bytes, ...], records: int) -> int:
        """Write a piece behind the last one; returns where it begins."""
        start = self.bytes_used
        size = sum(map(len, parts))
        self._make_room(start + 2 * size + 2 * PADDING)
        if records + 1 > len(self.out.records):
            self.out = self.out._replace(records=np.zeros((2 * records + 1, 2), np.int64))
        at = start
        for part in filter(None, parts):
            self.buffer[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        self.buffer[at : at + PADDING] = _STOPS
        self.progress[output.ARENA] = at + PADDING
        return start

    def begin(self, start: int, end: int, limits: Limits, has_returns: bool) -> None:
        """Get ready for a document at ``buffer[start:end]``."""
        p = self.progress
        p[output.AT], p[output.END], p[output.DEPTH], p[output.RECORDS] = start, end, 0, 0
        p[output.MAX_TAKEN], p[output.MAX_ROWS] = limits.taken, limits.rows
        p[output.MAX_DEPTH], p[output.FLOOR] = min(limits.depth, output.MAX_LEVELS - 1), 0
        p[output.TAKEN] = p[output.RECORD_ROWS] = p[output.HAS_ROOT] = p[output.HAS_DOCTYPE] = 0
        p[output.HAS_RETURNS] = has_returns
        p[output.MOST_TOKENS] = self._machine.most_tokens
        self.out.stack[0] = 0
        self.out.stack[0, output.STATE] = self._machine.start

    def guard(self, body_at: int, tail_at: int, floor: int) -> None:
        """See to it that nothing in the body ends an element that was open before it."""
        p = self.progress
        p[output.BODY_AT], p[output.TAIL_AT], p[output.FLOOR] = body_at, tail_at, floor

    def grow(self) -> bool:
        """Make room for more tokens, rows and spelled-out values; False where a piece asks for too much."""
        out, progress, machine = self.out, self.progress, self._machine
        if self.bytes_used - progress[output.END] > 2 * _FIRST_BYTES + progress[output.END]:
            return False
        if progress[output.TOKENS] + machine.most_tokens >= len(out.tokens):
            out = out._replace(tokens=_doubled(out.tokens))
        if progress[output.ROWS] * 2 > len(out.rows):
            out = out._replace(rows=_doubled(out.rows))
        if progress[output.TOUCHED] + 2 * output.MAX_ATTRIBUTES > len(out.touched):
            out = out._replace(touched=_doubled(out.touched))
        self.out = out
        # No value is longer than the piece, and that ends here.
        self._make_room(self.bytes_used + int(progress[output.END]) + PADDING)
        return True

    def _make_room(self, size: int) -> None:
        if size > len(self.buffer):
            larger = np.zeros(max(size, 2 * len(self.buffer)), np.uint8)
            larger[: self.bytes_used] = self.buffer[: self.bytes_used]
            self._set_buffer(larger)

    def _set_buffer(self, buffer: np.ndarray) -> None:
        self.buffer, self.words = buffer, words_of(buffer)

    def records_since(self, mark: Mark, table: int) -> np.ndarray:
        """The record of each row of a table that has come since the mark."""
        rows = self.out.rows[mark.rows : self.row_count]
        return rows[rows[:, 0] == table, 1]

    def add_values(
        self, rows: np.ndarray, values: list[tuple[int, bytes | None]], no_value: int, written: dict[bytes, int]
    ) -> None:
        """Give each of the rows these values: cell and text, or None for one that is xsi:nil.

        ``written`` knows where texts stand in the buffer already, and learns where others have been put.
        """
        needed = len(rows) * len(values)
        while int(self.progress[output.TOKENS]) + needed + 2 * self._machine.most_tokens > len(self.out.tokens):
            self.out = self.out._replace(tokens=_doubled(self.out.tokens))
        template = np.empty((len(values), 4), np.int32)
        for number, (cell, text) in enumerate(values):
            start = self._write_once(text or b"", written)
            template[number] = cell, 0, start, no_value if text is None else len(text)
        # Row by row: the items of a list must stand together.
        at = int(self.progress[output.TOKENS])
        tokens = self.out.tokens[at : at + needed]
        tokens[:] = np.tile(template, (len(rows), 1))
        tokens[:, output.ROW] = np.repeat(rows, len(values))
        self.progress[output.TOKENS] = at + needed

    def _write_once(self, text: bytes, written: dict[bytes, int]) -> int:
        if text not in written:
            start = written[text] = self.bytes_used
            self._make_room(start + len(text) + PADDING)
            self.buffer[start : start + len(text)] = np.frombuffer(text, np.uint8)
            self.progress[output.ARENA] = start + len(text)
        return written[text]

    def clear(self) -> None:
        for slot in (output.TOKENS, output.ROWS, output.ARENA):
            self.progress[slot] = 0
        self.out.row_count[:] = 0
        self.out.last_row[:] = -1

    # -- what has been found --------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.buffer, self.words, self.out.tokens[: self.progress[output.TOKENS]])

    def rows_of(self, table: int) -> tuple[np.ndarray, np.ndarray]:
        """(Record, row of the parent table) of each row of a table."""
        rows = self.out.rows[: self.progress[output.ROWS]]
        own = rows[rows[:, 0] == table]
        return own[:, 1], own[:, 2]


def _doubled(array: np.ndarray) -> np.ndarray:
    larger = np.zeros((2 * len(array), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
