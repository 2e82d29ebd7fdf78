"""Reconcile: the run fails where anything is left open, and says in one line what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.small_feeds import ITEMS, KEYLESS, Ground, item, items

from sluice.errors import RunFailed, WarehouseUnavailable
from sluice.feed.model import RejectLimits
from sluice.pipeline import run_feed
from sluice.records import LoadCounts, Totals
from sluice.stages.fetch import fetch
from sluice.stages.parse import parse
from sluice.stages.reconcile import limit_problems, reconcile
from sluice.stages.split import split

BAD = "<Item/>"
ONE, TWO = "s3://b/1.xml: truncated: it ends early", "s3://b/2.xml: not_xml: no XML"


def work_folder(ground: Ground, run_id: int) -> Path:
    return Path(ground.work.batch("items", run_id, 0)).parent.parent


# -- accounts ---------------------------------------------------------------------------------------------------------


def test_a_run_that_adds_up_is_told_in_one_line(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a"), item("b"), item("b", 0), BAD))
    run_id, (number,) = ground.prepare(feed)
    ground.load(feed, run_id, number)
    done = reconcile(ground.tools(feed), run_id)
    assert done.totals == Totals(1, 0, 0, 4, 3, 1, 0, 0, LoadCounts(2, 0, 0, 1), done.totals.bytes_read)
    assert done.line() == (
        f"reconcile: run {run_id}: 1 file (0 quarantined), 4 records found = 3 loaded + 1 quarantined + 0 held; "
        "2 new, 0 updated, 0 unchanged, 1 superseded"
    )
    assert not work_folder(ground, run_id).exists()


def test_the_answer_stays_the_same(ground: Ground) -> None:
    """Also about what no column reads, which only the work files knew."""
    feed = ground.feed(ITEMS, more="rejects: {max_records: 0}")
    ground.put("a.xml", items(item("a").replace("</Name>", "</Name><Colour/>"), BAD))
    error = ground.run(feed)
    books = "SELECT state, error, files, found, loaded, quarantined, drift FROM sluice.runs"
    before = ground.sql(books)
    assert before[0][-1]["findings"][0]["path"] == "Item/Colour"
    assert ground.reconcile(feed, 1) == error
    assert ground.sql(books) == before


@pytest.mark.parametrize("more", ["", "malformed: keep_records"])
def test_the_answer_stays_the_same_whatever_a_replay_made_of_it(ground: Ground, more: str) -> None:
    """A run tells what it did itself: whether a replay was rejected again, or passed, is told by that replay's run."""
    feed = ground.feed(ITEMS, more=more)
    whole = items(item("a"), BAD)
    ground.put("a.xml", whole.replace("</Items>", "        "))
    error = ground.run(feed)
    assert "1 file quarantined" in str(error)
    assert "a.xml: truncated" in str(error)
    books = "SELECT state, error, files, files_quarantined FROM sluice.runs WHERE run_id = 1"
    before = ground.sql(books)
    assert ground.replay(feed).totals.files_quarantined == 1
    assert (ground.reconcile(feed, 1), ground.sql(books)) == (error, before)
    ground.put("a.xml", whole)  # what Sluice takes for the same version
    assert ground.run(feed, reload="all") is None
    assert ground.sql("SELECT DISTINCT state FROM sluice.quarantine WHERE ordinal IS NULL") == [("replayed",)]
    assert (ground.reconcile(feed, 1), ground.sql(books)) == (error, before)
    assert ground.reconcile(feed, 3) is None


def test_a_ledger_of_an_older_release_learns_what_was_quarantined_whole(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    for name in ("a", "b"):
        ground.put(f"{name}.xml", items(item(name))[:-4])
    ground.put("c.xml", items(item("c")))
    error = ground.run(feed)
    ground.replay(feed, file="a.xml")
    ground.sql("ALTER TABLE sluice.loads DROP COLUMN quarantined_whole CASCADE")
    ground.sql("COMMENT ON SCHEMA sluice IS 'of an older release'")
    assert ground.run(feed) is None
    assert ground.reconcile(feed, 1) == error


def test_a_failed_task_is_named_by_its_file_and_may_be_cleared(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    for name in "abcde":
        ground.put(f"{name}.xml", items(item(name)))
    run_id, (number,) = ground.prepare(feed)
    error = str(ground.reconcile(feed, run_id))
    assert f"feed items, run {run_id}: 5 parts were not loaded (" in error
    assert f"{ground.uri('a.xml')}; {ground.uri('b.xml')}; {ground.uri('c.xml')}; and 2 more" in error
    assert ground.sql("SELECT state, unaccounted_parts FROM sluice.runs") == [("failed", 5)]
    assert work_folder(ground, run_id).exists()
    ground.load(feed, run_id, number)
    assert ground.reconcile(feed, run_id) is None
    assert ground.sql("SELECT state, error, unaccounted_parts FROM sluice.runs") == [("succeeded", None, 0)]


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_was_not_even_split_is_unaccounted(ground: Ground, dry_run: bool) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    run_id = fetch(ground.tools(feed), ground.request(feed, dry_run=dry_run)).run_id
    assert "1 parts were not loaded" in str(ground.reconcile(feed, run_id))
    split(ground.tools(feed), run_id)
    parse(ground.tools(feed), run_id, 0)
    assert "1 parts were not loaded" in str(ground.reconcile(feed, run_id))


def test_a_run_that_found_nothing_succeeds(ground: Ground) -> None:
    assert ground.run(ground.feed(ITEMS)) is None


@pytest.mark.parametrize("reload", ["no", "changed", "all"])
def test_unaccounted_parts_are_those_of_this_reload(ground: Ground, reload: str) -> None:
    """What a re-load leaves alone, since it is loaded under this mapping, is not missed."""
    ground.put("a.xml", items(item("a")))
    ground.run(ground.feed(KEYLESS))
    feed = ground.feed(KEYLESS.replace("name: Name", "name: {path: Name, trim: true}"))
    ground.put("b.xml", items(item("b")))
    ground.run(feed)
    ground.put("c.xml", items(item("c")))
    run_id, _ = ground.prepare(feed, reload=reload)
    expected = {"no": "c", "changed": "ac", "all": "abc"}[reload]
    error = str(ground.reconcile(feed, run_id))
    assert (
        f"{len(expected)} parts were not loaded ({'; '.join(ground.uri(f'{name}.xml') for name in expected)})" in error
    )


def test_counts_that_differ_are_told(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    run_id, (number,) = ground.prepare(feed)
    ground.load(feed, run_id, number)
    ground.sql("UPDATE sluice.loads SET found = 7")
    error = str(ground.reconcile(feed, run_id))
    assert f"{ground.uri('a.xml')}: 7 records found, but 1 loaded + 0 quarantined" in error


def test_a_database_that_is_down_is_tried_again(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.dsn = "host=127.0.0.1 port=1 dbname=none"
    with pytest.raises(WarehouseUnavailable):
        reconcile(ground.tools(feed), 1)


# -- limits -----------------------------------------------------------------------------------------------------------


def problems(totals: Totals, **limits: Any) -> list[str]:
    files = [tuple(one.split(": ")) for one in (ONE, TWO, ONE, TWO)]
    return list(limit_problems(RejectLimits(**limits), totals, lambda: files))


@pytest.mark.parametrize(
    ("totals", "limits"),
    [
        (Totals(found=100, quarantined=100), {}),
        (Totals(found=100, quarantined=5), {"max_records": 5}),
        (Totals(found=100, quarantined=5), {"max_share": 0.05}),
        (Totals(), {"max_share": 0.0, "max_records": 0, "max_files": 0}),
        (Totals(files_quarantined=3), {"max_files": None}),
        (Totals(files_quarantined=3), {"max_files": 3}),
    ],
)
def test_within_the_limits(totals: Totals, limits: dict[str, Any]) -> None:
    assert problems(totals, **limits) == []


@pytest.mark.parametrize(
    ("totals", "limits", "told"),
    [
        (Totals(found=100, quarantined=6), {"max_records": 5}, "6 records quarantined, 5 allowed"),
        (Totals(found=1000, quarantined=51), {"max_share": 0.05}, "5.10% of the records quarantined, 5.00% allowed"),
        (Totals(found=1, quarantined=1), {"max_share": 0.0}, "100.00% of the records quarantined, 0.00% allowed"),
        (
            Totals(files_quarantined=4),
            {},
            f"4 files quarantined ({ONE}; {TWO}; {ONE}; and 1 more)",
        ),
        (
            Totals(files_quarantined=3, members_quarantined=2),
            {},
            f"1 file and 2 archive members quarantined ({ONE}; {TWO}; {ONE})",
        ),
        (
            Totals(
                files_quarantined=5,
                members_quarantined=4,
                released_files_quarantined=2,
                released_members_quarantined=2,
            ),
            {},
            f"1 file and 2 archive members quarantined ({ONE}; {TWO}; {ONE})",
        ),
    ],
)
def test_beyond_a_limit(totals: Totals, limits: dict[str, Any], told: str) -> None:
    assert problems(totals, **limits) == [told]


def test_good_records_of_a_run_beyond_its_limits_are_loaded_all_the_same(ground: Ground) -> None:
    feed = ground.feed(ITEMS, more="rejects: {max_records: 1, max_share: 0.1}")
    ground.put("a.xml", items(item("a"), BAD, BAD))
    ground.put("b.xml", "<Items>")
    error = str(ground.run(feed))
    assert "2 records quarantined, 1 allowed; 66.67% of the records" in error
    assert f"1 file quarantined ({ground.uri('b.xml')}: truncated: " in error
    assert len(ground.tables(feed)["items"]) == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_members_of_an_archive_are_told_from_files(ground: Ground, dry_run: bool) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.zip", {"1.xml": items(item("a")), "2.xml": "<Items>", "3.xml": "<Items>"})
    ground.put("b.xml", "<Items>")
    assert "1 file and 2 archive members quarantined" in str(ground.run(feed, dry_run=dry_run))


def test_a_run_that_fails_tells_its_counts_too(ground: Ground) -> None:
    """And where to look."""
    feed = ground.feed(ITEMS, more="rejects: {max_records: 0}")
    ground.put("a.xml", items(item("a"), BAD))
    told: list[str] = []
    with pytest.raises(RunFailed, match=r"1 records quarantined, 0 allowed; see `sluice quarantine items --run 1`$"):
        run_feed(ground.tools(feed), ground.request(feed), told.append)
    assert "2 records found = 1 loaded + 1 quarantined" in told[-1]


def test_a_run_is_not_charged_with_what_another_run_quarantined(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", "<Items>")
    first, _ = ground.prepare(feed)
    second, _ = ground.prepare(feed)
    ground.load(feed, second)
    ground.load(feed, first)
    assert ground.reconcile(feed, first) is None
    assert "1 file quarantined" in str(ground.reconcile(feed, second))


# -- expectations -----------------------------------------------------------------------------------------------------

RULES = "run: {expectations: {items: [{expect_table_row_count_to_be_between: {min_value: 2}}]}}"


def test_expectations_on_the_run_fail_it(ground: Ground) -> None:
    feed = ground.feed(ITEMS, more=RULES)
    ground.put("a.xml", items(item("a")))
    error = str(ground.run(feed))
    assert "items: expect_table_row_count_to_be_between failed: 1 is too low, not between 2 and None" in error
    assert len(ground.tables(feed)["items"]) == 1
    ground.put("b.xml", items(item("b"), item("c")))
    assert ground.run(feed) is None


def test_a_dry_run_fails_where_a_real_run_would_but_for_what_needs_rows(ground: Ground) -> None:
    feed = ground.feed(ITEMS, more=f"rejects: {{max_records: 0}}\n{RULES}")
    ground.put("a.xml", items(item("a"), BAD))
    assert str(ground.run(feed, dry_run=True)).endswith(": 1 records quarantined, 0 allowed")
    with pytest.raises(RunFailed, match="1 records quarantined"):
        reconcile(ground.tools(feed), 1)
    assert ground.sql("SELECT to_regclass('items.items')") == [(None,)]
