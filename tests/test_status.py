"""``sluice status`` says what waits, what is kept out and what the last runs did."""

from __future__ import annotations

import re

import pytest
from tests.arrivals.landing import announcement, s3_feed
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import warehouse
from sluice.alerts.alert import Alert, Cause
from sluice.alerts.desk import Desk
from sluice.arrivals import inbox
from sluice.cli import main
from sluice.stages.fetch import fetch
from sluice.status import read_feeds, read_runs

STRICT = ITEMS.replace("name: Name", "name: {path: Name, required: true}")


@pytest.fixture
def desk(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    return ground


def test_each_number_counts_what_it_says(desk: Ground) -> None:
    """One file is loaded with a reject, one is listed and not done, one is announced, one feed has never run."""
    feed = desk.feed(STRICT)
    desk.put("a.xml", items(item("a"), item("b", name="")))
    desk.run(feed)
    desk.put("b.xml", items(item("c")))
    fetch(desk.tools(feed), desk.request(feed))
    announced = s3_feed(desk, "others")
    with warehouse.connect(desk.dsn) as connection:
        inbox.record(connection, [announcement("orders/a.xml"), announcement("elsewhere/a.xml")])
        found = {one.feed: one for one in read_feeds(connection, {"items": feed, "others": announced})}
        runs = read_runs(connection, 5)
    assert (found["items"].open_files, found["items"].held_files, found["items"].announced) == (1, 0, 0)
    assert found["items"].last_run is not None
    assert found["items"].last_run.state == "running"
    assert (found["others"].last_run, found["others"].announced) == (None, 1)
    assert [run.state for run in runs] == ["running", "succeeded"]


def test_a_held_file_is_not_open(desk: Ground) -> None:
    gated = ITEMS.replace(
        "    columns: {id:", "    expectations: [expect_table_row_count_to_equal: {value: 5}]\n    columns: {id:", 1
    )
    feed = desk.feed(gated)
    desk.put("a.xml", items(item("a")))
    desk.run(feed)
    with warehouse.connect(desk.dsn) as connection:
        (found,) = read_feeds(connection, {"items": feed})
    assert (found.open_files, found.held_files) == (0, 1)


def test_the_command_prints_what_was_told_and_is_not_over(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    with warehouse.connect(desk.dsn) as connection:
        warehouse.create_ledger(connection)
    assert main(["status"]) == 0
    assert "Open alerts" not in capsys.readouterr().out
    alerts = Desk(desk.dsn, list)
    cause = Cause("items", "failed", "KeyError")
    for _ in range(2):
        alerts.tell(Alert(cause=cause, headline="items failed in parse"))
    assert main(["status"]) == 0
    assert re.search(r"items failed in parse\W+\d+ s ago\W+\d+ s ago\W+2 ", capsys.readouterr().out)


def test_the_command_prints_feeds_and_runs(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    feed = desk.feed(ITEMS)
    desk.put("a.xml", items(item("a"))[:-4])
    desk.run(feed)
    assert main(["status"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"items\s*│ \d+ s ago\s*│ failed", told)
    assert "1 file quarantined" in told


def test_a_warehouse_without_ledger_is_told(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    desk.drop_ledger()
    assert main(["status"]) == 1
    assert "let a feed run first" in capsys.readouterr().err
