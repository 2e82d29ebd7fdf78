"""Deletes: the greatest order of a key wins, whether it deletes or not, and whichever arrives when."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from tests.pause import Pause
from tests.small_feeds import DELETING, ITEMS, Ground, deleted, gone, item, items

from sluice import holds, warehouse
from sluice.errors import PermanentError
from sluice.feed.model import Feed
from sluice.records import LoadCounts

FORMS = pytest.mark.parametrize("delete", [deleted, gone], ids=["status", "record"])
Delete = Callable[..., str]
PARTS = [("x", ["1", "2"])]


@pytest.fixture
def feed(ground: Ground) -> Feed:
    return ground.feed(DELETING)


def run(ground: Ground, feed: Feed, name: str, *records: str, **options: Any) -> LoadCounts:
    """Let a file arrive, and load it; returns what came of its records."""
    ground.put(name, items(*records))
    assert ground.run(feed, **options) is None
    columns = "inserted, updated, unchanged, superseded, deleted"
    counts = ground.sql(f"SELECT {columns} FROM sluice.runs ORDER BY run_id DESC LIMIT 1")[0]
    assert ground.miscounted() == []
    return LoadCounts(*counts)


def rows(ground: Ground) -> list[tuple[str, int]]:
    return ground.sql("SELECT id, rev FROM items.items ORDER BY id")


def keys(ground: Ground) -> list[tuple[str, int, bool]]:
    return ground.sql('SELECT id, rev, _is_deleted FROM sluice."items.items" ORDER BY id')


def children(ground: Ground) -> list[str]:
    return [key for (key,) in ground.sql("SELECT id FROM items.parts UNION ALL SELECT id FROM items.marks ORDER BY 1")]


# -- one after the other ----------------------------------------------------------------------------------------------


@FORMS
def test_a_delete_takes_the_row_and_its_children(ground: Ground, feed: Feed, delete: Delete) -> None:
    run(ground, feed, "a.xml", item("a", 1, parts=PARTS), item("b", 1, parts=PARTS))
    assert run(ground, feed, "b.xml", delete("a", 2)) == LoadCounts(deleted=1)
    assert (rows(ground), children(ground)) == ([("b", 1)], ["b", "b", "b"])
    assert keys(ground) == [("a", 2, True), ("b", 1, False)]


@FORMS
def test_an_older_delete_that_comes_late_changes_nothing(ground: Ground, feed: Feed, delete: Delete) -> None:
    run(ground, feed, "a.xml", item("a", 2, parts=PARTS))
    before = ground.tables(feed), ground.keys(feed)
    assert run(ground, feed, "b.xml", delete("a", 1)) == LoadCounts(superseded=1)
    assert (ground.tables(feed), ground.keys(feed)) == before


@FORMS
def test_a_delete_that_comes_early_holds(ground: Ground, feed: Feed, delete: Delete) -> None:
    """The tombstone of a key that was never there beats the older record that comes later."""
    assert run(ground, feed, "b.xml", delete("a", 2)) == LoadCounts(deleted=1)
    assert run(ground, feed, "a.xml", item("a", 1, parts=PARTS)) == LoadCounts(superseded=1)
    assert (rows(ground), children(ground), keys(ground)) == ([], [], [("a", 2, True)])


@FORMS
def test_a_greater_order_creates_the_key_again(ground: Ground, feed: Feed, delete: Delete) -> None:
    run(ground, feed, "a.xml", item("a", 1, parts=PARTS))
    run(ground, feed, "b.xml", delete("a", 2))
    assert run(ground, feed, "c.xml", item("a", 3, parts=[("z", [])])) == LoadCounts(inserted=1)
    assert (rows(ground), children(ground), keys(ground)) == ([("a", 3)], ["a"], [("a", 3, False)])
    assert run(ground, feed, "d.xml", delete("a", 4)) == LoadCounts(deleted=1)
    assert run(ground, feed, "e.xml", delete("a", 5)) == LoadCounts(deleted=1)
    assert (rows(ground), keys(ground)) == ([], [("a", 5, True)])


@pytest.mark.parametrize("names", [("a.xml", "b.xml"), ("b.xml", "a.xml")])
@FORMS
def test_equal_versions_are_told_apart_by_the_file(
    ground: Ground, feed: Feed, delete: Delete, names: tuple[str, str]
) -> None:
    """Of the same version the later URI wins, in whichever order they come."""
    run(ground, feed, names[0], item("a", 1) if names[0] == "a.xml" else delete("a", 1))
    run(ground, feed, names[1], item("a", 1) if names[1] == "a.xml" else delete("a", 1))
    assert (rows(ground), keys(ground)) == ([], [("a", 1, True)])


@FORMS
def test_within_one_file_the_greatest_order_wins(ground: Ground, feed: Feed, delete: Delete) -> None:
    """By version, then by the place in the file; the other records of the key count as superseded."""
    records = [item("a", 2), delete("a", 1), item("b", 1), delete("b", 2), item("c", 1), delete("c", 1), item("c", 1)]
    counts = run(ground, feed, "a.xml", *records, delete("d", 1), item("d", 1, parts=PARTS), delete("e", 2))
    assert counts == LoadCounts(inserted=3, superseded=5, deleted=2)
    assert rows(ground) == [("a", 2), ("c", 1), ("d", 1)]
    assert keys(ground) == [("a", 2, False), ("b", 2, True), ("c", 1, False), ("d", 1, False), ("e", 2, True)]


def test_updates_are_counted_as_ever(ground: Ground, feed: Feed) -> None:
    """What has won in the keys table is new, changed or unchanged in the table itself."""
    run(ground, feed, "a.xml", item("a", 1, parts=PARTS), item("b", 1), item("c", 1, parts=PARTS))
    again = [item("a", 1, parts=PARTS), item("b", 1, "other"), item("c", 1, parts=[("x", ["1"])]), item("d", 1)]
    assert run(ground, feed, "b.xml", *again) == LoadCounts(inserted=1, updated=2, unchanged=1)
    uri = ground.uri("b.xml")
    assert {row[0] for row in (*ground.tables(feed)["items"], *ground.keys(feed))} == {uri}


def test_the_log_tells_of_deletes_where_there_are_any(ground: Ground, feed: Feed) -> None:
    """As deletes, not as deleted rows: most of them may have found none."""
    ground.put("a.xml", items(item("a")))
    assert ground.summary(feed).line().endswith("; 1 new, 0 updated, 0 unchanged, 0 superseded")
    ground.put("b.xml", items(gone("a", 2), gone("b"), deleted("c")))
    assert ground.summary(feed).line().endswith("; 0 new, 0 updated, 0 unchanged, 0 superseded, 3 deletes")


def test_the_keys_tell_which_record_decided(ground: Ground, feed: Feed) -> None:
    """The lineage in the keys table is that of the row, or of the delete."""
    run(ground, feed, "a.xml", item("a", 1), item("b", 1))
    run(ground, feed, "b.xml", item("c", 1), gone("a", 2))
    known = {row[2]: row for row in ground.keys(feed)}
    assert known["a"][:2] == (ground.uri("b.xml"), known["c"][1])
    assert known["a"][3:6] == (2, "", 2)
    live = {row[2]: (row[:4], row[6:]) for row in ground.tables(feed)["items"]}
    assert {key: (row[:4], row[4:-1]) for key, row in known.items() if not row[-1]} == live


def test_a_table_that_somebody_changed_by_hand_mends_itself(ground: Ground, feed: Feed) -> None:
    """A row that is gone comes back with its next version; one that has no key is replaced."""
    run(ground, feed, "a.xml", item("a", 1), item("b", 1))
    ground.sql("DELETE FROM items.items WHERE id = 'a'")
    ground.sql("DELETE FROM sluice.\"items.items\" WHERE id = 'b'")
    assert run(ground, feed, "b.xml", item("a", 2), item("b", 2)) == LoadCounts(inserted=1, updated=1)
    assert (rows(ground), len(keys(ground))) == ([("a", 2), ("b", 2)], 2)


# -- the gate, the quarantine -----------------------------------------------------------------------------------------

GATED = DELETING.replace(
    "    columns: {id",
    """    expectations:
      - expect_table_row_count_to_be_between: {max_value: 1}
      - expect_column_values_to_not_be_null: {column: name}
    columns: {id""",
    1,
)


def test_the_gate_sees_no_deletes(ground: Ground) -> None:
    feed = ground.feed(GATED)
    counts = run(ground, feed, "a.xml", item("a"), gone("b"), deleted("c"), deleted("d"))
    assert counts == LoadCounts(inserted=1, deleted=3)


def test_a_delete_in_a_part_that_is_held_waits_with_it(ground: Ground) -> None:
    feed = ground.feed(GATED)
    run(ground, feed, "a.xml", item("a"))
    ground.put("b.xml", items(item("b"), item("c"), gone("a", 2)))
    assert "held" in str(ground.run(feed))
    assert (rows(ground), keys(ground)) == ([("a", 1)], [("a", 1, False)])
    with psycopg.connect(ground.dsn) as connection:
        holds.release(connection, "items", None, None)
    ground.run(feed)
    assert (rows(ground), keys(ground)[0]) == ([("b", 1), ("c", 1)], ("a", 2, True))


def test_a_rejected_delete_deletes_nothing_and_may_be_replayed(ground: Ground, feed: Feed) -> None:
    run(ground, feed, "a.xml", item("a"))
    run(ground, feed, "b.xml", gone("b"), '<Gone id="a" rev="two"/>')
    assert (rows(ground), len(keys(ground))) == ([("a", 1)], 2)
    words = DELETING.replace("type: integer", 'type: integer, null: ["two"], default: "2"')
    assert "null" in words
    fixed = ground.feed(DELETING.replace('rev: "@rev"}}', 'rev: ["@revision", "@rev"]}}'))
    ground.run(fixed, reload="replay")
    assert ground.sql("SELECT state FROM sluice.quarantine") == [("open",)]


# -- loading again, other mappings ------------------------------------------------------------------------------------


@FORMS
def test_loading_all_again_changes_nothing(ground: Ground, feed: Feed, delete: Delete) -> None:
    run(ground, feed, "a.xml", item("a", 1, parts=PARTS), item("b", 3), delete("c", 1))
    run(ground, feed, "b.xml", delete("a", 2), delete("b", 2), item("c", 2))
    before = ground.tables(feed), ground.keys(feed)
    for _ in range(2):
        assert ground.run(feed, reload="all") is None
        assert (ground.tables(feed), ground.keys(feed)) == before
        assert ground.miscounted() == []


OTHER_FORMS = {deleted: ("values: D", "values: X"), gone: ("record: /Items/Gone", "record: /Items/Went")}


@FORMS
def test_a_tombstone_goes_with_the_delete_that_its_part_gives_no_more(ground: Ground, delete: Delete) -> None:
    """Then an older record may come, as if the delete had never been."""
    run(ground, ground.feed(DELETING), "b.xml", delete("a", 2), item("b"))
    assert keys(ground) == [("a", 2, True), ("b", 1, False)]
    feed = ground.feed(DELETING.replace(*OTHER_FORMS[delete]))
    assert ground.run(feed, reload="changed") is None
    assert keys(ground) == [("b", 1, False)]
    assert run(ground, feed, "a.xml", item("a", 1)) == LoadCounts(inserted=1)
    assert rows(ground) == [("a", 1), ("b", 1)]


def test_what_was_a_row_may_be_a_delete_under_a_new_mapping_and_the_other_way_round(ground: Ground) -> None:
    record = '<Item id="a" rev="1" status="X"/>'
    run(ground, ground.feed(DELETING), "a.xml", record)
    assert rows(ground) == [("a", 1)]
    assert run(ground, ground.feed(DELETING.replace("values: D", "values: X")), "a.xml", record, reload="changed")
    assert (rows(ground), keys(ground)) == ([], [("a", 1, True)])
    assert run(ground, ground.feed(DELETING), "a.xml", record, reload="changed") == LoadCounts(inserted=1)
    assert (rows(ground), keys(ground)) == ([("a", 1)], [("a", 1, False)])


def test_deletes_for_a_feed_that_has_rows(ground: Ground) -> None:
    """The keys that live already are known before the first delete is merged."""
    old = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a", 2, parts=PARTS), item("b", 2)))
    assert ground.run(old) is None
    feed = ground.feed(DELETING)
    assert run(ground, feed, "b.xml", gone("a", 1), gone("b", 3)) == LoadCounts(superseded=1, deleted=1)
    assert (rows(ground), children(ground)) == ([("a", 2)], ["a", "a", "a"])
    assert keys(ground) == [("a", 2, False), ("b", 3, True)]


def test_a_run_under_an_older_mapping_cannot_miss_a_tombstone(ground: Ground) -> None:
    """Whatever it says of deletes; and it keeps the keys."""
    old = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a", 1), item("b", 3), item("c", 1)))
    late, _ = ground.prepare(old)
    feed = ground.feed(DELETING)
    run(ground, feed, "b.xml", gone("a", 2), gone("b", 2), uri=ground.uri("b.xml"))
    assert ground.load(old, late).counts == LoadCounts(inserted=2, superseded=1)
    assert rows(ground) == [("b", 3), ("c", 1)]
    assert keys(ground) == [("a", 2, True), ("b", 3, False), ("c", 1, False)]


def test_a_mapping_without_deletes_keeps_the_tombstones(ground: Ground, feed: Feed) -> None:
    run(ground, feed, "b.xml", gone("a", 2), gone("b", 2))
    old = ground.feed(ITEMS)
    assert run(ground, old, "a.xml", item("a", 1), item("b", 3)) == LoadCounts(inserted=1, superseded=1)
    assert keys(ground) == [("a", 2, True), ("b", 3, False)]


def test_tables_that_were_dropped_are_filled_anew(ground: Ground, feed: Feed) -> None:
    """What is known of keys that live goes with their rows; what was deleted stays so."""
    run(ground, feed, "a.xml", item("a", 2), item("b", 1), gone("b", 2))
    ground.sql("DROP SCHEMA items CASCADE")
    assert run(ground, feed, "c.xml", item("a", 1), item("b", 1)) == LoadCounts(inserted=1, superseded=1)
    assert keys(ground) == [("a", 1, False), ("b", 2, True)]
    assert ground.run(feed, reload="all") is None
    assert rows(ground) == [("a", 2)]


def test_keys_that_are_gone_are_not_missed_in_silence(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(feed)
    ground.sql('DROP TABLE sluice."items.items"')
    with pytest.raises(PermanentError, match=r'"sluice"\."items\.items" with the keys of items is gone'):
        ground.load(feed, run_id)
    assert ground.run(feed) is None
    assert keys(ground) == [("a", 1, False)]


def test_a_dry_run_deletes_nothing(ground: Ground) -> None:
    ground.put("a.xml", items(item("a")))
    ground.run(ground.feed(ITEMS))
    assert run(ground, ground.feed(DELETING), "b.xml", gone("a", 2), dry_run=True) == LoadCounts(deleted=1)
    assert rows(ground) == [("a", 1)]
    assert ground.sql("SELECT to_regclass('sluice.\"items.items\"')") == [(None,)]


# -- at the same moment -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, item("k", 1, parts=PARTS), gone("k", 1)], ids=["absent", "live", "deleted"])
@pytest.mark.parametrize("order", [("insert", "delete"), ("delete", "insert")], ids="-".join)
@FORMS
def test_a_delete_and_an_older_record_at_the_same_moment(
    ground: Ground,
    feed: Feed,
    monkeypatch: pytest.MonkeyPatch,
    delete: Delete,
    order: tuple[str, str],
    before: str | None,
) -> None:
    """The second waits for the first, and then sees what it did."""
    if before:
        run(ground, feed, "0.xml", before)
    ready = {}
    for name, record in (("insert", item("k", 2, parts=PARTS)), ("delete", delete("k", 3))):
        ground.put(f"{name}.xml", items(record))
        ready[name] = ground.prepare(feed, uri=ground.uri(f"{name}.xml"))[0]
    loads = [lambda name=name: ground.load(feed, ready[name]) for name in order]
    assert Pause(ground, monkeypatch).run(*loads)
    assert (rows(ground), children(ground), keys(ground)) == ([], [], [("k", 3, True)])
    assert ground.miscounted() == []


def test_deletes_come_into_a_feed_while_it_loads(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys table appears when the load has ended, and knows what it brought."""
    old = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a", 2)))
    run_id, _ = ground.prepare(old)
    feed = ground.feed(DELETING)

    def make_tables() -> None:
        with warehouse.connect(ground.dsn) as connection:
            warehouse.prepare(connection, feed)

    Pause(ground, monkeypatch).run(lambda: ground.load(old, run_id), make_tables)
    assert keys(ground) == [("a", 2, False)]


def test_overlapping_deletes_in_opposite_order_do_not_deadlock(
    ground: Ground, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that bring the same keys upside down are merged side by side; nothing has to be tried again."""
    monkeypatch.setattr(warehouse, "_RETRIED", ())
    names = [f"k{number:03}" for number in range(150)]
    makers = itertools.cycle([item, gone, deleted, item])
    run_ids = []
    for number in range(6):
        records = [next(makers)(name, (number * 7 + at) % 5) for at, name in enumerate(names)]
        ground.put(f"{number}.xml", items(*(records if number % 2 else reversed(records))))
        run_ids.append(ground.prepare(feed, uri=ground.uri(f"{number}.xml"))[0])
    for run_id in run_ids:
        ground.load(feed, run_id)
    expected = ground.tables(feed), ground.keys(feed)
    for order in (run_ids, run_ids[::-1], run_ids[::2] + run_ids[1::2]):
        ground.forget_loads(feed)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda run_id: ground.load(feed, run_id), order))
        assert (ground.tables(feed), ground.keys(feed)) == expected
        assert ground.miscounted() == []


def test_feeds_without_deletes_take_no_part_in_this(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is new to them is a lock that they hold anyway, and one question."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    run_id, _ = ground.prepare(feed)
    statements: list[str] = []
    real = warehouse.query
    for module in ("family", "staging"):
        monkeypatch.setattr(f"sluice.{module}.query", lambda text: statements.append(text) or real(text))
    ground.load(feed, run_id)
    about = [text for text in statements if "delete" in text or 'sluice."' in text or '"sluice"' in text]
    assert about == ['SELECT to_regclass(\'"sluice"."items.items"\')']
