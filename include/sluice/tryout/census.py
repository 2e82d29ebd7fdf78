"""What is in files, whether a column reads it or not: each name by its path, how often, the first values; and how many
rows had something at each path of each column.

One more pass over the bytes, element by element, piece by piece; of malformed files up to the fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice import xmlio
from sluice.errors import MalformedXML, SourceChanged
from sluice.feed.model import Feed
from sluice.feed.paths import Name, Namespaces, Step
from sluice.feed.readings import Reading
from sluice.nodes import TablePlan
from sluice.pieces import Piece
from sluice.plan import MAX_NAMES, Plan
from sluice.reading import Section, read_pieces, sections
from sluice.scanner import PathTable
from sluice.spots import Spot, spot_of
from sluice.tryout.trial import TriedBatch
from sluice.walk import RecordTooLarge, Rows
from sluice.xmlio import Element

MAX_VALUES = 5
MAX_VALUE_CHARACTERS = 80
# Of an element with more attributes the values of the others are not looked at: each is sought from the first on.
MAX_ATTRIBUTES = 1_000
# No path of a feed leads deeper; a hostile file may.
MAX_LEVELS = 256
MAX_NAME_CHARACTERS = 200


@dataclass(slots=True, eq=False)
class Met:
    """An element or attribute by its path. ``name`` is its Clark name, with @ before it for an attribute.

    ``values`` are the first different ones, cut short; an element that holds only elements has none. ``first`` is the
    place of the record that had it first (of what stands above records, of the file).
    """

    name: str
    parent: Met | None
    first: Spot
    count: int = 0
    values: list[str] = field(default_factory=list)
    below: dict[str, Met] = field(default_factory=dict)

    @property
    def is_attribute(self) -> bool:
        return self.name.startswith("@")

    @property
    def has_text(self) -> bool:
        return bool(self.values)

    @property
    def local(self) -> str:
        """The name without its namespace."""
        return ("@" if self.is_attribute else "") + self.name.lstrip("@").rpartition("}")[2]

    @property
    def namespace(self) -> str:
        """'' for none."""
        return self.name.lstrip("@")[1:].rpartition("}")[0]

    @property
    def line_down(self) -> list[Met]:
        """All from the document's root down to this."""
        line: list[Met] = []
        met: Met | None = self
        while met is not None and met.parent is not None:
            line.insert(0, met)
            met = met.parent
        return line

    def descendants(self) -> Iterator[Met]:
        for met in self.below.values():
            yield met
            yield from met.descendants()

    def add_value(self, text: str) -> None:
        if len(self.values) < MAX_VALUES:
            shown = text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"
            if shown not in self.values:
                self.values.append(shown)

    def spell(self, names: Namespaces, above: Met | None = None) -> str:
        """The path as the feed would write it: from the document's root, or from ``above``."""
        line = self.line_down[len(above.line_down) if above else 0 :]
        return ("" if above else "/") + "/".join(_spell_name(met, names) for met in line)


def _spell_name(met: Met, names: Namespaces) -> str:
    return f"@{names.spell_attribute(met.name[1:])}" if met.is_attribute else names.spell_element(met.name)


class Census:
    """Takes in batch after batch. ``root`` is above the roots of all documents.

    ``is_full`` tells that names beyond ``MAX_NAMES``, or below ``MAX_LEVELS``, were left out. ``rows`` counts the rows
    of each table, those of rejected records too.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.root = Met("", None, Spot(""))
        self.is_full = False
        self.rows: Counter[str] = Counter()
        self._size = 0
        self._plan = Plan(feed)
        self._paths = PathTable(self._plan.local_paths)
        self._hits: Counter[tuple[str, bool, int]] = Counter()
        self._place = Spot("")

    def hits(self, reading: Reading) -> int:
        """How many rows had a value, or NULL by ``xsi:nil``, at this path."""
        plans = self._plan.deletes[reading.table] if reading.of_delete else [self._plan.tables[reading.table]]
        cells = next(cells for name, cells in plans[-1].columns if name == reading.column)
        offset = len(cells) - len(self._paths_of(reading))
        return self._hits[reading.table, reading.of_delete, cells[offset + reading.choice]]

    def _paths_of(self, reading: Reading) -> Sequence[Any]:
        table = self._feed.tables[reading.table]
        if reading.of_delete and table.deletes is not None:
            return table.deletes.paths[reading.column]
        return table.columns[reading.column].paths

    def find(self, steps: Sequence[Step], attribute: Name | None = None) -> list[Met]:
        """What stands at these steps, by namespace, whatever their conditions."""
        found = [self.root]
        names = self._feed.names
        for step in steps:
            wanted = names.element_names(step.name)
            found = [met.below[name] for met in found for name in wanted if name in met.below]
        if attribute is None:
            return found
        wanted = tuple(f"@{name}" for name in names.attribute_names(attribute))
        return [met.below[name] for met in found for name in wanted if name in met.below]

    # -- taking in ----------------------------------------------------------------------------------------------------

    def take(self, tried: TriedBatch) -> None:
        for section in sections(tried.tools, tried.batch.parts):
            if not isinstance(section, Section):
                continue
            self._place = spot_of(section.part.file, section.member)
            try:
                self._take_section(section)
            except (MalformedXML, SourceChanged):
                continue  # told by parse

    def _take_section(self, section: Section) -> None:
        for item in read_pieces(self._feed, section, self._paths, keep_leads=True):
            if not isinstance(item, Piece) or item.is_remnant:
                continue
            self._take_piece(section, item)

    def _take_piece(self, section: Section, piece: Piece) -> None:
        file = self._place
        root = xmlio.parse_piece(piece)
        leads = xmlio.lead_counts(piece) if piece.chain else ()
        records = self._plan.find_candidates(root, leads)
        lines = dict(zip(records, piece.lines().tolist(), strict=False)) if len(piece.starts) else {}
        # What stands above the records is repeated in each piece but the first of a document, and of a cut file.
        is_repeated = bool(leads)
        met = self._meet(self.root, root.tag, 0 if is_repeated else 1)
        if met is not None:
            self._walk(root, met, leads, lines, 1)
        self._place = file
        for number, (element, line) in enumerate(lines.items(), start=piece.first_record):
            self._extract(element, line, number)
        self._plan.forget()

    def _walk(self, element: Element, met: Met, leads: Sequence[int], lines: dict[Element, int], level: int) -> None:
        """Take in what an element holds; of an ancestor that a piece repeats, what follows its lead."""
        outer = self._place
        if element in lines:
            self._place = Spot(outer.file, lines[element])
        skipped = 0
        if leads:
            skipped = leads[0]
        else:
            self._take_values(element, met)
        if level >= MAX_LEVELS:
            self.is_full = self.is_full or len(element) > 0
            return
        for index, child in enumerate(element):
            if index < skipped or not isinstance(child.tag, str):
                continue
            is_open = len(leads) > 1 and index == skipped
            below = self._meet(met, child.tag, 0 if is_open else 1)
            if below is not None:
                self._walk(child, below, leads[1:] if is_open else (), lines, level + 1)
        self._place = outer

    def _take_values(self, element: Element, met: Met) -> None:
        for number, name in enumerate(element.keys()):
            attribute = self._meet(met, f"@{name!s}", 1)
            if attribute is not None and len(attribute.values) < MAX_VALUES and number < MAX_ATTRIBUTES:
                attribute.add_value(element.get(name) or "")
        if len(met.values) >= MAX_VALUES:
            return
        own = element.text or ""
        if not len(element):
            met.add_value(own)
        elif own.strip() or any((child.tail or "").strip() for child in element):
            met.add_value(" ".join(xmlio.spell_text(element).split()))

    def _meet(self, parent: Met, tag: Any, times: int) -> Met | None:
        name = str(tag)[:MAX_NAME_CHARACTERS]
        met = parent.below.get(name)
        if met is None:
            if self._size >= MAX_NAMES:
                self.is_full = True
                return None
            self._size += 1
            met = parent.below[name] = Met(name, parent, self._place)
        met.count += times
        return met

    # -- the paths of columns -----------------------------------------------------------------------------------------

    def _extract(self, element: Element, line: int, ordinal: int) -> None:
        table = self._plan.table_of(element)
        if table is None:
            return
        rows = {name: Rows() for name in self._plan.tables}
        try:
            self._plan.extract(element, table, ordinal, rows)
        except RecordTooLarge:
            return
        for name in self._feed.tables:
            self.rows[name] += 0 if table.is_delete else len(rows[name].cells)
            self._count_hits(table, name, rows[name].cells)

    def _count_hits(self, table: TablePlan, name: str, rows: Iterable[Sequence[Any]]) -> None:
        for cells in rows:
            for index, value in enumerate(cells):
                if value is not None:
                    self._hits[name, table.is_delete, index] += 1
