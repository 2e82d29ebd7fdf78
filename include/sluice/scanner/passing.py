"""Passing over tags, values, comments and the like, compiled."""

from __future__ import annotations

import numpy as np

from sluice.compiled.borrowing import borrowed
from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import ONES, WORD, first_of, zeros
from sluice.scanner.events import COMMENT, DOCTYPE, IN_SUBSET, INSTRUCTION, MODE, OUTSIDE, QUOTE, RETURN_MODE


@inlined
def find_end(buffer, i, n, a, b, c):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position after the three bytes a b c (two, where a is 0) from i on; -1 where they do not occur."""
    while i < n:
        if buffer[i] == c and buffer[i - 1] == b and (a == 0 or buffer[i - 2] == a):
            return i + 1
        i += 1
    return -1


_LTS = np.uint64(0x3C3C3C3C3C3C3C3C)
_GTS = np.uint64(0x3E3E3E3E3E3E3E3E)
_QUOTES = np.uint64(0x2222222222222222)
_APOSTROPHES = np.uint64(0x2727272727272727)


@inlined
def next_lt(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position of the next '<' from i on; n where there is none."""
    while i < words.shape[0]:
        marks = zeros(words[i] ^ _LTS)
        if marks != 0:
            return i + first_of(marks)
        i += WORD
    while i < n and buffer[i] != 60:
        i += 1
    return i


@inlined
def quote_end(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position of the quote that ends the value which begins with the one at buffer[i]; n where there is none."""
    quote = buffer[i]
    quotes = np.uint64(quote) * ONES
    i += 1
    while i < words.shape[0]:
        marks = zeros(words[i] ^ quotes)
        if marks != 0:
            return i + first_of(marks)
        i += WORD
    while i < n and buffer[i] != quote:
        i += 1
    return i


@compiled
def tag_end(buffer, words, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Position after the '>' that ends the tag, quotes respected; -1 where the buffer ends first."""
    buffer, words = borrowed(buffer), borrowed(words)
    while i < n:
        if i < words.shape[0]:
            word = words[i]
            marks = zeros(word ^ _GTS) | zeros(word ^ _QUOTES) | zeros(word ^ _APOSTROPHES)
            if marks == 0:
                i += WORD
                continue
            i += first_of(marks)
        byte = buffer[i]
        if byte == 62:
            return i + 1
        if byte == 34 or byte == 39:
            i = quote_end(buffer, words, i, n)
        i += 1
    return -1


@compiled
def is_declaration(buffer, i, n):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether the target of a processing instruction is ``xml``: 1 or 0; -1 where the buffer ends too early to tell."""
    for k, wanted in enumerate((120, 109, 108)):
        if i + k >= n:
            return -1
        if buffer[i + k] != wanted:
            return 0
    if i + 3 >= n:
        return -1
    return 1 if buffer[i + 3] <= 32 else 0


@compiled
def doctype_end(buffer, i, n, state):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Walk on in a DOCTYPE; returns the position reached. The mode tells whether it ended, or a comment or PI began."""
    while i < n:
        byte = buffer[i]
        if state[QUOTE] != 0:
            if byte == state[QUOTE]:
                state[QUOTE] = 0
        elif byte == 34 or byte == 39:
            state[QUOTE] = byte
        elif byte == 91:
            state[IN_SUBSET] = 1
        elif byte == 93:
            state[IN_SUBSET] = 0
        elif byte == 62 and state[IN_SUBSET] == 0:
            state[MODE] = OUTSIDE
            return i + 1
        elif byte == 60 and state[IN_SUBSET] == 1:
            if i + 3 >= n:
                return i
            if buffer[i + 1] == 33 and buffer[i + 2] == 45 and buffer[i + 3] == 45:
                state[MODE], state[RETURN_MODE] = COMMENT, DOCTYPE
                return i + 4
            if buffer[i + 1] == 63:
                state[MODE], state[RETURN_MODE] = INSTRUCTION, DOCTYPE
                return i + 2
            # A declaration: it ends at '>' outside quotes, which the loop passes over in the subset.
        i += 1
    return i


@compiled
def child_named(buffer, i, n, node, text, name_start, name_end, first_child, next_sibling):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The child of ``node`` whose local name stands at buffer[i] (after the prefix, if any); -1 if none."""
    end = i
    while end < n:
        byte = buffer[end]
        if byte == 58:
            i = end + 1
        elif byte <= 32 or byte == 47 or byte == 62:
            break
        end += 1
    child = first_child[node]
    while child != -1:
        if name_end[child] - name_start[child] == end - i:
            same = True
            for k in range(end - i):
                if text[name_start[child] + k] != buffer[i + k]:
                    same = False
                    break
            if same:
                return child
        child = next_sibling[child]
    return -1
