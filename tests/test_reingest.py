"""A range of dates loaded again under a new mapping: exactly the rows that its files gave are replaced.

A row that came from another date stays as it was, untouched; of the dates that are loaded again the tables hold what a
first load under the new mapping gives of them. Where both speak of one key, the greater order wins.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from typing import Any

import pytest
from tests.small_feeds import CHILDREN, DATED, DELETING, ITEMS, KEYLESS, Ground

from sluice.errors import TablesDiffer
from sluice.feed.model import Feed

BEFORE, MARCH, AFTER = ["2026-02-28"], ["2026-03-01", "2026-03-02"], ["2026-04-01"]
SOURCE = "{date:%Y-%m-%d}/*.xml"
KINDS = {"keyed": ITEMS, "dated": DATED, "keyless": KEYLESS, "deleting": DELETING}
GATE = "    expectations: [expect_column_values_to_not_be_in_set: {column: name, value_set: [bad]}]\n"
CHANGES = {
    "column added": ("name: Name", "name: Name, size: {path: Size, type: integer}"),
    "type widened": ('rev: {path: "@rev", type: integer}', 'rev: {path: "@rev", type: bigint}'),
    "other path": ("name: Name", "name: Label"),
    "table added": (CHILDREN, f"{CHILDREN}  sizes:\n    parent: items\n    rows: Size\n    columns: {{size: .}}\n"),
    "fewer children": ("rows: Part", "rows: Part[@code='p1']"),
    "child column gone": ("    columns: {mark: .}", "    columns: {other: '@other'}"),
}
REJECTING = {
    "expectation added": (CHILDREN, f"\n{GATE}{CHILDREN}"),
    "value refused": ("name: Name", "name: {path: Name, null: [bad], required: true}"),
}
ALL_DAYS = [*BEFORE, *MARCH, *AFTER]
Row = tuple[str, dict[str, Any], tuple[Any, ...]]
"""The date of its file, its values without NULLs, and what changes whenever it is written."""


def record(key: str, rev: int, chance: random.Random) -> str:
    parts = "".join(
        f'<Part code="p{number}">{"".join(f"<Mark>{mark}</Mark>" for mark in range(chance.randrange(3)))}</Part>'
        for number in range(chance.randrange(3))
    )
    status = ' status="D"' if chance.random() < 0.1 else ""
    name = chance.choice(["bad", "good", "fine"])
    size = chance.randrange(100)
    below = f"<Name>{name}</Name><Label>l{size}</Label><Size>{size}</Size>{parts}"
    return f'<Item id="{key}" rev="{rev}"{status}>{below}</Item>'


def put_files(ground: Ground, seed: int) -> None:
    """Two files a day, each with some of a few keys, in any version."""
    chance = random.Random(seed)
    for day in (*BEFORE, *MARCH, *AFTER):
        for number in range(2):
            records = [record(key, chance.randrange(1, 9), chance) for key in chance.sample("abcdefghij", 4)]
            moment = dt.datetime.fromisoformat(f"{day}T{number + 6:02}:00Z")
            ground.put(f"{day}/{number}.xml", f"<Items>{''.join(records)}</Items>", moment)


def run_days(ground: Ground, feed: Feed, days: list[str], reload: str = "no") -> None:
    """As a backfill does: a run for each date."""
    for day in days:
        run_span(ground, feed, day, day, reload)


def run_span(ground: Ground, feed: Feed, first: str, last: str, reload: str = "no") -> None:
    dates = (dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    assert ground.run(feed, date_from=dates[0], date_to=dates[1], reload=reload) is None


def rows(ground: Ground, feed: Feed, table: str) -> list[Row]:
    found = ground.sql(
        f"""SELECT substring(f.uri from '/(2026-..-..)/'), f.uri, to_jsonb(t) - '_file' - '_run' - '_loaded_at',
                t.ctid::text, t.xmin::text, t._run
            FROM "{feed.schema_name}"."{table}" t JOIN sluice.files f ON f.file_id = t._file"""
    )
    return [
        (day, {"uri": uri, **{name: value for name, value in values.items() if value is not None}}, tuple(written))
        for day, uri, values, *written in sorted(found, key=repr)
    ]


def identity(feed: Feed, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """That of the record that a row belongs to."""
    key = feed.tables["items"].key or ("uri", "_member", "_offset")
    return tuple(values[name] for name in key)


def snapshot(ground: Ground, feed: Feed) -> dict[str, list[Row]]:
    return {table: rows(ground, feed, table) for table in feed.tables if has_table(ground, feed, table)}


def has_table(ground: Ground, feed: Feed, table: str) -> bool:
    return bool(ground.sql("SELECT to_regclass(%s) IS NOT NULL", f"{feed.schema_name}.{table}")[0][0])


def spelled(found: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(values.items())) for values in found)


def step(ground: Ground, feed: Feed) -> None:
    """Bring the tables in step, by the SQL that is told where it does not come by itself."""
    try:
        ground.run(feed, date_from=dt.date(2020, 1, 1), date_to=dt.date(2020, 1, 1))
    except TablesDiffer as error:
        for statement in error.sql:
            ground.sql(statement)


def load_first(ground: Ground, text: str, more: str = "") -> dict[str, list[Row]]:
    """What a first load of all files gives; nothing of it stays."""
    feed = ground.feed(text, source=SOURCE, more=more)
    run_span(ground, feed, ALL_DAYS[0], ALL_DAYS[-1])
    found = snapshot(ground, feed)
    ground.clear_database()
    return found


def load_and_change(ground: Ground, old: str, new: str, more: str = "") -> Feed:
    """All files under the old mapping; then the tables are in step with the new one."""
    run_span(ground, ground.feed(old, source=SOURCE, more=more), ALL_DAYS[0], ALL_DAYS[-1])
    feed = ground.feed(new, source=SOURCE, more=more)
    step(ground, feed)
    return feed


def cases(changes: Mapping[str, tuple[str, str]], kinds: Mapping[str, str]) -> Any:
    """Each kind of feed with each change, over other files each time."""
    made = [
        pytest.param(text, text.replace(*change), seed, id=f"{kind}-{name}")
        for seed, (kind, text, name, change) in enumerate(
            (kind, text, name, change) for kind, text in kinds.items() for name, change in changes.items()
        )
    ]
    return pytest.mark.parametrize(("old", "new", "seed"), made)


def of_march(found: Mapping[str, list[Row]], table: str, march: bool) -> list[Row]:
    return [row for row in found.get(table, []) if (row[0] in MARCH) == march]


@cases(CHANGES, KINDS)
def test_exactly_the_rows_of_march_are_replaced(ground: Ground, old: str, new: str, seed: int) -> None:
    """Whatever the change; the dates in either order; a second time there is nothing left to do."""
    check_march(ground, old, new, seed)


def check_march(ground: Ground, old: str, new: str, seed: int) -> None:
    assert old != new
    put_files(ground, seed)
    wanted = load_first(ground, new)
    feed = load_and_change(ground, old, new)
    before = snapshot(ground, feed)
    run_days(ground, feed, MARCH[::-1] if seed % 2 else MARCH, reload="changed")
    after = snapshot(ground, feed)

    kept = {identity(feed, values) for _, values, _ in of_march(before, "items", march=False)}
    for table in feed.tables:
        assert of_march(after, table, march=False) == of_march(before, table, march=False)
        came = [values for _, values, _ in of_march(after, table, march=True)]
        first = [values for _, values, _ in of_march(wanted, table, march=True)]
        assert spelled(came) == spelled([values for values in first if identity(feed, values) not in kept])
    assert of_march(after, "items", march=True)
    assert ground.miscounted() == []
    run_span(ground, feed, MARCH[0], MARCH[-1], reload="changed")
    assert snapshot(ground, feed) == after


@cases(REJECTING, {"keyless": KEYLESS})
def test_rows_that_are_rejected_now_go(ground: Ground, old: str, new: str, seed: int) -> None:
    """Without a key each record is a row of its own, so nothing can take its place."""
    check_march(ground, old, new, seed)


@cases(REJECTING, {"keyed": ITEMS, "dated": DATED, "deleting": DELETING})
def test_a_record_that_is_rejected_now_makes_room_for_older_ones(ground: Ground, old: str, new: str, seed: int) -> None:
    """Its key has no row until an older version is loaded again: so load all again that may hold one. Then the tables
    are those of a first load, whatever the order of the dates.
    """
    put_files(ground, seed)
    wanted = load_first(ground, new)
    feed = load_and_change(ground, old, new)
    before = snapshot(ground, feed)
    run_days(ground, feed, MARCH, reload="changed")
    after = snapshot(ground, feed)
    for table in feed.tables:
        assert of_march(after, table, march=False) == of_march(before, table, march=False)
    left = {values["name"] for _, values, _ in of_march(after, "items", march=True)}
    assert left
    assert "bad" not in left
    days = ALL_DAYS[::-1] if seed % 2 else ALL_DAYS
    run_days(ground, feed, days, reload="changed")
    run_days(ground, feed, days, reload="all")
    again = snapshot(ground, feed)
    for table in feed.tables:
        assert spelled([row[1] for row in again[table]]) == spelled([row[1] for row in wanted[table]])


@pytest.mark.parametrize("name", ["column added", "fewer children"])
def test_runs_that_publish_as_one_replace_the_same_rows(ground: Ground, name: str) -> None:
    put_files(ground, 7)
    found = []
    for more in ("", "publish: run"):
        feed = load_and_change(ground, ITEMS, ITEMS.replace(*CHANGES[name]), more)
        run_span(ground, feed, MARCH[0], MARCH[-1], reload="changed")
        found.append({table: spelled([row[1] for row in rows]) for table, rows in snapshot(ground, feed).items()})
        ground.clear_database()
    assert found[0] == found[1]


def test_a_run_that_publishes_as_one_tells_of_keys_that_lost_their_row(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    for day, rev, name in ((BEFORE[0], 1, "good"), (MARCH[0], 2, "bad")):
        ground.put(f"{day}/a.xml", f'<Items><Item id="a" rev="{rev}"><Name>{name}</Name></Item></Items>')
    feed = load_and_change(ground, ITEMS, ITEMS.replace(*REJECTING["value refused"]), "publish: run")
    with caplog.at_level("INFO"):
        run_span(ground, feed, MARCH[0], MARCH[0], reload="changed")
        assert "1 key has lost its row: see docs/changing-a-feed.md" in caplog.text
        caplog.clear()
        assert ground.sql("SELECT id FROM items.items") == []
        run_span(ground, feed, BEFORE[0], MARCH[0], reload="all")
        assert "lost" not in caplog.text
    assert ground.sql("SELECT id, name FROM items.items") == [("a", "good")]


def test_a_column_that_is_declared_no_more_keeps_what_it_had(ground: Ground) -> None:
    """In rows that are replaced where they stand; rows of child tables are made anew, and leave it empty."""
    put_files(ground, 3)
    feed = load_and_change(ground, ITEMS, ITEMS.replace(", name: Name", "").replace("{mark: .}", "{other: '@x'}"))
    names = ground.sql("SELECT id, name FROM items.items ORDER BY id")
    run_span(ground, feed, ALL_DAYS[0], ALL_DAYS[-1], reload="changed")
    assert ground.sql("SELECT id, name FROM items.items ORDER BY id") == names
    assert ground.sql("SELECT DISTINCT mark FROM items.marks") == [(None,)]
