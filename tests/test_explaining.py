"""`sluice preview --explain`: where an element or attribute goes, and why; by the feed file and by what is in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tryout.trying import LINE, ORDERS, feed_with_samples, order, orders

from sluice.explaining import explain
from sluice.feed.readings import readings_of
from sluice.tryout.asked import PathUnclear, parse_asked
from sluice.tryout.samples import find_samples, own_samples

MORE = "<Note lang='en'>x</Note><Ext><Deep>d</Deep></Ext><x:Stamp>s</x:Stamp><b:Odd xmlns:b='urn:odd'>o</b:Odd>"
SAMPLES = {
    "a.xml": orders(order(1, more=MORE), order(2, total="1,50"), order(3)) + "<!-- end -->",
    "b.xml": orders(order(4, lines=LINE.format(article=4) + "<Line><Article>named</Article></Line>")),
}
SENDER = "      sender: ../Header/Sender\n"
FEED = ORDERS.replace(SENDER, SENDER + "      extra: {path: Ext, type: xml}\n").replace("Customer/Name", "Customer")
FEED += "drift: {ignore: [Note]}\n"


def lines_of(folder: Path, path: str, text: str = FEED, *, with_files: bool = True) -> list[str]:
    feed = feed_with_samples(folder, SAMPLES, text)
    lines = explain(feed, find_samples(feed, own_samples(feed)) if with_files else [], path)
    return [line.replace(f"{feed.folder}/samples/", "") for line in lines]


def test_a_column(tmp_path: Path) -> None:
    """What reads it, what values are there, and what came of them."""
    assert lines_of(tmp_path, "Total") == [
        "/Orders/Order/Total",
        "  in the files: 4 times, first in a.xml:3; values: '1.50', '1,50'",
        "  read by orders.total (numeric(9,2)): Total",
        "    in the files: 4 rows find a value here; 1 rejected as not_a_number (first a.xml:4)",
        "  read below it: orders.currency",
    ]


SPELLINGS = [
    "Total/@currency",
    "./Total/@currency",
    "/Orders/Order/Total/@currency",
    "{urn:orders}Total/@currency",
    "/{urn:orders}Orders/{urn:orders}Order/Total/@currency",
    "o:Total/@currency",  # a prefix of the file's own
    "@currency",  # the end of a path
    "Order/Total/@currency",
    "Total[@currency='EUR']/@currency",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_spellings(tmp_path: Path, path: str) -> None:
    """As in the file, below the record, or the end of it; with a prefix, a namespace or neither."""
    assert lines_of(tmp_path, path) == [
        "/Orders/Order/Total/@currency",
        "  in the files: 4 times, first in a.xml:3; values: 'EUR'",
        "  read by orders.currency (text): Total/@currency",
        "    in the files: 4 rows find a value here",
    ]


def test_alternatives(tmp_path: Path) -> None:
    """Which path of a column it is, and when it is taken."""
    lines = lines_of(tmp_path, "Lines/Line/Article/@number")
    assert lines[2:] == [
        "  read by lines.article (text, required): Article/@number",
        "    path 1 of 2: taken before all others",
        "    in the files: 4 rows find a value here",
    ]
    assert "    path 2 of 2: taken where there is no Article/@number" in lines_of(tmp_path, "Lines/Line/Article")


def test_condition(tmp_path: Path) -> None:
    """What a condition asks for is told from both sides."""
    assert "    only those under Property[@name='color']" in lines_of(tmp_path, "Lines/Line/Property")
    compared = "  compared with 'color' in a condition of lines.color: Property[@name='color']"
    assert compared in lines_of(tmp_path, "Lines/Line/Property/@name")


def test_rows(tmp_path: Path) -> None:
    """An element that gives rows, and one on the way to what is read."""
    record = lines_of(tmp_path, "/Orders/Order")
    assert "  each gives a row of the table orders" in record
    assert record[-1].startswith("  read below it: orders.order_id, orders.changed_at, ")
    assert "  each gives a row of the table lines" in lines_of(tmp_path, "Lines/Line")
    assert lines_of(tmp_path, "Lines")[-1] == "  read below it: lines.article, lines.color"


def test_above_the_record(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, "/Orders/Header/Sender")
    assert "  read by orders.sender (text): ../Header/Sender" in lines
    assert lines == lines_of(tmp_path, "Header/Sender")


def test_taken_with_what_is_around_it(tmp_path: Path) -> None:
    """Below an element that is taken as xml, or whose text is."""
    assert lines_of(tmp_path, "Ext/Deep")[-1] == "  part of orders.extra, which takes /Orders/Order/Ext as xml"
    text = "  its text is part of orders.customer, which takes all text in /Orders/Order/Customer"
    assert lines_of(tmp_path, "Customer/Name")[-1] == text


def test_unread(tmp_path: Path) -> None:
    """Why nothing reads it: ignored, another namespace, in no record; and the nearest that is read."""
    assert lines_of(tmp_path, "Note")[2:] == [
        "  no column reads it",
        "  the feed ignores it as drift (drift: {ignore: …})",
    ]
    assert lines_of(tmp_path, "Odd")[2:4] == [
        "  no column reads it",
        "  <Odd> is in the namespace urn:odd, which the feed does not list",
    ]
    assert lines_of(tmp_path, "x:Stamp") == [
        "/Orders/Order/x:Stamp",
        "  in the files: 1 time, first in a.xml:3; values: 's'",
        "  no column reads it",
    ]


def test_text_beside_an_attribute_that_is_read(tmp_path: Path) -> None:
    """The element is known for its attribute; its own text is read by nothing all the same."""
    text = FEED.replace('total: {path: Total, type: "numeric(9,2)"}', "total: Sum")
    assert lines_of(tmp_path, "Total", text)[2:] == ["  read below it: orders.currency", "  no column reads its text"]


def test_in_no_record(tmp_path: Path) -> None:
    text = FEED.replace("sender: ../Header/Sender", "x: X")
    assert "  it is in no record: these are /Orders/Order" in lines_of(tmp_path, "/Orders/Header/Sender", text)


def test_not_there(tmp_path: Path) -> None:
    """Neither in the files nor in the feed: what is near."""
    assert lines_of(tmp_path, "Totall") == [
        "Totall",
        "  it is in none of the files, and no column reads it",
        "  the nearest that is read: /Orders/Order/Total (orders.total)",
    ]


def test_declared_and_not_in_the_files(tmp_path: Path) -> None:
    text = FEED.replace('"@id"', '["@nr", "@id"]')
    assert lines_of(tmp_path, "@nr", text)[:2] == ["/Orders/Order/@nr", "  in the files: not there"]


def test_without_files(tmp_path: Path) -> None:
    """By the feed file alone."""
    assert lines_of(tmp_path, "Total", with_files=False) == [
        "/Orders/Order/Total",
        "  (no files were looked at)",
        "  read by orders.total (numeric(9,2)): Total",
        "  read below it: orders.currency",
    ]
    assert lines_of(tmp_path, "Nope", with_files=False) == ["Nope", "  no column reads it"]


@pytest.mark.parametrize("path", ["", "/", "a//b", "@a/b", "a/{urn:x}", "a b/@", "../Header"])
def test_no_path(tmp_path: Path, path: str) -> None:
    feed = feed_with_samples(tmp_path, {}, FEED)
    with pytest.raises(PathUnclear):
        parse_asked(path, feed)


def test_every_column_explains_itself(tmp_path: Path) -> None:
    """Whatever a feed reads is found by the path that it is read by."""
    feed = feed_with_samples(tmp_path, SAMPLES, FEED)
    for reading in readings_of(feed):
        told = explain(feed, [], reading.text)
        assert any(line.startswith(f"  read by {reading.table}.{reading.column} ") for line in told), reading.text
