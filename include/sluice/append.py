"""Appends the rows of records that have no key, straight into their tables.

Such a record is known by its place, and in its place nothing can be unless its part was loaded before; then ``merge``
takes it. So there is nothing to compare, and what PostgreSQL does is one COPY per table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from sluice.copying import NO_DATE, copy_rows
from sluice.errors import PermanentError
from sluice.family import FamilyStatements
from sluice.feed.layout import column_layout
from sluice.feed.model import Feed
from sluice.fileversions import FileVersions
from sluice.records import LoadCounts, Part, Run

Read = Callable[[str], Iterator[pa.Table]]
"""Gives the accepted rows of a table, some at a time, as parse's Parquet has them."""
_PLACE = ("_member", "_record", "_offset")


class FamilyAppend(FamilyStatements):
    """Appends to one root table without a key, and to the tables below it."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run, parts: Mapping[int, Part]) -> None:
        super().__init__(conn, feed, root, run)
        self._run = run
        self._parts = parts
        self._versions = FileVersions(conn, feed, root, run)
        self._ids = pa.array(sorted(parts), pa.int64())
        files = [parts[part].file for part in self._ids.to_pylist()]
        self._of_parts = {
            "_file": pa.array([file.file_id for file in files], pa.int64()),
            "_file_date": pa.array([file.file_date.isoformat() if file.file_date else NO_DATE for file in files]),
            "_file_modified": pa.array([file.modified_at for file in files], pa.timestamp("us", "UTC")),
        }

    def append(self, read: Read) -> dict[int, LoadCounts]:
        """Append what ``read`` gives; returns the counts of each part. The parts are staged."""
        self._versions.lock()
        outdone = pa.array(self._versions.find_outdone(), pa.int64())
        self._versions.remove_older()
        records = _Records()
        self._copy(self._root, (self._as_rows(table) for table in records.noting(_standing(read(self._root), outdone))))
        superseded = _Records()
        if len(outdone):
            for _ in superseded.noting(table.filter(pc.is_in(table["_part"], outdone)) for table in read(self._root)):
                pass
        for child in self._children:
            rows = (records.give_places(table) for table in _standing(read(child), outdone))
            self._copy(child, (self._as_rows(table) for table in rows))
        counts = {part: LoadCounts(inserted=number) for part, number in records.by_part().items()}
        return counts | {part: LoadCounts(superseded=number) for part, number in superseded.by_part().items()}

    def _copy(self, name: str, tables: Iterator[pa.Table]) -> None:
        # the time of loading is the column's default
        kinds = {column.name: column.sql_type for column in column_layout(self._feed, name) if not column.default}
        sent = 0

        def counted() -> Iterator[pa.Table]:
            nonlocal sent
            for table in tables:
                sent += table.num_rows
                yield table

        taken = copy_rows(self._conn, self._target(name), kinds, counted())
        if taken != sent:
            raise PermanentError(f"the table {name} took {taken} of {sent} rows; nothing was loaded")

    def _as_rows(self, table: pa.Table) -> pa.Table:
        """The rows with their lineage."""
        at = pc.index_in(table["_part"], self._ids)
        for name, values in self._of_parts.items():
            table = table.append_column(name, values.take(at))
        return table.append_column("_run", pa.repeat(pa.scalar(self._run.run_id, pa.int64()), table.num_rows))


def _standing(tables: Iterator[pa.Table], outdone: pa.Array) -> Iterator[pa.Table]:
    for table in tables:
        yield table.filter(pc.invert(pc.is_in(table["_part"], outdone))) if len(outdone) else table


class _Records:
    """Where the records stand that have been met, for their child rows."""

    def __init__(self) -> None:
        self._met: list[pa.Table] = []
        self._sorted: tuple[np.ndarray, pa.Table] | None = None

    def noting(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            self._met.append(table.select(["_rec", "_part", *_PLACE]))
            yield table

    def by_part(self) -> dict[int, int]:
        """How many records each part has."""
        if not self._met:
            return {}
        parts = pa.concat_tables(self._met).group_by("_part").aggregate([([], "count_all")])
        return dict(zip(parts["_part"].to_pylist(), parts["count_all"].to_pylist(), strict=True))

    def give_places(self, table: pa.Table) -> pa.Table:
        """Child rows with the places of their records."""
        if self._sorted is None:
            met = pa.concat_tables(self._met).combine_chunks().sort_by("_rec")
            self._sorted = met["_rec"].to_numpy(), met
        numbers, met = self._sorted
        places = met.select(_PLACE).take(pa.array(np.searchsorted(numbers, table["_rec"].to_numpy())))
        for name in _PLACE:
            table = table.append_column(name, places[name])
        return table
