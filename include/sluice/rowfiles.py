"""The files of rows that parse hands to validate and load: Arrow's own file format, where a column lies on disk as it
stands in memory.

They live for minutes, so what counts is how fast they are written and read. On a local disk nothing is packed; for an
object store, where each byte travels, LZ4 is. Both sides go group by group of rows, so neither has to hold a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.ipc
from pyarrow.ipc import IpcReadOptions, IpcWriteOptions

# How much makes a group, whichever comes first.
GROUP_ROWS = 1 << 14
GROUP_BYTES = 2 << 20


class RowWriter:
    """Writes the rows of one table to ``sink``, which stays open."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema, *, is_packed: bool) -> None:
        self._writer = pa.ipc.new_file(sink, schema, options=IpcWriteOptions(compression="lz4" if is_packed else None))
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = 0

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._waiting_rows += rows.num_rows
        self._waiting_bytes += rows.nbytes
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if len(self._waiting) > 1:
            self._waiting = [pa.concat_tables(self._waiting).combine_chunks()]
        for rows in self._waiting:
            self._writer.write_table(rows)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0

    def finish(self) -> None:
        """Write what makes the file whole; without it, nobody takes it for one."""
        self._write_group()
        self._writer.close()


def read_groups(
    file: BinaryIO, columns: Sequence[str] | None = None, without: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """The rows of a file, a group at a time: of their columns these, or all but ``without``."""
    names = pa.ipc.open_file(file).schema.names
    wanted = [name for name in names if name not in without] if columns is None else list(columns)
    options = IpcReadOptions(included_fields=[names.index(name) for name in wanted])
    reader = pa.ipc.open_file(file, options=options)
    for number in range(reader.num_record_batches):
        yield _apart(pa.Table.from_batches([reader.get_batch(number)]).select(wanted))


def read_rows(file: BinaryIO, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a file: these columns, or all."""
    schema = pa.ipc.open_file(file).schema
    wanted = pa.schema([schema.field(name) for name in (columns or schema.names)])
    groups = list(read_groups(file, wanted.names))
    return pa.concat_tables(groups) if groups else wanted.empty_table()


def _apart(rows: pa.Table) -> pa.Table:
    """The same rows, each column in memory of its own: a group is read as one stretch of bytes, and whoever kept one
    column of it would keep all.
    """
    return pa.concat_tables([rows, rows.slice(0, 0)]).combine_chunks()
