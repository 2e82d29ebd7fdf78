"""What a declaration does to tables: what runs by itself, what is refused, what stays, what seems to be renamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sluice.change.comparing import Document, Rename
from sluice.feed.ddl import Difference, Existing, difference
from sluice.feed.keys import KEYS_SCHEMA, keys_indexes, keys_table, quoted_keys_table
from sluice.feed.layout import column_layout, indexes, primary_key, quote_name
from sluice.feed.model import Feed


@dataclass(frozen=True, slots=True)
class Leftover:
    """A table, `table.column` or index that is there and not declared; ``sql`` would drop it."""

    name: str
    why: str
    sql: str


@dataclass(frozen=True, slots=True)
class TablePlan:
    """``renames`` hold the statements that give tables and columns the names of the declaration, if that is meant;
    ``after`` is what would be left to do then.
    """

    difference: Difference
    leftovers: tuple[Leftover, ...]
    renames: tuple[tuple[Rename, tuple[str, ...]], ...]
    after: Difference

    @property
    def is_dangerous(self) -> bool:
        """Whether the next run would refuse, or begin empty what seems to have another name only."""
        return bool(self.difference.refused or self.renames)


def plan_tables(feed: Feed, existing: Existing, before: Iterable[Document], renames: Sequence[Rename]) -> TablePlan:
    """What ``feed`` does to ``existing``; ``before`` are the mappings that it has had, the latest last."""
    possible = [rename for rename in renames if _is_possible(rename, existing)]
    statements = tuple((rename, tuple(_rename_statements(feed, rename, existing))) for rename in possible)
    return TablePlan(
        difference(feed, existing),
        tuple(_leftovers(feed, existing, list(before), possible)),
        statements,
        difference(feed, _renamed(feed, existing, possible)),
    )


# -- what stays behind ------------------------------------------------------------------------------------------------


def _leftovers(
    feed: Feed, existing: Existing, before: Sequence[Document], renames: Sequence[Rename]
) -> Iterator[Leftover]:
    """Tables of others are none: in a schema of several feeds, or of people, they are not this feed's to speak of."""
    known = {name for document in before for name in document["tables"]}
    renamed = {(rename.table, rename.old) for rename in renames}
    for name in existing.tables:
        if name not in feed.tables and name in known and ("", name) not in renamed:
            yield Leftover(name, _since(before, name), f"DROP TABLE {_target(feed, name)};")
    for name in feed.tables:
        if _is_set_aside(feed, name, existing):
            continue
        layout = {column.name for column in column_layout(feed, name)}
        for column in existing.tables.get(name, {}):
            if column not in layout and (name, column) not in renamed:
                drop = f"ALTER TABLE {_target(feed, name)} DROP COLUMN {quote_name(column)};"
                yield Leftover(f"{name}.{column}", _since(before, name, column), drop)
    yield from _index_leftovers(feed, existing)


def _index_leftovers(feed: Feed, existing: Existing) -> Iterator[Leftover]:
    wanted = {index.name for index in indexes(feed)}
    for index in sorted(existing.indexes - wanted):
        table = max((name for name in feed.tables if index.startswith(f"{name}_")), key=len, default=None)
        is_there = table in existing.tables and not _is_set_aside(feed, str(table), existing)
        if is_there and index.endswith("_idx"):
            drop = f"DROP INDEX {quote_name(feed.schema_name)}.{quote_name(index)};"
            yield Leftover(f"index {index}", f"on {table}, not declared", drop)


def _is_set_aside(feed: Feed, table: str, existing: Existing) -> bool:
    """Whether the table gets another key, so that it is moved away whole, or its key is renamed: its old key is what
    tells its rows apart.
    """
    return table in existing.tables and existing.primary_keys.get(table) != primary_key(feed, table)


def _since(before: Sequence[Document], table: str, column: str = "") -> str:
    """Whether it has been declared, or somebody else has made it."""
    for document in before:
        declared = document["tables"].get(table)
        if declared is not None and (not column or column in declared["columns"]):
            return "declared no more"
    return "never declared"


# -- other names ------------------------------------------------------------------------------------------------------


def _is_possible(rename: Rename, existing: Existing) -> bool:
    names = existing.tables.get(rename.table, {}) if rename.table else existing.tables
    return rename.old in names and rename.new not in names


def _rename_statements(feed: Feed, rename: Rename, existing: Existing) -> Iterator[str]:
    old, new = quote_name(rename.old), quote_name(rename.new)
    if rename.table:
        for target in _holders(feed, rename, existing):
            yield f"ALTER TABLE {target} RENAME COLUMN {old} TO {new};"
        return
    yield f"ALTER TABLE {_target(feed, rename.old)} RENAME TO {new};"
    for index in indexes(feed):
        was = index.name.replace(f"{rename.new}_", f"{rename.old}_", 1)
        if index.table == rename.new and was in existing.indexes:
            schema = quote_name(feed.schema_name)
            yield f"ALTER INDEX {schema}.{quote_name(was)} RENAME TO {quote_name(index.name)};"
    if feed.tables[rename.new].is_root and (keys := _keys_name(feed, rename.old)) in _keys_of(existing):
        yield f"ALTER TABLE {_of_keys(keys)} RENAME TO {quote_name(keys_table(feed, rename.new))};"
        for index in keys_indexes(feed, rename.new):
            ending = index.name.rpartition(".")[2]
            was = keys_table(feed, f"{rename.old}.{ending}")
            yield f"ALTER INDEX {_of_keys(was)} RENAME TO {quote_name(index.name)};"


def _holders(feed: Feed, rename: Rename, existing: Existing) -> Iterator[str]:
    """The tables that have the column: of a key, all tables of the family; of key and version, the keys table too."""
    table = feed.tables[rename.table]
    family = feed.family_of(rename.table) if rename.new in table.key else [rename.table]
    yield from (_target(feed, name) for name in family if rename.old in existing.tables.get(name, {}))
    if rename.new in table.order_columns and rename.old in (existing.columns_of_keys(feed, rename.table) or {}):
        yield quoted_keys_table(feed, rename.table)


def _renamed(feed: Feed, existing: Existing, renames: Sequence[Rename]) -> Existing:
    """The layout after these renames."""
    for rename in renames:
        if not rename.table:
            existing = _with_table(feed, existing, rename)
            continue
        family = feed.family_of(rename.table) if rename.new in feed.tables[rename.table].key else [rename.table]
        existing = _with_column(existing, family, rename)
        if existing.keys and rename.new in feed.tables[rename.table].order_columns:
            keys = _with_column(existing.keys, [keys_table(feed, rename.table)], rename)
            existing = replace(existing, keys=keys)
    return existing


def _with_column(existing: Existing, tables: Sequence[str], rename: Rename) -> Existing:
    def named(name: str) -> str:
        return rename.new if name == rename.old else name

    def mended(table: str, columns: Mapping[str, str]) -> dict[str, str]:
        return {named(name): kind for name, kind in columns.items()} if table in tables else dict(columns)

    return replace(
        existing,
        tables={table: mended(table, columns) for table, columns in existing.tables.items()},
        primary_keys={
            table: tuple(map(named, key)) if table in tables else key for table, key in existing.primary_keys.items()
        },
        not_null=existing.not_null
        and {
            table: frozenset(map(named, names)) if table in tables else names
            for table, names in existing.not_null.items()
        },
        comments=existing.comments
        and {(t, named(c) if t in tables else c): text for (t, c), text in existing.comments.items()},
    )


def _with_table(feed: Feed, existing: Existing, rename: Rename) -> Existing:
    def named(name: str) -> str:
        return rename.new if name == rename.old else name

    keys = existing.keys
    if keys:
        was, will = _keys_name(feed, rename.old), keys_table(feed, rename.new)
        keys = replace(
            keys,
            tables={will if name == was else name: columns for name, columns in keys.tables.items()},
            primary_keys={will if name == was else name: key for name, key in keys.primary_keys.items()},
        )
    return replace(
        existing,
        tables={named(name): columns for name, columns in existing.tables.items()},
        primary_keys={named(name): key for name, key in existing.primary_keys.items()},
        not_null=existing.not_null and {named(name): names for name, names in existing.not_null.items()},
        comments=existing.comments and {(named(t), c): text for (t, c), text in existing.comments.items()},
        keys=keys,
    )


def _keys_name(feed: Feed, table: str) -> str:
    """The keys table that a root table of this name would have."""
    return keys_table(feed, table)


def _keys_of(existing: Existing) -> Mapping[str, Mapping[str, str]]:
    return existing.keys.tables if existing.keys else {}


def _of_keys(name: str) -> str:
    return f"{quote_name(KEYS_SCHEMA)}.{quote_name(name)}"


def _target(feed: Feed, table: str) -> str:
    return f"{quote_name(feed.schema_name)}.{quote_name(table)}"
