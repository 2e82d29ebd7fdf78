"""A feed's documentation says what its declaration says: in full, and in the Airflow UI."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.feed_language.conftest import ORDERS

from sluice.feed.documentation.blocks import Grid, Listing, alternatives, code
from sluice.feed.documentation.diagram import mermaid
from sluice.feed.documentation.markdown import feed_page, full_page, write_markdown
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

FEEDS = Path(__file__).parents[2] / "dags" / "feeds"
GOLDEN = Path(__file__).parent


@pytest.fixture
def orders(write_feed: object) -> Feed:
    return load_feed(write_feed(ORDERS))  # type: ignore[operator]


def test_the_page_of_a_keyed_feed() -> None:
    """Golden: description, source, schedule, tables with columns, types and paths, keys, expectations, limits, XML."""
    assert feed_page(load_feed(FEEDS / "orders")) == (FEEDS / "orders" / "page.md").read_text()


def test_the_page_of_a_keyless_feed_by_hand() -> None:
    page = feed_page(load_feed(FEEDS / "prices"))
    assert "by hand only" in page
    assert "without a key: a newer version of a file replaces the rows of the older" in page
    assert "**Alerts:** slack `shop_chat`, late 60 minutes after a run was queued" in page


def test_the_full_page(orders: Feed) -> None:
    """Golden: all that the page for Airflow has, and the diagram and the lineage too."""
    assert full_page(orders) == (GOLDEN / "orders.md").read_text()


@pytest.mark.parametrize("name", ["bank_statements", "exchange_rates", "legal_entities"])
def test_airflow_gets_nothing_that_it_does_not_show(name: str) -> None:
    """Airflow's UI leaves out HTML and draws no diagrams."""
    page = feed_page(load_feed(Path("include/feeds") / name))
    assert "<br>" not in page
    assert "mermaid" not in page


@pytest.mark.parametrize(
    ("text", "written"), [("a", "`a`"), ("a`b", "`` a`b ``"), ("a``b", "``` a``b ```"), ("a|b", "`a|b`"), ("", "`''`")]
)
def test_code_is_shown_as_it_stands(text: str, written: str) -> None:
    assert code(text) == written


def test_a_table_keeps_its_cells() -> None:
    """Neither a bar nor a line break ends one."""
    grid = Grid(("path",), ((alternatives(["a[b='|']", "c"]),), ("two\nlines",)))
    assert write_markdown([grid]) == "| path |\n|---|\n| `a[b='\\|']`, else `c` |\n| two lines |\n"


def test_a_listing_is_not_ended_by_what_it_holds() -> None:
    assert write_markdown([Listing("```", "text")]) == "````text\n```\n````\n"


def test_the_diagram_has_nothing_that_mermaid_does_not_take(orders: Feed, write_feed: object) -> None:
    marked = load_feed(write_feed(ORDERS.replace("sku: Sku", "pk: Sku")))  # type: ignore[operator]
    assert "text pk_\n" in mermaid(marked)
    assert "numeric(18_2) total" in mermaid(orders)
    assert '"orders" ||--o{ "lines" : "Lines/Line"' in mermaid(orders)
