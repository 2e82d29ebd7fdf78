"""Totals are heard in a stream, in whatever pieces it goes by, and nothing else is."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pytest
from tests.parsed import write_feed
from tests.small_feeds import MOMENT

from sluice import xmlio
from sluice.feed.model import Feed
from sluice.reading import Section
from sluice.records import Cut, LedgerFile, Part
from sluice.totals import stated
from sluice.totals.stated import StatedTotals

FEED = """
namespaces: {default: ["", "urn:b"]}
tables:
  payments: {record: /Batch/Payment, columns: {amount: {path: Amount, type: bigint}}}
totals:
  - {path: /Batch/Trailer/Count, counts: payments}
  - {path: "/Batch/Trailer/Sum[@of='amounts']", sums: payments.amount}
  - {path: /Batch/@count, counts: payments, required: false}
  - {path: /Batch/Trailer/@count, counts: payments, required: false}
"""


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return write_feed(tmp_path, FEED, "payments")


def hear(feed: Feed, text: str | bytes, size: int = 1 << 16, context: bytes = b"") -> list[tuple[Decimal | None, int]]:
    """What is heard of each total while the stream is read ``size`` bytes at a time."""
    totals = StatedTotals(feed)
    data = text.encode() if isinstance(text, str) else text
    part = Part(1, LedgerFile(1, "a.xml", "1", len(data), MOMENT, None), Cut())
    section = totals.listen(Section(part, "", io.BytesIO(data), context))
    read = b"".join(iter(lambda: section.stream.read(size), b""))
    assert read == data, "whoever reads gets every byte"
    return [(one.value, one.unreadable) for one in totals.heard[1, ""]]


TEXT = (
    '\ufeff<?xml version="1.0"?><!DOCTYPE b:Batch><!-- <Count>9</Count> --><b:Batch xmlns:b="urn:b" count = "7">'
    "<b:Payment><Trailer><Count>9</Count></Trailer><![CDATA[<Trailer><Count>9</Count></Trailer>]]></b:Payment>"
    '<Trailer count=\'-1\'><Count> +002 </Count><Sum of="amounts">1<!-- -->2.50</Sum><Sum of="fees">9</Sum></Trailer >'
    '<b:Trailer count="1" ><b:Count\n>3</b:Count ><x:Count xmlns:x="urn:x">9</x:Count></b:Trailer><Trailer count="2"/>'
    "</b:Batch>\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 16])
def test_the_pieces_do_not_matter(feed: Feed, size: int) -> None:
    assert hear(feed, TEXT, size) == [(5, 0), (Decimal("12.5"), 0), (7, 0), (2, 0)]


def test_what_stands_in_the_context_was_heard_before(feed: Feed) -> None:
    """A part of a cut file begins within elements, and goes on in them."""
    context = b'<Batch count="7"><Trailer><Count>2</Count></Trailer>'
    assert hear(feed, "<Trailer><Count>3</Count></Trailer></Batch>", context=context) == [
        (3, 0),
        (None, 0),
        (None, 0),
        (None, 0),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", (None, 0)),
        ("   ", (None, 0)),
        ("1.", (1, 0)),
        (".5", (Decimal("0.5"), 0)),
        ("9" * 100, (int("9" * 100), 0)),
        ("&#49;&#48;", (10, 0)),
        ("1,5", (None, 1)),
        ("NaN", (None, 1)),
        ("1_000", (None, 1)),
        ("١", (None, 1)),
        ("&undeclared;", (None, 1)),
        ("1" + "0" * 101, (None, 1)),
        ("1" + " " * stated.MAX_BYTES, (None, 1)),
    ],
    ids=lambda value: str(value)[:20].strip(),
)
def test_what_a_number_is(feed: Feed, content: str, expected: tuple[object, int]) -> None:
    text = f"<Batch><Trailer><Count>{content}</Count></Trailer></Batch>"
    assert {hear(feed, text, size)[0] for size in (1 << 10, 1 << 20)} == {expected}


def test_nil_is_no_value(feed: Feed) -> None:
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
    assert hear(feed, f"<Batch><Trailer><Count {nil}/></Trailer></Batch>")[0] == (None, 0)


@pytest.mark.parametrize("end", ["", "<", "<Trailer><Count>4", "</Other>", "text", "</Batch></Batch>", "</Batch> text"])
def test_what_is_broken_is_for_others_to_say(feed: Feed, end: str) -> None:
    assert hear(feed, f"<Batch><Trailer><Count>3</Count></Trailer>{end}")[0] == (3, 0)


def test_many_totals_below_long_tags_cost_no_more_than_so_much(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file would else be parsed again and again; what is not looked at counts as no number."""
    parsed = []
    parse = xmlio.parse_document
    monkeypatch.setattr(xmlio, "parse_document", lambda text: parsed.append(len(text)) or parse(text))
    text = f'<Batch a="{"x" * 50_000}">{"<Trailer><Count>1</Count></Trailer>" * 2_000}</Batch>'
    value, unreadable = hear(feed, text)[0]
    assert value is not None
    assert value + unreadable == 2_000
    assert unreadable > 0
    assert sum(parsed) <= stated.PARSED_FACTOR * len(text) + stated.PARSED_AT_LEAST


def test_sums_are_exact(feed: Feed) -> None:
    large, small = "1" + "0" * 60, "0." + "0" * 40 + "1"
    trailers = "".join(f"<Trailer><Count>{number}</Count></Trailer>" for number in (large, small))
    assert hear(feed, f"<Batch>{trailers}</Batch>")[0][0] == Decimal(f"{large}.{small[2:]}")


def test_a_feed_without_totals_hears_nothing(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, FEED.partition("totals:")[0], "payments")
    totals = StatedTotals(feed)
    stream = io.BytesIO(b"<Batch/>")
    part = Part(1, LedgerFile(1, "a.xml", "1", 8, MOMENT, None), Cut())
    assert totals.listen(Section(part, "", stream)).stream is stream
    assert totals.heard == {}
