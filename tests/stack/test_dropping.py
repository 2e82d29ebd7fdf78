"""Files are put where their feed looks for them, or refused; nothing of the stack runs for it."""

import datetime as dt
import re
from pathlib import Path

import pytest
from tests.airflow_home import PROJECT

from sluice.feed.loading import load_feeds
from sluice.feed.model import Feed
from sluice.sources.pattern import UriPattern
from sluice.stack.dropping import how_to_load, landing_keys, today
from sluice.stack.home import Home, StackError
from sluice.stack.running import drop

DAY = dt.date(2026, 3, 5)
SHIPPED = load_feeds(PROJECT / "include" / "feeds")
KEYS = {
    "bank_statements": "bank_statements/2026-03-05/mine.xml",
    "exchange_rates": "exchange_rates/2026-03-05.xml",
    "legal_entities": "legal_entities/2026-03-05/mine.xml",
}


def feed_of(uri: str, **schedule: object) -> Feed:
    table = {"record": "/Orders/Order", "columns": {"id": "@id"}}
    return Feed.model_validate(
        {"feed": "orders", "source": {"uri": uri}, "schedule": schedule, "tables": {"orders": table}}
    )


def test_every_shipped_feed_is_tested() -> None:
    """Those that the README names; somebody's own may lie beside them."""
    named = re.findall(r"\(include/feeds/(\w+)/feed\.yaml\)", (PROJECT / "README.md").read_text())
    assert sorted(named) == sorted(KEYS)
    assert SHIPPED.keys() >= KEYS.keys()


@pytest.mark.parametrize("name", KEYS)
def test_a_shipped_feed_finds_what_is_dropped(name: str) -> None:
    """The key has the date, and the feed's own pattern reads that date in it."""
    feed = SHIPPED[name]
    assert landing_keys(feed, ["mine.xml"], DAY) == [KEYS[name]]
    pattern = UriPattern(feed.source.uri, {})
    assert pattern.date_of(f"s3://sluice-landing/{KEYS[name]}") == DAY


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("${SLUICE_LANDING}/orders/", "orders/a.xml"),
        ("${SLUICE_LANDING}/orders/*.xml", "orders/a.xml"),
        ("${SLUICE_LANDING}/orders/**/{date:%Y/%m/%d}/*", "orders/2026/03/05/a.xml"),
        ("s3://sluice-landing/orders/**", "orders/a.xml"),
        ("s3://sluice-landing/all-{date:%Y%m}.xml", "all-202603.xml"),
    ],
)
def test_the_key_is_that_of_the_pattern(pattern: str, key: str) -> None:
    assert landing_keys(feed_of(pattern), ["a.xml"], DAY) == [key]


@pytest.mark.parametrize(
    ("pattern", "names", "reason"),
    [
        ("${SLUICE_LANDING}/orders/*.xml", ["a.zip"], "would not find a.zip"),
        ("${SLUICE_LANDING}/orders/*", [".a.xml"], "would not find .a.xml"),
        ("${SLUICE_LANDING}/orders/*", ["a.xml.part"], "would not find a.xml.part"),
        ("${SLUICE_LANDING}/orders/shop_{date:%Y%m%d}_*.xml", ["a.xml"], r"shop_20260305_\*.xml; rename the file"),
        ("${SLUICE_LANDING}/*/orders.xml", ["orders.xml"], "wildcards in its folders"),
        ("${SLUICE_LANDING}/{date:%Y}.xml", ["a.xml", "b.xml"], "the same name"),
        ("/data/orders/*.xml", ["a.xml"], "not from the landing bucket"),
        ("s3://elsewhere/orders/*.xml", ["a.xml"], "not from the landing bucket"),
    ],
)
def test_a_file_that_would_not_be_found_is_refused(pattern: str, names: list[str], reason: str) -> None:
    with pytest.raises(StackError, match=reason):
        landing_keys(feed_of(pattern), names, DAY)


def test_what_to_do_next_is_told() -> None:
    """A date that no scheduled run takes any more is not worth a wait."""
    feed = feed_of("${SLUICE_LANDING}/{date:%Y-%m-%d}/*", cron="0 6 * * *", timezone="Asia/Tokyo")
    told = how_to_load(feed, DAY)
    assert "trigger orders with the date 2026-03-05" in told
    assert told.endswith("""airflow dags trigger orders --conf '{"date": "2026-03-05"}'""")
    assert "schedule" not in told
    assert "or wait for its schedule" in how_to_load(feed, today(feed))


def test_a_pattern_without_a_date_needs_none() -> None:
    """A date would mean the files last modified on it."""
    assert how_to_load(feed_of("${SLUICE_LANDING}/*"), DAY).endswith("airflow dags trigger orders")


def test_nothing_is_put_when_one_file_is_wrong(tmp_path: Path) -> None:
    """Told before the stack is even asked for."""
    home = Home(tmp_path, PROJECT)
    with pytest.raises(StackError, match="no feed 'nothing'"):
        drop(home, "nothing", [], None, print)
    with pytest.raises(StackError, match=r"no file .*absent\.xml"):
        drop(home, "bank_statements", [tmp_path / "absent.xml"], DAY, print)
