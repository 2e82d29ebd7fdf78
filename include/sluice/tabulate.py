"""Collects extracted rows and writes them, typed, as one Parquet file per table; records with a bad value become
rejects.

Rows are converted in blocks of a few thousand records, whatever files they come from, so that tiny files cost no more
than large ones. Memory is bounded by the block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sluice.feed.model import Feed
from sluice.nodes import Mark, TablePlan
from sluice.pieces import RAW_CAP_BYTES
from sluice.plan import Plan
from sluice.records import Reason, Reject
from sluice.rejects import RejectLog
from sluice.tablefiles import TableWriter
from sluice.walk import Extracted, RecordTooLarge, SeveralValues
from sluice.workfiles import WorkFiles

BLOCK_RECORDS = 4096
BLOCK_BYTES = 4 << 20
MAX_REASONS = 20


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
    fragment: Callable[[], tuple[bytes, bytes | None]]

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


class BatchTables:
    """The Parquet files of one batch, written as records come in. Use as a context manager: nothing is visible on an
    error.
    """

    def __init__(self, feed: Feed, plan: Plan, work: WorkFiles, run_id: int, number: int, rejects: RejectLog) -> None:
        self._feed, self._plan, self._rejects = feed, plan, rejects
        self._open = lambda name: work.open_write(work.table(feed.feed, run_id, number, name))
        self._writers: dict[str, TableWriter] = {}
        self._delete_writers: dict[str, TableWriter] = {}
        self._places: dict[int, RecordPlace] = {}
        self._several: list[SeveralValues] = []
        self._reasons: dict[int, list[Reason]] = {}
        self._block_bytes = 0
        self._next_record = 0

    def __enter__(self) -> BatchTables:
        self._stack = ExitStack()
        for name, plan in self._plan.tables.items():
            writer = TableWriter(self._feed, plan, self._stack.enter_context(self._open(name)))
            self._writers[name] = writer
        for name, plans in self._plan.deletes.items():
            sink = self._stack.enter_context(self._open(f"{name}.deletes"))
            self._delete_writers[name] = TableWriter(self._feed, plans[0], sink)
        self._all_writers = [*self._writers.values(), *self._delete_writers.values()]
        self._rows = {name: writer.rows for name, writer in self._writers.items()}
        self._delete_rows = {name: writer.rows for name, writer in self._delete_writers.items()}
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
            for writer in self._all_writers:
                writer.close(is_good=is_good)

    def add(self, element: Any, table: TablePlan, place: RecordPlace, reasons: Sequence[Reason] = ()) -> None:
        """Take in one record; ``reasons`` are what is already known against it (its XSD)."""
        record = self._next_record
        self._next_record += 1
        self._places[record] = place
        found, taken = list(reasons), 0
        self._plan.sightings.place = place
        try:
            if table.mark is not None:
                several, taken = self._extract_marked(element, table, table.mark, record)
            else:
                rows = self._delete_rows if table.is_delete else self._rows
                several, taken = self._plan.extract(element, table, record, rows)
            self._several += several
        except RecordTooLarge as error:
            found.append(Reason("record_too_large", str(error)))
            for begun in (*self._rows.values(), *self._delete_rows.values()):
                begun.drop(record)
        if found:
            self._reasons[record] = found
        self._block_bytes += max(place.length, taken)
        if len(self._places) >= BLOCK_RECORDS or self._block_bytes >= BLOCK_BYTES:
            self.flush()

    def _extract_marked(self, element: Any, table: TablePlan, mark: Mark, record: int) -> Extracted:
        """A record that says of itself that it deletes gives no other rows: those that it gave are taken back.

        What makes a record too large may lie where a delete is not looked at.
        """
        before = [(rows, len(rows.cells)) for rows in self._rows.values()]
        root, fault = len(self._rows[table.name].cells), None
        try:
            extracted = self._plan.extract(element, table, record, self._rows)
            if not mark.is_in(self._rows[table.name].cells[root], mark.cells):
                return extracted
        except RecordTooLarge as error:
            fault = error
        for rows, count in before:
            rows.cut(count)
        deletes = self._delete_rows[table.name]
        extracted = self._plan.extract(element, mark.plan, record, self._delete_rows)
        if fault is not None and not mark.is_in(deletes.cells[-1], mark.own_cells):
            deletes.cut(len(deletes.cells) - 1)
            raise fault
        return extracted

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
        converted = [writer.convert(self._reasons) for writer in self._all_writers]
        rejected = set(self._reasons)
        for writer, columns in zip(self._all_writers, converted, strict=True):
            writer.write(columns, rejected, self._places)
            writer.rows.clear()
        for record in sorted(rejected):
            self._rejects.add(self._places[record].reject(self._reasons[record]))
        self._places.clear()
        self._several.clear()
        self._reasons.clear()
        self._block_bytes = 0
