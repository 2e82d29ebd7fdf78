"""Rows that are seen to lose are replaced in one step; whatever is not so easy goes on to be locked and compared."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest
from tests.pause import Pause
from tests.small_feeds import DATED, ITEMS, Ground, item, items

from sluice import ledger, warehouse
from sluice.contest import Contest
from sluice.records import LoadCounts

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@pytest.fixture
def contests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys went on to be locked and compared, each time that there was anything to be looked for."""
    found: list[int] = []
    real = Contest._find_contested

    def noting(self: Contest, takes_back: bool) -> int:
        found.append(real(self, takes_back))
        return found[-1]

    monkeypatch.setattr(Contest, "_find_contested", noting)
    return found


def put_and_load(ground: Ground, text: str, name: str, body: str, modified: dt.datetime) -> LoadCounts:
    feed = ground.feed(text)
    ground.put(name, body, modified)
    run_id, _ = ground.prepare(feed, uri=ground.uri(name))
    counts = ground.load(feed, run_id).counts
    assert ground.miscounted() == []
    return counts


@pytest.mark.parametrize(
    ("text", "name", "modified", "brought", "counts", "contested"),
    [
        (ITEMS, "b.xml", LATER, "a2 b2", LoadCounts(updated=2), []),
        # as greater versions are, so are later files
        (ITEMS, "b.xml", LATER, "a1 b1", LoadCounts(unchanged=2), []),
        (DATED, "b.xml", LATER, "a1 b2", LoadCounts(updated=1, unchanged=1), []),
        # the URI decides, and stands elsewhere
        (ITEMS, "b.xml", None, "a1 b1", LoadCounts(unchanged=2), [2]),
        (ITEMS, "0.xml", None, "a1 b1", LoadCounts(superseded=2), [2]),
        (ITEMS, "b.xml", LATER, "a0 b2", LoadCounts(updated=1, superseded=1), [1]),
        (ITEMS, "b.xml", LATER, "a2 c1 b2", LoadCounts(inserted=1, updated=2), []),
        (ITEMS, "b.xml", LATER, "a2 b2 a3 0.1", LoadCounts(inserted=1, updated=2, superseded=1), [0]),
    ],
)
def test_what_is_replaced_at_once_and_what_goes_on(
    ground: Ground,
    contests: list[int],
    text: str,
    name: str,
    modified: dt.datetime | None,
    brought: str,
    counts: LoadCounts,
    contested: list[int],
) -> None:
    put_and_load(ground, text, "a.xml", records("a1 b1"), START)
    contests.clear()
    assert put_and_load(ground, text, name, records(brought), modified or START) == counts
    assert contests == contested


def records(spelled: str) -> str:
    """An item for each `key` and `rev`, with children."""
    return items(*(item(one[0], int(one[-1]), parts=[("p", ["m"])]) for one in spelled.split()))


def test_equal_rows_with_other_children_are_updated(ground: Ground, contests: list[int]) -> None:
    put_and_load(ground, ITEMS, "a.xml", items(item("a", parts=[("x", ["1"])]), item("b", parts=[("y", [])])), START)
    contests.clear()
    body = items(item("a", parts=[("x", ["2"])]), item("b", parts=[("y", [])]))
    assert put_and_load(ground, ITEMS, "b.xml", body, LATER) == LoadCounts(updated=1, unchanged=1)
    assert contests == []
    assert ground.sql("SELECT id, mark FROM items.marks") == [("a", "2")]
    assert ground.sql("SELECT id, code FROM items.parts ORDER BY id") == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize("minutes", [(1, 2), (2, 1)], ids=["older first", "newer first"])
def test_a_row_that_somebody_changes_meanwhile_is_compared_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, contests: list[int], minutes: tuple[int, int]
) -> None:
    """The second brings what it has seen in the row, but the first has written something else by then."""
    monkeypatch.setattr(warehouse, "_RETRIED", ())
    feed = ground.feed(DATED)
    runs = []
    for name, minute, state in (("a.xml", 0, "same"), ("b.xml", minutes[0], "other"), ("c.xml", minutes[1], "same")):
        body = items(*(item(key, name=state, parts=[(state, [])]) for key in "kl"))
        ground.put(name, body, START + dt.timedelta(minutes=minute))
        runs.append(ground.prepare(feed, uri=ground.uri(name))[0])
    ground.load(feed, runs[0])
    contests.clear()
    counts: list[LoadCounts] = []
    first, second = (lambda run=run: counts.append(ground.load(feed, run).counts) for run in runs[1:])
    assert Pause(ground, monkeypatch).run(first, second)
    is_newer = minutes[1] > minutes[0]
    assert counts == [LoadCounts(updated=2), LoadCounts(updated=2) if is_newer else LoadCounts(superseded=2)]
    assert contests == [2]
    assert ground.sql("SELECT DISTINCT name FROM items.items") == [("same" if is_newer else "other",)]
    assert ground.sql("SELECT DISTINCT code FROM items.parts") == [("same" if is_newer else "other",)]


def test_rows_that_replace_others_here_and_there_stay_on_their_pages(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index is written then: its entries lead to the page, where the rows that follow each other are linked."""
    put_and_load(ground, ITEMS, "a.xml", items(*(item(f"k{number:04}") for number in range(2_000))), START)
    updates: list[tuple[int, int]] = []
    real = ledger.store_counts

    def count_updates(conn: psycopg.Connection, *rest: Any) -> None:
        statistics = "FROM pg_stat_xact_user_tables WHERE relid = 'items.items'::regclass"
        updates.extend(conn.execute(f"SELECT n_tup_upd, n_tup_hot_upd {statistics}").fetchall())
        real(conn, *rest)

    monkeypatch.setattr(ledger, "store_counts", count_updates)
    body = items(*(item(f"k{number:04}", 2) for number in range(0, 2_000, 40)))
    assert put_and_load(ground, ITEMS, "b.xml", body, LATER) == LoadCounts(updated=50)
    assert updates == [(50, 50)]
