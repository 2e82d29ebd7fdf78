"""Byte strings, found in a buffer by their hash or by a guess; ``kernel.interning`` lays them out."""

from __future__ import annotations

import numpy as np

from sluice.compiled.compiling import compiled, inlined
from sluice.compiled.words import WORD

_HASH_MASK = 0x7FFFFFFF


@compiled
def hash_of(text, start, end):
    found = 0
    for k in range(start, end):
        found = (found * 31 + text[k]) & _HASH_MASK
    return found


@compiled
def put(slots, place, number):
    """Put a number into the first free slot from its hash on."""
    mask = slots.shape[0] - 1
    place &= mask
    while slots[place] != -1:
        place = (place + 1) & mask
    slots[place] = number


@compiled
def number_of(buffer, start, end, text, ends, slots):
    """The number of the string at ``buffer[start:end]``; -1 where it has none."""
    mask = slots.shape[0] - 1
    place = hash_of(buffer, start, end) & mask
    while slots[place] != -1:
        number = np.int64(slots[place])
        first, is_same = ends[number], ends[number + 1] - ends[number] == end - start
        for k in range(end - start if is_same else 0):
            if buffer[start + k] != text[first + k]:
                is_same = False
                break
        if is_same:
            return number
        place = (place + 1) & mask
    return -1


@inlined
def length_at(buffer, words, start, number, text, ends, heads):
    """The length of string ``number`` if the bytes from ``start`` on are it; 0 if not."""
    differs = (words[start] ^ heads[number, 0]) & heads[number, 1]
    differs |= (words[start + WORD] ^ heads[number, 2]) & heads[number, 3]
    first = ends[number]
    length = np.int64(ends[number + 1] - first)
    if differs != 0:
        length = 0
    for k in range(2 * WORD, length):
        if buffer[start + k] != text[first + k]:
            length = 0
            break
    return length
