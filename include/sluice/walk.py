"""One walk through a record: along the nodes of its mapping, putting what it finds into rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sluice.nodes import LIST, ONE, Cell, Node, TablePlan, Test, UpwardPath
from sluice.sightings import Known
from sluice.spelling import Speller, TooManyNamespaces
from sluice.xmlio import XSI_NIL, Element, spell_text

if TYPE_CHECKING:
    from sluice.plan import Plan

MAX_SEVERAL = 20
# How long the values may be that its rows take from above them, together; and one value that each record takes.
MAX_COPIED_CHARACTERS = 16 << 20
MAX_HEADER_CHARACTERS = 64 << 10
# How often as much as a record may hold may be taken from it.
TAKEN_FACTOR = 4


class _Nil:
    """The value of an element with ``xsi:nil='true'``: present, and NULL. Defaults do not apply to it."""

    def __repr__(self) -> str:
        return "NIL"


NIL = _Nil()


@dataclass(slots=True)
class Rows:
    """The rows of one table as they are collected; the three lists run in parallel."""

    cells: list[list[Any]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    positions: list[tuple[int, ...]] = field(default_factory=list)

    def clear(self) -> None:
        self.cut(0)

    def drop(self, record: int) -> None:
        """Take back the rows of the record that came last."""
        count = len(self.records)
        while count and self.records[count - 1] == record:
            count -= 1
        self.cut(count)

    def cut(self, count: int) -> None:
        """Keep the first ``count`` rows."""
        for column in (self.cells, self.records, self.positions):
            del column[count:]


class RecordTooLarge(Exception):
    """A record gives more than can be held."""


class Extracted(NamedTuple):
    """What was found too often, and how many characters the rows take."""

    several: list[SeveralValues]
    taken: int


@dataclass(frozen=True, slots=True)
class SeveralValues:
    """A column that takes one value found another: (record, table, column, path)."""

    record: int
    table: str
    column: str
    path: str


def value_of(element: Element, cell: Cell, speller: Speller) -> Any:
    """What a cell takes of an element: its text, NIL, or the element itself as XML. Raises ``RecordTooLarge``."""
    if cell.is_xml:
        try:
            return speller.spell(element)
        except TooManyNamespaces as error:
            raise RecordTooLarge(str(error)) from None
    if len(element):
        return spell_text(element)
    text = element.text
    if text is None:
        return NIL if element.get(XSI_NIL) in ("true", "1") else ""
    return text


class Walk:
    """One walk through one record."""

    __slots__ = ("_element", "_plan", "_record", "_row_count", "_rows", "_sightings", "copied", "several", "taken")

    def __init__(self, plan: Plan, element: Element, record: int, rows: dict[str, Rows]) -> None:
        self._plan = plan
        self._element = element
        self._sightings = plan.sightings
        self._record = record
        self._rows = rows
        self._row_count = 0
        self.copied = 0
        self.taken = 0
        self.several: list[SeveralValues] = []

    def begin_row(
        self, element: Element, table: TablePlan, positions: tuple[int, ...], is_witness: bool = True
    ) -> None:
        self._row_count += 1
        if self._row_count > self._plan.max_rows:
            raise RecordTooLarge(f"the record gives more rows than quotas.max_rows_per_record ({self._plan.max_rows})")
        cells: list[Any] = [None] * table.cell_count
        rows = self._rows[table.name]
        rows.cells.append(cells)
        rows.records.append(self._record)
        rows.positions.append(positions)
        for path in table.upward:
            self._look_up(element, path, table, cells)
        self._visit(element, table.node, table, cells, positions, {}, is_witness)

    def _visit(
        self,
        element: Element,
        node: Node,
        table: TablePlan,
        cells: list[Any],
        positions: tuple[int, ...],
        counts: dict[str, int],
        is_witness: bool,
    ) -> None:
        """Of several nodes that are visited at one element, one is the witness of what is unknown there."""
        for name, cell in node.attributes:
            value = element.get(name)
            if value is not None:
                self._count_taken(value)
                self._store(cells, cell, value, table)
        for cell in node.texts:
            value = value_of(element, cell, self._plan.speller)
            if value is not NIL:
                self._count_taken(value)
            self._store(cells, cell, value, table)
        if is_witness and (names := element.keys()):
            self._sightings.note_attributes(node.known, names)
        edges = node.edges
        if not edges:
            if is_witness and not node.texts and len(element):
                self._scout_below(element, node.known)
            return
        for child in element:
            found = edges.get(child.tag)
            if found is None:
                if is_witness:
                    self._scout_child(child, node.known)
                continue
            is_new = is_witness
            for tests, below in found:
                if tests and not (tests[0].holds(child) and all(test.holds(child) for test in tests[1:])):
                    continue
                child_table = below.table
                if child_table is None:
                    self._visit(child, below, table, cells, positions, counts, is_new)
                else:
                    number = counts.get(child_table.name, 0) + 1
                    counts[child_table.name] = number
                    self.begin_row(child, child_table, (*positions, number), is_new)
                is_new = False
            if is_new:
                self._scout_child(child, node.known)

    def _scout(self, element: Element, known: Known) -> None:
        """Look for what is unknown where no node leads to: none of it is read here, or in a condition only."""
        if names := element.keys():
            self._sightings.note_attributes(known, names)
        self._scout_below(element, known)

    def _scout_below(self, element: Element, known: Known) -> None:
        for child in element:
            self._scout_child(child, known)

    def _scout_child(self, child: Element, known: Known) -> None:
        below = known.children.get(child.tag)
        if below is not None:
            self._scout(child, below)
        elif not known.takes_text:
            self._sightings.note_element(known, child.tag)

    def _store(self, cells: list[Any], cell: Cell, value: Any, table: TablePlan) -> None:
        if cell.how == LIST:
            if cells[cell.index] is None:
                cells[cell.index] = [value]
            else:
                cells[cell.index].append(value)
        elif cells[cell.index] is None:
            cells[cell.index] = value
        elif cell.how == ONE and len(self.several) < MAX_SEVERAL:
            self.several.append(SeveralValues(self._record, table.name, cell.column, cell.path))

    def _look_up(self, element: Element, path: UpwardPath, table: TablePlan, cells: list[Any]) -> None:
        ancestor: Element | None = element
        is_above_record = False
        for _ in range(path.up):
            if ancestor is None:
                return
            is_above_record = is_above_record or ancestor is self._element
            ancestor = ancestor.getparent()
        if ancestor is None:
            return
        known = self._plan.looked_up.get(path)
        if known is None or known[0] is not ancestor:
            values = [*self.values_at(ancestor, path, is_above_record)]
            known = ancestor, values, sum(len(value) for value in values if isinstance(value, str))
            self._plan.looked_up[path] = known
        self._count_copies(path, known[2], is_above_record)
        for value in known[1]:
            self._store(cells, path.cell, value, table)

    def _count_taken(self, value: str) -> None:
        """The same text may be taken by each of many columns."""
        self.taken += len(value)
        if self.taken > self._plan.max_taken:
            raise RecordTooLarge(
                f"the columns together take more than {self._plan.max_taken:,} characters ({TAKEN_FACTOR} times"
                " max_record_bytes) from the record"
            )

    def values_at(self, ancestor: Element, path: UpwardPath, is_above_record: bool) -> Iterator[Any]:
        for found in self._find_below(ancestor, path.steps, is_above_record):
            if not path.attributes:
                yield value_of(found, path.cell, self._plan.speller)
            for name in path.attributes:
                value = found.get(name)
                if value is not None:
                    yield value

    def _count_copies(self, path: UpwardPath, size: int, is_above_record: bool) -> None:
        self.copied += size
        if is_above_record and size > MAX_HEADER_CHARACTERS:
            most = f"what stands above records may have {MAX_HEADER_CHARACTERS:,}"
            raise RecordTooLarge(f"{path.cell.path} has {size:,} characters; {most}")
        if self.copied > MAX_COPIED_CHARACTERS:
            raise RecordTooLarge(
                f"the rows of the record take more than {MAX_COPIED_CHARACTERS:,} characters from above"
            )

    def _find_below(
        self, ancestor: Element, steps: tuple[tuple[frozenset[str], tuple[Test, ...]], ...], is_above_record: bool
    ) -> Iterator[Element]:
        """Above the record only what stands before the first record can be seen, however the file was cut."""
        if not steps:
            yield ancestor
            return
        (names, tests), rest = steps[0], steps[1:]
        for child in self._plan.content_before_records(ancestor) if is_above_record else ancestor:
            if child.tag in names and all(test.holds(child) for test in tests):
                yield from self._find_below(child, rest, False)
