"""Byte strings with numbers, in arrays that compiled code can look them up in."""

from __future__ import annotations

import numpy as np
from numba import njit

HASH_MASK = 0x7FFFFFFF


class Full(Exception):
    """More distinct things than the tables of the fast tier hold."""


class Interned:
    """Numbers byte strings from 0. ``text`` holds them end to end, string n from ``ends[n]`` to ``ends[n + 1]``;
    ``slots`` is a hash table of the numbers, -1 where empty, at most half full.
    """

    def __init__(self, capacity: int, text_bytes: int) -> None:
        self.numbers: dict[bytes, int] = {}
        self.text = np.zeros(text_bytes, np.uint8)
        self.ends = np.zeros(capacity + 1, np.int32)
        self.slots = np.full(1 << (2 * capacity - 1).bit_length(), -1, np.int32)

    def __len__(self) -> int:
        return len(self.numbers)

    def add(self, string: bytes) -> int:
        """The number of ``string``; raises ``Full``."""
        if string in self.numbers:
            return self.numbers[string]
        number = len(self.numbers)
        start = int(self.ends[number])
        end = start + len(string)
        if number + 1 >= len(self.ends) or end > len(self.text):
            raise Full
        self.text[start:end] = np.frombuffer(string, np.uint8)
        self.ends[number + 1] = end
        self.numbers[string] = number
        put(self.slots, hash_of(self.text, start, end), number)
        return number


@njit(cache=True, nogil=True)
def hash_of(text, start, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    found = 0
    for k in range(start, end):
        found = (found * 31 + text[k]) & HASH_MASK
    return found


@njit(cache=True, nogil=True)
def put(slots, place, number):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Put a number into the first free slot from its hash on."""
    mask = slots.shape[0] - 1
    place &= mask
    while slots[place] != -1:
        place = (place + 1) & mask
    slots[place] = number


@njit(cache=True, nogil=True)
def number_of(buffer, start, end, text, ends, slots):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The number of the string at ``buffer[start:end]``; -1 where it has none."""
    mask = slots.shape[0] - 1
    place = hash_of(buffer, start, end) & mask
    while slots[place] != -1:
        number = slots[place]
        if stands_at(buffer, start, end - start, number, text, ends):
            return number
        place = (place + 1) & mask
    return -1


@njit(cache=True, nogil=True)
def stands_at(buffer, start, length, number, text, ends):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Whether the bytes from ``start`` on are string ``number``, if that has this length (or any, for -1)."""
    first = ends[number]
    own = ends[number + 1] - first
    if length >= 0 and own != length:
        return False
    for k in range(own):
        if buffer[start + k] != text[first + k]:
            return False
    return True
