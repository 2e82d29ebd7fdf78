"""A feed's page in the Airflow UI says what its declaration says."""

from pathlib import Path

from sluice.feed.loading import load_feed
from sluice.feed.markdown import feed_page

FEEDS = Path(__file__).parents[1] / "dags" / "feeds"


def test_the_page_of_a_keyed_feed() -> None:
    """Golden: description, source, schedule, tables with columns, types and paths, keys, expectations, limits."""
    assert feed_page(load_feed(FEEDS / "orders")) == (FEEDS / "orders" / "page.md").read_text()


def test_the_page_of_a_keyless_feed_by_hand() -> None:
    page = feed_page(load_feed(FEEDS / "prices"))
    assert "by hand only" in page
    assert "without a key: a newer version of a file replaces the rows of the older" in page
    assert "**Alerts:** slack `shop_chat`, late 60 minutes after a run was queued" in page
