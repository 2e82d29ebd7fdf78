"""The mapping of a feed, compiled: a trie over element names that one walk through a record follows.

Elements that lead nowhere are passed over at the cost of one dictionary look-up. The values come out as text, cell by
cell; ``convert`` types them by the column.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from lxml import etree

from sluice.errors import PermanentError
from sluice.feed.model import Feed, Table
from sluice.feed.paths import Name, Namespaces, Path, Predicate, Step, parse_path
from sluice.xmlio import XSI_NIL

Element = etree._Element


class _Nil:
    """The value of an element with ``xsi:nil='true'``: present, and NULL. Defaults do not apply to it."""

    def __repr__(self) -> str:
        return "NIL"


NIL = _Nil()

# A hostile document may invent a name for each of its elements; no more are remembered.
MAX_NAMES = 10_000
# What one record may give: beyond that a few bytes of it would fill the memory.
MAX_ROWS_IN_RECORD = 500_000
MAX_SEVERAL = 20
# How long the values may be that its rows take from above them, together; and one value that each record takes.
MAX_COPIED_CHARACTERS = 16 << 20
MAX_HEADER_CHARACTERS = 64 << 10
MAX_LEAD_CHILDREN = 500

# How a cell takes a value.
ONE, FIRST, LIST = range(3)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where one path of one column puts what it finds: ``index`` in the row's cells."""

    index: int
    how: int
    is_xml: bool
    column: str
    path: str


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled predicate: some element below (or the element itself) has this text, or this attribute value."""

    steps: tuple[frozenset[str], ...]
    attributes: tuple[str, ...]
    value: str

    def holds(self, element: Element) -> bool:
        for found in _descend(element, self.steps):
            if not self.attributes:
                if text_of(found) == self.value:
                    return True
            elif any(found.get(name) == self.value for name in self.attributes):
                return True
        return False


@dataclass(slots=True)
class Node:
    """What to do at an element: take its text, its attributes, go on to children, or begin a row of a child table."""

    texts: list[Cell] = field(default_factory=list)
    attributes: list[tuple[str, Cell]] = field(default_factory=list)
    edges: dict[str, list[tuple[tuple[Test, ...], Node]]] = field(default_factory=dict)
    table: TablePlan | None = None
    names: tuple[str, ...] = ()
    where: str = ""

    def child(self, names: tuple[str, ...], tests: tuple[Test, ...]) -> Node:
        """The node for children of these names under these tests, made where there is none."""
        for known_tests, node in self.edges.get(names[0], ()):
            if known_tests == tests and node.names == names and node.table is None:
                return node
        return self.add_edge(names, tests, Node())

    def add_edge(self, names: tuple[str, ...], tests: tuple[Test, ...], node: Node) -> Node:
        node.names = names
        for name in names:
            self.edges.setdefault(name, []).append((tests, node))
        return node

    def locate(self, where: str) -> None:
        """Say where the node and those below it stand, as the count of unmapped elements names them."""
        self.where = where
        for below in {id(node): node for edges in self.edges.values() for _, node in edges}.values():
            below.locate(f"{where}/{below.names[0].rpartition('}')[2]}")


@dataclass(frozen=True, slots=True, eq=False)
class UpwardPath:
    """A path that begins at an ancestor: ``up`` parents, then ``steps`` with their tests, then an attribute or the
    text.
    """

    up: int
    steps: tuple[tuple[frozenset[str], tuple[Test, ...]], ...]
    attributes: tuple[str, ...]
    cell: Cell


@dataclass(slots=True)
class TablePlan:
    """One table: its place in the output, its cells, and the nodes below its row element."""

    name: str
    depth: int
    xml_depth: int  # how many elements its row element lies below the record element
    columns: list[tuple[str, tuple[int, ...]]]
    cell_count: int
    upward: list[UpwardPath]
    node: Node


@dataclass(slots=True)
class Rows:
    """The rows of one table as they are collected; the three lists run in parallel."""

    cells: list[list[Any]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    positions: list[tuple[int, ...]] = field(default_factory=list)

    def clear(self) -> None:
        self.cells.clear()
        self.records.clear()
        self.positions.clear()


class RecordTooLarge(Exception):
    """A record gives more than can be held."""


class Extracted(NamedTuple):
    """What was found too often, and how many characters were taken from above the rows, for each of them anew."""

    several: list[SeveralValues]
    copied: int


@dataclass(frozen=True, slots=True)
class SeveralValues:
    """A column that takes one value found another: (record, table, column, path)."""

    record: int
    table: str
    column: str
    path: str


class _Candidates:
    """A node of the trie over local names by which record elements are found in a tree, exactly as the scanner finds
    them.
    """

    def __init__(self) -> None:
        self.children: dict[str, _Candidates] = {}
        self.is_record = False
        self._by_tag: dict[Any, _Candidates | None] = {}

    def of_tag(self, tag: Any) -> _Candidates | None:
        try:
            return self._by_tag[tag]
        except KeyError:
            found = self.children.get(tag.rpartition("}")[2]) if isinstance(tag, str) else None
            return self._by_tag.setdefault(tag, found) if len(self._by_tag) < MAX_NAMES else found


class Plan:
    """A feed's mapping, ready to walk. One instance serves one thread."""

    def __init__(self, feed: Feed) -> None:
        self._names = feed.names
        self.tables = {name: self._plan_table(feed, name) for name in feed.tables}
        self._record_paths: list[tuple[tuple[frozenset[str], ...], TablePlan]] = []
        self._candidates = _Candidates()
        self.unmapped: Counter[str] = Counter()
        self._before_records: dict[Element, list[Element]] = {}
        # The tables of the records in one parent: neighbours are asked for one after another.
        self._parent: Element | None = None
        self._by_tag: dict[str, TablePlan | None] = {}
        # The last ancestor that each upward path began at, and the values found: neighbouring rows share them.
        self.looked_up: dict[UpwardPath, tuple[Element, list[Any], int]] = {}
        for name, table in feed.tables.items():
            if table.parent is not None:
                self._hang_on_parent(name, table)
            else:
                self._add_record_path(parse_path(table.record or ""), self.tables[name])
        for name, table in feed.roots.items():
            self.tables[name].node.locate(table.record or "")

    # -- compiling ------------------------------------------------------------------------------------------------

    def _plan_table(self, feed: Feed, name: str) -> TablePlan:
        table = feed.tables[name]
        plan = TablePlan(name, feed.depth_of(name), _xml_depth(feed, name), [], 0, [], Node())
        for column_name, column in table.columns.items():
            how = LIST if column.column_type.is_list else FIRST if column.first else ONE
            indexes = []
            for path in column.paths:
                cell = Cell(plan.cell_count, how, column.column_type.kind == "xml", column_name, path.text)
                indexes.append(cell.index)
                plan.cell_count += 1
                self._add_path(plan, path, cell)
            plan.columns.append((column_name, tuple(indexes)))
        return plan

    def _add_path(self, plan: TablePlan, path: Path, cell: Cell) -> None:
        attributes = self._names.attribute_names(path.attribute) if path.attribute else ()
        if path.up:
            if path.up > plan.xml_depth and not path.steps and not attributes:
                raise PermanentError(
                    f"{plan.name}.{cell.column}: {path} is the text of an element above the record, with all that is in"
                    " the file; name an element or attribute in it"
                )
            steps = tuple((frozenset(self._names.element_names(step.name)), self._tests(step)) for step in path.steps)
            plan.upward.append(UpwardPath(path.up, steps, attributes, cell))
            return
        node = plan.node
        for step in path.steps:
            node = node.child(self._names.element_names(step.name), self._tests(step))
        if attributes:
            node.attributes.extend((name, cell) for name in attributes)
        else:
            node.texts.append(cell)

    def _tests(self, step: Step) -> tuple[Test, ...]:
        return tuple(compile_test(predicate, self._names) for predicate in step.predicates)

    def _hang_on_parent(self, name: str, table: Table) -> None:
        """The child table's row elements: walk from the parent's node, then begin a row."""
        plan, node = self.tables[name], self.tables[table.parent or ""].node
        *before, last = parse_path(table.rows or "").steps
        for step in before:
            node = node.child(self._names.element_names(step.name), self._tests(step))
        plan.node.table = plan
        node.add_edge(self._names.element_names(last.name), self._tests(last), plan.node)

    def _add_record_path(self, path: Path, plan: TablePlan) -> None:
        names = tuple(frozenset(self._names.element_names(step.name)) for step in path.steps)
        self._record_paths.append((names, plan))
        candidates = self._candidates
        for step in path.steps:
            candidates = candidates.children.setdefault(step.name.local, _Candidates())
        candidates.is_record = True

    @property
    def local_paths(self) -> list[tuple[str, ...]]:
        """The record paths in local names, as the scanner wants them."""
        return [tuple(name.rpartition("}")[2] for name in map(min, names)) for names, _ in self._record_paths]

    @property
    def root_names(self) -> set[str]:
        """The Clark names that a document's root may have."""
        return {name for names, _ in self._record_paths for name in names[0]}

    @property
    def reads_ancestor_content(self) -> bool:
        """Whether a column reads an element (not just an attribute) that may lie outside its record."""
        return any(path.steps and path.up > plan.xml_depth for plan in self.tables.values() for path in plan.upward)

    # -- walking --------------------------------------------------------------------------------------------------

    def find_candidates(self, root: Element, lead_counts: Sequence[int] = ()) -> list[Element]:
        """The elements at the record paths by local name, in document order, as the scanner counts them.

        Where the tree is a piece that begins within a document, ``lead_counts`` tells its ancestors' content from what
        came between two records.
        """
        self._before_records.clear()
        self.looked_up.clear()
        ancestor = root
        for depth, count in enumerate(lead_counts, start=1):
            self._before_records[ancestor] = list(islice(ancestor, count))
            ancestor = ancestor[count] if depth < len(lead_counts) else ancestor
        start = self._candidates.of_tag(root.tag)
        if start is None:
            return []
        return [root] if start.is_record else list(_walk_candidates(root, start))

    def table_of(self, element: Element) -> TablePlan | None:
        """The root table whose record this element is; None where its namespace, or an ancestor's, is another one."""
        parent = element.getparent()
        if parent is not self._parent:
            self._parent = parent
            self._by_tag.clear()
        if element.tag not in self._by_tag:
            self._by_tag[element.tag] = self._find_table(element)
        return self._by_tag[element.tag]

    def _find_table(self, element: Element) -> TablePlan | None:
        chain = [element.tag, *(ancestor.tag for ancestor in element.iterancestors())]
        for names, plan in self._record_paths:
            if len(names) == len(chain) and all(
                tag in allowed for tag, allowed in zip(reversed(chain), names, strict=True)
            ):
                return plan
        return None

    def extract(self, element: Element, plan: TablePlan, record: int, rows: dict[str, Rows]) -> Extracted:
        """Append the rows that this record gives, to all tables of its family. Raises ``RecordTooLarge``."""
        walk = _Walk(self, element, record, rows)
        walk.begin_row(element, plan, ())
        return Extracted(walk.several, walk.copied)

    def content_before_records(self, ancestor: Element) -> list[Element]:
        """The children of an element above the records, up to the first that leads to one."""
        known = self._before_records.get(ancestor)
        if known is None:
            candidates: _Candidates | None = self._candidates
            for above in reversed([ancestor, *ancestor.iterancestors()]):
                candidates = candidates.of_tag(above.tag) if candidates else None
            known = []
            for child in ancestor:
                if candidates is not None and candidates.of_tag(child.tag) is not None:
                    break
                known.append(child)
            self._before_records[ancestor] = known
        return known

    def isolate(self, record: Element) -> Element:
        """A copy of the record as a document of its own: its ancestors, the elements that they hold before their
        records (emptied; at most ``MAX_LEAD_CHILDREN``), and it.

        Returns the copied record; its root is ``.getroottree().getroot()``.
        """
        parent_copy: Element | None = None
        for ancestor in [*record.iterancestors()][::-1]:
            open_copy = etree.Element(ancestor.tag, ancestor.attrib, ancestor.nsmap)  # type: ignore[arg-type]  # its keys may be None
            lead = self.content_before_records(ancestor)
            open_copy.extend(etree.Element(child.tag) for child in lead[:MAX_LEAD_CHILDREN])
            if parent_copy is not None:
                parent_copy.append(open_copy)
            parent_copy = open_copy
        record_copy = copy.deepcopy(record)
        record_copy.tail = None
        if parent_copy is not None:
            parent_copy.append(record_copy)
        return record_copy


def _xml_depth(feed: Feed, name: str) -> int:
    table = feed.tables[name]
    return 0 if table.parent is None else len(parse_path(table.rows or "").steps) + _xml_depth(feed, table.parent)


def _walk_candidates(element: Element, candidates: _Candidates) -> Iterator[Element]:
    for child in element:
        found = candidates.of_tag(child.tag)
        if found is None:
            continue
        if found.is_record:
            yield child
        else:
            yield from _walk_candidates(child, found)


def compile_test(predicate: Predicate, names: Namespaces) -> Test:
    steps = tuple(frozenset(names.element_names(step)) for step in predicate.steps)
    attribute: Name | None = predicate.attribute
    return Test(steps, names.attribute_names(attribute) if attribute else (), predicate.value)


def _descend(element: Element, steps: tuple[frozenset[str], ...]) -> Iterator[Element]:
    if not steps:
        yield element
        return
    for child in element:
        if child.tag in steps[0]:
            yield from _descend(child, steps[1:])


def text_of(element: Element) -> str:
    """The full text of an element: all text in it, that of its descendants too; '' where there is none."""
    if len(element):
        return "".join(element.itertext())  # type: ignore[arg-type]
    return element.text or ""


def value_of(element: Element, cell: Cell) -> Any:
    """What a cell takes of an element: its text, NIL, or the element itself as XML."""
    if cell.is_xml:
        return etree.tostring(element, encoding="unicode", with_tail=False)
    if len(element):
        return "".join(element.itertext())  # type: ignore[arg-type]
    text = element.text
    if text is None:
        return NIL if element.get(XSI_NIL) in ("true", "1") else ""
    return text


class _Walk:
    """One walk through one record."""

    __slots__ = ("_element", "_plan", "_record", "_row_count", "_rows", "_unmapped", "copied", "several")

    def __init__(self, plan: Plan, element: Element, record: int, rows: dict[str, Rows]) -> None:
        self._plan = plan
        self._element = element
        self._unmapped = plan.unmapped
        self._record = record
        self._rows = rows
        self._row_count = 0
        self.copied = 0
        self.several: list[SeveralValues] = []

    def begin_row(self, element: Element, table: TablePlan, positions: tuple[int, ...]) -> None:
        self._row_count += 1
        if self._row_count > MAX_ROWS_IN_RECORD:
            raise RecordTooLarge(f"the record gives more than {MAX_ROWS_IN_RECORD:,} rows")
        cells: list[Any] = [None] * table.cell_count
        rows = self._rows[table.name]
        rows.cells.append(cells)
        rows.records.append(self._record)
        rows.positions.append(positions)
        for path in table.upward:
            self._look_up(element, path, table, cells)
        self._visit(element, table.node, table, cells, positions, {})

    def _visit(
        self,
        element: Element,
        node: Node,
        table: TablePlan,
        cells: list[Any],
        positions: tuple[int, ...],
        counts: dict[str, int],
    ) -> None:
        for name, cell in node.attributes:
            value = element.get(name)
            if value is not None:
                self._store(cells, cell, value, table)
        for cell in node.texts:
            self._store(cells, cell, value_of(element, cell), table)
        edges = node.edges
        if not edges:
            return
        for child in element:
            found = edges.get(child.tag)
            if found is None:
                self._note_unmapped(node, child)
                continue
            for tests, below in found:
                if tests and not all(test.holds(child) for test in tests):
                    continue
                child_table = below.table
                if child_table is None:
                    self._visit(child, below, table, cells, positions, counts)
                else:
                    number = counts.get(child_table.name, 0) + 1
                    counts[child_table.name] = number
                    self.begin_row(child, child_table, (*positions, number))

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

    def _note_unmapped(self, node: Node, child: Element) -> None:
        if isinstance(child.tag, str):
            path = f"{node.where}/{child.tag.rpartition('}')[2]}"
            if len(self._unmapped) < MAX_NAMES or path in self._unmapped:
                self._unmapped[path] += 1

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
            values = [*self._values_at(ancestor, path, is_above_record)]
            known = ancestor, values, sum(len(value) for value in values if isinstance(value, str))
            self._plan.looked_up[path] = known
        self._count_copies(path, known[2], is_above_record)
        for value in known[1]:
            self._store(cells, path.cell, value, table)

    def _values_at(self, ancestor: Element, path: UpwardPath, is_above_record: bool) -> Iterator[Any]:
        for found in self._find_below(ancestor, path.steps, is_above_record):
            if not path.attributes:
                yield value_of(found, path.cell)
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
