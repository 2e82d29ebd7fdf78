"""The totals that the samples state, compared with what was found in them."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.checks.declaration import WrittenFeed
from sluice.feed.model import Feed
from sluice.findings import Finding
from sluice.totals.books import FileTotal
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

MAX_EXAMPLES = 3


class StatedTotals:
    """One finding for each total of the feed that differs in some file."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def take(self, tried: TriedBatch) -> None:
        """The counts keep what there is to compare."""

    def findings(self, counts: Counts) -> Iterator[Finding]:
        differences = counts.differing_totals(self._feed)
        for index, total in enumerate(self._feed.totals):
            own = [one for one in differences if (one.path, one.measure) == (total.path, total.measure)]
            if own:
                yield self._describe(index, own)

    def _describe(self, index: int, differences: list[FileTotal]) -> Finding:
        spot, where = WrittenFeed(self._feed).spot(("totals", index), at_key=True)
        message = f"in {counted(len(differences), 'file')}"
        return Finding("error", "total_differs", message, spot, where)
