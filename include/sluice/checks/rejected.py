"""What would be rejected: records and whole files, by their reject code and column; and whether that is too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sluice.checks.declaration import WrittenFeed
from sluice.errors import REJECT_CODES
from sluice.feed.model import Feed
from sluice.findings import Finding, Severity
from sluice.records import Reason, Totals
from sluice.spots import Spot, spot_of_reject
from sluice.stages.reconcile import limit_problems
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

MAX_EXAMPLES = 3
MAX_GROUPS = 1_000


@dataclass(slots=True)
class _Group:
    """Rejects of one code about one column. ``files`` counts entries that stand for a whole file or member."""

    first: Reason
    records: int = 0
    files: int = 0
    spots: list[Spot] = field(default_factory=list)


class Rejected:
    """Groups all rejects by code, table and column."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._groups: dict[tuple[str | None, ...], _Group] = {}

    def take(self, tried: TriedBatch) -> None:
        for reject in tried.rejects():
            spot = spot_of_reject(tried.files, reject)
            # a record may have several reasons of one kind
            for key, reason in {_key_of(reason): reason for reason in reversed(reject.reasons)}.items():
                if key not in self._groups and len(self._groups) >= MAX_GROUPS:
                    continue
                group = self._groups.setdefault(key, _Group(reason))
                group.records += reject.ordinal is not None
                group.files += reject.ordinal is None
                if len(group.spots) < MAX_EXAMPLES:
                    group.spots.append(spot)

    def findings(self, counts: Counts) -> Iterator[Finding]:
        most = self._feed.rejects.max_files
        is_over = most is not None and counts.files_rejected > most
        for group in sorted(self._groups.values(), key=lambda group: -(group.records + group.files)):
            yield _describe(group, "error" if group.files and is_over else "warning")
        yield from self._passed_limits(counts)
        if counts.found and counts.rejected == counts.found:
            message = f"none of the {counted(counts.found, 'record')} in the samples would be loaded"
            yield Finding("error", "nothing_accepted", message)

    def _passed_limits(self, counts: Counts) -> Iterator[Finding]:
        totals = Totals(
            found=counts.found,
            quarantined=counts.rejected,
            files_quarantined=counts.files_rejected,
            members_quarantined=counts.members_rejected,
        )
        for problem in limit_problems(self._feed.rejects, totals, list):
            spot, where = WrittenFeed(self._feed).spot(("rejects",), at_key=True)
            yield Finding("error", "limit_passed", f"a run on these files would fail: {problem}", spot, where)


def _key_of(reason: Reason) -> tuple[str | None, ...]:
    # which expectation it was stands in the message
    return reason.code, reason.table, reason.column, reason.message if reason.code == "expectation_failed" else None


def _describe(group: _Group, severity: Severity) -> Finding:
    reason = group.first
    where = f"{reason.table}.{reason.column}" if reason.table and reason.column else reason.table or ""
    path = f" (at {reason.path})" if reason.path else ""
    told = " and ".join(
        counted(number, what) for number, what in ((group.files, "file"), (group.records, "record")) if number
    )
    code = reason.code if reason.code in REJECT_CODES else "malformed"
    return Finding(
        severity, code, f"{told} rejected: {code}: {reason.message}{path}", group.spots[0], where, reason.table,
        reason.column, reason.path, group.records + group.files, None, reason.value, tuple(group.spots),
    )  # fmt: skip
