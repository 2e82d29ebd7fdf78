"""Collects extracted rows and writes them, typed, as one Parquet file per table; records with a bad value become
rejects.

Rows are converted in blocks of a few thousand records, whatever files they come from, so that tiny files cost no more
than large ones. Memory is bounded by the block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sluice.convert import Converter
from sluice.feed.model import Column, Feed, Table
from sluice.nodes import TablePlan
from sluice.pieces import RAW_CAP_BYTES
from sluice.plan import Plan
from sluice.records import Reason, Reject
from sluice.rejects import RejectLog
from sluice.staging import positions
from sluice.walk import RecordTooLarge, Rows, SeveralValues
from sluice.workfiles import WorkFiles

BLOCK_RECORDS = 4096
BLOCK_BYTES = 4 << 20
MAX_REASONS = 20
# A B-tree takes entries of 2704 bytes; what a header, the positions of child rows and each other column take is left
# out.
MAX_INDEX_BYTES = 2560
OTHER_BYTES = 48

_PLACE_FIELDS = [
    ("_rec", pa.int64()),
    ("_part", pa.int64()),
    ("_member", pa.string()),
    ("_record", pa.int64()),
    ("_offset", pa.int64()),
    ("_length", pa.int64()),
    ("_line", pa.int64()),
]


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record stands. Offsets count decoded bytes of the file or member.

    ``fragment`` gives the record's bytes, and what must stand before them: most records are never asked for theirs.
    """

    part_id: int
    member: str
    ordinal: int
    offset: int
    length: int
    line: int
    fragment: Callable[[], tuple[bytes, bytes]]

    def reject(self, reasons: Sequence[Reason]) -> Reject:
        raw, context = self.fragment()
        return Reject(
            self.part_id,
            self.member,
            self.ordinal,
            self.line,
            self.offset,
            self.offset + self.length,
            tuple(reasons[:MAX_REASONS]),
            raw[:RAW_CAP_BYTES],
            self.length <= RAW_CAP_BYTES,
            context,
        )


def table_schema(feed: Feed, name: str) -> pa.Schema:
    """The schema of a table's Parquet file, as parse writes it and validate and load read it."""
    table = feed.tables[name]
    place = _PLACE_FIELDS if table.is_root else [*_PLACE_FIELDS[:2], *((n, pa.int32()) for n in positions(feed, name))]
    return pa.schema([*place, *((column, declared.column_type.arrow) for column, declared in table.columns.items())])


class _TableWriter:
    """Converts and writes the rows of one table."""

    def __init__(self, feed: Feed, plan: TablePlan, sink: Any) -> None:
        self.plan = plan
        self.rows = Rows()
        self.row_count = 0
        self.empty_counts: Counter[str] = Counter()
        self._schema = table_schema(feed, plan.name)
        self._is_root = feed.tables[plan.name].is_root
        self._paths = {name: " | ".join(column.path) for name, column in feed.tables[plan.name].columns.items()}
        limits = _index_limits(feed.tables[plan.name])
        self._converters = [
            Converter(name, _declared(feed.tables[plan.name], name), limits.get(name)) for name, _ in plan.columns
        ]
        self._writer = pq.ParquetWriter(
            sink, self._schema, compression="zstd", compression_level=1, use_dictionary=False
        )

    def convert(self, reasons: dict[int, list[Reason]]) -> list[pa.Array]:
        """The columns of the collected rows; what does not fit is added to ``reasons`` by record."""
        by_cell: list[Sequence[Any]] = list(zip(*self.rows.cells, strict=True)) or [()] * self.plan.cell_count
        columns = []
        for converter, (name, cells) in zip(self._converters, self.plan.columns, strict=True):
            values = by_cell[cells[0]] if len(cells) == 1 else _first_present([by_cell[cell] for cell in cells])
            array, bad = converter.convert(values)
            for item in bad:
                reason = Reason(item.code, item.message, self.plan.name, name, self._paths[name], item.value)
                reasons.setdefault(self.rows.records[item.index], []).append(reason)
            columns.append(array)
        return columns

    def write(self, columns: list[pa.Array], rejected: set[int], places: dict[int, RecordPlace]) -> None:
        """Write the rows of the records that were not rejected. ``places`` is by record."""
        keep = [index for index, record in enumerate(self.rows.records) if record not in rejected]
        if not keep:
            return
        records = [self.rows.records[index] for index in keep]
        found = [places[record] for record in records]
        arrays = [pa.array(records, pa.int64()), pa.array([place.part_id for place in found], pa.int64())]
        if self._is_root:
            arrays += [
                pa.array([place.member for place in found], pa.string()),
                *(
                    pa.array([getattr(place, name) for place in found], pa.int64())
                    for name in ("ordinal", "offset", "length", "line")
                ),
            ]
        else:
            levels = zip(*(self.rows.positions[index] for index in keep), strict=True)
            arrays += [pa.array(level, pa.int32()) for level in levels]
        if len(keep) < len(self.rows.records):
            chosen = pa.array(keep, pa.int64())
            columns = [column.take(chosen) for column in columns]
        self.row_count += len(keep)
        for column, (name, _) in zip(columns, self.plan.columns, strict=True):
            self.empty_counts[name] += count_empty(column)
        self._writer.write_table(pa.Table.from_arrays([*arrays, *columns], schema=self._schema))

    def close(self, *, is_good: bool) -> None:
        """Write what makes the file whole; nothing where it is to be thrown away."""
        self._writer.is_open = is_good
        self._writer.close()


class BatchTables:
    """The Parquet files of one batch, written as records come in. Use as a context manager: nothing is visible on an
    error.
    """

    def __init__(self, feed: Feed, plan: Plan, work: WorkFiles, run_id: int, number: int, rejects: RejectLog) -> None:
        self._feed, self._plan, self._rejects = feed, plan, rejects
        self._open = lambda name: work.open_write(work.table(feed.feed, run_id, number, name))
        self._writers: dict[str, _TableWriter] = {}
        self._places: dict[int, RecordPlace] = {}
        self._several: list[SeveralValues] = []
        self._reasons: dict[int, list[Reason]] = {}
        self._block_bytes = 0
        self._next_record = 0

    def __enter__(self) -> BatchTables:
        self._stack = ExitStack()
        for name, plan in self._plan.tables.items():
            writer = _TableWriter(self._feed, plan, self._stack.enter_context(self._open(name)))
            self._writers[name] = writer
        self._rows = {name: writer.rows for name, writer in self._writers.items()}
        self._stack.push(self._finish)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: Any, _error: Any, _trace: Any) -> None:
        """Runs before the files are closed, so that none becomes visible if it fails."""
        is_good = False
        try:
            if kind is None:
                self.flush()
                is_good = True
        finally:
            for writer in self._writers.values():
                writer.close(is_good=is_good)

    def add(self, element: Any, table: TablePlan, place: RecordPlace, reasons: Sequence[Reason] = ()) -> None:
        """Take in one record; ``reasons`` are what is already known against it (its XSD)."""
        record = self._next_record
        self._next_record += 1
        self._places[record] = place
        found = list(reasons)
        self._plan.sightings.place = place
        try:
            several, copied = self._plan.extract(element, table, record, self._rows)
            self._several += several
            self._block_bytes += copied
        except RecordTooLarge as error:
            found.append(Reason("record_too_large", str(error)))
        if found:
            self._reasons[record] = found
        self._block_bytes += place.length
        if len(self._places) >= BLOCK_RECORDS or self._block_bytes >= BLOCK_BYTES:
            self.flush()

    def reject(self, place: RecordPlace, reasons: Sequence[Reason]) -> None:
        """Take in one record that gives no rows."""
        self._rejects.add(place.reject(reasons))

    def count_emptiness(self) -> dict[str, tuple[int, dict[str, int]]]:
        """By table: how many rows were written, and in how many of them each column was empty."""
        return {name: (writer.row_count, dict(writer.empty_counts)) for name, writer in self._writers.items()}

    def flush(self) -> None:
        """Convert and write the block."""
        for several in self._several:
            hint = "take the first with `first: true`, or all with a list type"
            message = f"more than one element matches {several.path}; {hint}"
            reason = Reason("several_values", message, several.table, several.column, several.path)
            self._reasons.setdefault(several.record, []).append(reason)
        columns = {name: writer.convert(self._reasons) for name, writer in self._writers.items()}
        rejected = set(self._reasons)
        for name, writer in self._writers.items():
            writer.write(columns[name], rejected, self._places)
            writer.rows.clear()
        for record in sorted(rejected):
            self._rejects.add(self._places[record].reject(self._reasons[record]))
        self._places.clear()
        self._several.clear()
        self._reasons.clear()
        self._block_bytes = 0


def count_empty(column: pa.Array) -> int:
    """How many values are NULL, or text of no length, or lists of none."""
    empty: int = column.null_count
    if pa.types.is_string(column.type):
        empty += pc.sum(pc.equal(pc.binary_length(column), 0)).as_py() or 0
    elif pa.types.is_list(column.type):
        empty += pc.sum(pc.equal(pc.list_value_length(column), 0)).as_py() or 0
    return empty


def _declared(table: Table, name: str) -> Column:
    """The column; a record is nothing without its key and its version, so these are required in any case."""
    column = table.columns[name]
    is_required = column.required or name in (*table.key, *table.version_columns)
    return column.model_copy(update={"required": is_required})


def _index_limits(table: Table) -> dict[str, int]:
    """How many bytes the texts may have that are part of a key or an index. PostgreSQL would refuse a longer one, and
    with it the whole batch.
    """
    limits: dict[str, int] = {}
    for index in (table.key, *table.indexes):
        texts = [name for name in index if table.columns[name].column_type.kind in ("text", "json")]
        for name in texts:
            limit = (MAX_INDEX_BYTES - OTHER_BYTES * (len(index) - len(texts))) // len(texts)
            limits[name] = min(limits.get(name, limit), limit)
    return limits


def _first_present(alternatives: Sequence[Sequence[Any]]) -> list[Any]:
    """Of several paths of one column, row by row, the first that found something."""
    return [next((value for value in values if value is not None), None) for values in zip(*alternatives, strict=True)]
