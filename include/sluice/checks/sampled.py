"""The feed on samples: what a run would make of them, as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sluice.checks.collisions import Collisions
from sluice.checks.judged import Judged
from sluice.checks.rejected import Rejected
from sluice.checks.totals import Totals
from sluice.checks.unmapped import Unmapped
from sluice.checks.unmatched import Unmatched
from sluice.feed.model import Feed
from sluice.findings import Finding
from sluice.records import LedgerFile
from sluice.tryout.trial import Counts, TriedBatch, try_files


class SampleCheck(Protocol):
    """A check that sees each batch of the samples once, and then tells what it found, in view of the counts of all."""

    def take(self, tried: TriedBatch) -> None: ...

    def findings(self, counts: Counts) -> Iterator[Finding]: ...


SAMPLE_CHECKS: tuple[Callable[[Feed], SampleCheck], ...] = (
    Rejected,
    Judged,
    Totals,
    Unmatched,
    Collisions,
    Unmapped,
)


def check_samples(feed: Feed, files: Sequence[LedgerFile]) -> tuple[Counts, list[Finding]]:
    """Try ``files``; the counts, and what all of ``SAMPLE_CHECKS`` found."""
    checks, counts = [make(feed) for make in SAMPLE_CHECKS], Counts(files=len(files))
    for tried in try_files(feed, files):
        counts.take(tried)
        for check in checks:
            check.take(tried)
    return counts, [finding for check in checks for finding in check.findings(counts)]
