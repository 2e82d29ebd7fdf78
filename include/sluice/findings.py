"""What ``sluice check`` finds: one record for all that it tells, whoever finds it.

An *error* is what would make a run fail, or a mistake in the feed file. A *warning* costs records, or looks like a
mistake. A *note* is only told. A finding about a sample's record or file has its reject code (``errors.REJECT_CODES``);
the other codes are listed here. All of them are stable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sluice.errors import FeedProblem
from sluice.spots import Spot, short_name

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

FINDING_CODES: dict[str, str] = {
    # the feed file
    "feed_invalid": "a mistake in the feed file, or in an expectation",
    # paths
    "record_unmatched": "no element of the samples is at the path of the record",
    "rows_unmatched": "no element of the samples is at the path that gives a child table its rows",
    "path_unmatched": "nothing in the samples is at any path of a column",
    "choice_unmatched": "nothing in the samples is at this path of a column, but at another of its paths",
    "element_unmapped": "an element that no column reads",
    "attribute_unmapped": "an attribute that no column reads",
    "namespace_unlisted": "a namespace that the feed does not list",
    "names_left_out": "the samples have more names, or more levels of them, than are remembered",
    # the feed's XSD
    "xsd_path_impossible": "by the XSD nothing can be at this path",
    "xsd_wider": "the XSD allows values that the column's type or its value set does not take",
    "xsd_optional": "the XSD lets be absent what the column requires",
    "xsd_repeats": "the XSD lets be there several times what the column reads as one value",
    "xsd_value_impossible": "a value set has a value that the XSD does not allow",
    # keys
    "key_version_tie": "records of one key have the same version and differ: only their files say which wins",
    "key_repeated": "records of one key, the newest version of which wins",
    # the gate and the run
    "expectation_stops": "an expectation on the batch failed, which holds files",
    "expectation_warns": "an expectation failed that is only reported",
    "total_differs": "a total that the samples state is not what was found in them, or is not there",
    "limit_passed": "more rejects than the feed's `rejects` allow",
    "nothing_accepted": "no record of the samples would be loaded",
    # the samples
    "no_samples": "there were no samples to try the feed on",
}
"""The codes that are no reject codes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``spot`` is where to look first: in the feed file, or in a sample; None for the feed as a whole.

    ``where`` names the key of the feed file (``tables.orders.columns.total``), ``path`` what is meant in the files.
    ``count`` says how often, in records or names, ``examples`` are places of it in the samples, ``value`` is the first
    value that it is about, cut short. Whatever does not apply is None or empty.
    """

    severity: Severity
    code: str
    message: str
    spot: Spot | None = None
    where: str = ""
    table: str | None = None
    column: str | None = None
    path: str | None = None
    count: int | None = None
    suggestion: str | None = None
    value: str | None = None
    examples: tuple[Spot, ...] = ()

    def line(self, with_value: bool = True) -> str:
        """One line for a person."""
        spot = f"{self.spot}: " if self.spot else ""
        where = f"{self.where}: " if self.where else ""
        value = f"; the first is {self.value!r}" if with_value and self.value is not None else ""
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{spot}{self.severity}: {where}{self.message}{value}{hint}"


def of_problem(problem: FeedProblem) -> Finding:
    spot = Spot(short_name(problem.source), problem.line, problem.column)
    return Finding("error", "feed_invalid", problem.message, spot, problem.where, suggestion=problem.suggestion)


def count_severities(findings: Iterable[Finding]) -> dict[Severity, int]:
    counts = Counter(finding.severity for finding in findings)
    return {severity: counts[severity] for severity in SEVERITIES}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first; within a severity as they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def as_json(finding: Finding) -> dict[str, Any]:
    """The documented fields, all of them always there."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "place": _spot_json(finding.spot) if finding.spot else None,
        "where": finding.where or None,
        "table": finding.table,
        "column": finding.column,
        "path": finding.path,
        "count": finding.count,
        "suggestion": finding.suggestion,
        "value": finding.value,
        "examples": [_spot_json(spot) for spot in finding.examples],
    }


def _spot_json(spot: Spot) -> dict[str, Any]:
    return {"file": spot.file, "line": spot.line, "column": spot.column, "record": spot.record}
