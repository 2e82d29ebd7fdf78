"""One large file of records, of any size, readable at any place without being written anywhere.

The file is a header, records, a footer. Records repeat in blocks: of one block the texts are made once, in every
further one only the ids differ. Ids have the same number of digits everywhere, so that all blocks are equally long
and the place of each byte is known.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

ID_MARK = "\0" * 12
"""What a shape writes where the id of the record belongs; no XML holds it otherwise."""
FIRST_ID = 100_000_000_000
_DIGITS = len(ID_MARK)
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """How the records of a kind look. ``make_record(choose, revision)`` writes one with ``ID_MARK`` for its id; a
    greater ``revision`` is a later state of the same record.
    """

    name: str
    letter: str
    header: str
    footer: str
    make_record: Callable[[random.Random, int], str]
    records_per_block: int


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """``text`` of a block with its id marks; ``marks`` are their places, one row of digits each, and ``owners`` the
    ordinals (from 0) of their records; ``ends`` says where each record ends.
    """

    text: np.ndarray
    marks: np.ndarray
    owners: np.ndarray
    ends: tuple[int, ...]


@lru_cache(maxsize=4)
def _make_block(shape: Shape, seed: int, revision: int) -> _Block:
    records = [
        shape.make_record(random.Random(f"{seed}/{shape.name}/{number}"), revision).encode()
        for number in range(shape.records_per_block)
    ]
    ends = tuple(itertools.accumulate(map(len, records)))
    text = np.frombuffer(b"".join(records), np.uint8)
    zeros = np.flatnonzero(text == 0)
    starts = zeros[::_DIGITS]
    owners = np.searchsorted(np.array(ends), starts, side="right")
    return _Block(text, starts[:, None] + np.arange(_DIGITS), owners, ends)


@dataclass(frozen=True)
class RecordFile:
    """A file of ``records`` records, with the ids ``FIRST_ID + skip + stride * n``."""

    shape: Shape
    records: int
    seed: int = 7
    stride: int = 1
    revision: int = 0
    skip: int = 0
    _block: _Block = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_block", _make_block(self.shape, self.seed, self.revision))

    @classmethod
    def of_size(
        cls, shape: Shape, size: int, *, seed: int = 7, stride: int = 1, revision: int = 0, skip: int = 0
    ) -> RecordFile:
        """The smallest file of at least ``size`` bytes."""
        block = _make_block(shape, seed, revision)
        blocks, rest = divmod(max(0, size - len(shape.header) - len(shape.footer)), len(block.text))
        extra = next((n for n, end in enumerate((0, *block.ends)) if end >= rest), 0)
        return cls(shape, max(1, blocks * shape.records_per_block + extra), seed, stride, revision, skip)

    @property
    def size(self) -> int:
        blocks, rest = divmod(self.records, self.shape.records_per_block)
        body = blocks * len(self._block.text) + (self._block.ends[rest - 1] if rest else 0)
        return len(self.shape.header.encode()) + body + len(self.shape.footer.encode())

    def read(self, start: int, length: int) -> bytes:
        """The bytes ``[start, start + length)``, fewer at the end of the file."""
        end = min(self.size, start + length)
        head, tail = self.shape.header.encode(), self.shape.footer.encode()
        body_end = self.size - len(tail)
        pieces = [head[start:end]]
        place, block_bytes = max(start, len(head)), len(self._block.text)
        while place < min(end, body_end):
            number, offset = divmod(place - len(head), block_bytes)
            piece = self._block_bytes(number)[offset : min(end, body_end) - len(head) - number * block_bytes]
            pieces.append(piece)
            place += len(piece)
        pieces.append(tail[max(0, start - body_end) : max(0, end - body_end)])
        return b"".join(pieces)

    def chunks(self) -> Iterator[bytes]:
        return (self.read(start, _CHUNK_BYTES) for start in range(0, self.size, _CHUNK_BYTES))

    def write(self, path: Path) -> None:
        """Write it whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        with draft.open("wb") as file:
            file.writelines(self.chunks())
        draft.replace(path)

    def _block_bytes(self, number: int) -> bytes:
        before = self.skip + number * self.shape.records_per_block * self.stride
        return _number_block(self._block, FIRST_ID + before, self.stride)


@lru_cache(maxsize=2)
def _number_block(block: _Block, first_id: int, stride: int) -> bytes:
    ids = first_id + block.owners * stride
    powers = 10 ** np.arange(_DIGITS - 1, -1, -1)
    text = block.text.copy()
    text[block.marks] = ord("0") + ids[:, None] // powers % 10
    return text.tobytes()
