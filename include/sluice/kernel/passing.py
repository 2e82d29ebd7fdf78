"""How the tokenizer passes over names, values, text and markup: compiled loops over bytes.

Each returns the position behind what it has passed over, or where that ends; -1 where it is malformed.
"""

from __future__ import annotations

import numpy as np

from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.strings import length_at, number_of
from sluice.compiled.words import HIGH, ONES, WORD, before, first_of, zeros
from sluice.kernel.output import IS_SPELLED
from sluice.kernel.spelling import (
    AMP,
    CLOSE,
    CR,
    DASH,
    ENDS_NAME,
    GT,
    IN_MARKUP,
    IS_WHITE,
    LF,
    LT,
    OPEN,
    TAB,
    read_reference,
)


@compiled
def end_of_name(buffer, i):
    while ENDS_NAME[buffer[i]] == 0:
        i += 1
    return i


@compiled
def after_white(buffer, i):
    while IS_WHITE[buffer[i]]:
        i += 1
    return i


@compiled
def look_up_name(buffer, i, text, ends, slots):
    """(Number of the name at ``buffer[i]``, position after it); -1 for a name that is not known yet."""
    end = end_of_name(buffer, i)
    return number_of(buffer, i, end, text, ends, slots), end


@inlined
def find_name(buffer, words, i, guess, text, ends, heads, slots):
    """``look_up_name``, with a guess at which name it is."""
    if guess >= 0:
        end = i + length_at(buffer, words, i, guess, text, ends, heads)
        if end > i and ENDS_NAME[buffer[end]]:
            return guess, end
    return look_up_name(buffer, i, text, ends, slots)


_SPACES = np.uint64(0x2020202020202020)
_AMPS = np.uint64(0x2626262626262626)
LTS = np.uint64(0x3C3C3C3C3C3C3C3C)
_GTS = np.uint64(0x3E3E3E3E3E3E3E3E)


@inlined
def end_of_value(buffer, words, i):
    """(Position of the quote that ends the value whose first quote stands at ``buffer[i]``, whether it is to be
    spelled); -1 where it is malformed.
    """
    start = i + 1
    quotes = np.uint64(buffer[i]) * ONES
    i += 1
    others = np.uint64(0)
    while True:
        word = words[i]
        stop = zeros(word ^ quotes)
        other = ((word - _SPACES) & ~word & HIGH) | zeros(word ^ _AMPS) | zeros(word ^ LTS)
        if stop != 0:
            break
        others |= other
        i += WORD
    others |= other & before(stop)
    i += first_of(stop)
    is_spelled = 0
    if others != 0:
        is_spelled = _check_value(buffer, start, i)
        if is_spelled < 0:
            i = -1
    return i, is_spelled


@compiled
def _check_value(buffer, i, end):
    """Whether a value is to be spelled: 1 or 0; -1 where it is malformed."""
    is_spelled = 0
    while i < end:
        byte = buffer[i]
        if byte == LT:
            return -1
        if byte == AMP:
            i, _ = read_reference(buffer, i)
            if i < 0 or i > end:
                return -1
            is_spelled = 1
            continue
        if byte == TAB or byte == LF or byte == CR:
            is_spelled = 1
        i += 1
    return is_spelled


@inlined
def end_of_text(buffer, words, i, has_returns):
    """(Position of the next '<'; IS_SPELLED where the text before it is to be spelled, else 0); -1 where it is
    malformed.
    """
    start = i
    others = np.uint64(has_returns)
    while True:
        word = words[i]
        stop = zeros(word ^ LTS)
        other = zeros(word ^ _AMPS) | zeros(word ^ _GTS)
        if stop != 0:
            break
        others |= other
        i += WORD
    others |= other & before(stop)
    i += first_of(stop)
    is_spelled = 0
    if others != 0:
        is_spelled = _check_text(buffer, start, i)
        if is_spelled < 0:
            i = -1
    return i, is_spelled


@compiled
def _check_text(buffer, start, end):
    """IS_SPELLED where text is to be spelled, else 0; -1 where it is malformed."""
    is_spelled, i = 0, start
    while i < end:
        byte = buffer[i]
        if byte == AMP:
            i, _ = read_reference(buffer, i)
            if i < 0 or i > end:
                return -1
            is_spelled = IS_SPELLED
            continue
        if byte == CR:
            is_spelled = IS_SPELLED
        elif byte == GT and i - 2 >= start and buffer[i - 1] == CLOSE and buffer[i - 2] == CLOSE:
            return -1
        i += 1
    return is_spelled


@compiled
def end_of_markup(buffer, i, first, second):
    """Position after the first ``first second >`` from ``i`` on; -1 where a comment holds two dashes elsewhere, or a
    character is out of place. ``second`` is 0 for an instruction, which ends with two bytes.
    """
    while True:
        kind = IN_MARKUP[buffer[i]]
        if kind == 1:
            return -1
        if kind == 2 and buffer[i] == first:
            if second == 0:
                if buffer[i + 1] == GT:
                    return i + 2
            elif buffer[i + 1] == second:
                if buffer[i + 2] == GT:
                    return i + 3
                if first == DASH:
                    return -1
        i += 1


@compiled
def is_cdata(buffer, i):
    """Whether ``<![CDATA[`` stands at ``buffer[i]``."""
    return (
        buffer[i + 2] == OPEN and buffer[i + 3] == 67 and buffer[i + 4] == 68 and buffer[i + 5] == 65
        and buffer[i + 6] == 84 and buffer[i + 7] == 65 and buffer[i + 8] == OPEN
    )  # fmt: skip
