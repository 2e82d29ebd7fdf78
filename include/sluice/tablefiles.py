"""The rows of one batch, a file per table: their schemas, and the conversion of what was found to their types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sluice.convert import BadValue, Converter
from sluice.feed.model import Column, Feed, Table
from sluice.nodes import TablePlan
from sluice.records import Reason
from sluice.rowfiles import RowWriter
from sluice.staging import positions
from sluice.walk import Rows

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


class Place(Protocol):
    """Where a record stands, as its row tells it."""

    @property
    def part_id(self) -> int: ...
    @property
    def member(self) -> str: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def line(self) -> int: ...


def table_schema(feed: Feed, name: str) -> pa.Schema:
    """The schema of a table's file of rows, as parse writes it and validate and load read it."""
    table = feed.tables[name]
    place = _PLACE_FIELDS if table.is_root else [*_PLACE_FIELDS[:2], *((n, pa.int32()) for n in positions(feed, name))]
    return pa.schema([*place, *((column, declared.column_type.arrow) for column, declared in table.columns.items())])


def deletes_schema(feed: Feed, name: str) -> pa.Schema:
    """The schema of the file of a root table's deletes: key and version."""
    columns = feed.tables[name].columns
    order = ((column, columns[column].column_type.arrow) for column in feed.tables[name].order_columns)
    return pa.schema([*_PLACE_FIELDS, *order])


class TableWriter:
    """Converts and writes the rows of one table, or its deletes."""

    def __init__(self, feed: Feed, plan: TablePlan, sink: BinaryIO, *, is_packed: bool = False) -> None:
        self.plan = plan
        self.rows = Rows()
        self.row_count = 0
        self.empty_counts: Counter[str] = Counter()
        self._schema = deletes_schema(feed, plan.name) if plan.is_delete else table_schema(feed, plan.name)
        self.is_root = feed.tables[plan.name].is_root
        self._paths = {name: " | ".join(_paths(feed.tables[plan.name], name, plan)) for name, _ in plan.columns}
        limits = _index_limits(feed.tables[plan.name])
        self.converters = [
            Converter(name, _declared(feed.tables[plan.name], name), limits.get(name)) for name, _ in plan.columns
        ]
        self._file = RowWriter(sink, self._schema, is_packed=is_packed)

    def convert(self, reasons: dict[int, list[Reason]]) -> list[pa.Array]:
        """The columns of the collected rows; what does not fit is added to ``reasons`` by record."""
        by_cell: list[Sequence[Any]] = list(zip(*self.rows.cells, strict=True)) or [()] * self.plan.cell_count
        columns = []
        for converter, (name, cells) in zip(self.converters, self.plan.columns, strict=True):
            values = by_cell[cells[0]] if len(cells) == 1 else _first_present([by_cell[cell] for cell in cells])
            array, bad = converter.convert(values)
            for item in bad:
                reasons.setdefault(self.rows.records[item.index], []).append(self.reason(name, item))
            columns.append(array)
        return columns

    def reason(self, column: str, bad: BadValue) -> Reason:
        """What is told of a value that does not fit."""
        return Reason(bad.code, bad.message, self.plan.name, column, self._paths[column], bad.value)

    def write(self, columns: list[pa.Array], rejected: set[int], places: Mapping[int, Place]) -> None:
        """Write the rows of the records that were not rejected. ``places`` is by record."""
        keep = [index for index, record in enumerate(self.rows.records) if record not in rejected]
        if not keep:
            return
        records = [self.rows.records[index] for index in keep]
        found = [places[record] for record in records]
        arrays = [pa.array(records, pa.int64()), pa.array([place.part_id for place in found], pa.int64())]
        if self.is_root:
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
        self._write(arrays, columns)

    def write_arrays(self, places: Sequence[Any], columns: Sequence[pa.Array], keep: pa.Array | None) -> None:
        """Write rows that come as arrays: their places in the order of the schema, their columns; of them ``keep``."""
        fields = list(self._schema)[: len(places)]
        arrays = [pa.array(values, field.type) for values, field in zip(places, fields, strict=True)]
        if keep is not None:
            arrays = [array.take(keep) for array in arrays]
            columns = [column.take(keep) for column in columns]
        if len(arrays[0]):
            self._write(arrays, columns)

    def _write(self, places: Sequence[pa.Array], columns: Sequence[pa.Array]) -> None:
        self.row_count += len(places[0])
        for column, (name, _) in zip(columns, self.plan.columns, strict=True):
            self.empty_counts[name] += count_empty(column)
        self._file.write(pa.Table.from_arrays([*places, *columns], schema=self._schema))

    def finish(self) -> None:
        """Write what makes the file whole."""
        self._file.finish()


def count_empty(column: pa.Array) -> int:
    """How many values are NULL, or text of no length, or lists of none."""
    empty: int = column.null_count
    if pa.types.is_string(column.type):
        empty += pc.sum(pc.equal(pc.binary_length(column), 0)).as_py() or 0
    elif pa.types.is_list(column.type):
        empty += pc.sum(pc.equal(pc.list_value_length(column), 0)).as_py() or 0
    return empty


def _paths(table: Table, name: str, plan: TablePlan) -> Sequence[str]:
    """Where the column is, for a person; of deletes, wherever one of them may have it."""
    if not plan.is_delete or table.deletes is None:
        return table.columns[name].path
    marked = table.columns[name].path if table.deletes.column else ()
    return tuple(dict.fromkeys((*marked, *table.deletes.columns.get(name, ()))))


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
