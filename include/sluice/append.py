"""Appends rows straight into their tables, by one COPY for each, where there is nothing to compare them with.

A record without a key is known by its place, and in its place nothing can be unless its part was loaded before. Keys
may be seen to be new. All else goes the way of ``merge``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import errors as pg

from sluice.copying import NO_DATE, copy_rows
from sluice.errors import PermanentError
from sluice.family import FamilyStatements
from sluice.feed.layout import column_layout
from sluice.feed.model import Feed
from sluice.fileversions import FileVersions
from sluice.records import LoadCounts, Part, Run
from sluice.staging import COPY_ROWS
from sluice.warehouse import query


class Read(Protocol):
    """Gives the accepted rows of a table, some at a time, as parse's files have them: all columns, or some."""

    def __call__(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]: ...


_PLACE = ("_member", "_record", "_offset")
# What Arrow compares as PostgreSQL does; texts by their bytes, which is the order in which merges lock them.
_ASCENDING = ("integer", "bigint", "numeric", "date", "timestamp", "timestamptz", "text")


class _Append(FamilyStatements):
    """Writes the rows of one root table, and of the tables below it, with their lineage."""

    def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, run: Run, parts: Mapping[int, Part]) -> None:
        super().__init__(conn, feed, root, run)
        self._run = run
        self._ids = pa.array(sorted(parts), pa.int64())
        files = [parts[part].file for part in self._ids.to_pylist()]
        self._of_parts = {
            "_file": pa.array([file.file_id for file in files], pa.int64()),
            "_file_date": pa.array([file.file_date.isoformat() if file.file_date else NO_DATE for file in files]),
            "_file_modified": pa.array([file.modified_at for file in files], pa.timestamp("us", "UTC")),
        }

    def _copy_family(self, read: Read) -> dict[int, LoadCounts]:
        """COPY all that ``read`` gives; returns the counts of each part."""
        records = Records(self._table.key)
        self._copy(self._root, map(self._as_rows, records.noting(read(self._root))))
        for child in self._children:
            self._copy(child, (self._as_rows(records.give_places(table)) for table in read(child)))
        return {part: LoadCounts(inserted=number) for part, number in records.by_part().items()}

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


class PlaceAppend(_Append):
    """Appends records without a key."""

    def append(self, read: Read) -> dict[int, LoadCounts]:
        """Append what ``read`` gives; returns the counts of each part. The parts are staged."""
        versions = FileVersions(self._conn, self._feed, self._root, self._run)
        versions.lock()
        outdone = pa.array(versions.find_outdone(), pa.int64())
        versions.remove_older()
        if not len(outdone):
            return self._copy_family(read)

        def standing(name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
            for table in read(name, columns):
                yield table.filter(pc.invert(pc.is_in(table["_part"], outdone)))

        counts = self._copy_family(standing)
        for table in read(self._root, ("_part",)):
            for part, number in _count_parts(table.filter(pc.is_in(table["_part"], outdone))).items():
                counts[part] = counts.get(part, LoadCounts()) + LoadCounts(superseded=number)
        return counts


class KeyAppend(_Append):
    """Appends records whose keys are new, where that is easy to see: in the batch none is there twice, and in the table
    there is none between the least and the greatest. That is a guess where others are writing, or sort texts otherwise;
    the index of the key is the judge.
    """

    def append(self, read: Read) -> dict[int, LoadCounts] | None:
        """Append what ``read`` gives, by the keys in ascending order; returns the counts of each part. None where it
        has to be merged, and nothing was done.
        """
        kinds = [self._table.columns[name].column_type for name in self._key]
        if any(kind.is_list or kind.kind not in _ASCENDING for kind in kinds):
            return None
        found = [table.select(self._key) for table in read(self._root, self._key)]
        if not any(table.num_rows for table in found):
            return None
        keys = pa.concat_tables(found)
        order = None if ascends(keys) else pc.sort_indices(keys, [(name, "ascending") for name in self._key])
        keys = keys if order is None else keys.take(order)
        if not ascends(keys) or self._has_keys_table() or self._is_key_within(keys[self._key[0]]):
            return None

        def in_order(name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
            tables = read(name, columns)
            return tables if order is None or name != self._root else _taken(tables, order)

        try:
            with self._conn.transaction():
                return self._copy_family(in_order)
        except pg.UniqueViolation:  # somebody has brought one of the keys meanwhile
            return None

    def _is_key_within(self, keys: pa.ChunkedArray) -> bool:
        """Whether the table has a key from the first of these to the last, by the first column of the key."""
        name = self._key[0]
        kind = self._table.columns[name].column_type.sql
        least = self._least_key("{root}", f"%s::{kind}")
        statement = f"SELECT EXISTS (SELECT FROM ({least}) f WHERE f.key <= %s::{kind})".format_map(self._names)
        row = self._conn.execute(query(statement), [keys[0].as_py(), keys[-1].as_py()], prepare=False).fetchone()
        return row != (False,)


def _taken(tables: Iterator[pa.Table], order: pa.Array) -> Iterator[pa.Table]:
    """The rows in another order: all of them have to be in memory for that."""
    rows = pa.concat_tables(tables).combine_chunks()
    for start in range(0, len(order), COPY_ROWS):
        yield rows.take(order.slice(start, COPY_ROWS))


def ascends(keys: pa.Table) -> bool:
    """Whether each row is greater than the one before, by its columns in turn."""
    before, after = keys.slice(0, max(keys.num_rows - 1, 0)), keys.slice(1)
    is_greater = pa.scalar(False)
    for name in reversed(keys.column_names):
        is_equal = pc.equal(after[name], before[name])
        is_greater = pc.or_(pc.greater(after[name], before[name]), pc.and_(is_equal, is_greater))
    return bool(pc.all(is_greater, min_count=0).as_py())


def _count_parts(table: pa.Table) -> dict[int, int]:
    parts = table.group_by("_part").aggregate([([], "count_all")])
    return dict(zip(parts["_part"].to_pylist(), parts["count_all"].to_pylist(), strict=True))


class Records:
    """Where the records stand that have been met, for their child rows."""

    def __init__(self, key: Sequence[str]) -> None:
        self._known = (*_PLACE, *key)
        self._met: list[pa.Table] = []
        self._sorted: tuple[np.ndarray, pa.Table] | None = None

    def noting(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            self._met.append(table.select(["_rec", "_part", *self._known]))
            yield table

    def by_part(self) -> dict[int, int]:
        """How many records each part has."""
        return _count_parts(pa.concat_tables(self._met)) if self._met else {}

    def give_places(self, table: pa.Table) -> pa.Table:
        """Child rows with the places and keys of their records."""
        if self._sorted is None:
            met = pa.concat_tables(self._met).combine_chunks().sort_by("_rec")
            self._sorted = met["_rec"].to_numpy(), met
        numbers, met = self._sorted
        places = met.select(self._known).take(pa.array(np.searchsorted(numbers, table["_rec"].to_numpy())))
        for name in self._known:
            table = table.append_column(name, places[name])
        return table
