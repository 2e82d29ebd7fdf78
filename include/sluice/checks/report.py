"""All that is told of one feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.checks.against_schema import check_against_xsd
from sluice.checks.declaration import check_declaration
from sluice.errors import PermanentError
from sluice.feed.loading import FEED_FILE
from sluice.feed.model import Feed
from sluice.findings import Finding, as_json, in_order
from sluice.spots import Spot, short_name
from sluice.tryout.samples import find_samples, own_samples
from sluice.tryout.trial import Counts

FORMAT = 1
"""Of the JSON document; it goes up when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Report:
    """``counts`` is None where the feed was not tried on samples. Findings stand in order, errors first."""

    feed: str
    folder: Path
    counts: Counts | None
    findings: tuple[Finding, ...]


def check_feed(folder: Path, samples: Sequence[str] | None = None) -> Report:
    """Check the feed in ``folder``, then try it on ``samples``: paths as ``find_samples`` takes them, its own where
    that is None.

    Raises ``SamplesMissing`` for a path that leads to nothing, and what sources and stages raise.
    """
    feed, findings = check_declaration(folder)
    if feed is None:
        return Report(folder.name, folder, None, tuple(findings))
    findings += _against_xsd(feed)
    paths = own_samples(feed) if samples is None else samples
    if not paths:
        if samples is None:
            findings.append(
                Finding("note", "no_samples", f"{short_name(str(folder))} has no folder `samples` to try the feed on")
            )
        return Report(feed.feed, folder, None, tuple(findings))
    counts, found = _try_samples(feed, paths)
    return Report(feed.feed, folder, counts, tuple(in_order([*findings, *found])))


def _try_samples(feed: Feed, paths: Sequence[str]) -> tuple[Counts | None, list[Finding]]:
    """A feed that cannot be tried at all (its XSD is broken) is a finding, not an end of the check."""
    from sluice.checks.sampled import check_samples

    files = find_samples(feed, paths)
    try:
        return check_samples(feed, files)
    except PermanentError as error:
        spot = Spot(short_name(str(feed.folder / FEED_FILE)))
        return None, [Finding("error", "feed_invalid", f"the feed cannot be tried: {error}", spot)]


def _against_xsd(feed: Feed) -> list[Finding]:
    """What the feed's XSD says of it, where it has one; one error where that cannot be read."""
    try:
        return in_order(check_against_xsd(feed))
    except PermanentError as error:
        return [Finding("error", "feed_invalid", str(error), Spot(short_name(str(feed.folder / FEED_FILE))))]


def report_json(report: Report) -> dict[str, Any]:
    """The documented fields of one feed."""
    counts = report.counts
    tried = counts and {
        "files": counts.files,
        "files_rejected": counts.files_rejected,
        "bytes": counts.bytes_read,
        "found": counts.found,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "held": counts.held,
        "rows": counts.rows,
    }
    return {
        "feed": report.feed,
        "folder": short_name(str(report.folder)),
        "samples": tried,
        "findings": [as_json(finding) for finding in report.findings],
    }
