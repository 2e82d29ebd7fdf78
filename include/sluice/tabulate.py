"""Collects extracted rows and writes them, typed, as one file per table; records with a bad value become
rejects.

Rows are converted in blocks of a few thousand records, whatever files they come from, so that tiny files cost no more
than large ones. Memory is bounded by the block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from sluice.feed.model import Feed
from sluice.kernel.tier import Columns, FastTier, can_take
from sluice.nodes import Mark, TablePlan
from sluice.pieces import Piece
from sluice.places import PiecePlaces, RecordPlace
from sluice.plan import Plan
from sluice.records import Reason
from sluice.rejects import RejectLog
from sluice.tablefiles import TableWriter
from sluice.totals.found import FoundTotals, Owner
from sluice.walk import Extracted, RecordTooLarge, SeveralValues
from sluice.workfiles import WorkFiles

BLOCK_RECORDS = 4096
BLOCK_BYTES = 4 << 20


class BatchTables:
    """The files of rows of one batch, written as records come in. Use as a context manager: nothing is visible on an
    error.
    """

    def __init__(self, feed: Feed, plan: Plan, work: WorkFiles, run_id: int, number: int, rejects: RejectLog) -> None:
        self._feed, self._plan, self._rejects = feed, plan, rejects
        self._open = lambda name: work.open_write(work.table(feed.feed, run_id, number, name))
        self._is_packed = work.is_remote
        self._writers: dict[str, TableWriter] = {}
        self._delete_writers: dict[str, TableWriter] = {}
        self._places: dict[int, RecordPlace] = {}
        self._several: list[SeveralValues] = []
        self._reasons: dict[int, list[Reason]] = {}
        self._block_bytes = 0
        self._next_record = 0
        self._fast: FastTier | None = None
        self._fast_places: list[PiecePlaces] = []
        self.found = FoundTotals(feed)

    def __enter__(self) -> BatchTables:
        self._stack = ExitStack()
        for name, plan in self._plan.tables.items():
            self._writers[name] = self._new_writer(plan, name)
        for name, plans in self._plan.deletes.items():
            self._delete_writers[name] = self._new_writer(plans[0], f"{name}.deletes")
        self._all_writers = [*self._writers.values(), *self._delete_writers.values()]
        self._rows = {name: writer.rows for name, writer in self._writers.items()}
        self._delete_rows = {name: writer.rows for name, writer in self._delete_writers.items()}
        if can_take(self._feed, self._plan):
            self._fast = FastTier(self._feed, self._plan, self._writers)
        # Runs before the files are closed, so that none becomes visible if it fails.
        self._stack.push(self._finish)
        return self

    def _new_writer(self, plan: TablePlan, name: str) -> TableWriter:
        sink = self._stack.enter_context(self._open(name))
        return TableWriter(self._feed, plan, sink, is_packed=self._is_packed)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: Any, _error: Any, _trace: Any) -> None:
        if kind is None:
            self.flush()
            for writer in self._all_writers:
                writer.finish()

    # -- the fast tier ------------------------------------------------------------------------------------------------

    def take(self, piece: Piece, places: PiecePlaces) -> bool:
        """Take in all records of a piece, straight from its bytes; False where each has to be looked at."""
        if self._fast is None:
            return False
        if self._places:
            self._flush_records()
        if not self._fast.take(piece, places):
            self._flush_pieces()
            return False
        self._add_places(places)
        return True

    @property
    def is_fast(self) -> bool:
        """Whether pieces can be taken at all."""
        return self._fast is not None

    def leap(self, piece: Piece, places_of: Callable[[Piece], PiecePlaces]) -> PiecePlaces | None:
        """Take in a piece of which it is not known yet where its records are; None where it has to be scanned."""
        if self._fast is None:
            return None
        if self._places:
            self._flush_records()
        places = self._fast.leap(piece, places_of)
        if places is not None:
            self._add_places(places)
        return places

    def _add_places(self, places: PiecePlaces) -> None:
        self._fast_places.append(places)
        if self._fast is not None and self._fast.is_full:
            self._flush_pieces()

    @property
    def fast_pieces(self) -> int:
        """How many pieces were taken so."""
        return self._fast.pieces if self._fast is not None else 0

    def _flush_pieces(self) -> None:
        """Write what the fast tier has taken."""
        if self._fast is None:
            return
        if not self._fast_places:
            self._fast.enlarge()
            return
        places, first = self._fast_places, self._next_record
        self._next_record += self._fast.records
        found = self._fast.drain()
        reasons: dict[int, list[Reason]] = {}
        for columns in found:
            for record, reason in columns.reasons:
                reasons.setdefault(record, []).append(reason)
        for columns in found:
            self._write_columns(columns, places, first, set(reasons))
        ends = np.cumsum([len(own) for own in places])
        for record in sorted(reasons):
            number = int(np.searchsorted(ends, record, "right"))
            own = places[number]
            place = own[record - (int(ends[number]) - len(own))]
            self._rejects.add(place.reject(reasons[record]))
        self._fast_places = []

    def _write_columns(self, columns: Columns, places: list[PiecePlaces], first: int, rejected: set[int]) -> None:
        writer, records = self._writers[columns.name], columns.records
        counts = [len(own) for own in places]
        if self.found.is_on:
            owner_of = np.repeat(np.arange(len(places)), counts)[records]
            self._count_found(writer, columns.arrays, [(own.part_id, own.member) for own in places], owner_of)
        parts = np.repeat([own.part_id for own in places], counts)
        arrays = [records.astype(np.int64) + first, parts[records]]
        if writer.is_root:
            members = pa.array([own.member for own in places], pa.string()).take(np.repeat(range(len(places)), counts))
            arrays += [members if len(records) == len(members) else members.take(records)]
            for name in ("ordinals", "offsets", "lengths", "lines"):
                arrays += [np.concatenate([getattr(own, name) for own in places])[records]]
        keep = None
        if rejected:
            is_kept = np.isin(records, sorted(rejected), invert=True)
            keep = pa.array(np.flatnonzero(is_kept))
        writer.write_arrays([*arrays, *columns.positions], columns.arrays, keep)

    def _count_found(
        self, writer: TableWriter, columns: Sequence[pa.Array], owners: Sequence[Owner], owner_of: np.ndarray
    ) -> None:
        """Note what the sender's totals are about, before anything is left out. Of a delete no values are known."""
        names = [] if writer.plan.is_delete else [name for name, _ in writer.plan.columns]
        self.found.add_rows(writer.plan.name, dict(zip(names, columns, strict=False)), owners, owner_of)

    # -- record by record ---------------------------------------------------------------------------------------------

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
            self.found.add_record(table.name, (place.part_id, place.member))
            for begun in (*self._rows.values(), *self._delete_rows.values()):
                begun.drop(record)
        if found:
            self._reasons[record] = found
        self._block_bytes += max(place.length, taken)
        if len(self._places) >= BLOCK_RECORDS or self._block_bytes >= BLOCK_BYTES:
            self._flush_records()

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

    def reject(self, place: RecordPlace, reasons: Sequence[Reason], table: str | None = None) -> None:
        """Take in one record that gives no rows; ``table`` is its root table, where that is known."""
        self.found.add_record(table, (place.part_id, place.member))
        self._rejects.add(place.reject(reasons))

    def count_emptiness(self) -> dict[str, tuple[int, dict[str, int]]]:
        """By table: how many rows were written, and in how many of them each column was empty."""
        return {name: (writer.row_count, dict(writer.empty_counts)) for name, writer in self._writers.items()}

    def flush(self) -> None:
        """Convert and write all that has come in."""
        self._flush_pieces()
        self._flush_records()

    def _flush_records(self) -> None:
        for several in self._several:
            hint = "take the first with `first: true`, or all with a list type"
            message = f"more than one element matches {several.path}; {hint}"
            reason = Reason("several_values", message, several.table, several.column, several.path)
            self._reasons.setdefault(several.record, []).append(reason)
        converted = [writer.convert(self._reasons) for writer in self._all_writers]
        rejected = set(self._reasons)
        if self.found.is_on:
            self._count_found_records(converted)
        for writer, columns in zip(self._all_writers, converted, strict=True):
            writer.write(columns, rejected, self._places)
            writer.rows.clear()
        for record in sorted(rejected):
            self._rejects.add(self._places[record].reject(self._reasons[record]))
        self._places.clear()
        self._several.clear()
        self._reasons.clear()
        self._block_bytes = 0

    def _count_found_records(self, converted: Sequence[Sequence[pa.Array]]) -> None:
        numbers: dict[Owner, int] = {}
        owner_of = {
            record: numbers.setdefault((place.part_id, place.member), len(numbers))
            for record, place in self._places.items()
        }
        for writer, columns in zip(self._all_writers, converted, strict=True):
            if records := writer.rows.records:
                rows = np.array([owner_of[record] for record in records], np.int64)
                self._count_found(writer, columns, list(numbers), rows)
