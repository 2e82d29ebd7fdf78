"""Byte strings with numbers, in arrays that compiled code can look them up in."""

from __future__ import annotations

import numpy as np

from sluice.compiled.strings import hash_of, put
from sluice.compiled.words import WORD


class Full(Exception):
    """More distinct things than the tables of the fast tier hold."""


class Interned:
    """Numbers byte strings from 0. ``text`` holds them end to end, string n from ``ends[n]`` to ``ends[n + 1]``;
    ``slots`` is a hash table of the numbers, -1 where empty, at most half full. ``heads`` holds the first 16 bytes of
    each: two words, and which bits of them count.
    """

    def __init__(self, capacity: int, text_bytes: int) -> None:
        self.numbers: dict[bytes, int] = {}
        self.text = np.zeros(text_bytes, np.uint8)
        self.ends = np.zeros(capacity + 1, np.int32)
        self.heads = np.zeros((capacity, 4), np.uint64)
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
        for word in range(2):
            head = string[word * WORD : (word + 1) * WORD]
            self.heads[number, 2 * word] = int.from_bytes(head, "little")
            self.heads[number, 2 * word + 1] = (1 << 8 * len(head)) - 1
        put(self.slots, hash_of(self.text, start, end), number)
        return number
