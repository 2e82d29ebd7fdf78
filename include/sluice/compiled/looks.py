"""Looks at each byte of a stretch, in loops so plain that the processor takes many bytes at once."""

from __future__ import annotations

import numpy as np

from sluice.compiled.compiling import compiled


@compiled
def _look_over(text):
    # All in bytes: with wider numbers, or truth values, fewer are taken at once.
    controls = returns = marks = np.uint8(0)
    for index in range(text.shape[0]):
        byte = text[index]
        controls = np.uint8(controls | np.uint8((byte < 32) & (byte != 9) & (byte != 10) & (byte != 13)))
        returns = np.uint8(returns | np.uint8(byte == 13))
        marks = np.uint8(marks | np.uint8(byte == 0xEF))
    return controls != 0, returns != 0, marks != 0


@compiled
def _count_line_feeds(text):
    count = np.uint32(0)
    for index in range(text.shape[0]):
        count = np.uint32(count + np.uint32(text[index] == 10))
    return count


def look_over(text: np.ndarray) -> tuple[bool, bool, bool]:
    """Whether the bytes hold control characters that XML has not, carriage returns, the byte 0xEF."""
    controls, returns, marks = _look_over(text)
    return controls, returns, marks


def count_line_feeds(text: bytes, size: int) -> int:
    """How many line feeds are among the first ``size`` bytes, fewer than 4 GB."""
    return int(_count_line_feeds(np.frombuffer(text, np.uint8, size)))
