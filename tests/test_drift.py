"""What a sender changes without telling is counted, compared with the feed's past, told once and kept."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import drift

COLOURED = item("a").replace("</Name>", "</Name><Colour/>")
SETTINGS = "drift: {min_rows: 4}"


def seen(ground: Ground, columns: str = "kind, path, count, runs, first_run, last_run, reported_in, state") -> Any:
    return ground.sql(f"SELECT {columns} FROM sluice.drift ORDER BY kind, path")


def new_in(ground: Ground, run_id: int) -> list[str]:
    with psycopg.connect(ground.dsn) as connection:
        return [found.text() for found in drift.list_new(connection, run_id)]


def many(count: int, empty: int) -> str:
    """Items of which so many have no name."""
    return items(*(item(f"k{n}", name="" if n < empty else "n") for n in range(count)))


def test_the_first_run_says_how_the_files_are(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """There is no past to differ from: what it does not read is noted and told, but is no alarm."""
    ground.put("a.xml", items(COLOURED))
    ground.run(ground.feed(ITEMS))
    assert seen(ground) == [("element", "Item/Colour", 1, 1, 1, 1, None, "known")]
    assert new_in(ground, 1) == []
    assert [record for record in caplog.records if record.name == "sluice.drift"] == []


def test_what_is_new_is_told_once(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    """By the run's line, a warning in its log, and the list that an alert takes; the next run knows it."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    assert "drift" not in ground.summary(feed).line()
    ground.put("b.xml", "<Items>\n" + items(COLOURED, COLOURED).removeprefix("<Items>"))
    told = f"Item/Colour (2 times, first in {ground.uri('b.xml')}:2)"
    assert ground.summary(feed).line().endswith(f"; drift: 1 new: {told}")
    assert new_in(ground, 2) == [told]
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage() == f"feed items, run 2: drift: 1 new: {told}"
    ground.put("c.xml", items(COLOURED))
    assert "drift" not in ground.summary(feed).line()
    assert seen(ground) == [("element", "Item/Colour", 3, 2, 2, 3, 2, "known")]
    place = "first_uri, first_member, first_record, first_line"
    assert seen(ground, place) == [(ground.uri("b.xml"), "", 1, 2)]


def test_a_run_that_is_reconciled_again_counts_once(ground: Ground) -> None:
    """With its work files or without: the same rows, and the same news."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put("b.xml", items(COLOURED))
    run_id, (number,) = ground.prepare(feed)
    assert "were not loaded" in str(ground.reconcile(feed, run_id))
    before = seen(ground)
    assert before == [("element", "Item/Colour", 1, 1, 2, 2, 2, "new")]
    ground.load(feed, run_id, number)
    for _ in range(3):
        assert ground.reconcile(feed, run_id) is None
        assert (seen(ground), len(new_in(ground, run_id))) == (before, 1)


def test_what_a_second_try_does_not_meet_is_taken_back(ground: Ground) -> None:
    """The details of a run replace those of its earlier try, here and in the sum."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put("b.xml", items(COLOURED))
    run_id, (number,) = ground.prepare(feed)
    ground.reconcile(feed, run_id)
    path = ground.work.outcomes(feed.feed, run_id, number)
    outcomes = ground.work.read_json(path)
    ground.work.write_json(path, {**outcomes, "drift": {**outcomes["drift"], "findings": []}})
    ground.reconcile(feed, run_id)
    assert seen(ground) == []


def test_runs_that_overlap_tell_one_thing_once(ground: Ground) -> None:
    """Whichever closes its books first tells it."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put("b.xml", items(COLOURED))
    first, (number,) = ground.prepare(feed)
    second, (other,) = ground.prepare(feed)
    for run_id, batch in ((second, other), (first, number)):
        ground.load(feed, run_id, batch)
        assert ground.reconcile(feed, run_id) is None
    assert (new_in(ground, first), len(new_in(ground, second))) == ([], 1)
    assert seen(ground, "count, runs") == [(2, 2)]


def test_a_dry_run_tells_but_keeps_nothing(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put("b.xml", items(COLOURED))
    assert "drift: 1 new: Item/Colour (once, in" in ground.summary(feed, dry_run=True).line()
    assert seen(ground) == []


def test_a_replay_counts_nothing(ground: Ground) -> None:
    """Its records were counted by the run that found them."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(COLOURED.replace("rev='1'", "rev='x'").replace('rev="1"', 'rev="x"')))
    ground.run(feed)
    before = seen(ground)
    assert before[0][:3] == ("element", "Item/Colour", 1)
    assert ground.replay(feed).totals.found == 1
    assert seen(ground) == before


def test_a_new_version_of_the_namespace_is_told_even_by_the_first_run(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs the file, so it is never how things are."""
    feed = ground.feed(ITEMS, more="namespaces: {default: urn:v1}")
    ground.put("a.xml", items(item("a")).replace("<Items>", "<Items xmlns='urn:v2'>"))
    assert "wrong_document" in str(ground.run(feed))
    assert new_in(ground, 1) == [f"namespace urn:v2 (once, in {ground.uri('a.xml')}:1)"]
    assert "new: namespace urn:v2" in caplog.text


def test_a_column_that_went_empty_is_told(ground: Ground) -> None:
    """Against the median of the past, so that one odd day does not hide or raise it; and once, as long as it lasts."""
    feed = ground.feed(ITEMS, more=SETTINGS)
    for day, empty in enumerate([0, 1, 9, 1]):
        ground.put(f"{day}.xml", many(10, empty))
        ground.run(feed)
    assert new_in(ground, 3) == ["items.name empty in 90% (past: 5%)"]
    ground.put("5.xml", many(10, 7))
    assert "drift" not in ground.summary(feed).line()
    assert seen(ground, "kind, path, count, runs, first_run, last_run, reported_in") == [
        ("empty_column", "items.name", 16, 2, 3, 5, 3)
    ]


def test_a_column_that_goes_empty_again_later_is_told_again(ground: Ground) -> None:
    """When none of the runs that it is compared with had it."""
    feed = ground.feed(ITEMS, more="drift: {min_rows: 4, past_runs: 2}")
    for day, empty in enumerate([0, 9, 0, 0, 9]):
        ground.put(f"{day}.xml", many(10, empty))
        ground.run(feed)
    assert (len(new_in(ground, 2)), len(new_in(ground, 5))) == (0, 1)
    assert seen(ground, "path, runs, reported_in, state") == [("items.name", 2, 5, "new")]


@pytest.mark.parametrize(
    "settings",
    ["min_rows: 11", "min_rows: 4, empty_share_jump: 0.95", "min_rows: 4, empty_share_jump: null",
     "min_rows: 4, ignore: [items.name]", "min_rows: 4, ignore: 'items.*'"],
)  # fmt: skip
def test_the_feed_decides_what_is_a_jump(ground: Ground, settings: str) -> None:
    feed = ground.feed(ITEMS, more=f"drift: {{{settings}}}")
    for day, empty in enumerate([0, 9]):
        ground.put(f"{day}.xml", many(10, empty))
        ground.run(feed)
    assert seen(ground) == []


def test_only_runs_that_succeeded_are_the_past(ground: Ground) -> None:
    feed = ground.feed(ITEMS, more=f"{SETTINGS}\nrejects: {{max_records: 0}}")
    ground.put("0.xml", many(10, 0).replace("</Items>", "<Item id='x' rev='x'/></Items>"))
    assert ground.run(feed) is not None
    ground.put("1.xml", many(10, 9))
    ground.run(feed)
    assert seen(ground) == []


def test_no_value_is_kept(ground: Ground) -> None:
    """Names, counts and places only, whatever stands in the unknown elements, attributes and columns."""
    feed = ground.feed(ITEMS, more=SETTINGS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    ground.put(
        "b.xml", items(item("b").replace("<Name>", "<New secret='Hush-4711'>Hush-4711</New><Name z='Hush-4711'>"))
    )
    assert "Hush" not in ground.summary(feed).line()
    assert "Hush" not in str(ground.sql("SELECT * FROM sluice.drift")) + str(
        ground.sql("SELECT drift FROM sluice.runs")
    )
    assert len(seen(ground)) == 2
