"""The rules of `totals`: what each counts or sums up must be there, and its own place outside of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.feed.delete_rules import record_paths
from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import Path
from sluice.feed.types import TypeProblem, parse_type
from sluice.feed.written import Item, WrittenTable, prefix_faults, read_path, texts_in

SUMMED = ("integer", "bigint", "numeric")
"""The kinds of columns that are summed up."""


def broken_totals(
    items: Sequence[tuple[Loc, Any]], tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]
) -> Iterator[Fault]:
    """All faults of the `totals` that no single key of them has by itself."""
    seen = set()
    yield from _within(items)
    for loc, total in items:
        if not isinstance(total, Mapping):
            continue
        counts, sums = (texts_in(total.get(key), (*loc, key)) for key in ("counts", "sums"))
        for place, name in counts:
            if name not in tables:
                yield Fault(place, f"no table {name!r}", nearest(name, tables))
        for item in sums:
            yield from _column(item, tables)
        path = read_path(total.get("path"))
        meant = path and path.text, tuple(name for _, name in (*counts, *sums))
        if path is not None and meant in seen:
            yield Fault(loc, "this total stands here twice")
        seen.add(meant)
        names = {name.partition(".")[0] for _, name in (*counts, *sums)}
        yield from _path((*loc, "path"), total.get("path"), names, tables, namespaces)


def _column(item: Item, tables: Mapping[str, WrittenTable]) -> Iterator[Fault]:
    loc, text = item
    table, _, name = text.partition(".")
    if table not in tables or name not in tables[table].columns:
        known = [f"{table}.{column}" for table, written in tables.items() for column in written.columns]
        meant = nearest(text, known) if name else next((one for one in known if one.endswith(f".{text}")), None)
        yield Fault(loc, f"no column {text!r}; what is summed up is named as `table.column`", meant)
        return
    column = tables[table].columns[name]
    declared = column.get("type", "text") if isinstance(column, Mapping) else "text"
    try:
        kind = parse_type(declared) if isinstance(declared, str) else None
    except TypeProblem:
        return
    if kind is not None and (kind.kind not in SUMMED or kind.is_list):
        yield Fault(loc, f"the column {text!r} is of type {declared}; only {', '.join(SUMMED)} are summed up")


def _path(
    loc: Loc, text: Any, names: set[str], tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]
) -> Iterator[Fault]:
    path = read_path(text)
    if path is None:
        return
    yield from prefix_faults(loc, path.text, namespaces)
    own = _locals(path)
    if path.attribute is None and any(_locals(record)[: len(own)] == own for record in record_paths(tables)):
        yield Fault(loc, f"{path.text!r} is an element that holds the records; name one beside them, or an attribute")
        return
    for record in record_paths({root: tables[root] for root in _roots(names, tables)}):
        if own[: len(_locals(record))] == _locals(record):
            message = f"{path.text!r} lies in the records {record.text!r}; a total of them stands outside of them"
            yield Fault(loc, message)


def _within(items: Sequence[tuple[Loc, Any]]) -> Iterator[Fault]:
    """The text of an element is a total, or totals lie in it."""
    written = [(loc, read_path(total.get("path"))) for loc, total in items if isinstance(total, Mapping)]
    paths = [(loc, path) for loc, path in written if path is not None]
    for loc, path in paths:
        for other in [other for _, other in paths if other.attribute is None]:
            if len(_locals(path)) > len(_locals(other)) and _locals(path)[: len(_locals(other))] == _locals(other):
                yield Fault((*loc, "path"), f"{path.text!r} lies in {other.text!r}, which is a total itself")


def _roots(names: set[str], tables: Mapping[str, WrittenTable]) -> set[str]:
    """The root tables of these tables, as far as the parents lead to some."""
    found = set()
    for name in names:
        line = [name]
        while line[-1] in tables and not tables[line[-1]].is_root and len(line) <= len(tables):
            line.append(tables[line[-1]].parent or "")
        found |= {line[-1]} & {root for root, written in tables.items() if written.is_root}
    return found


def _locals(path: Path) -> tuple[str, ...]:
    return tuple(step.name.local for step in path.steps)
