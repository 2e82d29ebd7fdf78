"""The rules of `deletes`, and those between the record paths of a feed: which records there are, and what each does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluice.feed.draft import FILE_DATE, Draft, path_faults, read_path, texts_in
from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import Path, Step

# What goes together: a column with its values, a record with its columns.
_FORMS = {"column": "values", "record": "columns"}


def broken_deletes(drafts: Mapping[str, Draft], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    """All faults of the `deletes` of these tables that no single key of them has by itself."""
    for draft in drafts.values():
        if not draft.deletes:
            continue
        misplaced = list(_misplaced(draft))
        yield from misplaced
        if not misplaced:
            yield from _forms(draft)
            yield from _column(draft)
            yield from _columns(draft)
            yield from _paths(draft, namespaces)
    yield from _records(drafts, namespaces)


def _loc(draft: Draft, *below: str) -> Loc:
    return (*draft.loc, "deletes", *below)


def _misplaced(draft: Draft) -> Iterator[Fault]:
    if not draft.is_root:
        yield Fault(_loc(draft), "a child table follows its root and has no `deletes` of its own", at_key=True)
    elif not draft.texts("key"):
        yield Fault(_loc(draft), "`deletes` names the keys that are deleted, and this table has no `key`", at_key=True)


def _forms(draft: Draft) -> Iterator[Fault]:
    if draft.deletes.keys() - {key for form in _FORMS.items() for key in form}:
        return  # what seems to be absent may be misspelt
    has = {key for form in _FORMS.items() for key in form if draft.deletes.get(key) not in (None, (), [], {})}
    if not has & _FORMS.keys():
        message = "`deletes` needs a `column` with its `values`, or a `record` with its `columns`, or both"
        yield Fault(_loc(draft), message, at_key=True)
    for first, second in _FORMS.items():
        if first in has and second not in has:
            yield Fault(_loc(draft, first), f"`{first}` needs `{second}` beside it", at_key=True)
        if second in has and first not in has:
            yield Fault(_loc(draft, second), f"`{second}` needs `{first}` beside it", at_key=True)


def _column(draft: Draft) -> Iterator[Fault]:
    name = draft.deletes.get("column")
    if not isinstance(name, str):
        return
    if name not in draft.columns:
        message = f"no column {name!r} in the table {draft.name!r}"
        yield Fault(_loc(draft, "column"), message, nearest(name, draft.columns))
        return
    column = draft.columns[name]
    kind = column.get("type") if isinstance(column, Mapping) else None
    if isinstance(kind, str) and ("xml" in kind or "[" in kind):
        yield Fault(_loc(draft, "column"), f"the column {name!r} is of type {kind}; what deletes is one text")


def _columns(draft: Draft) -> Iterator[Fault]:
    """Exactly the key and what orders its versions: there is nothing else to a delete."""
    columns = draft.deletes.get("columns")
    if not isinstance(columns, Mapping):
        return
    wanted = [name for _, name in (*draft.texts("key"), *draft.texts("version")) if name != FILE_DATE]
    missing = [name for name in dict.fromkeys(wanted) if name not in columns]
    strangers = [name for name in columns if name not in wanted]
    for name in strangers:
        if name not in draft.columns:
            message = f"no column {name!r} in the table {draft.name!r}"
            yield Fault(_loc(draft, "columns", name), message, nearest(str(name), missing or wanted), at_key=True)
        else:
            message = f"{name!r} is neither in the key nor in the version, and nothing else is read of a delete"
            yield Fault(_loc(draft, "columns", name), message, at_key=True)
    if columns and missing and not strangers:
        message = f"the paths of all key and version columns are needed; missing: {', '.join(missing)}"
        yield Fault(_loc(draft, "columns"), message, at_key=True)


def _paths(draft: Draft, namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    record = read_path(draft.deletes.get("record"))
    for loc, text in texts_in(draft.deletes.get("record"), _loc(draft, "record")):
        yield from path_faults(loc, text, None, namespaces)
    levels = len(record.steps) if record and record.is_absolute else None
    columns = draft.deletes.get("columns")
    for name, paths in columns.items() if isinstance(columns, Mapping) else ():
        for loc, text in texts_in(paths, _loc(draft, "columns", name)):
            yield from path_faults(loc, text, levels, namespaces)


def _records(drafts: Mapping[str, Draft], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    """An element is one record only, and what lies within a record is no record of its own."""
    declared = [item for draft in drafts.values() for item in draft.texts("record")]
    deleting = [
        item for draft in drafts.values() for item in texts_in(draft.deletes.get("record"), _loc(draft, "record"))
    ]
    seen: list[Path] = []
    for loc, text in (*declared, *deleting):
        path = read_path(text)
        if path is None:
            continue
        clashes = (_clash(path, other, namespaces) for other in seen)
        if message := next(filter(None, clashes), None):
            yield Fault(loc, message)
        seen.append(path)


def _clash(path: Path, other: Path, namespaces: Mapping[str, Any]) -> str | None:
    pairs = list(zip(path.steps, other.steps, strict=False))
    if any(one.name.local != two.name.local for one, two in pairs):
        return None
    if len(path.steps) != len(other.steps):
        inner, outer = (path, other) if len(path.steps) > len(pairs) else (other, path)
        return f"{inner.text!r} lies within the records {outer.text!r}, and a record holds no other records"
    if all(_same_namespace(one, two, namespaces) for one, two in pairs):
        return f"{path.text!r} is a record of this feed already"
    return None


def _same_namespace(one: Step, two: Step, namespaces: Mapping[str, Any]) -> bool:
    """Whether some element fits both steps, whose local names are the same."""
    uris = [_uris(step.name.prefix, namespaces) for step in (one, two)]
    return bool(uris[0] & uris[1])


def _uris(prefix: str, namespaces: Mapping[str, Any]) -> set[str]:
    return {uri for _, uri in texts_in(namespaces.get(prefix or "default"), ())} or {prefix}
