"""The first rows of each table, as they would stand in the warehouse, and the first rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.feed.model import Feed
from sluice.records import Reject
from sluice.spots import Spot, spot_of, spot_of_reject
from sluice.staging import positions
from sluice.tryout.trial import TriedBatch

LINEAGE = ("_file", "_member", "_record", "_offset", "_line")
"""What is known of a row's place before it is loaded. The tables have no ``_line``; the quarantine has."""


@dataclass(slots=True)
class Peek:
    """Keeps up to ``most`` rows of each of ``tables``, with the key of their record and, first of all, ``LINEAGE``;
    and up to ``most_rejects`` rejects with their places.
    """

    feed: Feed
    tables: Sequence[str]
    most: int
    most_rejects: int
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[tuple[Spot, Reject]] = field(default_factory=list)
    reject_count: int = 0

    def take(self, tried: TriedBatch) -> None:
        for table in self.tables:
            kept = self.rows.setdefault(table, [])
            if len(kept) < self.most:
                kept += self._first_rows(tried, table, self.most - len(kept))
        for reject in tried.rejects():
            self.reject_count += 1
            if len(self.rejects) < self.most_rejects:
                self.rejects.append((spot_of_reject(tried.files, reject), reject))

    def _first_rows(self, tried: TriedBatch, table: str, most: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for group in tried.rows(table):
            found += group.slice(0, most - len(found)).to_pylist()
            if len(found) >= most:
                break
        root = self.feed.root_of(table)
        roots = {row["_rec"]: row for row in found} if root == table else self._roots_of(tried, root, found)
        return [self._as_row(tried, table, row, roots[row["_rec"]]) for row in found]

    def _roots_of(self, tried: TriedBatch, root: str, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """The root rows of some child rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array({row["_rec"] for row in rows}, pa.int64())
        found: dict[int, dict[str, Any]] = {}
        for group in tried.rows(root):
            found |= {row["_rec"]: row for row in group.filter(pc.is_in(group["_rec"], wanted)).to_pylist()}
            if len(found) == len(wanted):
                break
        return found

    def _as_row(
        self, tried: TriedBatch, table: str, row: Mapping[str, Any], root_row: Mapping[str, Any]
    ) -> dict[str, Any]:
        file = spot_of(tried.files[root_row["_part"]]).file
        lineage = {"_file": file} | {name: root_row[name] for name in LINEAGE[1:]}
        declared = self.feed.tables[table]
        key = () if declared.is_root else self.feed.tables[self.feed.root_of(table)].key
        inherited = {name: root_row[name] for name in key}
        return lineage | inherited | {name: row[name] for name in (*positions(self.feed, table), *declared.columns)}
