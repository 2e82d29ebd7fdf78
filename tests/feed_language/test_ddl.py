"""The tables of a feed: their layout, the statements that make them, and what happens when the declaration changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sluice.feed.ddl import (
    Difference,
    Existing,
    canonical_type,
    column_layout,
    create_statements,
    difference,
    indexes,
    layout_of,
    primary_key,
    quote_name,
    quote_text,
)
from sluice.feed.model import Feed
from sluice.warehouse import read_layout

ChangeFeed = Callable[..., Feed]
GOLDEN = Path(__file__).with_name("orders.sql")
KEYLESS = ("    key: id\n    version: [changed, revision]\n", "")


def names(feed: Feed, table: str) -> list[str]:
    return [column.name for column in column_layout(feed, table)]


def existing(feed: Feed) -> Existing:
    """The live layout that ``feed`` would have left."""
    return replace(layout_of(feed), keys=None)


class TestLayout:
    """Which columns a target table has, and in which order."""

    def test_root(self, change_feed: ChangeFeed) -> None:
        """A root has its declared columns, then its lineage."""
        declared = ["id", "changed", "revision", "total", "ordered_on", "codes"]
        lineage = ["_file", "_member", "_record", "_offset", "_file_date", "_file_modified", "_run", "_loaded_at"]
        assert names(change_feed(), "orders") == declared + lineage
        assert names(change_feed(KEYLESS), "orders") == declared + lineage

    def test_children(self, change_feed: ChangeFeed) -> None:
        """A child has the root's key, its positions by depth, its declared columns, and its lineage."""
        lineage = ["_file", "_member", "_record", "_run", "_loaded_at"]
        assert names(change_feed(), "lines") == ["id", "_n1", "sku", "name", *lineage]
        assert names(change_feed(), "notes") == ["id", "_n1", "_n2", "author", "text", *lineage]
        place = [*lineage[:3], "_offset", *lineage[3:]]
        assert names(change_feed(KEYLESS), "notes") == ["_n1", "_n2", "author", "text", *place]

    def test_primary_key(self, change_feed: ChangeFeed) -> None:
        """The key is the root's, or the record's place in its file; below it, the positions."""
        assert primary_key(change_feed(), "orders") == ("id",)
        assert primary_key(change_feed(), "notes") == ("id", "_n1", "_n2")
        assert primary_key(change_feed(KEYLESS), "orders") == ("_file", "_member", "_offset")
        assert primary_key(change_feed(KEYLESS), "lines") == ("_file", "_member", "_offset", "_n1")

    def test_never_empty(self, change_feed: ChangeFeed) -> None:
        """Key, version and lineage are NOT NULL; a required column is not, so that it can be added later."""
        mandatory = [column.name for column in column_layout(change_feed(), "orders") if not column.nullable]
        assert mandatory[:3] == ["id", "changed", "revision"]
        assert all(name.startswith("_") for name in mandatory[3:])
        assert {column.name: column.nullable for column in column_layout(change_feed(), "notes")}["author"]

    def test_file_date_as_version(self, change_feed: ChangeFeed) -> None:
        """With the file's date as version, only the key is NOT NULL among the declared columns."""
        feed = change_feed(("version: [changed, revision]", "version: file_date"))
        assert [column.name for column in column_layout(feed, "orders")[:6] if not column.nullable] == ["id"]


class TestIndexes:
    """Indexes have names that fit and that are unique in the schema."""

    def test_names(self, change_feed: ChangeFeed) -> None:
        """A keyed root has a BRIN index on its file; declared ones are named by their columns."""
        assert [(index.name, index.method) for index in indexes(change_feed())] == [
            ("orders__file_idx", "brin"),
            ("orders_total_idx", "btree"),
            ("orders_ordered_on_total_idx", "btree"),
        ]
        assert [index.name for index in indexes(change_feed(KEYLESS))] == [
            "orders_total_idx",
            "orders_ordered_on_total_idx",
        ]

    def test_long_names(self, change_feed: ChangeFeed) -> None:
        """A name over 63 bytes is cut and made unique by a digest, always the same."""
        first, second = "a" * 40 + "1", "a" * 40 + "2"
        columns = "".join(f"      {name}: x\n" for name in (first, second))
        feed = change_feed(
            ("indexes: [total, [ordered_on, total]]", f"indexes: [[{first}, {second}], [{second}, {first}]]"),
            ("      codes:", f"{columns}      codes:"),
        )
        long = [index.name for index in indexes(feed)][1:]
        assert [len(name) for name in long] == [63, 63]
        assert len(set(long)) == 2
        assert long == [index.name for index in indexes(feed)][1:]

    def test_equal_names(self, change_feed: ChangeFeed) -> None:
        """Two indexes, or an index and a table, never share a name."""
        feed = change_feed(
            ("indexes: [total, [ordered_on, total]]", "indexes: [total, [ordered_on, total], ordered_on_total]"),
            ("      codes:", "      ordered_on_total: x\n      codes:"),
            ("  notes:\n", "  orders_total_idx:\n"),
        )
        found = [index.name for index in indexes(feed)]
        assert len(set(found)) == 4
        assert not set(found) & feed.tables.keys()

    def test_twice(self, change_feed: ChangeFeed) -> None:
        """The same index, declared twice, is made once."""
        assert len(indexes(change_feed(("indexes: [total,", "indexes: [total, [total],")))) == 3


def test_golden(change_feed: ChangeFeed) -> None:
    """The statements, as a database administrator reads them."""
    assert ";\n".join(create_statements(change_feed())) + ";\n" == GOLDEN.read_text()


def test_quoting() -> None:
    """Names and texts are quoted whatever they hold."""
    assert quote_name('a"b') == '"a""b"'
    assert quote_text("it's") == "'it''s'"


@pytest.mark.parametrize(
    ("live", "own"),
    [
        ("timestamp with time zone", "timestamptz"),
        ("timestamp without time zone[]", "timestamp[]"),
        ("numeric(18,2)", "numeric(18,2)"),
    ],
)
def test_canonical_type(live: str, own: str) -> None:
    """Types as PostgreSQL spells them are the types of the language."""
    assert canonical_type(live) == own


class TestDifference:
    """Additions are made, everything else is refused with the statements for it."""

    def test_none(self, change_feed: ChangeFeed) -> None:
        """Tables in step need nothing."""
        assert difference(change_feed(), existing(change_feed())) == Difference()

    def test_additions(self, change_feed: ChangeFeed) -> None:
        """New tables, columns and indexes are added, with their comments."""
        before = existing(change_feed())
        feed = change_feed(
            ("sku: Sku", "sku: Sku\n      size: {path: Size, type: integer, required: true}"),
            ("indexes: [total,", "indexes: [total, revision,"),
            ("rejects:", "  gifts:\n    parent: orders\n    rows: Gift\n    columns: {name: Name}\nrejects:"),
        )
        found = difference(feed, before)
        assert (found.refused, found.sql) == ([], [])
        assert found.additive[0] == (
            'CREATE INDEX IF NOT EXISTS "orders_revision_idx" ON "sales"."orders" USING btree ("revision")'
        )
        assert found.additive[1] == 'ALTER TABLE "sales"."lines" ADD COLUMN "size" integer'
        assert found.additive[2] == 'COMMENT ON COLUMN "sales"."lines"."size" IS \'From Size; required\''
        assert found.additive[3].startswith('CREATE TABLE IF NOT EXISTS "sales"."gifts"')

    def test_not_declared(self, change_feed: ChangeFeed) -> None:
        """Live columns, tables and indexes that nobody declares are left alone."""
        feed = change_feed(
            ('      codes: {path: Code, type: "text[]"}\n', ""), ("    indexes: [total, [ordered_on, total]]\n", "")
        )
        before = existing(change_feed())
        tables = {**before.tables, "other": {"x": "text"}}
        assert difference(feed, replace(before, tables=tables)) == Difference()

    def test_type(self, change_feed: ChangeFeed) -> None:
        """Another type is refused, with the statement that would change it."""
        found = difference(change_feed(("type: integer", "type: bigint")), existing(change_feed()))
        assert found.additive == []
        assert found.refused == ["orders.revision: the type changes from integer to bigint"]
        assert found.sql == [
            'ALTER TABLE "sales"."orders" ALTER COLUMN "revision" TYPE bigint USING "revision"::bigint;'
        ]

    def test_key(self, change_feed: ChangeFeed) -> None:
        """Another key asks for new tables: the whole family is to be set aside, with its rows."""
        found = difference(change_feed(("key: id", "key: [id, revision]")), existing(change_feed()))
        assert found.additive == []
        assert len(found.refused) == 3
        assert (
            found.refused[0] == "orders: the primary key changes from (id) to (id, revision), which asks for new tables"
        )
        assert found.sql == [
            'CREATE SCHEMA IF NOT EXISTS "sales_old";',
            'ALTER TABLE "sales"."orders" SET SCHEMA "sales_old";',
            'ALTER TABLE "sales"."lines" SET SCHEMA "sales_old";',
            'ALTER TABLE "sales"."notes" SET SCHEMA "sales_old";',
        ]

    def test_new_version_column(self, change_feed: ChangeFeed) -> None:
        """A version by a column that the table does not have yet asks for new tables."""
        feed = change_feed(
            ("[changed, revision]", "[edition]"), ("      codes:", "      edition: Edition\n      codes:")
        )
        found = difference(feed, existing(change_feed()))
        assert "orders.edition: the column is new and must never be empty, which asks for new tables" in found.refused

    def test_other_version_column(self, change_feed: ChangeFeed) -> None:
        """A version by another column needs that one filled, and the former one no longer."""
        found = difference(change_feed(("[changed, revision]", "[changed, ordered_on]")), existing(change_feed()))
        assert found.sql == [
            'ALTER TABLE "sales"."orders" ALTER COLUMN "revision" DROP NOT NULL;',
            'ALTER TABLE "sales"."orders" ALTER COLUMN "ordered_on" SET NOT NULL;',
        ]

    def test_undeclared_version_column(self, change_feed: ChangeFeed) -> None:
        """A column that is gone from the declaration, but NOT NULL in the table, would refuse every new row."""
        gone = ('      revision: {path: Revision, type: integer, null: ["", n/a]}\n', "")
        found = difference(change_feed(("[changed, revision]", "[changed]"), gone), existing(change_feed()))
        assert found.refused == ["orders.revision: the column is gone, but its table wants it filled"]

    def test_rules_not_read(self, change_feed: ChangeFeed) -> None:
        """Where NOT NULL was not read, nothing is said about it."""
        before = replace(existing(change_feed()), not_null=None, comments=None)
        assert difference(change_feed(("[changed, revision]", "[changed, ordered_on]")), before) == Difference()


class TestDatabase:
    """PostgreSQL takes the statements, and shows the layout that was meant."""

    @pytest.mark.parametrize("changes", [(), (KEYLESS,)], ids=["keyed", "keyless"])
    def test_create(self, database: str, change_feed: ChangeFeed, changes: tuple[tuple[str, str], ...]) -> None:
        """What was created is in step with the declaration; creating it again changes nothing."""
        feed = change_feed(*changes)
        with psycopg.connect(database) as conn:
            for statement in create_statements(feed) * 2:
                conn.execute(statement)  # type: ignore[arg-type]
            live = read_layout(conn, feed.schema_name)
            assert difference(feed, live) == Difference()
            assert live.tables.keys() == feed.tables.keys()

    def test_all_types(self, database: str, change_feed: ChangeFeed) -> None:
        """Every type of the language comes back from PostgreSQL as itself, alone and as a list."""
        kinds = [
            "text",
            "integer",
            "bigint",
            "numeric(76,76)",
            "boolean",
            "date",
            "timestamp",
            "timestamptz",
            "json",
            "xml",
        ]
        kinds += [f"{kind}[]" for kind in kinds]
        columns = "".join(f'      c{number}: {{path: x, type: "{kind}"}}\n' for number, kind in enumerate(kinds))
        feed = change_feed(("      sku: Sku\n", f"      sku: Sku\n{columns}"))
        with psycopg.connect(database) as conn:
            for statement in create_statements(feed):
                conn.execute(statement)  # type: ignore[arg-type]
            assert difference(feed, read_layout(conn, feed.schema_name)) == Difference()

    def test_additions(self, database: str, change_feed: ChangeFeed) -> None:
        """After the additive statements, old tables are in step with the new declaration."""
        new = change_feed(
            ("sku: Sku", "sku: Sku\n      size: {path: Size, type: integer}"),
            ("indexes: [total,", "indexes: [total, revision,"),
        )
        with psycopg.connect(database) as conn:
            for statement in create_statements(change_feed()):
                conn.execute(statement)  # type: ignore[arg-type]
            for statement in difference(new, read_layout(conn, "sales")).additive:
                conn.execute(statement)  # type: ignore[arg-type]
            assert difference(new, read_layout(conn, "sales")) == Difference()

    def test_new_key(self, database: str, change_feed: ChangeFeed) -> None:
        """After the statements for a new key, the new tables can be made, and the old rows are still there."""
        new = change_feed(("key: id", "key: [id, revision]"))
        with psycopg.connect(database) as conn:
            for statement in create_statements(change_feed()):
                conn.execute(statement)  # type: ignore[arg-type]
            conn.execute(
                "INSERT INTO sales.lines (id, _n1, _file, _member, _record, _run) VALUES ('a', 1, 1, '', 1, 1)"
            )
            for statement in difference(new, read_layout(conn, "sales")).sql:
                conn.execute(statement)  # type: ignore[arg-type]
            assert read_layout(conn, "sales").tables == {}
            for statement in create_statements(new):
                conn.execute(statement)  # type: ignore[arg-type]
            assert difference(new, read_layout(conn, "sales")) == Difference()
            assert conn.execute("SELECT id FROM sales_old.lines").fetchall() == [("a",)]

    def test_comments(self, database: str, change_feed: ChangeFeed) -> None:
        """An analyst finds what a table and a column mean, and where it comes from, in the database itself."""
        query = "SELECT obj_description('sales.orders'::regclass), col_description('sales.orders'::regclass, 4)"
        with psycopg.connect(database) as conn:
            for statement in create_statements(change_feed()):
                conn.execute(statement)  # type: ignore[arg-type]
            rule = "of the same id, the greatest changed, revision wins"
            assert conn.execute(query).fetchone() == (
                f"One order. (One row per /Orders/Order; {rule}; feed orders)",
                "What the buyer's bank pays. (From Total, else Sum/@ext:amount)",
            )

    @pytest.mark.parametrize("changes", [(), (KEYLESS,)], ids=["keyed", "keyless"])
    def test_layout(self, database: str, change_feed: ChangeFeed, changes: tuple[tuple[str, str], ...]) -> None:
        """What a feed is said to leave is what PostgreSQL has then."""
        feed = change_feed(*changes)
        with psycopg.connect(database) as conn:
            for statement in create_statements(feed):
                conn.execute(statement)  # type: ignore[arg-type]
            live, told = read_layout(conn, feed.schema_name), layout_of(feed)
        types = {
            table: {name: canonical_type(kind) for name, kind in columns.items()}
            for table, columns in live.tables.items()
        }
        assert (types, live.primary_keys, live.not_null) == (told.tables, told.primary_keys, told.not_null)
        assert live.comments == told.comments
        assert told.indexes <= live.indexes

    def test_new_comments(self, database: str, change_feed: ChangeFeed) -> None:
        """The comments of live tables follow a declaration that says something else, or nothing any more."""
        new = change_feed(
            ("description: One order.", "description: An order."),
            (", description: What the buyer's bank pays.", ""),
            ("sku: Sku", "sku: {path: Sku, required: true}"),
        )
        with psycopg.connect(database) as conn:
            for statement in create_statements(change_feed()):
                conn.execute(statement)  # type: ignore[arg-type]
            found = difference(new, read_layout(conn, "sales"))
            assert (found.additive, found.refused) == ([], [])
            assert len(found.comments) == 3
            for statement in found.comments:
                conn.execute(statement)  # type: ignore[arg-type]
            live = read_layout(conn, "sales")
        assert difference(new, live) == Difference()
        assert live.comments == layout_of(new).comments

    def test_a_comment_on_a_shared_schema(self, database: str, change_feed: ChangeFeed) -> None:
        """Of feeds that share a schema the first one describes it; a schema of the feed's own follows the feed."""
        other = ("The orders of all shops.", "Other orders.")
        own = ("  schema: sales\n", "  connection: sluice_warehouse\n")
        with psycopg.connect(database) as conn:
            for feed in (change_feed(), change_feed(own)):
                for statement in create_statements(feed):
                    conn.execute(statement)  # type: ignore[arg-type]
            assert difference(change_feed(other), read_layout(conn, "sales")).comments == []
            told = difference(change_feed(other, own), read_layout(conn, "orders")).comments
        assert told == ["COMMENT ON SCHEMA \"orders\" IS 'Other orders.'"]
