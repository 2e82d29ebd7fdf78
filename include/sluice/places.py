"""Where the records of a piece stand in their file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from sluice.pieces import RAW_CAP_BYTES, Chain, Piece, brief_opening
from sluice.records import Reason, Reject

MAX_REASONS = 20


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record stands. Offsets count decoded bytes of the file or member.

    ``fragment`` gives the record's bytes, and what must stand before them: most records are never asked for theirs.
    """

    part_id: int
    member: str
    ordinal: int
    offset: int
    length: int
    line: int
    fragment: Callable[[], tuple[bytes, bytes | None]]

    def reject(self, reasons: Sequence[Reason]) -> Reject:
        raw, context = self.fragment()
        return Reject(
            self.part_id,
            self.member,
            self.ordinal,
            self.line,
            self.offset,
            self.offset + self.length,
            tuple(reasons[:MAX_REASONS]),
            raw[:RAW_CAP_BYTES],
            self.length <= RAW_CAP_BYTES,
            context,
        )


class PiecePlaces:
    """The places of the records of one piece, by index; ``needs_leads`` says that columns read what stands above.

    ``scan`` cuts a piece that ``is_stream`` in the usual way, to learn what stands above its records.
    """

    def __init__(
        self, part_id: int, member: str, piece: Piece, needs_leads: bool, scan: Callable[[Piece], Piece] | None = None
    ) -> None:
        self.part_id, self.member = part_id, member
        self._piece = piece
        self._needs_leads = needs_leads
        self._scan = scan

    def __len__(self) -> int:
        return len(self._piece.starts)

    def __iter__(self) -> Iterator[RecordPlace]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> RecordPlace:
        start, end = int(self.offsets[index]), int(self._piece.ends[index])
        return RecordPlace(
            part_id=self.part_id,
            member=self.member,
            ordinal=self._piece.first_record + index,
            offset=start,
            length=end - start,
            line=int(self.lines[index]),
            fragment=partial(self._fragment, index),
        )

    def _fragment(self, index: int) -> tuple[bytes, bytes | None]:
        piece = self._scanned
        return piece.raw(index), brief_opening(piece.prolog, _chain_of(piece, index), self._needs_leads)

    @cached_property
    def _scanned(self) -> Piece:
        return self._scan(self._piece) if self._scan and self._piece.is_stream else self._piece

    @property
    def ordinals(self) -> np.ndarray:
        return np.arange(self._piece.first_record, self._piece.first_record + len(self), dtype=np.int64)

    @property
    def offsets(self) -> np.ndarray:
        return self._piece.starts

    @property
    def lengths(self) -> np.ndarray:
        return self._piece.ends - self._piece.starts

    @cached_property
    def lines(self) -> np.ndarray:
        return self._piece.lines()


class PlaceAt:
    """The place of one record of a piece, worked out when it is asked for."""

    __slots__ = ("_index", "_places")

    def __init__(self, places: PiecePlaces, index: int) -> None:
        self._places, self._index = places, index

    @property
    def part_id(self) -> int:
        return self._places.part_id

    @property
    def member(self) -> str:
        return self._places.member

    @property
    def ordinal(self) -> int:
        return int(self._places.ordinals[self._index])

    @property
    def line(self) -> int:
        return int(self._places.lines[self._index])


def _chain_of(piece: Piece, index: int) -> Chain:
    """The ancestors of a record."""
    return next(chain for first, chain in reversed(piece.families) if first <= index)
