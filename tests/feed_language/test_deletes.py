"""`deletes` in a feed file: what it says, and how mistakes in it are told."""

from __future__ import annotations

import pytest
from tests.feed_language.conftest import ORDERS, WriteFeed, assert_one_mistake

from sluice.errors import FeedInvalid
from sluice.feed.documentation.markdown import feed_page
from sluice.feed.loading import load_feed
from sluice.feed.mapping import mapping_document, mapping_hash

DELETES = """\
    deletes:
      column: status
      values: [D, gone]
      record: /Orders/Deleted
      columns:
        id: "@id"
        changed: ["@at", ../@ext:changed]
        revision: Revision
"""
FEED = ORDERS.replace(
    "    columns:\n      id:",
    f"{DELETES}    columns:\n      status: Status\n      kinds: {{path: Kind, type: 'text[]'}}\n      id:",
)


def test_a_sound_feed(write_feed: WriteFeed) -> None:
    """Both forms may stand together; what is not declared is absent."""
    deletes = load_feed(write_feed(FEED)).tables["orders"].deletes
    assert deletes is not None
    assert (deletes.column, deletes.values, deletes.record) == ("status", ("D", "gone"), "/Orders/Deleted")
    assert deletes.columns == {"id": ("@id",), "changed": ("@at", "../@ext:changed"), "revision": ("Revision",)}
    assert load_feed(write_feed(ORDERS)).tables["orders"].deletes is None


def test_the_date_of_the_file_is_no_column_of_a_delete(write_feed: WriteFeed) -> None:
    text = FEED.replace("version: [changed, revision]", "version: file_date")
    text = text.replace('        changed: ["@at", ../@ext:changed]\n        revision: Revision\n', "")
    table = load_feed(write_feed(text)).tables["orders"]
    assert table.deletes is not None
    assert list(table.deletes.columns) == list(table.order_columns) == ["id"]


MISTAKES = {
    "unknown key": ("      values: [D, gone]", "      ¦vlaues: [D, gone]", "unknown key", "values"),
    "no text": ("values: [D, gone]", "values: [D, ¦1]", "must be a text, not the number 1", None),
    "unknown column": ("column: status", "column: ¦statu", "no column 'statu' in the table 'orders'", "status"),
    "a column of many texts": ("column: status", "column: ¦kinds", "of type text[]; what deletes is one text", None),
    "column without values": ("      values: [D, gone]\n", "", "`column` needs `values` beside it", None),
    "values without column": ("      column: status\n      values", "      ¦values", "`values` needs `column`", None),
    "columns without record": ("      record: /Orders/Deleted\n      c", "      ¦c", "`columns` needs `record`", None),
    "nothing": (DELETES, "    ¦deletes: {values: []}\n", "needs a `column` with its `values`, or a `record`", None),
    "relative record": ("record: /Orders/Deleted", "record: ¦Deleted", "starts at the document's root", "/Deleted"),
    "predicate": ("record: /Orders/Deleted", "record: ¦/Orders/Deleted[@a='b']", "names elements only", None),
    "unknown prefix": ("record: /Orders/Deleted", "record: ¦/Orders/exd:Deleted", "'exd' is not declared", "ext"),
    "record of the table": ("record: /Orders/Deleted", "record: ¦/Orders/Order", "is a record of this feed", None),
    "record in a record": (
        "/Orders/Deleted",
        "¦/Orders/Order/Deleted",
        "lies within the records '/Orders/Order', and a record holds no other records; where an element in a record",
        None,
    ),
    "record around records": (
        """/Orders/Deleted
      columns:
        id: "@id"
        changed: ["@at", ../@ext:changed]""",
        """¦/Orders
      columns:
        id: "@id"
        changed: "@at\"""",
        "'/Orders/Order' lies within",
        None,
    ),
    "missing column": ("        revision: Revision\n", "", "are needed; missing: revision", None),
    "misspelt column": ("        revision: R", "        ¦revison: R", "no column 'revison'", "revision"),
    "other column": ("        revision: R", "        ¦total: T\n        revision: R", "'total' is neither in", None),
    "bad path": ("revision: Revision\n    c", "revision: ¦Revision//No\n    c", "expected a name", None),
    "absolute path": ("revision: Revision\n    c", "revision: ¦/Revision\n    c", "starts at the root", None),
    "prefix of a path": ("revision: Revision\n    c", "revision: ¦exd:R\n    c", "'exd' is not declared", "ext"),
    "way out": ("revision: Revision\n    c", "revision: ¦../../@a\n    c", "there is 1 element above", "../@a"),
    "text above": ("revision: Revision\n    c", "revision: ¦..\n    c", "as in '../@id'", None),
    "path to records": (
        "revision: Revision\n    c",
        "revision: ¦../Order/R\n    c",
        "the records '/Orders/Order'",
        None,
    ),
    "no key": (
        f"    key: id\n    version: [changed, revision]\n{DELETES}",
        "    ¦deletes: {column: status, values: D}\n",
        "this table has no `key`",
        None,
    ),
    "child": (
        "    rows: Note\n",
        "    rows: Note\n    ¦deletes: {column: text, values: D}\n",
        "has no `deletes` of its own",
        None,
    ),
}


@pytest.mark.parametrize(("old", "new", "message", "suggestion"), MISTAKES.values(), ids=MISTAKES)
def test_one_mistake(write_feed: WriteFeed, old: str, new: str, message: str, suggestion: str | None) -> None:
    assert_one_mistake(write_feed, FEED, old, new, message, suggestion)


def test_records_of_two_tables(write_feed: WriteFeed) -> None:
    """What deletes in one table cannot be a record of another, under whatever prefix; in another namespace it can."""
    more = "  others:\n    record: /Orders/{name}\n    columns: {{a: '@a'}}\nrejects: {{"
    ours = "namespaces:\n  same: urn:shop:2\n  default"
    text = FEED.replace("namespaces:\n  default", ours)
    load_feed(write_feed(text.replace("rejects: {", more.format(name="ext:Deleted"))))
    for name in ("Deleted", "same:Deleted"):
        with pytest.raises(FeedInvalid, match="'/Orders/Deleted' is a record of this feed already"):
            load_feed(write_feed(text.replace("rejects: {", more.format(name=name))))


def test_the_mapping(write_feed: WriteFeed) -> None:
    """What deletes decides rows, in whatever order its values stand; a feed without deletes keeps the hash it had."""
    feed = load_feed(write_feed(FEED))
    assert mapping_document(feed)["tables"]["orders"]["deletes"]["values"] == ["D", "gone"]
    assert mapping_hash(feed) == mapping_hash(load_feed(write_feed(FEED.replace("[D, gone]", "[gone, D]"))))
    for change in (
        ("[D, gone]", "D"),
        ("/Orders/Deleted", "/Orders/Gone"),
        ('id: "@id"\n        ch', "id: Id\n        ch"),
    ):
        assert mapping_hash(feed) != mapping_hash(load_feed(write_feed(FEED.replace(*change))))
    assert "deletes" not in mapping_document(load_feed(write_feed(ORDERS)))["tables"]["orders"]


def test_the_page_of_the_feed(write_feed: WriteFeed) -> None:
    line = "Its key is deleted by a record whose `status` is `D`, `gone`, and by each `/Orders/Deleted`, where that is"
    assert line in feed_page(load_feed(write_feed(FEED)))
    assert "deleted" not in feed_page(load_feed(write_feed(ORDERS)))
