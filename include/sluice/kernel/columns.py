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
from sluice.kernel.tokenizer import CELL, LENGTH, NO_VALUE, ROW, START
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
        self._read = _choose_read(converter)
        column = converter.column
        self._absent_is_plain = not column.required and column.default is None
        self._nil_is_plain = not column.required

    def read(self, tokens: Tokens, chosen: np.ndarray, rows: int) -> tuple[pa.Array, list[BadValue]]:
        """The column, and what did not fit; there it holds NULL."""
        if self.is_list:
            return self._converter.convert(tokens.lists(self.cells, rows))
        if self._read is None:
            return self._converter.convert([tokens.value(token) for token in chosen.tolist()])
        state = np.empty(rows, np.uint8)
        array, unsure = self._read(tokens, chosen, state)
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
        return _texts(converter) if converter.is_plain_text else None
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


def _texts(converter: Converter) -> _Read:
    most_bytes = converter.max_bytes

    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        offsets = np.empty(len(chosen) + 1, np.int32)
        data = np.empty(typed.measure_texts(tokens.tokens, chosen, offsets, state) + WORD, np.uint8)
        typed.copy_texts(tokens.words, tokens.tokens, chosen, offsets, words_of(data))
        buffers = [_validity(state), pa.py_buffer(offsets), pa.py_buffer(data)]
        array = pa.Array.from_buffers(pa.string(), len(chosen), buffers)
        unsure = 0
        if most_bytes is not None:
            is_long = np.diff(offsets) > most_bytes
            state[is_long] = typed.UNSURE
            unsure = int(is_long.sum())
        return array, unsure

    return read


def _integers(converter: Converter) -> _Read:
    return _whole_numbers(converter, np.int32, typed.INTEGER_DIGITS, -typed.INTEGER_MAX - 1, typed.INTEGER_MAX)


def _bigints(converter: Converter) -> _Read:
    return _whole_numbers(converter, np.int64, typed.BIGINT_DIGITS, -(10**18), 10**18)


def _whole_numbers(converter: Converter, numpy_type: type, digits: int, low: int, high: int) -> _Read:
    def read(tokens: Tokens, chosen: np.ndarray, state: np.ndarray) -> tuple[pa.Array, int]:
        values = np.zeros(len(chosen), numpy_type)
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
