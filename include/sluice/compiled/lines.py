"""Counts lines."""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import LINE_FEEDS, WORD, count_zeros, words_of


@inlined
def _count_line_feeds(buffer, words, start, end):
    """How many line feeds ``buffer[start:end]`` holds."""
    count = 0
    while start + WORD <= end:
        count += count_zeros(words[start] ^ LINE_FEEDS)
        start += WORD
    while start < end:
        count += buffer[start] == 10
        start += 1
    return count


@compiled
def _count_lines(buffer, words, starts, line, lines):
    buffer, words, starts, lines = borrowed(buffer), borrowed(words), borrowed(starts), borrowed(lines)
    position = 0
    for index in range(starts.shape[0]):
        line += _count_line_feeds(buffer, words, position, starts[index])
        position = starts[index]
        lines[index] = line


def lines_of(text: bytes, starts: np.ndarray, first_line: int) -> np.ndarray:
    """On which line each of the ascending positions ``starts`` is, in a text that begins on ``first_line``."""
    buffer, lines = np.frombuffer(text, np.uint8), np.empty(len(starts), np.int64)
    _count_lines(buffer, words_of(buffer), starts, first_line, lines)
    return lines
