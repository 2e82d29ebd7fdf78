"""The columns of a table out of the tokens of a block: compiled where values look as usual, ``convert`` elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sluice.compiled.words import WORD, words_of
from sluice.convert import BadValue, Converter
from sluice.kernel import typed
from sluice.kernel.output import CELL, LENGTH, NO_VALUE, ROW, START
from sluice.nodes import WHITE
from sluice.walk import NIL

_Read = Callable[["Tokens", np.ndarray, np.ndarray], tuple[pa.Array, int]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens and the bytes that they stand in."""

    buffer: np.ndarray
    words: np.ndarray
    tokens: np.ndarray

    def text(self, token: int) -> Any:
        start, length = int(self.tokens[token, START]), int(self.tokens[token, LENGTH])
        return NIL if length == NO_VALUE else self.buffer[start : start + length].tobytes().decode()

    def value(self, token: int) -> Any:
        """Text, NIL, or None where there is no token."""
        return None if token < 0 else self.text(token)

    def lists(self, cells: Sequence[int], rows: int) -> list[list[Any] | None]:
        """For each row what the first of the cells found that found something."""
        found: list[list[Any] | None] = [None] * rows
        for cell in reversed(cells):
            own: dict[int, list[Any]] = {}
            for token in np.flatnonzero(self.tokens[:, CELL] == cell).tolist():
                own.setdefault(int(self.tokens[token, ROW]), []).append(self.text(token))
            for row, values in own.items():
                found[row] = values
        return found


class ColumnReader:
    """Reads one column of a block. ``cells`` are its cells, the first that found something counts."""

    def __init__(self, converter: Converter, cells: tuple[int, ...]) -> None:
        self.cells = cells
        self.is_list = converter.type.is_list
        self._converter = converter
        self._read = None if self.is_list else _choose_read(converter)
        is_single = self.is_list and len(cells) == 1 and converter.max_bytes is None
        self._read_lists = _text_lists(converter, cells[0]) if is_single else None
        column = converter.column
        self._absent_is_plain = not column.required and column.default is None
        self._nil_is_plain = not column.required
        self._has_empties = converter.type.kind != "text"
        self._empty_is_null = "" in column.null

    def read(self, tokens: Tokens, chosen: np.ndarray, rows: int) -> tuple[pa.Array, list[BadValue]]:
        """The column, and what did not fit; there it holds NULL."""
        if self.is_list:
            array = self._read_lists(tokens, rows) if self._read_lists is not None else None
            if array is not None:
                return array, []
            return self._converter.convert(tokens.lists(self.cells, rows))
        if self._read is None:
            return self._converter.convert([tokens.value(token) for token in chosen.tolist()])
        state = np.empty(rows, np.uint8)
        array, unsure = self._read(tokens, chosen, state)
        if self._has_empties:
            is_empty = state == typed.EMPTY
            state[is_empty] = typed.IS_NULL if self._empty_is_null else typed.UNSURE
            unsure += 0 if self._empty_is_null else int(np.count_nonzero(is_empty))
        if not self._absent_is_plain:
            state[state == typed.ABSENT] = typed.UNSURE
        if not self._nil_is_plain:
            state[state == typed.IS_NULL] = typed.UNSURE
        if unsure or not self._absent_is_plain or not self._nil_is_plain:
            return self._settle(tokens, chosen, array, np.flatnonzero(state == typed.UNSURE))
        return array, []

    def _settle(
        self, tokens: Tokens, chosen: np.ndarray, array: pa.Array, rows: np.ndarray
    ) -> tuple[pa.Array, list[BadValue]]:
        """Put in place what ``convert`` makes of the values in these rows."""
        if not len(rows):
            return array, []
        settled, bad = self._converter.convert([tokens.value(token) for token in chosen[rows].tolist()])
        is_settled = np.zeros(len(array), bool)
        is_settled[rows] = True
        array = pc.replace_with_mask(array, pa.array(is_settled), settled)
        return array, [BadValue(int(rows[one.index]), one.code, one.message, one.value) for one in bad]


def _choose_read(converter: Converter) -> _Read | None:
    """How the column is read where its values look as usual; None where each has to be looked at."""
    kind = converter.type
    if kind.kind == "text":
        return _texts(converter)
    if not converter.has_usual_form:
        return None
    if kind.kind == "numeric" and kind.precision > typed.BIGINT_DIGITS:
        return None
    return {
        "integer": _integers, "bigint": _bigints, "numeric": _decimals, "boolean": _booleans,
        "date": _dates, "timestamp": _timestamps, "timestamptz": _timestamps,
    }[kind.kind](converter)  # fmt: skip


def _validity(state: np.ndarray) -> pa.Buffer | None:
    is_value = state == typed.VALUE
    return None if is_value.all() else pa.py_buffer(np.packbits(is_value, bitorder="little"))


def _from_numbers(kind: pa.DataType, values: np.ndarray, state: np.ndarray) -> pa.Array:
    return pa.Array.from_buffers(kind, len(state), [_validity(state), pa.py_buffer(values)])


def _build_texts(
    tokens: Tokens, chosen: np.ndarray, is_trimmed: bool, state: np.ndarray
) -> tuple[pa.Array, np.ndarray]:
    """The texts of these tokens; and where each begins in the data of the array."""
    starts, offsets = np.zeros(len(chosen), np.int64), np.empty(len(chosen) + 1, np.int32)
    size = typed.measure_texts(tokens.buffer, tokens.tokens, chosen, is_trimmed, starts, offsets, state)
    data = np.empty(size + WORD, np.uint8)
    typed.copy_texts(tokens.words, starts, offsets, words_of(data))
    buffers = [_validity(state), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(chosen), buffers), offsets


def _texts(converter: Converter) -> _Read:
    column, most_bytes = converter.column, converter.max_bytes
    nulls = pa.array(column.null, pa.string())

    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        array, offsets = _build_texts(tokens, chosen, column.trim, state)
        is_unsure = np.diff(offsets) > most_bytes if most_bytes is not None else np.zeros(len(chosen), bool)
        if len(nulls):
            is_null = pc.is_in(pc.utf8_trim(array, characters=WHITE), value_set=nulls)
            is_unsure |= is_null.to_numpy(zero_copy_only=False) & (state == typed.VALUE)
        state[is_unsure] = typed.UNSURE
        return array, int(np.count_nonzero(is_unsure))

    return read


def _text_lists(converter: Converter, cell: int) -> Callable[[Tokens, int], pa.Array | None] | None:
    """Reads lists of texts as they are: None where an item is xsi:nil. Where items are looked at one by one, None."""
    column = converter.column
    if converter.type.kind != "text" or column.trim or column.null or column.required or column.default is not None:
        return None

    def read(tokens: Tokens, rows: int) -> pa.Array | None:
        own = np.flatnonzero(tokens.tokens[:, CELL] == cell).astype(np.int32)
        state = np.empty(len(own), np.uint8)
        items, _ = _build_texts(tokens, own, False, state)
        if items.null_count:
            return None
        offsets = np.searchsorted(tokens.tokens[own, ROW], np.arange(rows + 1)).astype(np.int32)
        is_value = pa.py_buffer(np.packbits(np.diff(offsets) > 0, bitorder="little"))
        return pa.Array.from_buffers(converter.arrow, rows, [is_value, pa.py_buffer(offsets)], children=[items])

    return read


def _integers(converter: Converter) -> _Read:
    return _whole_numbers(converter, np.int32, typed.INTEGER_DIGITS, -typed.INTEGER_MAX - 1, typed.INTEGER_MAX)


def _bigints(converter: Converter) -> _Read:
    return _whole_numbers(converter, np.int64, typed.BIGINT_DIGITS, -(10**18), 10**18)


def _whole_numbers(converter: Converter, numpy_type: type, digits: int, low: int, high: int) -> _Read:
    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values: np.ndarray = np.zeros(len(chosen), numpy_type)
        unsure = typed.read_integers(tokens.buffer, tokens.tokens, chosen, digits, low, high, values, state)
        return _from_numbers(converter.arrow, values, state), unsure

    return read


def _decimals(converter: Converter) -> _Read:
    places, scale = converter.type.precision - converter.type.scale, converter.type.scale

    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values = np.zeros((len(chosen), 2), np.int64)
        unsure = typed.read_decimals(tokens.buffer, tokens.tokens, chosen, places, scale, values, state)
        return _from_numbers(converter.arrow, values, state), unsure

    return read


def _booleans(converter: Converter) -> _Read:
    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values = np.zeros(len(chosen), np.bool_)
        unsure = typed.read_booleans(tokens.buffer, tokens.tokens, chosen, values, state)
        return _from_numbers(converter.arrow, np.packbits(values, bitorder="little"), state), unsure

    return read


def _dates(converter: Converter) -> _Read:
    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values = np.zeros(len(chosen), np.int32)
        unsure = typed.read_dates(tokens.buffer, tokens.tokens, chosen, values, state)
        return _from_numbers(converter.arrow, values, state), unsure

    return read


def _timestamps(converter: Converter) -> _Read:
    with_zone = converter.type.kind == "timestamptz"

    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values = np.zeros(len(chosen), np.int64)
        unsure = typed.read_timestamps(tokens.buffer, tokens.tokens, chosen, with_zone, values, state)
        return _from_numbers(converter.arrow, values, state), unsure

    return read
