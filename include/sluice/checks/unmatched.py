"""Paths of the feed file that lead to nothing in the samples, with what was probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sluice.checks.declaration import WrittenFeed
from sluice.feed.model import Feed
from sluice.feed.readings import Reading, readings_of
from sluice.findings import Finding, Severity
from sluice.plan import MAX_NAMES
from sluice.tryout.census import MAX_LEVELS, Census
from sluice.tryout.nearby import Near, Nearby
from sluice.tryout.trial import Counts, TriedBatch


class Unmatched:
    """Takes a census of the samples, and holds all paths against it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._census = Census(feed)

    def take(self, tried: TriedBatch) -> None:
        self._census.take(tried)

    def findings(self, counts: Counts) -> Iterator[Finding]:
        declared, nearby = WrittenFeed(self._feed), Nearby(self._feed, self._census)
        empty = {name for name in self._feed.tables if not self._census.rows[name]}
        for name in self._feed.tables:
            parent = self._feed.tables[name].parent
            if name in empty and parent not in empty:
                yield self._without_rows(name, declared, nearby)
        readings = (one for one in readings_of(self._feed) if one.table not in empty and not one.of_delete)
        for _, choices in groupby(readings, key=lambda one: (one.table, one.column)):
            yield from self._without_values(list(choices), declared, nearby)
        if self._census.is_full:
            message = f"the samples have more than {MAX_NAMES:,} different names, or more than {MAX_LEVELS} levels;"
            message += " the others were not looked at"
            yield Finding("warning", "names_left_out", message)

    def _without_rows(self, name: str, declared: WrittenFeed, nearby: Nearby) -> Finding:
        table = self._feed.tables[name]
        near = nearby.of_rows(name)
        spot, where = declared.spot(("tables", name, "record" if table.is_root else "rows"))
        path = table.record or table.rows or ""
        what = "no record" if table.is_root else "no row"
        code = "record_unmatched" if table.is_root else "rows_unmatched"
        severity: Severity = "warning" if table.is_root else _severity(near)
        message = f"{what} in the samples: nothing is at {path!r}{_because(near)}"
        return Finding(severity, code, message, spot, where, name, path=path, suggestion=near.path)

    def _without_values(self, choices: list[Reading], declared: WrittenFeed, nearby: Nearby) -> Iterator[Finding]:
        missed = [reading for reading in choices if not self._census.hits(reading)]
        is_column = len(missed) == len(choices)
        for reading in missed:
            near = nearby.of_reading(reading) if is_column else Near()
            spot, where = declared.spot(reading.loc)
            code = "path_unmatched" if is_column else "choice_unmatched"
            message = f"nothing in the samples is at {reading.path.text!r}{_because(near)}"
            yield Finding(
                _severity(near),
                code,
                message,
                spot,
                where,
                reading.table,
                reading.column,
                reading.path.text,
                0,
                near.path,
            )


def _severity(near: Near) -> Severity:
    """Samples need not have all that a feed reads; but where something alike is there, it was probably meant."""
    return "warning" if near else "note"


def _because(near: Near) -> str:
    return f"; {near.why}" if near.why else ""
