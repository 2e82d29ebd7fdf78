"""The rules of `deletes`, and those between the record paths of a feed: which records there are, and what each does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.feed.climbing import climb_faults, way_to
from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import Path, Step
from sluice.feed.written import FILE_DATE, Item, WrittenTable, prefix_faults, read_path, texts_in

# What goes together: a column with its values, a record with its columns.
_FORMS = {"column": "values", "record": "columns"}


def broken_deletes(tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    """All faults of the `deletes` of these tables that no single key of them has by itself."""
    for written in tables.values():
        if not written.deletes:
            continue
        misplaced = list(_misplaced(written))
        yield from misplaced
        if not misplaced:
            yield from _forms(written)
            yield from _column(written)
            yield from _columns(written)
            yield from _paths(written, tables, namespaces)
    yield from _records(tables, namespaces)


def _loc(written: WrittenTable, *below: str) -> Loc:
    return (*written.loc, "deletes", *below)


def _misplaced(written: WrittenTable) -> Iterator[Fault]:
    if not written.is_root:
        yield Fault(_loc(written), "a child table follows its root and has no `deletes` of its own", at_key=True)
    elif not written.texts("key"):
        yield Fault(
            _loc(written), "`deletes` names the keys that are deleted, and this table has no `key`", at_key=True
        )


def _forms(written: WrittenTable) -> Iterator[Fault]:
    if written.deletes.keys() - {key for form in _FORMS.items() for key in form}:
        return  # what seems to be absent may be misspelt
    has = {key for form in _FORMS.items() for key in form if written.deletes.get(key) not in (None, (), [], {})}
    if not has & _FORMS.keys():
        message = "`deletes` needs a `column` with its `values`, or a `record` with its `columns`, or both"
        yield Fault(_loc(written), message, at_key=True)
    for first, second in _FORMS.items():
        if first in has and second not in has:
            yield Fault(_loc(written, first), f"`{first}` needs `{second}` beside it", at_key=True)
        if second in has and first not in has:
            yield Fault(_loc(written, second), f"`{second}` needs `{first}` beside it", at_key=True)


def _column(written: WrittenTable) -> Iterator[Fault]:
    name = written.deletes.get("column")
    if not isinstance(name, str):
        return
    if name not in written.columns:
        message = f"no column {name!r} in the table {written.name!r}"
        yield Fault(_loc(written, "column"), message, nearest(name, written.columns))
        return
    column = written.columns[name]
    kind = column.get("type") if isinstance(column, Mapping) else None
    if isinstance(kind, str) and ("xml" in kind or "[" in kind):
        yield Fault(_loc(written, "column"), f"the column {name!r} is of type {kind}; what deletes is one text")


def _columns(written: WrittenTable) -> Iterator[Fault]:
    """Exactly the key and what orders its versions: there is nothing else to a delete."""
    columns = written.deletes.get("columns")
    if not isinstance(columns, Mapping):
        return
    wanted = [name for _, name in (*written.texts("key"), *written.texts("version")) if name != FILE_DATE]
    missing = [name for name in dict.fromkeys(wanted) if name not in columns]
    strangers = [name for name in columns if name not in wanted]
    for name in strangers:
        if name not in written.columns:
            message = f"no column {name!r} in the table {written.name!r}"
            yield Fault(_loc(written, "columns", name), message, nearest(str(name), missing or wanted), at_key=True)
        else:
            message = f"{name!r} is neither in the key nor in the version, and nothing else is read of a delete"
            yield Fault(_loc(written, "columns", name), message, at_key=True)
    if columns and missing and not strangers:
        message = f"the paths of all key and version columns are needed; missing: {', '.join(missing)}"
        yield Fault(_loc(written, "columns"), message, at_key=True)


def _paths(written: WrittenTable, tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    record, records = read_path(written.deletes.get("record")), record_paths(tables)
    for loc, text in texts_in(written.deletes.get("record"), _loc(written, "record")):
        yield from prefix_faults(loc, text, namespaces)
    way = way_to(record) if record and record.is_absolute else None
    columns = written.deletes.get("columns")
    for name, paths in columns.items() if isinstance(columns, Mapping) else ():
        for loc, text in texts_in(paths, _loc(written, "columns", name)):
            yield from prefix_faults(loc, text, namespaces)
            yield from climb_faults(loc, text, way, records)


@dataclass(frozen=True, slots=True)
class _Record:
    """A record path and where it stands; ``table`` takes a row from each, None where they only delete."""

    loc: Loc
    path: Path
    table: str | None


def _declared_records(tables: Mapping[str, WrittenTable]) -> list[_Record]:
    """Those of tables, then those that only delete."""
    items: list[tuple[Item, str | None]] = []
    items += [(item, written.name) for written in tables.values() for item in written.texts("record")]
    items += [
        (item, None)
        for written in tables.values()
        for item in texts_in(written.deletes.get("record"), _loc(written, "record"))
    ]
    paths = ((loc, read_path(text), table) for (loc, text), table in items)
    return [_Record(loc, path, table) for loc, path, table in paths if path is not None]


def record_paths(tables: Mapping[str, WrittenTable]) -> list[Path]:
    """The paths of all records of a feed, also of those that only delete."""
    return [record.path for record in _declared_records(tables)]


def _records(tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    """An element is one record only, and what lies within a record is no record of its own."""
    records = _declared_records(tables)
    for index, record in enumerate(records):
        clashes = (_clash(record, other, namespaces) for other in records[:index])
        if fault := next(filter(None, clashes), None):
            yield fault


def _clash(record: _Record, other: _Record, namespaces: Mapping[str, Any]) -> Fault | None:
    pairs = list(zip(record.path.steps, other.path.steps, strict=False))
    if any(one.name.local != two.name.local for one, two in pairs):
        return None
    if len(record.path.steps) > len(pairs):
        return _nested(record, other, record.loc)
    if len(other.path.steps) > len(pairs):
        # Of two tables it is the inner one that is declared wrongly, whichever stands first.
        return _nested(other, record, other.loc if record.table else record.loc)
    if all(_same_namespace(one, two, namespaces) for one, two in pairs):
        return Fault(record.loc, f"{record.path.text!r} is a record of this feed already")
    return None


def _nested(inner: _Record, outer: _Record, loc: Loc) -> Fault:
    message = f"{inner.path.text!r} lies within the records {outer.path.text!r}, and a record holds no other records"
    if inner.table and outer.table:
        rows = inner.path.text.split("/", len(outer.path.steps) + 1)[-1]
        message += f"; make {inner.table!r} a child table: `parent: {outer.table}`, `rows: {rows}`"
    elif outer.table:
        message += "; where an element in a record deletes it, name it under `column` with `values`"
    return Fault(loc, message)


def _same_namespace(one: Step, two: Step, namespaces: Mapping[str, Any]) -> bool:
    """Whether some element fits both steps, whose local names are the same."""
    uris = [_uris(step.name.prefix, namespaces) for step in (one, two)]
    return bool(uris[0] & uris[1])


def _uris(prefix: str, namespaces: Mapping[str, Any]) -> set[str]:
    return {uri for _, uri in texts_in(namespaces.get(prefix or "default"), ())} or {prefix}
