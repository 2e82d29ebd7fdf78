"""What a mapping does at the elements on its paths: the parts that ``plan`` puts together and ``walk`` goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.feed.paths import Name, Namespaces, Predicate
from sluice.sightings import Known
from sluice.xmlio import Element

# How a cell takes a value.
ONE, FIRST, LIST = range(3)
WHITE = " \t\r\n"


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
        if not self.steps and len(self.attributes) == 1:  # nearly all: a column may ask this of each of many elements
            return element.get(self.attributes[0]) == self.value
        for found in _descend(element, self.steps):
            if not self.attributes:
                if _has_text(found, self.value):
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
    known: Known = field(default_factory=lambda: Known(takes_text=True, takes_all=True))

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

    def learn(self, known: Known, names: Namespaces) -> None:
        """Add what this node and those below it read to what is known here, and share it among nodes of one path."""
        self.known = known
        known.attributes.update(name for name, _ in self.attributes)
        known.takes_text = known.takes_text or bool(self.texts)
        known.takes_all = known.takes_all or any(cell.is_xml for cell in self.texts)
        children = {id(node): (tests, node) for edges in self.edges.values() for tests, node in edges}
        for tests, below in children.values():
            child = known.child(below.names, names.spell_element(below.names[0]))
            for test in tests:
                _learn_steps(child, test.steps, test.attributes, names)
            below.learn(child, names)


def _learn_steps(known: Known, steps: Sequence[frozenset[str]], attributes: tuple[str, ...], names: Namespaces) -> None:
    for step in steps:
        known = known.child(sorted(step), names.spell_element(min(step)))
    known.attributes.update(attributes)
    known.takes_text = known.takes_text or not attributes


@dataclass(frozen=True, slots=True, eq=False)
class UpwardPath:
    """A path that begins at an ancestor: ``up`` parents, then ``steps`` with their tests, then an attribute or the
    text.
    """

    up: int
    steps: tuple[tuple[frozenset[str], tuple[Test, ...]], ...]
    attributes: tuple[str, ...]
    cell: Cell


@dataclass(frozen=True, slots=True)
class Mark:
    """Tells by the text of a column that a record only deletes; ``plan`` then reads what it deletes.

    The column's cells are ``cells`` in a row of its table, ``own_cells`` in one of ``plan``.
    """

    values: frozenset[str]
    cells: tuple[int, ...]
    own_cells: tuple[int, ...]
    plan: TablePlan

    def is_in(self, row: list[Any], cells: tuple[int, ...]) -> bool:
        text = next((row[cell] for cell in cells if row[cell] is not None), None)
        return isinstance(text, str) and text.strip(WHITE) in self.values


@dataclass(slots=True)
class TablePlan:
    """One table: its place in the output, its cells, and the nodes below its row element.

    With ``is_delete`` it reads of a record only which key is deleted; ``mark`` tells such records from others.
    """

    name: str
    depth: int
    xml_depth: int  # how many elements its row element lies below the record element
    columns: list[tuple[str, tuple[int, ...]]]
    cell_count: int
    upward: list[UpwardPath]
    node: Node
    is_delete: bool = False
    mark: Mark | None = None

    def learn_upward(self, names: Namespaces) -> None:
        """Add what columns read of the record above their row to what is known there."""
        for path in self.upward:
            known: Known | None = self.node.known
            for _ in range(path.up):
                known = known.parent if known else None
            if known is not None:
                _learn_steps(known, [step for step, _ in path.steps], path.attributes, names)


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


def _has_text(element: Element, value: str) -> bool:
    """Whether ``value`` is the full text of an element; looks no further than to the first difference."""
    if not len(element):
        return (element.text or "") == value
    position = 0
    for text in element.itertext():
        if not value.startswith(text, position):  # type: ignore[arg-type]  # the stubs allow for bytes
            return False
        position += len(text)
    return position == len(value)
