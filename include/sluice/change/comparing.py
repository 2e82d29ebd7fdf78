"""What differs between two mappings, as the ledger keeps them, and between two feed files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.feed.model import Feed
from sluice.feed.tables import Column
from sluice.wording import counted

ADDED, REMOVED, RENAMED = "new", "gone", "renamed"
_ABSENT = object()
_TABLE_KEYS = ("record", "parent", "rows", "key", "version", "deletes")
# What says only when, where and for whom, and whether a run counts as a success.
_SETTINGS = (
    "description owner tags source schedule target rejects retention drift alerts publish".split()  # noqa: SIM905
)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """``place`` is a table, `table.column`, or a key of the feed file; ``text`` says what became of it."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A column of ``table`` that seems to have another name now, all else being the same; or a table ('' then)."""

    table: str
    old: str
    new: str


def compare_mappings(old: Document, new: Document) -> list[Change]:
    """What decides rows: general settings first, then table by table."""
    changes = [*_compare_settings(old, new)]
    renames = find_renames(old, new)
    tables = {rename.old: rename.new for rename in renames if not rename.table}
    changes += [Change(new_name, f"{RENAMED}, was {old_name}") for old_name, new_name in tables.items()]
    for name, table in old["tables"].items():
        if name not in new["tables"] and name not in tables:
            changes.append(Change(name, f"{REMOVED}: the table, with its {counted(len(table['columns']), 'column')}"))
    came_from = {new_name: old_name for old_name, new_name in tables.items()}
    for name, table in new["tables"].items():
        before = old["tables"].get(came_from.get(name, name))
        if before is None:
            size = counted(len(table["columns"]), "column")
            changes.append(Change(name, f"{ADDED}: a table of {size}, {_origin(table)}"))
        else:
            columns = {rename.old: rename.new for rename in renames if rename.table == name}
            changes += _compare_table(name, before, table, columns)
    return changes


def find_renames(old: Document, new: Document) -> list[Rename]:
    """Columns and tables whose name alone has changed, as far as there is only one that it can be."""
    renames = []
    for table in new["tables"].keys() & old["tables"].keys():
        renames += [
            Rename(table, *pair) for pair in _pairs(old["tables"][table]["columns"], new["tables"][table]["columns"])
        ]
    shapes = [
        {name: [table["record"], table["parent"], table["rows"]] for name, table in document["tables"].items()}
        for document in (old, new)
    ]
    renames += [Rename("", *pair) for pair in _pairs(*shapes)]
    return sorted(renames, key=lambda rename: (rename.table, rename.old))


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    gone, come = [[_spell(a[name]) for name in a if name not in b] for a, b in ((old, new), (new, old))]
    for name in old.keys() - new.keys():
        spelled = _spell(old[name])
        if gone.count(spelled) == come.count(spelled) == 1:
            yield name, next(other for other in new if other not in old and _spell(new[other]) == spelled)


def _compare_settings(old: Document, new: Document) -> Iterator[Change]:
    for key in sorted((old.keys() | new.keys()) - {"tables"}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _compare_leaves(key, before, after)
        elif before != after:
            yield Change(key, _change(before, after))


def _compare_leaves(place: str, old: Any, new: Any) -> Iterator[Change]:
    """All values that differ, each by its own place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _compare_leaves(f"{place}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield Change(place, _change(old, new))


def _compare_table(name: str, old: Document, new: Document, renamed: Mapping[str, str]) -> Iterator[Change]:
    for key in _TABLE_KEYS:
        if old.get(key) != new.get(key):
            yield Change(name, f"{key} {_change(old.get(key), new.get(key))}")
    yield from _compare_lists(name, "expectation", old["expectations"], new["expectations"])
    came_from = {after: before for before, after in renamed.items()}
    for column, declared in old["columns"].items():
        if column not in new["columns"] and column not in renamed:
            yield Change(f"{name}.{column}", f"{REMOVED}, was {_column(declared)}")
    for column, declared in new["columns"].items():
        if column in came_from:
            yield Change(f"{name}.{column}", f"{RENAMED}, was {came_from[column]}")
        elif column not in old["columns"]:
            yield Change(f"{name}.{column}", f"{ADDED}, {_column(declared)}")
        else:
            yield from _compare_columns(f"{name}.{column}", old["columns"][column], declared)


def _compare_columns(place: str, old: Document, new: Document) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        default = Column.model_fields[key].default if key in Column.model_fields else None
        before, after = old.get(key, default), new.get(key, default)
        if before != after:
            yield Change(place, f"{key} {_change(before, after)}")


def _compare_lists(place: str, what: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    for item in old:
        if item not in new:
            yield Change(place, f"{what} {REMOVED}: {_expectation(item)}")
    for item in new:
        if item not in old:
            yield Change(place, f"{what} {ADDED}: {_expectation(item)}")


def compare_files(old: Feed, new: Feed) -> list[Change]:
    """What of two feed files decides no rows."""
    left, right = (feed.model_dump(mode="json", by_alias=True, exclude={"run"}) for feed in (old, new))
    changes = [change for key in _SETTINGS for change in _compare_leaves(key, left[key], right[key])]
    changes += _compare_lists("run", "expectation", _rules(old), _rules(new))
    for name in [name for name in right["tables"] if name in left["tables"]]:
        before, after = left["tables"][name], right["tables"][name]
        for key in ("description", "indexes"):
            changes += _compare_leaves(f"{name}.{key}", before[key], after[key])
        changes += _compare_lists(name, "reported expectation", _reported(before), _reported(after))
        for column in [column for column in after["columns"] if column in before["columns"]]:
            place = f"{name}.{column}.description"
            changes += _compare_leaves(
                place, before["columns"][column]["description"], after["columns"][column]["description"]
            )
    return changes


def _reported(table: Document) -> list[Any]:
    return [item for item in table["expectations"] if item["severity"] != "critical"]


def _rules(feed: Feed) -> list[Any]:
    """The expectations on a whole run, each with its table."""
    return [{"type": f"{table}: {rule.type}", "arguments": rule.arguments} for table, rule in feed.run.expectations]


# -- words ------------------------------------------------------------------------------------------------------------


def _change(old: Any, new: Any) -> str:
    return f"{_spell(old)} → {_spell(new)}"


def _spell(value: Any) -> str:
    if value in (None, [], {}, ()):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _column(declared: Document) -> str:
    rest = {key: value for key, value in declared.items() if key not in ("path", "type")}
    told = "".join(f", {key} {_spell(value)}" for key, value in rest.items())
    return f"{declared.get('type', 'text')} from {', else '.join(declared['path'])}{told}"


def _origin(table: Document) -> str:
    return f"a row per {table['record']}" if table["record"] else f"a row per {table['rows']} of {table['parent']}"


def _expectation(item: Document) -> str:
    return f"{item['type']} {_spell(item['arguments'])}"
