"""The tables of a feed as a drawing in SVG, for a page of HTML whose style sheet gives it its colours.

Each root stands at the left, what hangs on a table to the right of it, beside one another in the order of the
declaration; a table stands in the middle of what hangs on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from sluice.feed.documentation.diagram import Box, BoxColumn
from sluice.feed.documentation.sections import table_anchor

MAX_ROWS = 14
"""Columns that a box shows; of more, it says how many there are. The key is always shown."""
MAX_NAME, MAX_TYPE = 30, 20
MAX_LABEL = 15
ROW, HEAD, PAD, CHARACTER = 18, 26, 10, 7.3
GAP_X, GAP_Y, MARGIN = 110, 22, 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a box: a column, or how many are left out."""

    name: str
    type: str
    css: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A box with its place; ``x`` and ``y`` are of its upper left corner."""

    box: Box
    lines: tuple[Line, ...]
    x: float
    y: float
    width: float
    children: tuple[Placed, ...]

    @property
    def height(self) -> float:
        return _height(self.lines)

    @property
    def family(self) -> Iterator[Placed]:
        yield self
        for child in self.children:
            yield from child.family


def draw(roots: Sequence[Box]) -> str:
    """The drawing of these tables, an ``svg`` element that scales down where the page is narrow."""
    placed = _place_all(roots)
    width = max(one.x + one.width for one in placed) + MARGIN
    height = max(one.y + one.height for one in placed) + MARGIN
    label = f"Tables: {', '.join(one.box.table for one in placed)}"
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg class="tables" {size} role="img" aria-label="{escape(label)}">',
        *(_draw_way(one, child) for one in placed for child in one.children),
        *map(_draw_box, placed),
        "</svg>",
    ]
    return "\n".join(parts)


# -- places -----------------------------------------------------------------------------------------------------------


def _place_all(roots: Sequence[Box]) -> list[Placed]:
    edges = _left_edges(roots)
    y, placed = float(MARGIN), []
    for root in roots:
        placed += list(_place(root, 0, y, edges).family)
        y += _span(root) + GAP_Y
    return placed


def _left_edges(roots: Sequence[Box]) -> list[float]:
    """Where each level begins: as far to the right as the widest box of the level before asks."""
    edges, level, x = [], list(roots), float(MARGIN)
    while level:
        edges.append(x)
        x += max(_width(box, _lines(box)) for box in level) + GAP_X
        level = [child for box in level for child in box.children]
    return edges


def _place(box: Box, depth: int, top: float, edges: Sequence[float]) -> Placed:
    lines = _lines(box)
    y = top + (_span(box) - _height(lines)) / 2
    below = top + (_span(box) - _span_of_children(box)) / 2
    children = []
    for child in box.children:
        children.append(_place(child, depth + 1, below, edges))
        below += _span(child) + GAP_Y
    return Placed(box, lines, edges[depth], y, _width(box, lines), tuple(children))


def _span(box: Box) -> float:
    """The height that a box takes with all that hangs on it."""
    return max(_height(_lines(box)), _span_of_children(box))


def _span_of_children(box: Box) -> float:
    return sum(map(_span, box.children)) + GAP_Y * max(0, len(box.children) - 1)


def _lines(box: Box) -> tuple[Line, ...]:
    keys = [column for column in box.columns if column.is_key]
    others = [column for column in box.columns if not column.is_key]
    room = max(0, MAX_ROWS - len(keys))
    shown = others if len(others) <= room else others[: max(0, room - 1)]
    lines = [Line(column.name, column.type, _css(column)) for column in (*keys, *shown)]
    if left := len(others) - len(shown):
        lines.append(Line(f"… {left} more", "", "more"))
    return tuple(lines)


def _css(column: BoxColumn) -> str:
    return " ".join(name for name, holds in (("key", column.is_key), ("above", column.is_reference)) if holds)


def _height(lines: Sequence[Line]) -> float:
    return HEAD + ROW * len(lines) + PAD / 2


def _width(box: Box, lines: Sequence[Line]) -> float:
    characters = max(
        len(_cut(box.table, MAX_NAME)) + 2,
        *(len(_cut(line.name, MAX_NAME)) + len(_cut(line.type, MAX_TYPE)) + 3 for line in lines),
    )
    return characters * CHARACTER + 2 * PAD


# -- ink --------------------------------------------------------------------------------------------------------------


def _draw_box(one: Placed) -> str:
    left, top, right = one.x, one.y, one.x + one.width
    frame = f'x="{left:.1f}" y="{top:.1f}" width="{one.width:.1f}" height="{one.height:.1f}" rx="5"'
    corners = f"v-{HEAD - 5} a5 5 0 0 1 5 -5 h{one.width - 10:.1f} a5 5 0 0 1 5 5 v{HEAD - 5} z"
    parts = [
        f'<a href="#{escape(table_anchor(one.box.table))}"><g class="box">',
        f"<title>{escape(one.box.table)}: one row per {escape(one.box.rows)}</title>",
        f'<rect class="frame" {frame}/><path class="head" d="M{left:.1f} {top + HEAD:.1f} {corners}"/>',
        _text(left + PAD, top + HEAD - 8, _cut(one.box.table, MAX_NAME), "name"),
    ]
    for number, line in enumerate(one.lines, 1):
        y = top + HEAD + ROW * number - 4
        is_cut = len(line.name) > MAX_NAME or len(line.type) > MAX_TYPE
        title = f"{line.name} {line.type}" if is_cut else ""
        parts.append(_text(left + PAD, y, _cut(line.name, MAX_NAME), line.css, title))
        if line.type:
            parts.append(_text(right - PAD, y, _cut(line.type, MAX_TYPE), "type"))
    return "".join([*parts, "</g></a>"])


def _draw_way(above: Placed, below: Placed) -> str:
    """From the middle of a table to that of one which hangs on it, with the foot that says: none or many."""
    x1, y1 = above.x + above.width, above.y + above.height / 2
    x2, y2 = below.x, below.y + below.height / 2
    middle = x2 - GAP_X / 2
    foot = f"M{x2:.1f} {y2 - 6:.1f} L{x2 - 10:.1f} {y2:.1f} L{x2:.1f} {y2 + 6:.1f}"
    path = below.box.rows  # of which the end tells more
    label = path if len(path) <= MAX_LABEL else f"…{path[1 - MAX_LABEL :]}"
    return (
        f'<g class="way"><title>{escape(below.box.table)}: {escape(below.box.rows)}</title>'
        f'<path d="M{x1:.1f} {y1:.1f} C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2 - 14:.1f} {y2:.1f} H{x2:.1f}"/>'
        f'<path d="{foot}"/><path d="M{x1 + 6:.1f} {y1 - 5:.1f} v10"/>'
        f'<circle cx="{x2 - 14:.1f}" cy="{y2:.1f}" r="4"/>'
        f"{_text(x2 - 20, y2 - 8, label, 'path')}</g>"
    )


def _text(x: float, y: float, text: str, css: str, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}">{escape(text)}{told}</text>'


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
