"""Fetch: what a run is about, frozen once; and tables in step with the declaration."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from tests.small_feeds import CHILDREN, DAY, ITEMS, KEYLESS, MOMENT, Ground, item, items

from sluice.errors import SourceMissing, TablesDiffer, WarehouseUnavailable
from sluice.feed.model import Feed
from sluice.records import RunRequest, SourceFile
from sluice.sources import UriPattern
from sluice.stages import fetch as fetch_stage
from sluice.stages.fetch import fetch, is_settled, select_files

DATED_SOURCE = "{date:%Y-%m-%d}/*.xml"


def manifest(ground: Ground, run_id: int) -> list[tuple[Any, ...]]:
    rows = ground.sql(
        """SELECT f.uri, nullif(f.file_date, '-infinity') FROM sluice.manifest JOIN sluice.files f USING (file_id)
           WHERE run_id = %s ORDER BY f.uri""",
        run_id,
    )
    return [(uri.removeprefix(ground.uri("")), date) for uri, date in rows]


# -- the manifest -----------------------------------------------------------------------------------------------------


def test_a_retry_returns_the_same_manifest_and_a_cleared_fetch_lists_anew(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    request = ground.request(feed)
    first = fetch(ground.tools(feed), request)
    ground.put("b.xml", items(item("b")))
    assert fetch(ground.tools(feed), request) == first
    assert manifest(ground, first.run_id) == [("a.xml", None)]
    cleared = fetch(ground.tools(feed), replace(request, run_key="key 1, cleared"))
    assert cleared.files == 2
    assert "2 open files" in cleared.line()


def test_two_fetches_of_one_run_at_once_make_one_manifest(ground: Ground) -> None:
    """Also where nothing is there yet: neither ledger nor tables."""
    feed = ground.feed(ITEMS)
    for number in range(20):
        ground.put(f"{number}.xml", items(item("a")))
    request = ground.request(feed)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: fetch(ground.tools(feed), request), range(6)))
    assert {one.run_id for one in found} == {found[0].run_id}
    assert {one.files for one in found} == {20}
    assert ground.sql("SELECT count(*) FROM sluice.runs") == [(1,)]


def test_fetches_of_several_feeds_at_once_make_their_tables(ground: Ground) -> None:
    feeds = [ground.feed(text, name) for name, text in (("one", ITEMS), ("two", KEYLESS), ("three", ITEMS))]
    requests = [ground.request(feed) for feed in feeds]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda pair: fetch(ground.tools(pair[0]), pair[1]), zip(feeds, requests, strict=True)))
    assert [ground.tables(feed) for feed in feeds] == [{"items": [], "parts": [], "marks": []}] * 3


def test_a_loaded_file_is_not_listed_again_and_a_changed_one_is(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    assert fetch(ground.tools(feed), ground.request(feed)).files == 0
    ground.put("a.xml", items(item("a")), MOMENT.replace(minute=1))
    assert fetch(ground.tools(feed), ground.request(feed)).files == 1


def test_dates_of_the_pattern_are_listed_and_noted(ground: Ground) -> None:
    feed = ground.feed(ITEMS, source=DATED_SOURCE)
    for day in (1, 2, 3, 4):
        ground.put(f"2026-03-0{day}/a.xml", items(item("a")))
    request = ground.request(feed, date_from=DAY.replace(day=2), date_to=DAY.replace(day=3))
    done = fetch(ground.tools(feed), request)
    assert manifest(ground, done.run_id) == [(f"2026-03-0{day}/a.xml", DAY.replace(day=day)) for day in (2, 3)]
    assert done.dates == "dates 2026-03-02 to 2026-03-03"


def test_a_uri_override_keeps_the_date_of_the_feeds_own_pattern(ground: Ground) -> None:
    """The order of records must not depend on how their file was found."""
    feed = ground.feed(ITEMS, source=DATED_SOURCE)
    ground.put("2026-03-05/a.xml", items(item("a")))
    ground.put("elsewhere/2026-03-06.xml", items(item("a")))
    run_id = fetch(ground.tools(feed), ground.request(feed, uri=f"{ground.landing}/**")).run_id
    assert manifest(ground, run_id) == [("2026-03-05/a.xml", DAY.replace(day=5)), ("elsewhere/2026-03-06.xml", None)]
    run_id = fetch(ground.tools(feed), ground.request(feed, uri=f"{ground.landing}/elsewhere/{{date:%Y-%m-%d}}.xml",
                   date_from=DAY.replace(day=6), date_to=DAY.replace(day=6))).run_id  # fmt: skip
    assert manifest(ground, run_id) == [("elsewhere/2026-03-06.xml", None)]


def test_names_that_need_escaping_are_noted_as_they_are(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    names = [
        "a b.xml",
        "a'b\"c.xml",
        "back\\slash.xml",
        "per%20cent.xml",
        "tab\tand\nline.xml",
        "ü🎉.xml",
        "{x},\\N.xml",
    ]
    for name in names:
        ground.put(name, items(item(name.encode().hex())))
    assert ground.run(feed) is None
    assert sorted(uri.removeprefix(ground.uri("")) for (uri,) in ground.sql("SELECT uri FROM sluice.files")) == sorted(
        names
    )
    assert len(ground.tables(feed)["items"]) == len(names)


def test_a_folder_that_is_missing_is_named(ground: Ground) -> None:
    feed = ground.feed(ITEMS, source="nowhere/*.xml")
    with pytest.raises(SourceMissing, match="nowhere does not exist"):
        fetch(ground.tools(feed), ground.request(feed))
    assert ground.sql("SELECT count(*) FROM sluice.runs") == [(0,)], "a later try lists anew"


def test_a_database_that_is_down_is_told_as_such(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.dsn = "host=127.0.0.1 port=1 dbname=none connect_timeout=2"
    with pytest.raises(WarehouseUnavailable, match="the warehouse does not answer"):
        fetch(ground.tools(feed), ground.request(feed))


# -- which files ------------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def select(settle_seconds: int = 0, age_seconds: float = 0, **options: Any) -> int:
    request = RunRequest("items", "key", DAY, DAY, **options)
    file = SourceFile("file:///a.xml", "1", 1, NOW - dt.timedelta(seconds=age_seconds))
    found = select_files([file], request, UriPattern("/a.xml"))
    return sum(is_settled(one, settle_seconds, NOW) for one in found)


@pytest.mark.parametrize(
    ("settle", "age", "taken"),
    [(0, 0, 1), (60, 59.9, 0), (60, 60, 1), (60, 3600, 1), (60, -5, 0), (60, -3600, 1), (0, -3600, 1)],
)
def test_files_wait_until_they_are_settled(settle: int, age: float, taken: int) -> None:
    """Changed less than so many seconds ago; a clock that runs far ahead keeps no file out for ever."""
    assert select(settle, age) == taken


@pytest.mark.parametrize(("before", "after", "taken"), [(0, 1, 1), (1, 2, 0), (-1, 0, 0), (-1, 1, 1)])
def test_the_window_of_modification_is_half_open(before: int, after: int, taken: int) -> None:
    second = dt.timedelta(seconds=1)
    assert select(modified_from=NOW + before * second, modified_to=NOW + after * second) == taken


def test_the_window_has_no_end_where_none_is_given() -> None:
    assert [select(modified_from=NOW), select(modified_to=NOW), select()] == [1, 0, 1]


# -- tables -----------------------------------------------------------------------------------------------------------


def columns(ground: Ground, table: str) -> list[str]:
    rows = ground.sql(
        """SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = ('items', %s)
           AND column_name NOT LIKE '\\_%%'""",
        table,
    )
    return sorted(name for (name,) in rows)


def test_additive_changes_are_made(ground: Ground) -> None:
    """A new column, a new table, a new index; the rows that are there stay."""
    without_children = ITEMS.replace(CHILDREN, "")
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])])))
    ground.run(ground.feed(without_children))
    wider = ITEMS.replace("name: Name}", "name: Name, size: Size}\n    indexes: [name]")
    feed = ground.feed(wider)
    fetch(ground.tools(feed), ground.request(feed))
    assert columns(ground, "items") == ["id", "name", "rev", "size"]
    assert columns(ground, "parts") == ["code", "id"]
    assert ground.sql("SELECT count(*) FROM pg_indexes WHERE indexname = 'items_name_idx'") == [(1,)]
    assert ground.run(feed, reload="changed") is None
    assert len(ground.tables(feed)["parts"]) == 1


def test_a_column_that_is_no_longer_declared_is_left_alone(ground: Ground) -> None:
    ground.put("a.xml", items(item("a", name="kept")))
    ground.run(ground.feed(ITEMS))
    narrower = ground.feed(ITEMS.replace(", name: Name", ""))
    ground.put("b.xml", items(item("b")))
    assert ground.run(narrower) is None
    assert ground.sql("SELECT id, name FROM items.items ORDER BY id") == [("a", "kept"), ("b", None)]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("type: integer", "type: bigint", "items.rev: the type changes from integer to bigint"),
        ("key: id", "key: [id, rev]", "the primary key changes from (id) to (id, rev)"),
        ("version: rev", "version: name", "items.name: the column must never be empty now"),
    ],
)
def test_other_changes_are_refused_with_the_sql_to_make_them(ground: Ground, old: str, new: str, reason: str) -> None:
    ground.put("a.xml", items(item("a")))
    ground.run(ground.feed(ITEMS))
    changed = ground.feed(ITEMS.replace(old, new))
    with pytest.raises(TablesDiffer) as caught:
        fetch(ground.tools(changed), ground.request(changed))
    assert reason in str(caught.value)
    assert "review and run: " + " ".join(caught.value.sql) in str(caught.value)
    for statement in caught.value.sql:
        ground.sql(statement)
    assert ground.run(changed, reload="changed") is None
    assert len(ground.tables(changed)["items"]) == 1


def test_additive_changes_wait_for_loads_and_give_up_in_time(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that somebody has locked for long is reported; nothing is half changed."""
    from sluice import warehouse

    ground.run(ground.feed(ITEMS))
    wider = ground.feed(ITEMS.replace("name: Name}", "name: Name, size: Size}"))
    monkeypatch.setattr(warehouse, "DDL_LOCK_TIMEOUT", "20ms")
    with psycopg.connect(ground.dsn) as holder:
        holder.execute("SELECT FROM items.items")
        with pytest.raises(WarehouseUnavailable, match="a lock was not to be had in time"):
            fetch(ground.tools(wider), ground.request(wider))
    assert columns(ground, "items") == ["id", "name", "rev"]
    assert fetch(ground.tools(wider), ground.request(wider)).files == 0


def test_comments_wait_for_nobody(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is being vacuumed gets its new comment by a later run; a load that is going on hinders none."""
    from sluice import warehouse

    ground.run(ground.feed(ITEMS))
    described = ground.feed(ITEMS.replace("  items:\n", "  items:\n    description: Things.\n", 1))
    monkeypatch.setattr(warehouse, "COMMENT_LOCK_TIMEOUT", "20ms")
    comment = "SELECT obj_description('items.items'::regclass)"
    for mode, is_told in (("SHARE UPDATE EXCLUSIVE", False), ("ROW EXCLUSIVE", True)):
        with psycopg.connect(ground.dsn) as holder:
            holder.execute(f"LOCK TABLE items.items IN {mode} MODE".encode())
            assert fetch(ground.tools(described), ground.request(described)).files == 0
        assert ground.sql(comment)[0][0].startswith("Things.") == is_told


def test_two_feeds_may_share_a_schema(ground: Ground) -> None:
    text = ITEMS.replace("  items:", "  things:").replace("parent: items", "parent: things")
    text = text.replace("  parts:", "  bits:").replace("parent: parts", "parent: bits").replace("  marks:", "  signs:")
    feeds = [ground.feed(ITEMS), ground.feed(text, "others", more="target: {schema: items}")]
    ground.put("a.xml", items(item("a", parts=[("x", [])])))
    assert [ground.run(feed) for feed in feeds] == [None, None]
    assert ground.sql("SELECT count(*) FROM items.things JOIN items.items USING (id)") == [(1,)]


def test_the_listing_is_made_before_the_transaction(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that is retried does not list again, and the database does not wait for a slow source."""
    feed: Feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    listings = []
    real_list, real_register = fetch_stage._list, fetch_stage._register

    def list_once(*arguments: Any) -> list[SourceFile]:
        listings.append(ground.sql("SELECT count(*) FROM sluice.runs"))
        return real_list(*arguments)

    def fail_once(*arguments: Any) -> Any:
        monkeypatch.setattr(fetch_stage, "_register", real_register)
        raise psycopg.errors.SerializationFailure("could not serialize access")

    monkeypatch.setattr(fetch_stage, "_list", list_once)
    monkeypatch.setattr(fetch_stage, "_register", fail_once)
    assert fetch(ground.tools(feed), ground.request(feed)).files == 1
    assert listings == [[(0,)]]


def test_the_log_says_how_many_files_are_left_until_they_have_settled(ground: Ground) -> None:
    """Otherwise a folder full of fresh files would look empty."""
    feed = ground.feed(ITEMS)
    feed = feed.model_copy(update={"source": feed.source.model_copy(update={"settle_seconds": 3600})})
    ground.put("old.xml", items(item("a")))
    ground.put("new.xml", items(item("b")), modified=dt.datetime.now(dt.UTC))
    summary = fetch(ground.tools(feed), ground.request(feed))
    assert (summary.files, summary.unsettled) == (1, 1)
    assert summary.line().endswith("; 1 left until they have settled")
