"""The merge: what a re-load keeps and what it takes back, and how the database gets at the rows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import psycopg
import pytest
from tests.small_feeds import DELETING, ITEMS, KEYLESS, Ground, cut_items, item, items, zipped

from sluice import ledger, warehouse
from sluice.contest import Contest
from sluice.merge import FamilyMerge
from sluice.records import LoadCounts
from sluice.stages import split as split_stage
from sluice.stages.load import load

# -- loading again ----------------------------------------------------------------------------------------------------

STRICT_NAME = 'name: {path: Name, null: ["bad"], required: true}'
ARCHIVE_URI = "z.zip"


def strict(text: str) -> str:
    """The same tables, under a mapping that rejects items that are called `bad`."""
    return text.replace("name: Name", STRICT_NAME)


@pytest.fixture(params=[ITEMS, KEYLESS], ids=["keyed", "keyless"])
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def keys(ground: Ground, table: str = "items") -> list[str]:
    column = "id" if table == "items" else "code"
    return [key for (key,) in ground.sql(f"SELECT {column} FROM items.{table} ORDER BY 1")]


def last_counts(ground: Ground) -> tuple[Any, ...]:
    columns = "files, found, loaded, quarantined, inserted, updated, unchanged, superseded"
    return ground.sql(f"SELECT {columns} FROM sluice.runs ORDER BY run_id DESC LIMIT 1")[0]


def test_loading_all_again_changes_nothing(ground: Ground, text: str) -> None:
    feed = ground.feed(strict(text))
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])]), item("b", name="bad")))
    ground.put(ARCHIVE_URI, {"1.xml": items(item("a", 2)), "2.xml": items(item("c"))})
    assert ground.run(feed) is None
    before = ground.tables(feed)
    for _ in range(2):
        assert ground.run(feed, reload="all") is None
        assert ground.tables(feed) == before
    lost = 1 if feed.tables["items"].key else 0
    assert last_counts(ground) == (2, 4, 3, 1, 0, 0, 3 - lost, lost)
    assert ground.miscounted() == []


def test_the_entries_of_the_earlier_load_are_closed(ground: Ground, text: str) -> None:
    feed = ground.feed(strict(text))
    ground.put("a.xml", items(item("a", name="bad")))
    ground.put("b.xml", items(item("b", name="bad")))
    ground.run(feed)
    ground.run(feed, reload="all", uri=ground.uri("a.xml"))
    entries = ground.sql(
        "SELECT f.uri, q.state FROM sluice.quarantine q JOIN sluice.files f USING (file_id) ORDER BY entry_id"
    )
    a, b = ground.uri("a.xml"), ground.uri("b.xml")
    assert entries == [(a, "open"), (b, "open")]  # one entry for each place, of the load that stands


def test_what_a_part_gives_no_more_goes_with_its_children(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad", parts=[("x", ["1"])]), item("c", parts=[("y", ["2"])])))
    ground.put("b.xml", items(item("d", name="bad", parts=[("z", [])])))
    ground.run(ground.feed(text))
    assert (keys(ground), keys(ground, "parts")) == (["a", "b", "c", "d"], ["x", "y", "z"])
    feed = ground.feed(strict(text))
    ground.run(feed, reload="changed", uri=ground.uri("a.xml"))
    assert (keys(ground), keys(ground, "parts")) == (["a", "c", "d"], ["y", "z"])
    assert last_counts(ground) == (1, 3, 2, 1, 0, 0, 2, 0)
    ground.run(feed, reload="changed")
    assert (keys(ground), keys(ground, "parts")) == (["a", "c"], ["y"])
    assert len(ground.tables(feed)["marks"]) == 1


def test_keys_that_lose_their_row_are_told(ground: Ground, text: str) -> None:
    """An older version of them may stand in a file that nobody loads again. Without a key there is none."""
    ground.put("a.xml", items(item("a", 2), item("b", 2, name="bad"), item("c", 2, name="bad")))
    ground.run(ground.feed(text))
    feed = ground.feed(strict(text))
    run_id, _ = ground.prepare(feed, reload="changed")
    line = load(ground.tools(feed), run_id, 0).line()
    assert ("2 keys have lost their rows: see docs/changing-a-feed.md" in line) == bool(feed.tables["items"].key)
    run_id, _ = ground.prepare(feed, reload="all")
    assert "lost" not in load(ground.tools(feed), run_id, 0).line()


def test_what_newer_files_overwrote_stays(ground: Ground) -> None:
    ground.put("a.xml", items(item("a", 1, "bad"), item("b", 1, "bad")))
    ground.put("b.xml", items(item("b", 2)))
    ground.run(ground.feed(ITEMS))
    ground.run(ground.feed(strict(ITEMS)), reload="changed", uri=ground.uri("a.xml"))
    assert ground.sql("SELECT id, rev FROM items.items") == [("b", 2)]


def test_another_record_of_the_part_takes_the_place_of_one_that_is_rejected_now(ground: Ground) -> None:
    """The newer record of the key won before and is rejected now; what is left is what a first load would give."""
    ground.put("a.xml", items(item("a", 2, "bad", [("x", [])]), item("a", 1, "good", [("y", [])])))
    ground.run(ground.feed(ITEMS))
    feed = ground.feed(strict(ITEMS))
    ground.run(feed, reload="changed")
    again = ground.tables(feed)
    ground.forget_all(feed)
    ground.put("a.xml", items(item("a", 2, "bad", [("x", [])]), item("a", 1, "good", [("y", [])])))
    ground.run(feed)
    assert ground.tables(feed) == again
    assert [row[4] for row in again["items"]] == ["good"]


@pytest.mark.parametrize("text", [ITEMS, DELETING], ids=["plain", "deleting"])
def test_a_re_load_that_takes_rows_back_does_not_deadlock(
    ground: Ground, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks them in the order of their keys, together with all others that were there."""
    monkeypatch.setattr(warehouse, "_RETRIED", ())
    ground.put("a.xml", items(item("a", 1, "bad"), item("z", 1, "worse")))
    before = ground.feed(strict(text))
    ground.run(before)
    ground.put("b.xml", items(item("a", 2), item("z", 2)))
    newer, _ = ground.prepare(before)
    feed = ground.feed(strict(text).replace("bad", "worse"))
    again, _ = ground.prepare(feed, reload="changed", uri=ground.uri("a.xml"))
    has_inserted, is_awaited = Event(), Event()
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    find_contested, replace_older = Contest._find_contested, FamilyMerge._replace_older

    def wait() -> None:
        has_inserted.set()
        assert is_awaited.wait(20)

    def finding_contested(self: Contest, takes_back: bool) -> int:
        if not takes_back:
            wait()
        return find_contested(self, takes_back)

    def replacing_older(self: FamilyMerge) -> None:
        if self._may_replace_older:
            wait()
        replace_older(self)

    monkeypatch.setattr(Contest, "_find_contested", finding_contested)
    monkeypatch.setattr(FamilyMerge, "_replace_older", replacing_older)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(ground.load, before, newer)]
        assert has_inserted.wait(20)
        futures.append(pool.submit(ground.load, feed, again))
        while not futures[1].done() and ground.sql(waiting) == []:
            time.sleep(0.01)
        is_awaited.set()
        counts = [future.result(20).counts for future in futures]
    assert counts == [LoadCounts(inserted=1, updated=1), LoadCounts(superseded=1)]
    assert ground.sql("SELECT id, rev FROM items.items ORDER BY id") == [("a", 2), ("z", 2)]


def test_only_parts_of_an_older_mapping_are_changed(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a")))
    ground.run(ground.feed(text))
    feed = ground.feed(strict(text))
    ground.put("b.xml", items(item("b")))
    ground.run(feed)
    ground.run(feed, reload="changed")
    assert last_counts(ground)[:2] == (1, 1)
    ground.run(feed, reload="changed")
    assert last_counts(ground)[:2] == (0, 0)


def test_a_run_that_loads_again_may_be_tried_again(ground: Ground, text: str) -> None:
    feed = ground.feed(text)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    run_id, (number,) = ground.prepare(feed, reload="all")
    assert ground.load(feed, run_id, number).counts == LoadCounts(unchanged=1)
    before = (ground.tables(feed), ground.ledger())
    assert ground.load(feed, run_id, number).parts_known == 1
    assert ground.reconcile(feed, run_id) is None
    assert (ground.tables(feed), ground.ledger()) == before


def test_a_part_that_is_loaded_again_leaves_the_other_parts_alone(ground: Ground, text: str) -> None:
    records = [item("a", name="bad"), item("b", name="bad"), item("c", name="bad")]
    ground.put("a.xml", items(*records))
    ground.put(ARCHIVE_URI, {"1.xml": items(item("d", name="bad")), "2.xml": items(item("e", name="bad"))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_stage, "MAX_PARTS_IN_BATCH", 1)
        feed = ground.feed(text)
        run_id, numbers = ground.prepare(feed, {"a.xml": cut_items(records, 1, 1)})
        for number in numbers:
            ground.load(feed, run_id, number)
        feed = ground.feed(strict(text))
        run_id, numbers = ground.prepare(feed, reload="changed")
        left = ["a", "b", "c", "d", "e"]
        for number in numbers:
            ground.load(feed, run_id, number)
            assert keys(ground) == left[number + 1 :]


def test_an_archive_that_is_one_part_is_loaded_again_as_one(ground: Ground, text: str) -> None:
    """Its name told nobody that it is one, so it was not cut by members."""
    members = {"1.xml": items(item("a"), item("b", name="bad")), "2.xml": items(item("c", name="bad"), item("d"))}
    ground.put("archive.xml", zipped(members))
    ground.run(ground.feed(text))
    assert (keys(ground), ground.sql("SELECT count(*) FROM sluice.parts")) == (["a", "b", "c", "d"], [(1,)])
    ground.run(ground.feed(strict(text)), reload="changed")
    assert keys(ground) == ["a", "d"]


def test_a_file_that_is_quarantined_now_leaves_no_rows(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])])))
    ground.run(ground.feed(text))
    feed = ground.feed(text.replace("/Items/Item", "/Others/Item"))
    assert "1 file quarantined" in str(ground.run(feed, reload="changed"))
    assert ground.tables(feed) == {name: [] for name in feed.tables}
    assert ground.sql("SELECT state FROM sluice.file_states") == [("quarantined",)]
    assert ground.run(ground.feed(text), reload="changed") is None
    assert (keys(ground), keys(ground, "parts")) == (["a"], ["x"])
    assert ground.sql("SELECT DISTINCT state FROM sluice.quarantine") == [("replayed",)]


def test_a_load_under_an_older_mapping_that_comes_late_changes_nothing(ground: Ground, text: str) -> None:
    """It was prepared before the mapping changed and meets rows of the new one: those stand, and its records count."""
    records = [item("a"), item("b", name="bad")]
    ground.put("a.xml", items(*records))
    old = ground.feed(text)
    older, _ = ground.prepare(old)
    new = ground.feed(strict(text))
    assert ground.run(new, reload="changed") is None
    before, entries = ground.tables(new), ground.sql("SELECT * FROM sluice.quarantine")
    assert ground.load(old, older).counts == LoadCounts(superseded=2)
    assert (ground.tables(new), ground.sql("SELECT * FROM sluice.quarantine")) == (before, entries)
    assert ground.reconcile(old, older) is None
    assert ground.sql("SELECT generation FROM sluice.latest_loads") == [(2,)]


@pytest.mark.parametrize("order", [("no", "all"), ("all", "no")])
def test_a_first_load_and_a_re_load_of_one_file_may_overlap(ground: Ground, text: str, order: tuple[str, str]) -> None:
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])]), item("b", name="bad")))
    feed = ground.feed(strict(text))
    runs = [ground.prepare(feed, reload=reload)[0] for reload in order]
    for run_id in runs:
        ground.load(feed, run_id)
    assert [row[4:] for row in ground.ledger()] == [("loaded", 2, 1, 1, 0, 0, 0), ("loaded", 2, 1, 0, 0, 1, 0)]
    assert [len(rows) for rows in ground.tables(feed).values()] == [1, 1, 1]
    assert ground.sql("SELECT state FROM sluice.quarantine") == [("open",)]
    ground.forget_loads(feed)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda run_id: ground.load(feed, run_id), runs * 2))
    assert [len(rows) for rows in ground.tables(feed).values()] == [1, 1, 1]
    assert [ground.reconcile(feed, run_id) for run_id in runs] == [None, None]


def test_the_order_of_loading_again_does_not_matter_for_what_wins(ground: Ground) -> None:
    """Each file is loaded again under a mapping that takes nothing away: whatever the order, the tables stay."""
    for number in range(4):
        records = [item(key, number if key != "a" else 9 - number, f"{number}") for key in "abc"]
        ground.put(f"{number}.xml", items(*records))
    feed = ground.feed(ITEMS)
    ground.run(feed)
    before = ground.tables(feed)
    for number in (2, 0, 3, 1):
        ground.run(feed, reload="all", uri=ground.uri(f"{number}.xml"))
        assert ground.tables(feed) == before


# -- plans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 200_000], ids=["known keys", "new keys"])
def test_a_merge_into_a_large_table_goes_by_the_index_of_the_key(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("k0")))
    ground.run(feed)
    fill(ground, 200_000)
    records = [item(f"k{start + number * 40}", 2, parts=[("x", ["1"])]) for number in range(5_000)]
    ground.put("b.xml", items(*records))
    run_id, (number,) = ground.prepare(feed)
    scans: dict[str, tuple[int, int]] = {}
    real = ledger.store_counts

    def count_scans(conn: psycopg.Connection, *rest: Any) -> None:
        rows = conn.execute(
            "SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE schemaname = 'items'"
        )
        scans.update({table: (by_scan, by_index) for table, by_scan, by_index in rows})
        real(conn, *rest)

    monkeypatch.setattr(ledger, "store_counts", count_scans)
    ground.load(feed, run_id, number)
    assert {table: by_scan for table, (by_scan, _) in scans.items()} == {"items": 0, "parts": 0, "marks": 0}


def fill(ground: Ground, count: int) -> None:
    """So many items with a part each, as if they had come from one file long ago."""
    ground.sql(
        """INSERT INTO items.items SELECT 'k' || n, 1, 'name ' || n, _file, '', n, n, _file_date, _file_modified, _run,
               now() FROM generate_series(1, %s) AS n, (SELECT * FROM items.items LIMIT 1) AS first""",
        count,
    )
    ground.sql("INSERT INTO items.parts SELECT id, 1, 'x', _file, '', _record, _run, now() FROM items.items")
    ground.sql("INSERT INTO items.marks SELECT id, 1, 1, '1', _file, '', _record, _run, now() FROM items.items")
    ground.sql("ANALYZE items.items, items.parts, items.marks")
