"""The rules between the keys of a feed file: names that exist, keys that go together, paths that lead somewhere.

They work on the document as it stands, not on the finished model, so that one mistake does not hide another; a value of
the wrong shape is passed over here, since the model itself reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import BUILT_IN_PREFIXES, Path, PathError, parse_path
from sluice.feed.types import TypeProblem, parse_type

FILE_DATE = "file_date"
SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})
SYSTEM_SCHEMAS = frozenset({"information_schema", "sluice"})
RUN_EXPECTATIONS = (
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_column_sum_to_be_between",
)
"""The expectations that can be judged on a whole run, where only counts and sums are at hand."""
_UNIQUENESS = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")

Item = tuple[Loc, str]


def broken_rules(document: Any) -> Iterator[Fault]:
    """All faults of a document (the plain values of a feed file) that no single key has by itself."""
    if not isinstance(document, Mapping):
        return
    drafts = {
        name: _Draft(name, table) for name, table in _mapping(document, "tables").items() if isinstance(table, Mapping)
    }
    yield from _schema_name(document)
    yield from _namespaces(document)
    if drafts and not any(draft.is_root for draft in drafts.values()):
        yield Fault(
            ("tables",), "no table has a `record`; at least one takes its rows from the records themselves", at_key=True
        )
    for draft in drafts.values():
        yield from _shape(draft)
        yield from _columns_exist(draft)
        yield from _column_kinds(draft)
        yield from _parent(draft, drafts)
        yield from _paths(draft, drafts, _mapping(document, "namespaces"))
        yield from _expectations(draft.expectations, draft)
    for table, items in _mapping(_mapping(document, "run"), "expectations").items():
        loc = ("run", "expectations", table)
        if table not in drafts:
            yield Fault(loc, f"no table {table!r}", nearest(table, drafts), at_key=True)
        else:
            yield from _run_expectations(_listed(items, loc), drafts[table])


@dataclass(frozen=True, slots=True)
class _Draft:
    """A table as it stands in the document; what has the wrong shape counts as absent."""

    name: str
    table: Mapping[str, Any]

    @property
    def loc(self) -> Loc:
        return ("tables", self.name)

    @property
    def is_root(self) -> bool:
        return self.table.get("record") is not None

    @property
    def parent(self) -> str | None:
        parent = self.table.get("parent")
        return parent if isinstance(parent, str) else None

    @property
    def columns(self) -> Mapping[str, Any]:
        return _mapping(self.table, "columns")

    @property
    def expectations(self) -> list[tuple[Loc, Any]]:
        return _listed(self.table.get("expectations"), (*self.loc, "expectations"))

    def texts(self, key: str) -> list[Item]:
        """The texts under ``key``, written as one or as a list, each with its place."""
        return _texts(self.table.get(key), (*self.loc, key))

    @property
    def column_paths(self) -> Iterator[Item]:
        for name, column in self.columns.items():
            loc = (*self.loc, "columns", name)
            path = column.get("path") if isinstance(column, Mapping) else column
            yield from _texts(path, (*loc, "path"))

    @property
    def indexes(self) -> list[list[Item]]:
        return [_texts(columns, loc) for loc, columns in _listed(self.table.get("indexes"), (*self.loc, "indexes"))]


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _listed(value: Any, loc: Loc) -> list[tuple[Loc, Any]]:
    return [((*loc, index), item) for index, item in enumerate(value)] if isinstance(value, (list, tuple)) else []


def _texts(value: Any, loc: Loc) -> list[Item]:
    items = [(loc, value)] if isinstance(value, str) else _listed(value, loc)
    return [(place, item) for place, item in items if isinstance(item, str)]


def _schema_name(document: Mapping[str, Any]) -> Iterator[Fault]:
    own = _mapping(document, "target").get("schema")
    name = own if isinstance(own, str) else document.get("feed")
    if isinstance(name, str) and (name in SYSTEM_SCHEMAS or name.startswith("pg_")):
        loc: Loc = ("target", "schema") if own is not None else ("feed",)
        yield Fault(loc, f"the schema {name!r} is not free for tables; name another under `target: {{schema: …}}`")


def _namespaces(document: Mapping[str, Any]) -> Iterator[Fault]:
    for prefix, uris in _mapping(document, "namespaces").items():
        loc = ("namespaces", prefix)
        if prefix in BUILT_IN_PREFIXES or prefix == "xmlns":
            yield Fault(loc, f"the prefix {prefix!r} has its meaning from XML itself; take another", at_key=True)
        if uris in ((), []):
            yield Fault(loc, "a prefix needs at least one namespace URI")


def _shape(draft: _Draft) -> Iterator[Fault]:
    """Root or child, and which keys that brings with it."""
    has = {key for key in ("record", "parent", "rows", "key", "version") if draft.table.get(key) not in (None, (), [])}
    if "record" in has:
        for key in sorted({"parent", "rows"} & has):
            yield Fault((*draft.loc, key), f"a table with `record` is a root table and has no `{key}`", at_key=True)
    elif not has & {"parent", "rows"}:
        message = "a table is a root (`record: /path`) or a child of one (`parent: table` and `rows: path`)"
        yield Fault(draft.loc, message, at_key=True)
    elif not {"parent", "rows"} <= has:
        yield Fault(
            draft.loc, "`parent` and `rows` go together: whose rows, and which elements below them", at_key=True
        )
    else:
        for key in sorted({"key", "version"} & has):
            yield Fault((*draft.loc, key), f"a child table follows its root and has no `{key}` of its own", at_key=True)
        return
    if "version" in has and "key" not in has:
        yield Fault(
            (*draft.loc, "version"), "`version` orders the versions of a key, and this table has no `key`", at_key=True
        )
    if "key" in has and "version" not in has:
        message = "a key needs `version`: the columns that say which record of a key is newer, or `file_date`"
        yield Fault((*draft.loc, "key"), message, at_key=True)


def _columns_exist(draft: _Draft) -> Iterator[Fault]:
    for items in (draft.texts("key"), draft.texts("version"), *draft.indexes):
        yield from _repeated(items)
    version = draft.texts("version")
    others = [item for item in version if item[1] != FILE_DATE]
    for loc, name in version:
        if name == FILE_DATE and (others or FILE_DATE in draft.columns):
            yield Fault(
                loc,
                "`file_date`, the date in the file's URI, is a version by itself; no column has that name beside it",
            )
    for loc, name in (*draft.texts("key"), *others, *(item for items in draft.indexes for item in items)):
        if name not in draft.columns:
            yield _no_column(loc, name, draft)
    for name in sorted(SYSTEM_COLUMNS & draft.columns.keys()):
        yield Fault(
            (*draft.loc, "columns", name), f"PostgreSQL has a system column {name!r}; take another name", at_key=True
        )


def _repeated(items: list[Item]) -> Iterator[Fault]:
    names = [name for _, name in items]
    for index, (loc, name) in enumerate(items):
        if name in names[:index]:
            yield Fault(loc, f"{name!r} stands here twice")


def _no_column(loc: Loc, name: str, draft: _Draft) -> Fault:
    return Fault(loc, f"no column {name!r} in the table {draft.name!r}", nearest(name, draft.columns))


def _column_kinds(draft: _Draft) -> Iterator[Fault]:
    """What PostgreSQL cannot compare cannot be part of a key, a version or an index."""
    for items in (draft.texts("key"), draft.texts("version"), *draft.indexes):
        for loc, name in items:
            column = draft.columns.get(name)
            if isinstance(column, Mapping) and _kind(column.get("type")) == "xml":
                yield Fault(loc, f"the column {name!r} is of type xml, which PostgreSQL cannot compare")


def _kind(text: Any) -> str | None:
    try:
        return parse_type(text).kind if isinstance(text, str) else None
    except TypeProblem:
        return None


def _parent(draft: _Draft, drafts: Mapping[str, _Draft]) -> Iterator[Fault]:
    loc = (*draft.loc, "parent")
    if draft.is_root or draft.parent is None:
        return
    if draft.parent == draft.name:
        yield Fault(loc, "a table cannot hang on itself")
    elif draft.parent not in drafts:
        yield Fault(loc, f"no table {draft.parent!r}", nearest(draft.parent, drafts.keys() - {draft.name}))
    elif len(line := _ancestors(draft, drafts)) > len(drafts):
        yield Fault(loc, "the parents form a circle: no way up to a root table")
    elif line[-1].is_root:
        for name in sorted({name for _, name in line[-1].texts("key")} & draft.columns.keys()):
            message = (
                f"the key column {name!r} of {line[-1].name!r} is added to every table below it; take another name"
            )
            yield Fault((*draft.loc, "columns", name), message, at_key=True)


def _ancestors(draft: _Draft, drafts: Mapping[str, _Draft]) -> list[_Draft]:
    """The tables above, nearest first, up to a root or as far as the parents lead; in a circle, more than there are."""
    line: list[_Draft] = []
    while not draft.is_root and (above := drafts.get(draft.parent or "")) and len(line) <= len(drafts):
        draft = above
        line.append(draft)
    return line


def _paths(draft: _Draft, drafts: Mapping[str, _Draft], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    levels = _levels(draft, drafts)
    for loc, text in (*draft.texts("record"), *draft.texts("rows"), *draft.column_paths):
        path = _parsed(text)
        if path is None:
            continue
        for prefix in sorted(path.prefixes - namespaces.keys() - BUILT_IN_PREFIXES.keys()):
            message = f"the prefix {prefix!r} is not declared under `namespaces`"
            yield Fault(loc, message, nearest(prefix, namespaces))
        if levels is not None and path.up >= levels:
            above = "nothing" if levels == 1 else f"{levels - 1} element{'s' if levels > 2 else ''}"
            yield Fault(loc, f"{text!r} leads out of the document: there is {above} above the row's element")


def _levels(draft: _Draft, drafts: Mapping[str, _Draft]) -> int | None:
    """How many elements lie on the way from the document down to a row of the table, the row included."""
    line = [draft, *_ancestors(draft, drafts)]
    if not line[-1].is_root:
        return None
    paths = [_parsed(table.table.get("record" if table.is_root else "rows")) for table in line]
    return None if None in paths else sum(len(path.steps) for path in paths if path)


def _parsed(text: Any) -> Path | None:
    try:
        return parse_path(text) if isinstance(text, str) else None
    except PathError:
        return None


def _expectations(items: Iterable[tuple[Loc, Any]], draft: _Draft) -> Iterator[Fault]:
    for loc, expectation in items:
        for name in sorted(_UNIQUENESS & expectation.keys()) if isinstance(expectation, Mapping) else ():
            message = "uniqueness is the table's `key`: a batch sees only a part of the table"
            yield Fault((*loc, name), message, at_key=True)
    yield from _columns_of_expectations(items, draft)


def _run_expectations(items: Iterable[tuple[Loc, Any]], draft: _Draft) -> Iterator[Fault]:
    for loc, expectation in items:
        for name in expectation if isinstance(expectation, Mapping) else ():
            if str(name).startswith("expect_") and name not in RUN_EXPECTATIONS:
                message = f"no expectation on a whole run; there are {', '.join(RUN_EXPECTATIONS)}"
                yield Fault((*loc, name), message, at_key=True)
    yield from _columns_of_expectations(items, draft)


def _columns_of_expectations(items: Iterable[tuple[Loc, Any]], draft: _Draft) -> Iterator[Fault]:
    for loc, expectation in items:
        for name, arguments in expectation.items() if isinstance(expectation, Mapping) else ():
            for argument in _COLUMN_ARGUMENTS if isinstance(arguments, Mapping) else ():
                for place, column in _texts(arguments.get(argument), (*loc, name, argument)):
                    if column not in draft.columns:
                        yield _no_column(place, column, draft)
