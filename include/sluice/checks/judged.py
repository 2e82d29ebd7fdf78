"""What the gate says of the samples, batch by batch as in a run: which files it would hold, and what it only reports.

Row-level expectations reject records and are told with these. Those on a whole run are not judged: samples are no run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sluice.checks.declaration import WrittenFeed
from sluice.feed.model import Feed
from sluice.findings import Finding, Severity
from sluice.spots import Spot, short_name
from sluice.tryout.trial import Counts, TriedBatch
from sluice.wording import counted

MAX_EXAMPLES = 3


@dataclass(slots=True)
class _Failure:
    """The batches in which one expectation failed. ``rows`` and ``unexpected`` are summed over them."""

    result: dict[str, Any]
    batches: int = 0
    rows: int = 0
    unexpected: int | None = None
    held: list[str] = field(default_factory=list)


class Judged:
    """Gathers the expectations that failed, but for those whose rejects tell of them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._failures: dict[str, _Failure] = {}

    def take(self, tried: TriedBatch) -> None:
        for result in tried.verdict["results"]:
            if result["success"] or (result["level"] == "row" and result["severity"] == "critical"):
                continue
            key = json.dumps([result["table"], result["type"], result["arguments"]], sort_keys=True, default=str)
            failure = self._failures.setdefault(key, _Failure(result))
            failure.batches += 1
            failure.rows += result["rows"]
            if result["unexpected"] is not None:
                failure.unexpected = (failure.unexpected or 0) + result["unexpected"]
            failure.held += result["held_files"]

    def findings(self, counts: Counts) -> Iterator[Finding]:
        for failure in self._failures.values():
            yield self._describe(failure)

    def _describe(self, failure: _Failure) -> Finding:
        result = failure.result
        stops = result["severity"] == "critical"
        severity: Severity = "error" if stops else "warning" if result["severity"] == "warning" else "note"
        spot, where = WrittenFeed(self._feed).spot(self._loc(result), at_key=True)
        held = tuple(Spot(short_name(uri)) for uri in failure.held[:MAX_EXAMPLES])
        message = f"{result['label']} failed{_spell_counts(failure)}"
        if stops:
            more = f" and {len(failure.held) - MAX_EXAMPLES} more" if len(failure.held) > MAX_EXAMPLES else ""
            message += f"; the gate would hold {', '.join(map(str, held))}{more}"
        code = "expectation_stops" if stops else "expectation_warns"
        column = result["arguments"].get("column")
        return Finding(
            severity, code, message, spot, where, result["table"], column, count=failure.unexpected, examples=held
        )

    def _loc(self, result: dict[str, Any]) -> tuple[str | int, ...]:
        table = result["table"]
        for index, declared in enumerate(self._feed.tables[table].expectations):
            if (declared.type, _plain(declared.arguments)) == (result["type"], _plain(result["arguments"])):
                return ("tables", table, "expectations", index, declared.type)
        return ("tables", table, "expectations")


def _plain(arguments: dict[str, Any]) -> str:
    """Arguments have been through JSON in a verdict."""
    return json.dumps(arguments, sort_keys=True, default=str)


def _spell_counts(failure: _Failure) -> str:
    if failure.unexpected is not None:
        return f" for {failure.unexpected:,} of {counted(failure.rows, 'row')}"
    observed = failure.result["observed"]
    return f", observed {observed:,.10g}" if observed is not None else ""
