"""Bytes, eight at a time.

A *word* holds eight bytes, the first of them lowest. ``zeros`` and its like answer with the high bit of each byte that
is meant; above the first such byte they may be wrong.
"""

from __future__ import annotations

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from sluice.compiled.compiling import inlined

WORD = 8
ONES = np.uint64(0x0101010101010101)
HIGH = np.uint64(0x8080808080808080)
_LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
_SEVEN, _TOP_BYTE, _THREE, _ONE = np.uint64(7), np.uint64(56), np.uint64(3), np.uint64(1)
LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)


def words_of(buffer: np.ndarray) -> np.ndarray:
    """A view of bytes: its element i is the word from byte i on."""
    return np.ndarray((max(len(buffer) - WORD + 1, 0),), np.dtype("<u8"), buffer, 0, (1,))


@inlined
def zeros(word):
    return (word - ONES) & ~word & HIGH


@inlined
def first_of(marks):
    """Which byte is the first that is marked; there must be one."""
    return np.int64(trailing_zeros(marks) >> _THREE)


@inlined
def before(marks):
    """All bits of the bytes before the first that is marked; and some of that."""
    return (marks & (~marks + _ONE)) - _ONE


@inlined
def count_zeros(word):
    """How many bytes are zero, exactly."""
    marks = ~(((word & _LOW) + _LOW) | word | _LOW)
    return np.int64(((marks >> _SEVEN) * ONES) >> _TOP_BYTE)
