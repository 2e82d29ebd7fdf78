"""The totals that the samples state, compared with what was found in them."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.checks.declaration import WrittenFeed
from sluice.feed.model import Feed
from sluice.findings import Finding
from sluice.spots import Spot, short_name
from sluice.totals.books import Comparison, FileTotal
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

MAX_EXAMPLES = 3


class Totals:
    """One finding for each total of the feed that differs in some file."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._comparison = Comparison(feed)

    def take(self, tried: TriedBatch) -> None:
        tried.compare(self._comparison)

    def findings(self, counts: Counts) -> Iterator[Finding]:
        differences = self._comparison.differences()
        for index, total in enumerate(self._feed.totals):
            own = [one for one in differences if (one.path, one.measure) == (total.path, total.measure)]
            if own:
                yield self._describe(index, own)

    def _describe(self, index: int, own: list[FileTotal]) -> Finding:
        spot, where = WrittenFeed(self._feed).spot(("totals", index))
        examples = tuple(Spot(short_name(one.name)) for one in own[:MAX_EXAMPLES])
        more = f"; so in {counted(len(own) - 1, 'more file')}" if len(own) > 1 else ""
        message = f"a run on these files would fail: {examples[0]}: {own[0].fault()}{more}"
        return Finding(
            "error", "total_differs", message, spot, where, path=own[0].path, count=len(own),
            value=own[0].numbers,
            examples=examples,
        )  # fmt: skip
