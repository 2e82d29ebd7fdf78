"""Finds records again in the file that they came from: their bytes, and what must stand before these."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.errors import MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.piece_reader import PieceReader
from sluice.pieces import RAW_CAP_BYTES, Chain, Piece, brief_opening
from sluice.plan import Plan
from sluice.reading import Section, read_pieces
from sluice.scanner import PathTable


class FragmentReader:
    """Gives records of a section by their ordinals, which ascend, in one walk over it. No more than a piece is held.

    What the source does not give any more is left away: the place of a record is known without its bytes.
    """

    def __init__(self, feed: Feed, section: Section) -> None:
        plan = Plan(feed)
        keeps_leads = plan.reads_ancestor_content or feed.xsd is not None
        self._pieces = _sound_pieces(read_pieces(feed, section, PathTable(plan.local_paths), keep_leads=keeps_leads))
        self._chains: list[Chain] = []
        self._piece: Piece | None = None

    def read(self, ordinal: int) -> tuple[bytes, bytes]:
        """The raw bytes of a record (``RAW_CAP_BYTES`` at most) and its context; both empty where it is not found."""
        while self._piece is None or ordinal >= self._piece.first_record + len(self._chains):
            self._piece = next(self._pieces, None)
            if self._piece is None:
                return b"", b""
            self._chains = list(self._piece.record_chains())
        index = ordinal - self._piece.first_record
        if index < 0:
            return b"", b""
        return self._piece.raw(index)[:RAW_CAP_BYTES], brief_opening(self._piece.prolog, self._chains[index])


def _sound_pieces(reader: PieceReader) -> Iterator[Piece]:
    """The pieces with records, up to the first fault."""
    try:
        for item in reader:
            if isinstance(item, Piece) and not item.is_remnant:
                yield item
    except (MalformedXML, SourceChanged):
        return
