"""The statements that make a feed's tables, and those that bring live tables in step with a changed declaration.

Pure functions; ``warehouse`` reads the live layout and runs the statements. Identifiers are always quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sluice.feed.casts import cast_risk
from sluice.feed.keys import KEYS_SCHEMA, create_keys, keys_indexes, keys_layout, keys_table, quoted_keys_table
from sluice.feed.layout import (
    MAX_IDENTIFIER_BYTES,
    Index,
    LayoutColumn,
    column_layout,
    indexes,
    primary_key,
    quote_name,
    quote_text,
    schema_comment,
    table_comment,
)
from sluice.feed.model import Feed

__all__ = [
    "Difference",
    "Existing",
    "Index",
    "LayoutColumn",
    "canonical_type",
    "column_layout",
    "create_schema",
    "create_statements",
    "difference",
    "indexes",
    "layout_of",
    "primary_key",
    "quote_name",
    "quote_text",
]


@dataclass(frozen=True)
class Existing:
    """The live layout of a schema.

    Table to column to type (as ``format_type`` spells it), table to primary key, the names of all indexes; ``not_null``
    has the columns of each table that are NOT NULL and without a default, or is None where they were not read. ``keys``
    is the same of the schema `sluice`, where the keys tables are. ``comments`` are those of the columns, by table and
    column, of the tables (the column is '' then), and of the schema (the table, too); None where they were not read.
    """

    tables: Mapping[str, Mapping[str, str]]
    primary_keys: Mapping[str, tuple[str, ...]]
    indexes: frozenset[str] = frozenset()
    not_null: Mapping[str, frozenset[str]] | None = None
    keys: Existing | None = None
    comments: Mapping[tuple[str, str], str] | None = None

    def columns_of_keys(self, feed: Feed, root: str) -> Mapping[str, str] | None:
        """The live columns of the keys table of ``root``, with their types; None where there is no such table."""
        return self.keys.tables.get(keys_table(feed, root)) if self.keys else None


@dataclass
class Difference:
    """What it takes to bring live tables in step.

    ``additive`` are statements that may run by themselves, in this order. ``refused`` says what is more than an
    addition, one reason each; ``sql`` are the statements for it, that a person reviews and runs. ``comments`` are
    statements that change nothing but what is said of tables and columns.
    """

    additive: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


# Of each page of a keyed table so much is left for rows that replace others: those need no new index entries then.
_FILLFACTOR = 90


def create_statements(feed: Feed) -> list[str]:
    """Everything that the feed needs in an empty database, in order; running it again changes nothing."""
    statements = [create_schema(feed), _comment_on_schema(feed)]
    for table in feed.tables:
        statements += _create_table(feed, table)
    statements += [index.statement(feed.schema_name) for index in indexes(feed)]
    deleting = [root for root, table in feed.roots.items() if table.deletes]
    if deleting:
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {quote_name(KEYS_SCHEMA)}")
    return statements + [statement for root in deleting for statement in create_keys(feed, root)]


def create_schema(feed: Feed) -> str:
    return f"CREATE SCHEMA IF NOT EXISTS {quote_name(feed.schema_name)}"


def _comment_on_schema(feed: Feed) -> str:
    return f"COMMENT ON SCHEMA {quote_name(feed.schema_name)} IS {quote_text(schema_comment(feed))}"


def _create_table(feed: Feed, table: str) -> list[str]:
    target = _target(feed, table)
    layout = column_layout(feed, table)
    lines = [column.definition for column in layout]
    lines.append(f"PRIMARY KEY ({', '.join(map(quote_name, primary_key(feed, table)))})")
    body = ",\n    ".join(lines)
    is_replaced = feed.tables[table].is_root and bool(feed.tables[table].key)  # child rows are made anew
    storage = f" WITH (fillfactor = {_FILLFACTOR})" if is_replaced else ""
    return [
        f"CREATE TABLE IF NOT EXISTS {target} (\n    {body}\n){storage}",
        _comment_on_table(feed, table),
        *(_comment_on(target, column) for column in layout),
    ]


def _comment_on_table(feed: Feed, table: str) -> str:
    return f"COMMENT ON TABLE {_target(feed, table)} IS {quote_text(table_comment(feed, table))}"


def _target(feed: Feed, table: str) -> str:
    return f"{quote_name(feed.schema_name)}.{quote_name(table)}"


def _comment_on(target: str, column: LayoutColumn) -> str:
    return f"COMMENT ON COLUMN {target}.{quote_name(column.name)} IS {quote_text(column.comment)}"


# -- difference -------------------------------------------------------------------------------------------------------


def difference(feed: Feed, existing: Existing) -> Difference:
    """How the live tables differ from the declaration. Live tables and columns that are not declared are left alone."""
    result = Difference()
    _compare_schema_comment(feed, existing, result)
    for root in feed.roots:
        family = feed.family_of(root)
        reasons = [reason for table in family for reason in _rebuild_reasons(feed, table, existing)]
        if reasons := reasons or [*_reasons_of_keys(feed, root, existing)]:
            result.refused += reasons
            result.sql += _set_aside(feed, root, existing)
            continue
        for table in family:
            _compare_table(feed, table, existing, result)
            _compare_comments(feed, table, existing, result)
        _compare_keys(feed, root, existing, result)
    return result


def _rebuild_reasons(feed: Feed, table: str, existing: Existing) -> Iterator[str]:
    """What only new tables can mend: another key, or a missing column that no row may be without."""
    live = existing.tables.get(table)
    if live is None:
        return
    key, live_key = primary_key(feed, table), existing.primary_keys.get(table, ())
    if key != live_key:
        change = f"from ({', '.join(live_key)}) to ({', '.join(key)})"
        yield f"{table}: the primary key changes {change}, which asks for new tables"
    for column in column_layout(feed, table):
        if column.name not in live and not column.nullable and column.name not in key:
            yield f"{table}.{column.name}: the column is new and must never be empty, which asks for new tables"


def _reasons_of_keys(feed: Feed, root: str, existing: Existing) -> Iterator[str]:
    """The keys table holds the order of each key; of another key, or another version, there is none to be had."""
    live = existing.columns_of_keys(feed, root)
    if existing.keys is None or live is None:
        return
    key = existing.keys.primary_keys.get(keys_table(feed, root), ())
    names = {column.name for column in keys_layout(feed, root)}
    if key != feed.tables[root].key or live.keys() != names:
        kept = [name for name in live if not name.startswith("_")]
        wanted = ", ".join(feed.tables[root].order_columns) or "none"
        yield f"{root}: key and version change from ({', '.join(kept)}) to ({wanted}), which asks for new tables"


def _set_aside(feed: Feed, root: str, existing: Existing) -> list[str]:
    """Moves tables out of the way, with their rows and indexes; the next run makes new ones."""
    aside = quote_name(f"{feed.schema_name[: MAX_IDENTIFIER_BYTES - 4]}_old")
    tables = [_target(feed, table) for table in feed.family_of(root) if table in existing.tables]
    if existing.columns_of_keys(feed, root):
        tables.append(quoted_keys_table(feed, root))
    return [f"CREATE SCHEMA IF NOT EXISTS {aside};", *(f"ALTER TABLE {table} SET SCHEMA {aside};" for table in tables)]


def _compare_keys(feed: Feed, root: str, existing: Existing, result: Difference) -> None:
    """A keys table stays whether deletes are still declared or not: its tombstones hold."""
    live = existing.columns_of_keys(feed, root)
    if existing.keys is None or live is None:
        if feed.tables[root].deletes:
            result.additive += create_keys(feed, root)
        return
    target = quoted_keys_table(feed, root)
    for column in keys_layout(feed, root):
        _compare_column(target, f"{KEYS_SCHEMA}.{keys_table(feed, root)}", column, live[column.name], result)
    missing = [index for index in keys_indexes(feed, root) if index.name not in existing.keys.indexes]
    result.additive += [index.statement(KEYS_SCHEMA) for index in missing]
    if root not in existing.tables:
        # Somebody has dropped the table to load all again; what was deleted stays deleted.
        result.additive.append(f'DELETE FROM {target} WHERE NOT "_is_deleted"')


def _compare_table(feed: Feed, table: str, existing: Existing, result: Difference) -> None:
    live = existing.tables.get(table)
    if live is None:
        result.additive += _create_table(feed, table)
    else:
        for column in column_layout(feed, table):
            _compare_column(_target(feed, table), table, column, live.get(column.name), result)
        _compare_rules(feed, table, existing, result)
    missing = [index for index in indexes(feed) if index.table == table and index.name not in existing.indexes]
    result.additive += [index.statement(feed.schema_name) for index in missing]


def _compare_column(target: str, table: str, column: LayoutColumn, live_type: str | None, result: Difference) -> None:
    name = quote_name(column.name)
    if live_type is None:
        result.additive += [f"ALTER TABLE {target} ADD COLUMN {column.definition}", _comment_on(target, column)]
    elif canonical_type(live_type) != column.sql_type:
        risk = cast_risk(canonical_type(live_type), column.sql_type)
        change = f"the type changes from {live_type} to {column.sql_type}"
        result.refused.append(f"{table}.{column.name}: {change}{f', {risk}' if risk else ''}")
        result.sql.append(
            f"ALTER TABLE {target} ALTER COLUMN {name} TYPE {column.sql_type} USING {name}::{column.sql_type};"
        )


def _compare_rules(feed: Feed, table: str, existing: Existing, result: Difference) -> None:
    """NOT NULL where the version is declared anew, and no longer where it was, or where nothing fills the column."""
    if existing.not_null is None:
        return
    target, filled = _target(feed, table), existing.not_null.get(table, frozenset())
    layout = {column.name: column for column in column_layout(feed, table)}
    for name in existing.tables[table]:
        column = layout.get(name)
        may_be_empty = column is None or column.nullable
        if may_be_empty == (name not in filled) or (column and column.default):
            continue
        change = "may be empty now, and its table refuses that" if may_be_empty else "must never be empty now"
        result.refused.append(
            f"{table}.{name}: the column {change if column else 'is gone, but its table wants it filled'}"
        )
        verb = "DROP" if may_be_empty else "SET"
        result.sql.append(f"ALTER TABLE {target} ALTER COLUMN {quote_name(name)} {verb} NOT NULL;")


def _compare_schema_comment(feed: Feed, existing: Existing, result: Difference) -> None:
    """Of a schema with a name of its own, which feeds may share, the first one to say something has said it."""
    live = (existing.comments or {}).get(("", ""), "")
    is_shared = feed.schema_name != feed.feed
    if existing.comments is not None and live != schema_comment(feed) and not (live and is_shared):
        result.comments.append(_comment_on_schema(feed))


def _compare_comments(feed: Feed, table: str, existing: Existing, result: Difference) -> None:
    """Those of the table and the columns that are there already; new ones come with theirs."""
    if existing.comments is None or table not in existing.tables:
        return
    if existing.comments.get((table, ""), "") != table_comment(feed, table):
        result.comments.append(_comment_on_table(feed, table))
    for column in column_layout(feed, table):
        if column.name in existing.tables[table] and existing.comments.get((table, column.name), "") != column.comment:
            result.comments.append(_comment_on(_target(feed, table), column))


def layout_of(feed: Feed) -> Existing:
    """The live layout that ``feed`` leaves in an empty database."""
    layouts = {table: column_layout(feed, table) for table in feed.tables}
    deleting = {keys_table(feed, root): root for root, table in feed.roots.items() if table.deletes}
    keys = Existing(
        {name: _types(keys_layout(feed, root)) for name, root in deleting.items()},
        {name: feed.tables[root].key for name, root in deleting.items()},
        frozenset(index.name for root in deleting.values() for index in keys_indexes(feed, root)),
    )
    return Existing(
        {table: _types(layout) for table, layout in layouts.items()},
        {table: primary_key(feed, table) for table in feed.tables},
        frozenset(index.name for index in indexes(feed)),
        {table: _filled(layout) for table, layout in layouts.items()},
        keys,
        {
            ("", ""): schema_comment(feed),
            **{(table, ""): table_comment(feed, table) for table in feed.tables},
            **{(table, column.name): column.comment for table, layout in layouts.items() for column in layout},
        },
    )


def _types(layout: Iterable[LayoutColumn]) -> dict[str, str]:
    return {column.name: column.sql_type for column in layout}


def _filled(layout: Iterable[LayoutColumn]) -> frozenset[str]:
    return frozenset(column.name for column in layout if not column.nullable and not column.default)


def canonical_type(live_type: str) -> str:
    """A type as ``format_type`` spells it, in the spelling of ``ColumnType.sql``."""
    return live_type.replace("timestamp with time zone", "timestamptz").replace(
        "timestamp without time zone", "timestamp"
    )
