"""The mapping of a feed, compiled: a trie over element names that one walk through a record follows.

Elements that lead nowhere are passed over at the cost of one dictionary look-up. The values come out as text, cell by
cell; ``convert`` types them by the column.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from lxml import etree

from sluice.feed.model import Column, Feed, Table
from sluice.feed.paths import BUILT_IN_PREFIXES, Path, Step, parse_path
from sluice.nodes import FIRST, LIST, ONE, Cell, Mark, Node, TablePlan, Test, UpwardPath, compile_test
from sluice.sightings import Known, Sightings
from sluice.spelling import Speller
from sluice.walk import TAKEN_FACTOR, Extracted, Rows, Walk
from sluice.xmlio import Element

# A hostile document may invent a name for each of its elements; no more are remembered.
MAX_NAMES = 10_000
MAX_LEAD_CHILDREN = 500
_XSI = f"{{{BUILT_IN_PREFIXES['xsi']}}}"


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
        self.deletes: dict[str, list[TablePlan]] = {}
        """By root table, how its deletes are read; all plans of a table give rows of the same columns and cells."""
        self.record_paths: list[tuple[tuple[frozenset[str], ...], TablePlan]] = []
        """The Clark names that each step of a record path may have, and how such a record is read."""
        self._candidates = _Candidates()
        self.sightings = Sightings(feed.names)
        self.speller = Speller()
        self._before_records: dict[Element, list[Element]] = {}
        # The tables of the records in one parent: neighbours are asked for one after another.
        self._parent: Element | None = None
        self._skeleton: tuple[Element, int, Element] | None = None
        self._by_tag: dict[str, TablePlan | None] = {}
        # Beyond that a few bytes of a record would fill the memory.
        self.max_rows = feed.quotas.max_rows_per_record
        self.max_taken = TAKEN_FACTOR * feed.max_record_bytes
        # The last ancestor that each upward path began at, and the values found: neighbouring rows share them.
        self.looked_up: dict[UpwardPath, tuple[Element, list[Any], int]] = {}
        for name, table in feed.tables.items():
            if table.parent is not None:
                self._hang_on_parent(name, table)
            else:
                self._add_record_path(parse_path(table.record or ""), self.tables[name])
                self._plan_deletes(name, table)
        for name, table in feed.roots.items():
            last = parse_path(table.record or "").steps[-1].name
            self.tables[name].node.learn(Known(str(last)), feed.names)
        for plan in self.tables.values():
            plan.learn_upward(feed.names)

    # -- compiling ------------------------------------------------------------------------------------------------

    def _plan_table(self, feed: Feed, name: str) -> TablePlan:
        table = feed.tables[name]
        plan = TablePlan(name, feed.depth_of(name), _xml_depth(feed, name), [], 0, [], Node())
        for column_name, column in table.columns.items():
            plan.columns.append((column_name, self._add_column(plan, column_name, column, column.paths)))
        return plan

    def _plan_deletes(self, name: str, table: Table) -> None:
        deletes = table.deletes
        if deletes is None:
            return
        cells: dict[str, tuple[int, ...]] = dict.fromkeys(table.order_columns, ())
        plans = self.deletes[name] = []
        if deletes.column is not None:
            plan, column = self._begin_deletes(name, plans), deletes.column
            for key in cells:
                cells[key] += self._add_column(plan, key, table.columns[key], table.columns[key].paths)
            declared = table.columns[column]
            own_cells = cells.get(column) or self._add_column(plan, column, declared, declared.paths)
            self.tables[name].mark = Mark(
                frozenset(deletes.values), dict(self.tables[name].columns)[column], own_cells, plan
            )
        if deletes.record is not None:
            plan = self._begin_deletes(name, plans)
            for key in cells:
                cells[key] += self._add_column(plan, key, table.columns[key], deletes.paths[key])
            self._add_record_path(parse_path(deletes.record), plan)
        for plan in plans:
            plan.columns, plan.cell_count = list(cells.items()), plans[-1].cell_count

    @staticmethod
    def _begin_deletes(name: str, plans: list[TablePlan]) -> TablePlan:
        """A plan whose cells follow those of the plans before it."""
        plan = TablePlan(name, 0, 0, [], plans[-1].cell_count if plans else 0, [], Node(), is_delete=True)
        plans.append(plan)
        return plan

    def _add_column(self, plan: TablePlan, name: str, column: Column, paths: Sequence[Path]) -> tuple[int, ...]:
        """The cells that the column has in a row, one for each of ``paths``."""
        how = LIST if column.column_type.is_list else FIRST if column.first else ONE
        indexes = []
        for path in paths:
            cell = Cell(plan.cell_count, how, column.column_type.is_markup, name, path.text)
            indexes.append(cell.index)
            plan.cell_count += 1
            self._add_path(plan, path, cell)
        return tuple(indexes)

    def _add_path(self, plan: TablePlan, path: Path, cell: Cell) -> None:
        attributes = self._names.attribute_names(path.attribute) if path.attribute else ()
        if path.up:
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
        self.record_paths.append((names, plan))
        candidates = self._candidates
        for step in path.steps:
            candidates = candidates.children.setdefault(step.name.local, _Candidates())
        candidates.is_record = True

    @property
    def local_paths(self) -> list[tuple[str, ...]]:
        """The record paths in local names, as the scanner wants them."""
        return [tuple(name.rpartition("}")[2] for name in map(min, names)) for names, _ in self.record_paths]

    @property
    def root_names(self) -> set[str]:
        """The Clark names that a document's root may have."""
        return {name for names, _ in self.record_paths for name in names[0]}

    @property
    def reads_ancestor_content(self) -> bool:
        """Whether a column reads an element (not just an attribute) that may lie outside its record."""
        plans = [*self.tables.values(), *(plan for plans in self.deletes.values() for plan in plans)]
        return any(path.steps and path.up > plan.xml_depth for plan in plans for path in plan.upward)

    # -- walking --------------------------------------------------------------------------------------------------

    def find_candidates(self, root: Element, lead_counts: Sequence[int] = ()) -> list[Element]:
        """The elements at the record paths by local name, in document order, as the scanner counts them.

        Where the tree is a piece that begins within a document, ``lead_counts`` tells its ancestors' content from what
        came between two records.
        """
        self.forget()
        ancestor = root
        for depth, count in enumerate(lead_counts, start=1):
            self._before_records[ancestor] = list(islice(ancestor, count))
            ancestor = ancestor[count] if depth < len(lead_counts) else ancestor
        start = self._candidates.of_tag(root.tag)
        if start is None:
            return []
        return [root] if start.is_record else list(_walk_candidates(root, start))

    def forget(self) -> None:
        """Let go of what is remembered of a tree."""
        self._before_records.clear()
        self._skeleton = None
        self.looked_up.clear()
        self.speller.forget()

    def look_up_above(self, record: Element, path: UpwardPath, up: int) -> list[Any]:
        """What a path finds that leads ``up`` parents from a record: texts, NIL. Raises ``RecordTooLarge``."""
        ancestor: Element | None = record
        for _ in range(up):
            ancestor = ancestor.getparent() if ancestor is not None else None
        return [] if ancestor is None else [*Walk(self, record, 0, {}).values_at(ancestor, path, True)]

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
        for names, plan in self.record_paths:
            if len(names) == len(chain) and all(
                tag in allowed for tag, allowed in zip(reversed(chain), names, strict=True)
            ):
                return plan
        return None

    def extract(self, element: Element, plan: TablePlan, record: int, rows: dict[str, Rows]) -> Extracted:
        """Append the rows that this record gives, to all tables of its family. Raises ``RecordTooLarge``.

        Nothing of a delete is unknown, since nothing else is looked at.
        """
        walk = Walk(self, element, record, rows)
        walk.begin_row(element, plan, (), not plan.is_delete)
        return Extracted(walk.several, walk.copied + walk.taken)

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
        """A copy of the record as a document of its own: its ancestors, without their attributes but ``xsi:type`` and
        its like, the elements that they hold before their records (emptied; at most ``MAX_LEAD_CHILDREN``), and it.

        Returns the copied record; its root is ``.getroottree().getroot()``.
        """
        record_copy = copy.deepcopy(record)
        record_copy.tail = None
        parent = record.getparent()
        if parent is not None:
            depth, skeleton = self._skeleton_of(parent)
            open_copy = copy.deepcopy(skeleton)
            for _ in range(depth):
                open_copy = open_copy[-1]
            open_copy.append(record_copy)
        return record_copy

    def _skeleton_of(self, parent: Element) -> tuple[int, Element]:
        """The root of what a record in this parent stands in when it is isolated, and how far below it the parent is.

        An XSD looks at no attribute of an ancestor when it judges a record, but at those that choose its type. They may
        be thousands, and would be copied for each record.
        """
        if self._skeleton is None or self._skeleton[0] is not parent:
            chain = [parent, *parent.iterancestors()][::-1]
            innermost: Element | None = None
            for ancestor in chain:
                innermost = _open_copy(ancestor, innermost)
                lead = self.content_before_records(ancestor)
                innermost.extend(etree.Element(child.tag) for child in lead[:MAX_LEAD_CHILDREN])
            assert innermost is not None
            self._skeleton = parent, len(chain) - 1, innermost.getroottree().getroot()
        return self._skeleton[1:]


def _open_copy(ancestor: Element, below: Element | None) -> Element:
    """The ancestor of a record without its content, hung below the copy of its parent."""
    chosen = {name: value for name, value in ancestor.attrib.items() if str(name).startswith(_XSI)}
    if below is None:
        return etree.Element(ancestor.tag, chosen, ancestor.nsmap)  # type: ignore[arg-type]  # its keys may be None
    inherited = below.nsmap
    own = {prefix: name for prefix, name in ancestor.nsmap.items() if inherited.get(prefix) != name}
    return etree.SubElement(below, ancestor.tag, chosen, own)  # type: ignore[arg-type]


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
