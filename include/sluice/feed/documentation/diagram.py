"""The tables of a feed and how they hang together: as boxes to draw, and in Mermaid's language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sluice.feed.layout import column_layout, primary_key
from sluice.feed.model import Feed

MERMAID_MARKS = ("pk", "fk", "uk")
"""No names of columns to Mermaid."""


@dataclass(frozen=True, slots=True)
class BoxColumn:
    """``is_key`` where it is part of the primary key, ``is_reference`` where it comes from the table above."""

    name: str
    type: str
    is_key: bool
    is_reference: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A table, without its lineage. ``rows`` is the path of its rows from those of the table that it hangs on."""

    table: str
    rows: str
    columns: tuple[BoxColumn, ...]
    children: tuple[Box, ...]

    @property
    def family(self) -> list[Box]:
        return [self, *(box for child in self.children for box in child.family)]


def boxes(feed: Feed) -> list[Box]:
    """The root tables, each with those below it."""
    return [_box(feed, root) for root in feed.roots]


def _box(feed: Feed, name: str) -> Box:
    table = feed.tables[name]
    key = primary_key(feed, name)
    declared, positions = table.columns, {f"_n{depth}" for depth in range(1, feed.depth_of(name) + 1)}
    columns = tuple(
        BoxColumn(column.name, column.sql_type, column.name in key, column.name not in declared)
        for column in column_layout(feed, name)
        if not column.name.startswith("_") or column.name in key or column.name in positions
    )
    children = tuple(_box(feed, child) for child, below in feed.tables.items() if below.parent == name)
    return Box(name, table.record or table.rows or "", columns, children)


def mermaid(feed: Feed) -> str:
    """The diagram as GitHub, GitLab and many editors draw it."""
    family = [box for root in boxes(feed) for box in root.family]
    lines = ["erDiagram"]
    for box in family:
        lines.append(f'    "{box.table}" {{')
        lines += [f"        {_mermaid_column(column)}" for column in box.columns]
        lines.append("    }")
    for box in family:
        lines += [f'    "{box.table}" ||--o{{ "{child.table}" : "{_plain(child.rows)}"' for child in box.children]
    return "\n".join(lines)


def _mermaid_column(column: BoxColumn) -> str:
    marks = [mark for mark, holds in (("PK", column.is_key), ("FK", column.is_key and column.is_reference)) if holds]
    if column.name.startswith("_n"):
        marks = ["PK"]
    name = f"{column.name}_" if column.name in MERMAID_MARKS else column.name
    return " ".join(filter(None, [column.type.replace(",", "_"), name, ", ".join(marks)]))


def _plain(text: str) -> str:
    """``text`` without what would end a text of Mermaid's."""
    return re.sub(r'["\n]', "'", text)
