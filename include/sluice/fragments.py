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


class Fragments:
    """Opens sections of a feed's files to find records in them."""

    def __init__(self, feed: Feed) -> None:
        plan = Plan(feed)
        self._feed = feed
        self._paths = PathTable(plan.local_paths)
        self._needs_leads = plan.reads_ancestor_content

    def open(self, section: Section) -> FragmentReader:
        keeps_leads = self._needs_leads or self._feed.xsd is not None
        pieces = read_pieces(self._feed, section, self._paths, keep_leads=keeps_leads)
        return FragmentReader(pieces, self._needs_leads)


class FragmentReader:
    """Gives records of a section by their offsets, which ascend, in one walk over it. No more than a piece is held.

    What the source does not give any more is left away: the place of a record is known without its bytes.
    """

    def __init__(self, pieces: PieceReader, needs_leads: bool) -> None:
        self._pieces, self._needs_leads = _sound_pieces(pieces), needs_leads
        self._piece: Piece | None = None
        self._index_of: dict[int, int] = {}
        self._chains: list[Chain] = []

    def read(self, offset: int) -> tuple[bytes, bytes | None]:
        """The raw bytes of a record (``RAW_CAP_BYTES`` at most), empty where it is not found, and its context."""
        while self._piece is None or offset >= self._piece.offset + len(self._piece.body):
            self._piece = next(self._pieces, None)
            if self._piece is None:
                return b"", None
            self._index_of = {start: index for index, start in enumerate(self._piece.starts.tolist())}
            self._chains = list(self._piece.record_chains())
        index = self._index_of.get(offset)
        if index is None:
            return b"", None
        context = brief_opening(self._piece.prolog, self._chains[index], self._needs_leads)
        return self._piece.raw(index)[:RAW_CAP_BYTES], context


def _sound_pieces(reader: PieceReader) -> Iterator[Piece]:
    """The pieces with records, up to the first fault."""
    try:
        for item in reader:
            if isinstance(item, Piece) and not item.is_remnant:
                yield item
    except (MalformedXML, SourceChanged):
        return
