"""The XML as a mapping sees it: every path of a feed leads to a node that names its column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_feeds import DELETING

from sluice.feed.documentation.source_tree import Node, source_tree, spell_tree
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

FEED = """\
feed: shop
source: {uri: /landing/*.xml}
namespaces: {x: urn:x}
tables:
  orders:
    record: /x:Shop/Orders/Order
    key: id
    version: at
    columns:
      id: "@id"
      at: {path: "../@at", type: timestamptz}
      sender: ../../Head/Sender/@x:name
      doi: ["Ref[@type='doi']", Ref/Doi]
      whole: {path: ., type: xml}
  lines:
    parent: orders
    rows: Line
    columns: {text: ., order_note: ../Note}
"""
TREE = """\
x:Shop
├─ Orders
│  ├─ @at                  orders.at
│  └─ Order                a row of orders, orders.whole
│     ├─ @id               orders.id
│     ├─ Ref[@type='doi']  orders.doi (1st choice)
│     ├─ Ref
│     │  └─ Doi            orders.doi (2nd choice)
│     ├─ Line              a row of lines, lines.text
│     └─ Note              lines.order_note
└─ Head
   └─ Sender
      └─ @x:name           orders.sender"""


def declare(folder: Path, text: str, name: str) -> Feed:
    (folder / name).mkdir()
    (folder / name / "feed.yaml").write_text(text)
    return load_feed(folder / name)


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def test_the_tree_as_text(tmp_path: Path) -> None:
    assert spell_tree(source_tree(declare(tmp_path, FEED, "shop"))) == TREE


@pytest.mark.parametrize("name", ["bank_statements", "exchange_rates", "legal_entities"])
def test_every_path_has_its_place(name: str) -> None:
    """As many places as there are paths and tables."""
    feed = load_feed(Path("include/feeds") / name)
    found = [(use.table, use.column, use.rank) for node in nodes(source_tree(feed)) for use in node.uses]
    wanted = [(table, "", 1) for table in feed.tables]
    wanted += [
        (table, column, rank)
        for table, declared in feed.tables.items()
        for column, paths in declared.columns.items()
        for rank, _ in enumerate(paths.path, 1)
    ]
    assert sorted(found) == sorted(wanted)


def test_what_deletes_stands_beside_the_records(tmp_path: Path) -> None:
    feed = declare(tmp_path, f"feed: items\nsource: {{uri: /landing/*}}\n{DELETING}", "items")
    text = spell_tree(source_tree(feed))
    assert "└─ Gone         deletes a row of items" in text
    assert "items.rev of what is deleted" in text
