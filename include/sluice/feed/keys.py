"""The keys tables in the schema `sluice`: one row per key of a root table with deletes, whether it lives or is deleted.

A merge decides there first, so that a delete and an older insert at the same moment cannot miss each other; what
remains of a deleted key, its tombstone, keeps older records from bringing it back.
"""

from __future__ import annotations

import hashlib

from sluice.feed.layout import (
    MAX_IDENTIFIER_BYTES,
    ROOT_LINEAGE,
    Index,
    LayoutColumn,
    column_layout,
    quote_name,
    quote_text,
)
from sluice.feed.model import Feed

KEYS_SCHEMA = "sluice"
# Feed and table names hold no such character: what is cut off never passes for the name of another table.
_CUT = "~"


def keys_table(feed: Feed, root: str) -> str:
    """The name of the keys table of ``root``, whether there is one or not."""
    return _fitting(f"{feed.schema_name}.{root}")


def quoted_keys_table(feed: Feed, root: str) -> str:
    return f"{quote_name(KEYS_SCHEMA)}.{quote_name(keys_table(feed, root))}"


def _fitting(name: str) -> str:
    """``name``; with a digest in place of its end where it is longer than PostgreSQL keeps."""
    if len(name) <= MAX_IDENTIFIER_BYTES:
        return name
    ending = _CUT + hashlib.sha256(name.encode()).hexdigest()[:16]
    return name[: MAX_IDENTIFIER_BYTES - len(ending)] + ending


def keys_layout(feed: Feed, root: str) -> list[LayoutColumn]:
    """The columns of the keys table: key and version, whose record decided, and how."""
    order = feed.tables[root].order_columns
    declared = [column for column in column_layout(feed, root) if column.name in order]
    declared.sort(key=lambda column: order.index(column.name))
    is_deleted = LayoutColumn("_is_deleted", "boolean", False, "Whether the last record of the key deleted it.")
    return [*declared, *ROOT_LINEAGE, is_deleted]


def keys_indexes(feed: Feed, root: str) -> list[Index]:
    """For loading a file again, and for asking what was deleted when."""
    name, table = f"{feed.schema_name}.{root}", keys_table(feed, root)
    return [
        Index(_fitting(f"{name}.file"), table, ("_file",), "brin"),
        Index(_fitting(f"{name}.deleted"), table, ("_loaded_at",), "btree", '"_is_deleted"'),
    ]


def create_keys(feed: Feed, root: str) -> list[str]:
    """The statements that make the keys table where there is none, filled with the keys that live already.

    It appears filled, in one statement, and while nobody is merging: each merge that sees it can rely on it.
    """
    target, table = quoted_keys_table(feed, root), f"{quote_name(feed.schema_name)}.{quote_name(root)}"
    layout = keys_layout(feed, root)
    names = ", ".join(quote_name(column.name) for column in layout)
    kept = ", ".join(quote_name(column.name) for column in layout[:-1])
    key = ", ".join(map(quote_name, feed.tables[root].key))
    body = ",\n            ".join([*(column.definition for column in layout), f"PRIMARY KEY ({key})"])
    comment = f"One row per key of {table}, living or deleted: which record decided last."
    return [
        f"""DO $sluice$ BEGIN
    IF to_regclass({quote_text(target)}) IS NULL THEN
        LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;
        CREATE TABLE {target} (
            {body}
        );
        INSERT INTO {target} ({names}) SELECT {kept}, false FROM {table};
    END IF;
END $sluice$""",
        f"COMMENT ON TABLE {target} IS {quote_text(comment)}",
        *(
            f"COMMENT ON COLUMN {target}.{quote_name(column.name)} IS {quote_text(column.comment)}"
            for column in layout
            if column.name.startswith("_")
        ),
        *(index.statement(KEYS_SCHEMA) for index in keys_indexes(feed, root)),
    ]
