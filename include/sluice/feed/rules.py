"""The rules between the keys of a feed file: names that exist, keys that go together, paths that lead somewhere.

They work on the document as it stands, not on the finished model, so that one mistake does not hide another; a value of
the wrong shape is passed over here, since the model itself reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sluice.feed.climbing import Way, climb_faults, way_to
from sluice.feed.delete_rules import broken_deletes, record_paths
from sluice.feed.faults import Fault, Loc, nearest
from sluice.feed.paths import BUILT_IN_PREFIXES
from sluice.feed.total_rules import broken_totals
from sluice.feed.types import TypeProblem, parse_type
from sluice.feed.written import (
    FILE_DATE,
    Item,
    WrittenTable,
    list_items,
    mapping_at,
    prefix_faults,
    read_path,
    texts_in,
)

SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})
MAX_COLUMNS = 1_550
"""PostgreSQL's tables have 1,600 at most; the rest is for lineage, positions and the keys of what is above."""
OWN_DAGS = frozenset({"housekeeping", "replay", "watch"})
"""The DAGs that are there whatever the feeds are; a feed's DAG has the feed's name."""
SYSTEM_SCHEMAS = frozenset({"information_schema", "sluice"})
RUN_EXPECTATIONS = (
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_column_sum_to_be_between",
)
"""The expectations that can be judged on a whole run, where only counts and sums are at hand."""
UNIQUENESS = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list")


def broken_rules(document: Any) -> Iterator[Fault]:
    """All faults of a document (the plain values of a feed file) that no single key has by itself."""
    if not isinstance(document, Mapping):
        return
    tables = {
        name: WrittenTable(name, table)
        for name, table in mapping_at(document, "tables").items()
        if isinstance(table, Mapping)
    }
    yield from _feed_name(document)
    yield from _schema_name(document)
    yield from _arrivals(document)
    yield from _sftp(document)
    yield from _namespaces(document)
    if tables and not any(written.is_root for written in tables.values()):
        yield Fault(
            ("tables",), "no table has a `record`; at least one takes its rows from the records themselves", at_key=True
        )
    for written in tables.values():
        yield from _shape(written)
        yield from _columns_exist(written)
        yield from _column_kinds(written)
        yield from _parent(written, tables)
        yield from _paths(written, tables, mapping_at(document, "namespaces"))
        yield from _expectations(written.expectations, written)
    yield from broken_deletes(tables, mapping_at(document, "namespaces"))
    totals = list_items(document.get("totals"), ("totals",))
    yield from broken_totals(totals, tables, mapping_at(document, "namespaces"))
    for table, items in mapping_at(mapping_at(document, "run"), "expectations").items():
        loc = ("run", "expectations", table)
        if table not in tables:
            yield Fault(loc, f"no table {table!r}", nearest(table, tables), at_key=True)
        else:
            yield from _run_expectations(list_items(items, loc), tables[table])


def _schema_name(document: Mapping[str, Any]) -> Iterator[Fault]:
    own = mapping_at(document, "target").get("schema")
    name = own if isinstance(own, str) else document.get("feed")
    if isinstance(name, str) and (name in SYSTEM_SCHEMAS or name.startswith("pg_")):
        loc: Loc = ("target", "schema") if own is not None else ("feed",)
        yield Fault(loc, f"the schema {name!r} is not free for tables; name another under `target: {{schema: …}}`")


def _sftp(document: Mapping[str, Any]) -> Iterator[Fault]:
    source = mapping_at(document, "source")
    uri = source.get("uri")
    if isinstance(uri, str) and uri.startswith("sftp://") and source.get("connection") is None:
        message = "a source on a server (sftp://…) needs `connection`: the Airflow connection that says who logs in"
        yield Fault(("source", "uri"), message)


def _arrivals(document: Mapping[str, Any]) -> Iterator[Fault]:
    source = mapping_at(document, "source")
    uri = source.get("uri")
    if source.get("arrivals") is not None and isinstance(uri, str) and not uri.startswith(("s3://", "${")):
        yield Fault(("source", "arrivals"), "only files in S3 (s3://…) announce themselves", at_key=True)


def _feed_name(document: Mapping[str, Any]) -> Iterator[Fault]:
    name = document.get("feed")
    if isinstance(name, str) and name in OWN_DAGS:
        message = f"the DAG of a feed has the feed's name, and {name!r} is a DAG of Sluice's own; take another name"
        yield Fault(("feed",), message, f"{name}_feed")


def _namespaces(document: Mapping[str, Any]) -> Iterator[Fault]:
    for prefix, uris in mapping_at(document, "namespaces").items():
        loc = ("namespaces", prefix)
        if prefix in BUILT_IN_PREFIXES or prefix == "xmlns":
            yield Fault(loc, f"the prefix {prefix!r} has its meaning from XML itself; take another", at_key=True)
        if uris in ((), []):
            yield Fault(loc, "a prefix needs at least one namespace URI")


def _shape(written: WrittenTable) -> Iterator[Fault]:
    """Root or child, and which keys that brings with it."""
    if len(written.columns) > MAX_COLUMNS:
        message = f"{len(written.columns):,} columns, and a table takes {MAX_COLUMNS:,}: make child tables of some"
        yield Fault((*written.loc, "columns"), message, at_key=True)
    has = {
        key for key in ("record", "parent", "rows", "key", "version") if written.table.get(key) not in (None, (), [])
    }
    if "record" in has:
        for key in sorted({"parent", "rows"} & has):
            yield Fault((*written.loc, key), f"a table with `record` is a root table and has no `{key}`", at_key=True)
    elif not has & {"parent", "rows"}:
        message = "a table is a root (`record: /path`) or a child of one (`parent: table` and `rows: path`)"
        yield Fault(written.loc, message, at_key=True)
    elif not {"parent", "rows"} <= has:
        yield Fault(
            written.loc, "`parent` and `rows` go together: whose rows, and which elements below them", at_key=True
        )
    else:
        for key in sorted({"key", "version"} & has):
            yield Fault(
                (*written.loc, key), f"a child table follows its root and has no `{key}` of its own", at_key=True
            )
        return
    if "version" in has and "key" not in has:
        yield Fault(
            (*written.loc, "version"),
            "`version` orders the versions of a key, and this table has no `key`",
            at_key=True,
        )
    if "key" in has and "version" not in has:
        message = "a key needs `version`: the columns that say which record of a key is newer, or `file_date`"
        yield Fault((*written.loc, "key"), message, at_key=True)


def _columns_exist(written: WrittenTable) -> Iterator[Fault]:
    for items in (written.texts("key"), written.texts("version"), *written.indexes):
        yield from _repeated(items)
    version = written.texts("version")
    others = [item for item in version if item[1] != FILE_DATE]
    for loc, name in version:
        if name == FILE_DATE and (others or FILE_DATE in written.columns):
            yield Fault(
                loc,
                "`file_date`, the date in the file's URI, is a version by itself; no column has that name beside it",
            )
    for loc, name in (*written.texts("key"), *others, *(item for items in written.indexes for item in items)):
        if name not in written.columns:
            yield _no_column(loc, name, written)
    for name in sorted(SYSTEM_COLUMNS & written.columns.keys()):
        yield Fault(
            (*written.loc, "columns", name), f"PostgreSQL has a system column {name!r}; take another name", at_key=True
        )


def _repeated(items: list[Item]) -> Iterator[Fault]:
    names = [name for _, name in items]
    for index, (loc, name) in enumerate(items):
        if name in names[:index]:
            yield Fault(loc, f"{name!r} stands here twice")


def _no_column(loc: Loc, name: str, written: WrittenTable) -> Fault:
    return Fault(loc, f"no column {name!r} in the table {written.name!r}", nearest(name, written.columns))


def _column_kinds(written: WrittenTable) -> Iterator[Fault]:
    """Elements as they stand cannot be part of a key, a version or an index; XML cannot even be compared."""
    for items in (written.texts("key"), written.texts("version"), *written.indexes):
        for loc, name in items:
            column = written.columns.get(name)
            kind = _kind(column.get("type")) if isinstance(column, Mapping) else None
            if kind in ("xml", "markup"):
                yield Fault(loc, f"the column {name!r} is of type {kind}, whose values are not compared")


def _kind(text: Any) -> str | None:
    try:
        return parse_type(text).kind if isinstance(text, str) else None
    except TypeProblem:
        return None


def _parent(written: WrittenTable, tables: Mapping[str, WrittenTable]) -> Iterator[Fault]:
    loc = (*written.loc, "parent")
    if written.is_root or written.parent is None:
        return
    if written.parent == written.name:
        yield Fault(loc, "a table cannot hang on itself")
    elif written.parent not in tables:
        yield Fault(loc, f"no table {written.parent!r}", nearest(written.parent, tables.keys() - {written.name}))
    elif len(line := _ancestors(written, tables)) > len(tables):
        yield Fault(loc, "the parents form a circle: no way up to a root table")
    elif line[-1].is_root:
        for name in sorted({name for _, name in line[-1].texts("key")} & written.columns.keys()):
            message = (
                f"the key column {name!r} of {line[-1].name!r} is added to every table below it; take another name"
            )
            yield Fault((*written.loc, "columns", name), message, at_key=True)


def _ancestors(written: WrittenTable, tables: Mapping[str, WrittenTable]) -> list[WrittenTable]:
    """The tables above, nearest first, up to a root or as far as the parents lead; in a circle, more than there are."""
    line: list[WrittenTable] = []
    while not written.is_root and (above := tables.get(written.parent or "")) and len(line) <= len(tables):
        written = above
        line.append(written)
    return line


def _paths(written: WrittenTable, tables: Mapping[str, WrittenTable], namespaces: Mapping[str, Any]) -> Iterator[Fault]:
    way, records = _way(written, tables), record_paths(tables)
    for loc, text in (*written.texts("record"), *written.texts("rows"), *written.column_paths):
        yield from prefix_faults(loc, text, namespaces)
    for loc, text in written.column_paths:
        yield from climb_faults(loc, text, way, records)


def _way(written: WrittenTable, tables: Mapping[str, WrittenTable]) -> Way | None:
    """The way from the document down to a row of the table; None where that is not known."""
    line = [*reversed(_ancestors(written, tables)), written]
    paths = [read_path(table.table.get("record" if table.is_root else "rows")) for table in line]
    known = [path for path in paths if path is not None]
    return way_to(*known) if line[0].is_root and len(known) == len(line) else None


def _expectations(items: Iterable[tuple[Loc, Any]], written: WrittenTable) -> Iterator[Fault]:
    for loc, expectation in items:
        for name in sorted(UNIQUENESS & expectation.keys()) if isinstance(expectation, Mapping) else ():
            message = "uniqueness is the table's `key`: a batch sees only a part of the table"
            yield Fault((*loc, name), message, at_key=True)
    yield from _columns_of_expectations(items, written)


def _run_expectations(items: Iterable[tuple[Loc, Any]], written: WrittenTable) -> Iterator[Fault]:
    for loc, expectation in items:
        for name in expectation if isinstance(expectation, Mapping) else ():
            if str(name).startswith("expect_") and name not in RUN_EXPECTATIONS:
                message = f"no expectation on a whole run; there are {', '.join(RUN_EXPECTATIONS)}"
                yield Fault((*loc, name), message, at_key=True)
    yield from _columns_of_expectations(items, written)


def _columns_of_expectations(items: Iterable[tuple[Loc, Any]], written: WrittenTable) -> Iterator[Fault]:
    for loc, expectation in items:
        for name, arguments in expectation.items() if isinstance(expectation, Mapping) else ():
            for argument in _COLUMN_ARGUMENTS if isinstance(arguments, Mapping) else ():
                for place, column in texts_in(arguments.get(argument), (*loc, name, argument)):
                    if column not in written.columns:
                        yield _no_column(place, column, written)
