"""Appends rows straight into their tables, by one COPY for each, where there is nothing to compare them with.

A record without a key is known by its place, and in its place nothing can be unless its part was loaded before. Keys
may be seen to be new. All else of a batch goes the way of ``merge``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
from sluice.staging import COPY_ROWS, make_or_empty, quoted


class Read(Protocol):
    """Gives the accepted rows of a table, some at a time, as parse's files have them: all columns, or some."""

    def __call__(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]: ...


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a family's rows: how many records of each part were appended, and what has to be merged.

    ``rest`` gives that, if there is any. ``are_known`` says that it gives records by their keys in ascending order,
    each key once, and that all of these keys were in the table a moment ago.
    """

    counts: Mapping[int, LoadCounts] = field(default_factory=dict)
    rest: Read | None = None
    are_known: bool = False


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

    def append(self, read: Read) -> Appended:
        """Append what ``read`` gives. The parts are staged."""
        versions = FileVersions(self._conn, self._feed, self._root, self._run)
        versions.lock()
        outdone = pa.array(versions.find_outdone(), pa.int64())
        versions.remove_older()
        if not len(outdone):
            return Appended(self._copy_family(read))

        def standing(name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
            for table in read(name, columns):
                yield table.filter(pc.invert(pc.is_in(table["_part"], outdone)))

        counts = self._copy_family(standing)
        for table in read(self._root, ("_part",)):
            for part, number in _count_parts(table.filter(pc.is_in(table["_part"], outdone))).items():
                counts[part] = counts.get(part, LoadCounts()) + LoadCounts(superseded=number)
        return Appended(counts)


class KeyAppend(_Append):
    """Appends the records of a batch whose keys are new: not twice in the batch, and not in the table. That is a guess
    where others are writing, or sort texts otherwise; the index of the key is the judge.
    """

    def append(self, read: Read) -> Appended:
        """Append what is new of what ``read`` gives, by the keys in ascending order, and say what has to be merged."""
        kinds = [self._table.columns[name].column_type for name in self._key]
        if any(kind.is_list or kind.kind not in _ASCENDING for kind in kinds) or self._has_keys_table():
            return Appended(rest=read)
        found = [table.select(["_rec", *self._key]) for table in read(self._root, self._key)]
        if not any(table.num_rows for table in found):
            return Appended(rest=read)
        keys = Keys(self._root, self._key, pa.concat_tables(found), read)
        is_once, is_known = keys.are_once(), self._are_known(keys)
        is_new = is_once & ~is_known
        # the merge inserts the others that are new: keys must be locked in ascending order
        is_new &= np.logical_and.accumulate(is_new | is_known)
        new, rest = keys.select(is_new), keys.select(~is_new)
        are_known = bool((is_new | (is_once & is_known)).all())
        if new is None:
            return Appended(rest=rest, are_known=are_known)
        try:
            with self._conn.transaction():
                return Appended(self._copy_family(new), rest, are_known)
        except pg.UniqueViolation:  # somebody has brought one of the keys meanwhile
            return Appended(rest=read)

    def _are_known(self, keys: Keys) -> np.ndarray:
        """Of each key, in ascending order, whether it is in the table."""
        known = np.zeros(keys.sorted.num_rows, bool)
        if self._is_key_within(keys.sorted[self._key[0]]):
            known[self._find_known(keys.sorted)] = True
        return known

    def _is_key_within(self, keys: pa.ChunkedArray) -> bool:
        """Whether the table has a key from the first of these to the last, by the first column of the key."""
        name = self._key[0]
        kind = self._table.columns[name].column_type.sql
        least = self._least_key("{root}", f"%s::{kind}")
        statement = f"SELECT EXISTS (SELECT FROM ({least}) f WHERE f.key <= %s::{kind})"
        return bool(self._fetch(statement, [keys[0].as_py(), keys[-1].as_py()]))

    def _find_known(self, keys: pa.Table) -> np.ndarray:
        """Which of the keys are in the table, by their numbers from 0."""
        name = f"stage_keys_{list(self._feed.tables).index(self._root)}"
        kinds = {"_at": "bigint"} | {name: self._table.columns[name].column_type.sql for name in self._key}
        make_or_empty(self._conn, {name: ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())})
        numbered = keys.append_column("_at", pa.array(np.arange(keys.num_rows)))
        copy_rows(self._conn, name, kinds, [numbered])
        self._forbid_plans("seqscan", "bitmapscan", "nestloop")
        known = self._walk_along(name, keys.num_rows) if self._is_short_way(keys[self._key[0]]) else None
        known = self._look_up(name) if known is None else known
        self._allow_plans()
        return np.fromstring(known, np.int64, sep=",")

    def _is_short_way(self, keys: pa.ChunkedArray) -> bool:
        """Whether the table seems to have no more keys than these: it has not among the first of them."""
        few = keys.slice(0, 1 + len(keys) // 16)
        passed = self._passed(few[0].as_py(), few[-1].as_py(), len(few))
        return bool(self._fetch(f"SELECT count(*) <= {len(few)} FROM ({passed[0]}) p", passed[1]))

    def _passed(self, low: object, high: object, number: int) -> tuple[str, Sequence[object]]:
        """The keys of the table from ``low`` to ``high``, by the first column, but one more than ``number`` at most."""
        first, kind = f't."{self._key[0]}"', self._table.columns[self._key[0]].column_type.sql
        within = f"{first} BETWEEN %s::{kind} AND %s::{kind} ORDER BY {first} LIMIT {number + 1}"
        return f"SELECT {quoted(self._key, 't')} FROM {{root}} t WHERE {within}", (low, high)

    def _look_up(self, staged: str) -> str:
        """The numbers of the staged keys that are in the table, each key looked up in the index."""
        there = f"SELECT FROM {{root}} t WHERE {self._same_key('t', 'k')} OFFSET 0"
        return self._fetch(f"SELECT string_agg(_at::text, ',') FROM {staged} k WHERE EXISTS ({there})") or ""

    def _walk_along(self, staged: str, number: int) -> str | None:
        """The same by one walk along the index, from the least key to the greatest; None where that passes more keys of
        the table than the ``number`` that is staged.
        """
        name = self._key[0]
        # by the table's own order of texts
        ends = f'SELECT min("{name}")::text, max("{name}")::text FROM {staged}'
        low, high = self._execute(ends).fetchone() or ("", "")
        passed, values = self._passed(low, high, number)
        known = f"SELECT string_agg(_at::text, ',') FROM {staged} k JOIN passed t ON {self._same_key('t', 'k')}"
        walk = f"WITH passed AS MATERIALIZED ({passed}) SELECT count(*), ({known}) FROM passed"
        count, found = self._execute(walk, values).fetchone() or (0, "")
        return found or "" if count <= number else None


class Keys:
    """The keys of a batch, in ascending order, and what ``read`` gives, by them."""

    def __init__(self, root: str, key: Sequence[str], found: pa.Table, read: Read) -> None:
        self._root, self._read = root, read
        self._recs = found["_rec"].to_numpy()
        self._order: np.ndarray | None = None
        self.sorted: pa.Table = found.select(key)
        if not ascends(self.sorted):
            self._order = pc.sort_indices(self.sorted, [(name, "ascending") for name in key]).to_numpy()
            self.sorted = self.sorted.take(pa.array(self._order))

    def are_once(self) -> np.ndarray:
        """Of each key, whether it is there once."""
        before, after = self.sorted.slice(0, self.sorted.num_rows - 1), self.sorted.slice(1)
        is_same = np.ones(after.num_rows, bool)
        for name in self.sorted.column_names:
            is_same &= pc.equal(before[name], after[name]).to_numpy(zero_copy_only=False)
        return ~(np.append(is_same, False) | np.insert(is_same, 0, False))

    def select(self, wanted: np.ndarray) -> Read | None:
        """Gives only what belongs to these keys, the records in the order of their keys; None where it is nothing."""
        if not wanted.any():
            return None
        if wanted.all() and self._order is None:
            return self._read
        places = np.flatnonzero(wanted) if self._order is None else self._order[wanted]
        recs = None if wanted.all() else pa.array(self._recs[places])

        def reading(name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
            if name == self._root:
                return (
                    self._rows.take(pa.array(places[start : start + COPY_ROWS]))
                    for start in range(0, len(places), COPY_ROWS)
                )
            tables = self._read(name, columns)
            return tables if recs is None else (table.filter(pc.is_in(table["_rec"], recs)) for table in tables)

        return reading

    @cached_property
    def _rows(self) -> pa.Table:
        """All rows of the root: they have to be in memory to be given in another order, or in two parts."""
        return pa.concat_tables(self._read(self._root)).combine_chunks()


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
