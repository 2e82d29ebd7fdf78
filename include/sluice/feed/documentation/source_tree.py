"""The XML as a mapping sees it: each element and attribute that it reads, where it stands, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from sluice.feed.model import Feed, Table
from sluice.feed.paths import Path, Predicate, Step, parse_path

LAST, BETWEEN = "└─ ", "├─ "
MAX_LABELS = 48
"""Columns of a line that are kept for the names; a longer one pushes what is said of it aside."""

Kind = Literal["rows", "column", "delete", "deleted"]


@dataclass(frozen=True, slots=True)
class Use:
    """What comes of a node: rows of a table, a column of it, or the delete of a key (and the columns it is told by).

    ``rank`` counts the paths of a column from 1; of ``ranks`` paths the first that is present wins.
    """

    kind: Kind
    table: str
    column: str = ""
    rank: int = 1
    ranks: int = 1

    def __str__(self) -> str:
        if self.kind == "rows":
            return f"a row of {self.table}"
        if self.kind == "delete":
            return f"deletes a row of {self.table}"
        choice = "" if self.ranks == 1 else f" ({_ordinal(self.rank)} choice)"
        of_delete = " of what is deleted" if self.kind == "deleted" else ""
        return f"{self.table}.{self.column}{of_delete}{choice}"


@dataclass(slots=True)
class Node:
    """An element, with the conditions that are put to it, or an attribute (with its @)."""

    label: str
    parent: Node | None = None
    uses: list[Use] = field(default_factory=list)
    below: dict[str, Node] = field(default_factory=dict)

    @property
    def children(self) -> list[Node]:
        """Attributes first, then elements, as they are declared."""
        return sorted(self.below.values(), key=lambda node: not node.label.startswith("@"))

    def child(self, label: str) -> Node:
        return self.below.setdefault(label, Node(label, self))


def source_tree(feed: Feed) -> Node:
    """The document, with its root elements below it. A node that nothing comes of leads to others."""
    document = Node("")
    rows: dict[str, Node] = {}
    for name in sorted(feed.tables, key=feed.depth_of):
        table = feed.tables[name]
        rows[name] = _find_rows(document, rows, table)
        rows[name].uses.append(Use("rows", name))
        for column, declared in table.columns.items():
            _note(rows[name], declared.paths, "column", name, column)
        _note_deletes(document, name, table)
    return document


def _find_rows(document: Node, rows: dict[str, Node], table: Table) -> Node:
    if table.record is not None:
        return _walk(document, parse_path(table.record))
    assert table.parent is not None
    assert table.rows is not None
    return _walk(rows[table.parent], parse_path(table.rows))


def _note_deletes(document: Node, name: str, table: Table) -> None:
    if table.deletes is None or table.deletes.record is None:
        return
    record = _walk(document, parse_path(table.deletes.record))
    record.uses.append(Use("delete", name))
    for column, paths in table.deletes.paths.items():
        _note(record, paths, "deleted", name, column)


def _note(row: Node, paths: tuple[Path, ...], kind: Kind, table: str, column: str) -> None:
    for rank, path in enumerate(paths, 1):
        _walk(row, path).uses.append(Use(kind, table, column, rank, len(paths)))


def _walk(node: Node, path: Path) -> Node:
    for _ in range(path.up):
        node = node.parent or node
    for step in path.steps:
        node = node.child(_spell_step(step))
    return node.child(f"@{path.attribute}") if path.attribute else node


def _spell_step(step: Step) -> str:
    return str(step.name) + "".join(map(_spell_predicate, step.predicates))


def _spell_predicate(predicate: Predicate) -> str:
    names = [*map(str, predicate.steps), *([f"@{predicate.attribute}"] if predicate.attribute else [])]
    quote = '"' if "'" in predicate.value else "'"
    return f"[{'/'.join(names)}={quote}{predicate.value}{quote}]"


def _ordinal(number: int) -> str:
    return f"{number}{'th' if 10 < number % 100 < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


# -- as text ----------------------------------------------------------------------------------------------------------


def spell_tree(document: Node) -> str:
    """The tree with lines drawn of characters, each node with what comes of it."""
    lines = [line for node in document.children for line in _lines(node, "", "")]
    labels = [len(label) for label, uses in lines if uses and len(label) <= MAX_LABELS]
    width = max(labels, default=0)
    return "\n".join(f"{label:{width}}  {uses}" if uses else label for label, uses in lines)


def _lines(node: Node, first: str, rest: str) -> Iterator[tuple[str, str]]:
    yield first + node.label, ", ".join(map(str, node.uses))
    children = node.children
    for child in children:
        is_last = child is children[-1]
        yield from _lines(child, rest + (LAST if is_last else BETWEEN), rest + ("   " if is_last else "│  "))
