"""Looks at all bytes of a stretch, against the plain way to say what they answer."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.compiled.looks import count_line_feeds, look_over


@pytest.mark.parametrize("size", [1, 31, 64, 1000])
def test_each_byte_is_told_wherever_it_stands(size: int) -> None:
    for byte in range(256):
        for place in {0, size // 2, size - 1}:
            text = np.full(size, ord("x"), np.uint8)
            text[place] = byte
            expected = (byte < 32 and byte not in b"\t\n\r", byte == ord("\r"), byte == 0xEF)
            assert look_over(text) == expected


def test_nothing_is_in_no_bytes() -> None:
    assert look_over(np.zeros(0, np.uint8)) == (False, False, False)


def test_line_feeds_are_counted_up_to_the_place() -> None:
    text = bytes(np.random.default_rng(7).integers(8, 13, 3000, np.uint8))
    for size in (1, 2, 63, 64, 65, 1999, 3000):
        assert count_line_feeds(text, size) == text.count(b"\n", 0, size)
