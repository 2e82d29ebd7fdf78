"""The page of HTML stands by itself, escapes what people have written, and all its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import html
from tests.feed_language.conftest import ORDERS

from sluice.feed.documentation.diagram import boxes
from sluice.feed.documentation.drawing import MAX_ROWS, _place_all, draw
from sluice.feed.documentation.html import html_page, index_page
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

NASTY = "<script>alert('x')</script> & \"quoted\" `a<b` **bold <i>**"


@pytest.fixture
def pages(write_feed: Callable[..., Path]) -> list[Feed]:
    folders = [Path("include/feeds") / name for name in ("bank_statements", "exchange_rates", "legal_entities")]
    return [load_feed(write_feed(ORDERS)), *map(load_feed, folders)]


def test_a_page_needs_nothing_from_elsewhere(pages: list[Feed]) -> None:
    """No script, no address that a browser would ask; `href` leads into the page itself."""
    for feed in pages:
        page = html.fromstring(html_page(feed))
        assert page.xpath("//script | //link | //img | //iframe | //@src") == []
        assert {address[0] for address in page.xpath("//@href")} == {"#"}
        assert "url(" not in html_page(feed)
        assert "@import" not in html_page(feed)


def test_all_links_lead_to_a_place(pages: list[Feed]) -> None:
    for feed in pages:
        page = html.fromstring(html_page(feed))
        places = page.xpath("//@id")
        assert len(places) == len(set(places))
        assert {address[1:] for address in page.xpath("//@href")} <= set(places)


def test_every_column_stands_in_the_tree_and_in_its_table(pages: list[Feed]) -> None:
    for feed in pages:
        page = html.fromstring(html_page(feed))
        for table, declared in feed.tables.items():
            for column in declared.columns:
                anchor = f"column-{table}.{column}"
                assert page.xpath("//nav//a[@href=$there]", there=f"#{anchor}")
                assert page.xpath("//tr[@id=$here]/td[1]//text()", here=anchor) == [column]


def test_what_people_have_written_stays_text(write_feed: Callable[..., Path]) -> None:
    text = ORDERS.replace("description: The orders of all shops.", f"description: |\n  {NASTY}")
    text = text.replace("sku: Sku", "sku: {path: \"Sku[@a='<b>&']\", description: 'x <b> y'}")
    page = html.fromstring(html_page(load_feed(write_feed(text))))
    assert page.xpath("//script | //i") == []
    assert page.xpath("//p[1]")[0].text_content() == "<script>alert('x')</script> & \"quoted\" a<b bold <i>"
    assert page.xpath("//p[1]/code/text()") == ["a<b"]
    assert "Sku[@a='<b>&']" in page.xpath("//nav//code/text()")


def test_light_and_dark(pages: list[Feed]) -> None:
    """What is coloured is so by a variable, and each has a value for both."""
    page = html_page(pages[0])
    light, dark = page.split("prefers-color-scheme: dark")
    used = set(re.findall(r"var\((--\w+)\)", page))
    assert used == set(re.findall(r"(--\w+):", light)) == set(re.findall(r"(--\w+):", dark))


def test_boxes_do_not_overlap(pages: list[Feed]) -> None:
    for feed in pages:
        placed = _place_all(boxes(feed))
        assert [one.box.table for one in placed] == [name for root in feed.roots for name in _down(feed, root)]
        for number, one in enumerate(placed):
            for other in placed[number + 1 :]:
                is_beside = one.x + one.width < other.x or other.x + other.width < one.x
                assert is_beside or one.y + one.height < other.y or other.y + other.height < one.y
            assert all(child.x > one.x + one.width for child in one.children)


def _down(feed: Feed, name: str) -> list[str]:
    below = [child for child, table in feed.tables.items() if table.parent == name]
    return [name, *(deeper for child in below for deeper in _down(feed, child))]


def test_long_names_are_cut_and_told(write_feed: Callable[..., Path]) -> None:
    long = "c" * 63
    columns = "".join(f"      x{number}: X\n" for number in range(20))
    drawing = draw(boxes(load_feed(write_feed(ORDERS.replace("      sku: Sku\n", f"      {long}: Sku\n{columns}")))))
    assert f"{'c' * 29}…<title>{long} text</title>" in drawing
    assert "… 11 more" in drawing
    lines = html.fromstring(drawing).xpath("//g[@class='box'][title[starts-with(., 'lines:')]]/text[@class!='type']")
    assert len(lines) == MAX_ROWS + 1


def test_an_index_leads_to_all_pages(pages: list[Feed]) -> None:
    page = html.fromstring(index_page(pages))
    assert page.xpath("//dt/a/@href") == [f"{feed.feed}.html" for feed in pages]
