"""`totals` in a feed file: what it says, and how mistakes in it are told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.feed_language.conftest import ORDERS, WriteFeed, assert_one_mistake

from sluice.feed.documentation.html import html_page
from sluice.feed.documentation.markdown import feed_page, full_page
from sluice.feed.loading import load_feed
from sluice.feed.mapping import mapping_hash

TOTALS = """\
totals:
  - path: /Orders/Trailer/Count
    counts: [orders, lines]
  - path: /Orders/@ext:sum
    sums: orders.total
    required: false
"""
FEED = ORDERS + TOTALS


def test_a_sound_feed(write_feed: WriteFeed) -> None:
    count, total = load_feed(write_feed(FEED)).totals
    assert (count.path, count.counts, count.sums, count.required) == (
        "/Orders/Trailer/Count",
        ("orders", "lines"),
        (),
        True,
    )
    assert (count.measure, total.measure) == ("count of orders, lines", "sum of orders.total")
    assert not total.required
    assert load_feed(write_feed(ORDERS)).totals == ()


COUNT = "path: /Orders/Trailer/Count\n    counts"
MISTAKES = {
    "unknown key": ("    counts: [orders, lines]", "    ¦count: orders", "unknown key", "counts"),
    "both": ("    sums: o", "    counts: lines\n    sums: o", "either `counts` rows of tables or `sums` up", None),
    "relative": (
        "path: /Orders/Trailer/Count",
        "path: ¦Orders/Count",
        "starts at the document's root",
        "/Orders/Count",
    ),
    "no element": ("/Orders/@ext:sum", "¦/@sum", "names an element", None),
    "a text compared": ("/Orders/Trailer/Count", "¦/Orders/Total[Kind='count']", "only an attribute can be", None),
    "unknown prefix": ("/Orders/@ext:sum", "¦/Orders/@exd:sum", "'exd' is not declared", "ext"),
    "unknown table": ("[orders, lines]", "[orders, ¦line]", "no table 'line'", "lines"),
    "unknown column": ("orders.total", "¦orders.totl", "no column 'orders.totl'; what is summed up", "orders.total"),
    "no table": ("orders.total", "¦total", "no column 'total'", "orders.total"),
    "no column": ("orders.total", "¦orders", "no column 'orders'", None),
    "a column of texts": ("orders.total", "¦lines.sku", "'lines.sku' is of type text; only integer, bigint", None),
    "a column of lists": ("orders.total", "¦orders.codes", "is of type text[]", None),
    "around the records": ("/Orders/Trailer/Count", "¦/Orders", "is an element that holds the records", None),
    "in the records": ("/Orders/Trailer/Count", "¦/Orders/Order/Count", "lies in the records '/Orders/Order'", None),
    "of the records": ("/Orders/@ext:sum", "¦/Orders/Order/@sum", "lies in the records '/Orders/Order'", None),
    "in a total": (
        "/Orders/@ext:sum",
        "¦/Orders/Trailer/Count/Sum",
        "lies in '/Orders/Trailer/Count', which is",
        None,
    ),
    "twice": (
        "  - path: /Orders/@ext:sum",
        f"  - ¦{COUNT}: [orders, lines]\n  - path: /Orders/@ext:sum",
        "stands here twice",
        None,
    ),
    "twice, with white space": (
        "  - path: /Orders/@ext:sum",
        "  - ¦path: ' /Orders/Trailer/Count'\n    counts: [orders, lines]\n  - path: /Orders/@ext:sum",
        "stands here twice",
        None,
    ),
}


@pytest.mark.parametrize(("old", "new", "message", "suggestion"), MISTAKES.values(), ids=MISTAKES)
def test_one_mistake(write_feed: WriteFeed, old: str, new: str, message: str, suggestion: str | None) -> None:
    assert_one_mistake(write_feed, FEED, old, new, message, suggestion)


def test_totals_decide_no_rows(write_feed: WriteFeed) -> None:
    assert mapping_hash(load_feed(write_feed(FEED))) == mapping_hash(load_feed(write_feed(ORDERS)))


@pytest.mark.parametrize("page", [feed_page, full_page, html_page])
def test_the_documentation_lists_them(write_feed: WriteFeed, page: Callable[..., str]) -> None:
    feed, plain = load_feed(write_feed(FEED)), load_feed(write_feed(ORDERS))
    text = re.sub(r"</?code>", "`", page(feed).replace("<wbr>", ""))
    assert "Totals that the sender states" not in page(plain)
    assert "`/Orders/Trailer/Count`: rows of `orders`, `lines`" in text
    assert "`/Orders/@ext:sum`: the sum of `orders.total`, where it is stated" in text
