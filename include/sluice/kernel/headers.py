"""Columns that read what stands above their record: its values are looked up once for many records."""

from __future__ import annotations

import numpy as np

from sluice import xmlio
from sluice.errors import MalformedXML
from sluice.kernel.block import Block, Mark
from sluice.kernel.machine import Machine
from sluice.kernel.output import NO_VALUE
from sluice.nodes import LIST
from sluice.pieces import Piece, closing, opening
from sluice.plan import Plan
from sluice.walk import MAX_COPIED_CHARACTERS, MAX_HEADER_CHARACTERS, NIL, RecordTooLarge

MAX_KNOWN = 64
# One value of a cell: the cell, counted over all tables, and its text as UTF-8; None for xsi:nil.
_Value = tuple[int, bytes | None]


class Headers:
    """Looks up, by the reference tier's own rules, what the ancestors of records give to the tables' cells."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self._plan = plan
        self._machine = machine
        self._tables = [(number, table) for number, table in enumerate(plan.tables.values()) if table.upward]
        self.are_read = bool(self._tables)
        self._known: dict[tuple[bytes, bytes], list[tuple[int, list[_Value]]] | None] = {}

    def fill_in(self, block: Block, mark: Mark, piece: Piece) -> bool:
        """Add the values to the rows that a piece has given; False where the reference tier has to look at it."""
        copied = 0
        edges = [*(first for first, _ in piece.families), len(piece.starts)]
        begins = {table: self._begins(block, mark, table, edges) for table, _ in self._tables}
        written: dict[bytes, int] = {}
        for number, (_, chain) in enumerate(piece.families):
            try:
                values = self._look_up(opening(piece.prolog, chain), closing(chain), len(chain))
            except (MalformedXML, RecordTooLarge):
                return False
            if values is None:
                return False
            for table, own in values:
                rows = np.arange(*begins[table][number : number + 2])
                copied += sum(len(text or b"") for _, text in own) * max(len(rows), 1)
                if copied > MAX_COPIED_CHARACTERS:
                    return False
                block.add_values(rows, own, NO_VALUE, written)
        return True

    @staticmethod
    def _begins(block: Block, mark: Mark, table: int, edges: list[int]) -> list[int]:
        """The first row that a table has of each of these records of the piece, or of a later one."""
        found = np.searchsorted(block.records_since(mark, table), edges) + mark.row_count[table]
        return [int(first) for first in found]

    def _look_up(self, lead: bytes, tail: bytes, depth: int) -> list[tuple[int, list[_Value]]] | None:
        """``_look_up_anew``, unless that was asked for not long ago."""
        if (lead, tail) not in self._known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[lead, tail] = self._look_up_anew(lead, tail, depth)
        return self._known[lead, tail]

    def _look_up_anew(self, lead: bytes, tail: bytes, depth: int) -> list[tuple[int, list[_Value]]] | None:
        """By table what a record gets that stands behind ``lead``."""
        element = xmlio.parse_document(lead + b"<_/>" + tail)
        for _ in range(depth):
            element = element[-1]
        found = []
        for number, table in self._tables:
            first = self._machine.first_cell[table.name]
            values: list[_Value] = []
            for path in table.upward:
                given = self._plan.look_up_above(element, path, path.up - table.xml_depth)
                if len(given) > 1 and path.cell.how != LIST:
                    return None
                if sum(len(value) for value in given if value is not NIL) > MAX_HEADER_CHARACTERS:
                    return None
                values += [(first + path.cell.index, None if value is NIL else value.encode()) for value in given]
            found.append((number, values))
        self._plan.forget()
        return found
