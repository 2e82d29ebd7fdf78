"""The layout of a feed's tables in PostgreSQL: columns, keys and indexes, with their names, order and comments."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.feed.model import Feed, Table

MAX_IDENTIFIER_BYTES = 63


@dataclass(frozen=True, slots=True)
class LayoutColumn:
    """A column of a target table. ``sql_type`` is a PostgreSQL type, ``default`` an SQL expression."""

    name: str
    sql_type: str
    nullable: bool
    comment: str
    default: str | None = None

    @property
    def definition(self) -> str:
        """The column as CREATE TABLE and ADD COLUMN want it."""
        rules = ("" if self.nullable else " NOT NULL") + (f" DEFAULT {self.default}" if self.default else "")
        return f"{quote_name(self.name)} {self.sql_type}{rules}"


@dataclass(frozen=True, slots=True)
class Index:
    """An index besides the primary key; ``method`` is that of PostgreSQL (btree, brin), ``where`` an SQL condition."""

    name: str
    table: str
    columns: tuple[str, ...]
    method: str
    where: str = ""

    def statement(self, schema: str) -> str:
        columns = ", ".join(map(quote_name, self.columns))
        table = f"{quote_name(schema)}.{quote_name(self.table)}"
        where = f" WHERE {self.where}" if self.where else ""
        return f"CREATE INDEX IF NOT EXISTS {quote_name(self.name)} ON {table} USING {self.method} ({columns}){where}"


def quote_name(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def quote_text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


_ORIGIN = (
    LayoutColumn("_file", "bigint", False, "The file that the row came from; sluice.files has its URI."),
    LayoutColumn("_member", "text", False, "The archive member in that file; empty where the file is no archive."),
    LayoutColumn("_record", "bigint", False, "The ordinal of the record in the file or member, from 1."),
)
_OFFSET = LayoutColumn("_offset", "bigint", False, "Where the record begins, in decoded bytes of the file or member.")
_ORDER = (
    _OFFSET,
    LayoutColumn("_file_date", "date", False, "The date in the file's URI; -infinity where it has none."),
    LayoutColumn("_file_modified", "timestamptz", False, "When the source last modified the file."),
)
_LOADING = (
    LayoutColumn("_run", "bigint", False, "The run that loaded the row; see sluice.runs."),
    LayoutColumn("_loaded_at", "timestamptz", False, "When the row was loaded.", "now()"),
)
ROOT_LINEAGE = (*_ORIGIN, *_ORDER, *_LOADING)
PLACE = ("_file", "_member", "_offset")
"""The identity of a record without a key. Its ordinal is none: that depends on what else the feed takes for records."""


def column_layout(feed: Feed, table: str) -> list[LayoutColumn]:
    """All columns of a target table, in their order in the table."""
    declared = _declared_columns(feed, table)
    if feed.tables[table].is_root:
        return [*declared, *ROOT_LINEAGE]
    place = () if feed.tables[feed.root_of(table)].key else (_OFFSET,)
    return [*_inherited_key(feed, table), *_positions(feed, table), *declared, *_ORIGIN, *place, *_LOADING]


def primary_key(feed: Feed, table: str) -> tuple[str, ...]:
    """The columns of the primary key: the root's key, or the record's place; for a child table its positions too."""
    root = feed.tables[feed.root_of(table)]
    positions = tuple(column.name for column in _positions(feed, table))
    return (root.key or PLACE) + positions


def indexes(feed: Feed) -> list[Index]:
    """The indexes of all tables besides their primary keys: BRIN on the file of keyed roots, and the declared ones."""
    wanted: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, table in feed.tables.items():
        if table.key:
            wanted[name, ("_file",)] = "brin"
        for columns in table.indexes:
            wanted[name, columns] = "btree"
    plain = {target: f"{target[0]}_{'_'.join(target[1])}_idx" for target in wanted}
    uses = Counter([*plain.values(), *feed.tables])
    return [Index(_index_name(plain[target], target, uses), *target, method) for target, method in wanted.items()]


def _index_name(plain: str, target: tuple[str, tuple[str, ...]], uses: Mapping[str, int]) -> str:
    """``plain``; with a digest of the target where that is too long, or stands for something else in the feed too."""
    if len(plain) <= MAX_IDENTIFIER_BYTES and uses[plain] == 1:
        return plain
    digest = hashlib.sha256(repr(target).encode()).hexdigest()[:8]
    ending = f"_{digest}_idx"
    return plain.removesuffix("_idx")[: MAX_IDENTIFIER_BYTES - len(ending)] + ending


def _declared_columns(feed: Feed, table: str) -> list[LayoutColumn]:
    mandatory = {*feed.tables[table].key, *feed.tables[table].version_columns}
    return [
        LayoutColumn(name, column.column_type.sql, name not in mandatory, _column_comment(feed.tables[table], name))
        for name, column in feed.tables[table].columns.items()
    ]


def _inherited_key(feed: Feed, table: str) -> list[LayoutColumn]:
    root = feed.root_of(table)
    columns = feed.tables[root].columns
    comment = f"Key of the row in {root} that this row belongs to."
    return [LayoutColumn(name, columns[name].column_type.sql, False, comment) for name in feed.tables[root].key]


def _positions(feed: Feed, table: str) -> list[LayoutColumn]:
    """``_n1`` to ``_nK`` for a table at depth K: the way down from the record, as positions."""
    line = [table]
    while (parent := feed.tables[line[0]].parent) is not None:
        line.insert(0, parent)
    return [
        LayoutColumn(
            f"_n{depth}", "integer", False, f"Position of the {name} row below its parent, in document order, from 1."
        )
        for depth, name in enumerate(line)
        if depth
    ]


def _column_comment(table: Table, name: str) -> str:
    column = table.columns[name]
    roles = {
        "part of the key": name in table.key,
        "orders the versions of a key": name in table.version_columns,
        "required": column.required,
    }
    origin = f"From {', else '.join(column.path)}"
    return _comment(column.description, origin, *(role for role, holds in roles.items() if holds))


def table_comment(feed: Feed, name: str) -> str:
    table = feed.tables[name]
    if not table.is_root:
        return _comment(table.description, f"One row per {table.rows} of {table.parent}", f"feed {feed.feed}")
    newest = f"the greatest {', '.join(table.version_columns)}" if table.version_columns else "the newest file"
    rule = f"of the same {', '.join(table.key)}, {newest} wins" if table.key else "without a key"
    return _comment(table.description, f"One row per {table.record}", rule, f"feed {feed.feed}")


def schema_comment(feed: Feed) -> str:
    return feed.description.strip() or f"The tables of the feed {feed.feed}."


def _comment(description: str | None, *facts: str) -> str:
    told = "; ".join(facts)
    return f"{description.strip()} ({told})" if description else told
