"""Rows without a key go straight into their tables; new keys in fewer steps. It must not matter which way they go."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from tests.pause import Pause
from tests.small_feeds import DELETING, ITEMS, KEYLESS, Ground, cut_items, gone, item, items

from sluice import append, copying, ledger, warehouse
from sluice.contest import Contest
from sluice.errors import PermanentError
from sluice.feed.model import Feed
from sluice.merge import FamilyMerge
from sluice.publishing import BatchPublisher
from sluice.records import LoadCounts
from sluice.stages import split as split_stage
from sluice.staging import Staging

# Of every type, one value that is there and one that is not.
KINDS = {
    "text": "ü, 'x' \\N",
    "integer": "-7",
    "bigint": "9007199254740993",
    "numeric(38,3)": "-0.001",
    "numeric(76,3)": "12345678901234567890123456789012345678901234567890.125",
    "boolean": "true",
    "date": "1969-12-31",
    "timestamp": "1999-12-31T23:59:59.999999",
    "timestamptz": "2026-03-29T02:30:00.5+02:00",
    "json": '{"a": [1, null]}',
    "text[]": "b",
}
NUMBERED = ITEMS.replace('id: "@id"', 'id: {path: "@id", type: bigint}')
SMALL = {kind: text for kind, text in KINDS.items() if kind not in ("numeric(76,3)", "text[]")}


def feed_of(kinds: dict[str, str]) -> str:
    columns = "".join(f'      c{at}: {{path: C{at}, type: "{kind}"}}\n' for at, kind in enumerate(kinds))
    root = f"  items:\n    record: /Items/Item\n    columns:\n{columns}"
    return f"tables:\n{root}  lines:\n    parent: items\n    rows: Line\n    columns:\n{columns}"


def values_of(kinds: dict[str, str]) -> str:
    return "".join(f"<C{at}>{text}</C{at}>" for at, text in enumerate(kinds.values()))


def merge_always(patch: pytest.MonkeyPatch) -> None:
    """Everything goes the long way: staged, held against what is there, noted, counted."""
    real = BatchPublisher._merge_family

    class ByMerge:
        def __init__(self, conn: psycopg.Connection, feed: Feed, root: str, *_: Any) -> None:
            self._staging, self._root = Staging(conn, feed), root

        def append(self, read: append.Read) -> append.Appended:
            return append.Appended(real(publishers[-1], self._staging, self._root, read))

    publishers: list[BatchPublisher] = []
    publish = BatchPublisher.publish

    def noting(self: BatchPublisher, conn: psycopg.Connection) -> Any:
        publishers.append(self)
        return publish(self, conn)

    patch.setattr(BatchPublisher, "publish", noting)
    patch.setattr("sluice.publishing.PlaceAppend", ByMerge)
    patch.setattr(append.KeyAppend, "append", lambda _, read: append.Appended(rest=read))
    patch.setattr(FamilyMerge, "_replace_older", lambda _: None)
    patch.setattr(Staging, "has_unique_keys", lambda *_: False)
    patch.setattr(Contest, "_has_keys_in_range", lambda *_: True)


def both_ways(ground: Ground, feed: Feed, runs: list[int]) -> Iterator[tuple[Any, ...]]:
    """What is in the tables and in the ledger once the batches of these runs were loaded; the short way, then the
    long one.
    """
    for is_long in (False, True):
        ground.forget_loads(feed)
        with pytest.MonkeyPatch.context() as patch:
            if is_long:
                merge_always(patch)
            for run_id in runs:
                ground.load(feed, run_id)
        yield ground.tables(feed), ground.ledger(), ground.sql("SELECT code, state FROM sluice.quarantine")


@pytest.mark.parametrize("kinds", [SMALL, KINDS], ids=["binary", "csv"])
@pytest.mark.parametrize("source", ["**", "{date:%Y-%m-%d}/*"], ids=["undated", "dated"])
def test_every_kind_of_value_arrives_the_same_either_way(ground: Ground, kinds: dict[str, str], source: str) -> None:
    assert copying.is_binary([kind.replace("json", "jsonb") for kind in kinds]) == (kinds is SMALL)
    feed = ground.feed(feed_of(kinds), source=source)
    full, empty = values_of(kinds), "<Line/>"
    ground.put("2026-03-01/a.xml", items(f"<Item>{full}<Line>{full}</Line>{empty}</Item>", "<Item/>"))
    ground.put("2026-03-01/b.zip", {"m.xml": items(f"<Item>{empty}</Item>"), "n.xml": items(f"<Item>{full}</Item>")})
    run_id, _ = ground.prepare(feed)
    short, long = both_ways(ground, feed, [run_id])
    assert short == long
    assert [len(rows) for rows in short[0].values()] == [4, 3]
    assert ground.reconcile(feed, run_id) is None


@pytest.mark.parametrize("text", [KEYLESS, ITEMS, NUMBERED], ids=["keyless", "keyed", "numbered"])
def test_whatever_comes_one_after_another_ends_the_same_either_way(ground: Ground, text: str) -> None:
    """Bad records, several versions of a file, newer and older, and keys that are new, known, or twice in a batch."""
    feed = ground.feed(text.replace("name: Name", 'name: {path: Name, null: ["bad"], required: true}'))
    runs = []
    bodies = [
        items(item("2", 2, parts=[("x", ["1", "2"]), ("y", [])]), item("3", 1, "bad"), item("4")),
        items(item("1"), item("5", parts=[("z", ["3"])])),
        items(item("2", 1), item("4", 2, parts=[("w", [])]), item("4", 1), item("6")),
        items(item("7"), item("7", 3), item("8", parts=[("v", ["4"])])),
        items(item("10", parts=[("u", [])]), item("11", 2, parts=[("t", ["5"]), ("s", [])])),
        "<Items><Item",
    ]
    for (number, body), minute in zip(enumerate(bodies), itertools.cycle([5, 1, 9]), strict=False):
        ground.put(f"f{number % 3}.xml", body, dt.datetime(2026, 3, 1, 12, minute, tzinfo=dt.UTC))
        runs.append(ground.prepare(feed)[0])
    for order in (runs, runs[::-1], runs[1:] + runs[:1]):
        short, long = both_ways(ground, feed, order)
        assert short == long


def test_rows_without_a_key_are_staged_only_where_their_part_was_loaded_before(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ground.feed(KEYLESS)
    copied: list[str] = []
    real = copying.copy_rows

    def noting(conn: psycopg.Connection, target: str, *rest: Any) -> int:
        copied.append(target)
        return real(conn, target, *rest)

    monkeypatch.setattr("sluice.append.copy_rows", noting)
    monkeypatch.setattr("sluice.staging.copy_rows", noting)
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])])))
    ground.run(feed)
    assert copied == ['"items"."items"', '"items"."parts"', '"items"."marks"']
    ground.run(feed, reload="all")
    assert copied[3:] == ["stage_rows_0", "stage_rows_1", "stage_rows_2"]


def test_a_part_that_a_newer_version_outdoes_gives_no_rows_and_the_others_of_its_batch_do(ground: Ground) -> None:
    feed = ground.feed(KEYLESS)
    ground.put("a.xml", items(item("old", parts=[("x", [])]), item("older")))
    ground.put("b.xml", items(item("b", parts=[("y", ["1"])])))
    late, _ = ground.prepare(feed)
    ground.put("a.xml", items(item("new")), dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    ground.run(feed, uri=ground.uri("a.xml"))
    assert ground.load(feed, late).counts == LoadCounts(inserted=1, superseded=2)
    assert sorted(row[2] for row in ground.tables(feed)["items"]) == ["b", "new"]
    assert [len(ground.tables(feed)[name]) for name in ("parts", "marks")] == [1, 1]
    assert ground.miscounted() == []


def test_a_transaction_that_is_tried_again_appends_once(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = ground.feed(KEYLESS)
    records = [item("a"), item("b", parts=[("x", ["1"])]), item("c")]
    ground.put("a.xml", items(*records))
    monkeypatch.setattr(split_stage, "MAX_PARTS_IN_BATCH", 2)
    run_id, numbers = ground.prepare(feed, {"a.xml": cut_items(records, 1, 1)})
    real, fails = ledger.store_counts, iter([True])

    def failing_once(*arguments: Any) -> None:
        real(*arguments)
        if next(fails, False):
            raise psycopg.errors.SerializationFailure("as if")

    monkeypatch.setattr(ledger, "store_counts", failing_once)
    assert sum(ground.load(feed, run_id, number).counts.inserted for number in numbers) == 3
    assert [len(rows) for rows in ground.tables(feed).values()] == [3, 1, 1]
    assert ground.reconcile(feed, run_id) is None


def test_a_table_that_does_not_take_all_rows_gets_none(ground: Ground) -> None:
    """A trigger of somebody's would let records vanish in silence."""
    feed = ground.feed(KEYLESS)
    ground.run(feed)
    ground.sql("CREATE FUNCTION items.skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    trigger = "CREATE TRIGGER skip BEFORE INSERT ON items.items FOR EACH ROW WHEN (NEW.id = 'b')"
    ground.sql(f"{trigger} EXECUTE FUNCTION items.skip()")
    ground.put("a.xml", items(item("a"), item("b")))
    run_id, _ = ground.prepare(feed)
    with pytest.raises(PermanentError, match="items took 1 of 2 rows; nothing was loaded"):
        ground.load(feed, run_id)
    assert (ground.tables(feed)["items"], ground.ledger()) == ([], [])


# -- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "keys", "is_unique"),
    [
        ('id: "@id"', [["a"], ["b", "c"]], True),
        ('id: "@id"', [["a", "b"], ["a"]], False),
        ('id: "@id"', [], True),
        ('id: {path: "@id", type: integer}', [[1, 2, 1]], False),
        # PostgreSQL finds more of them equal than can be seen by their texts.
        ('id: {path: "@id", type: json}', [['{"a":1}', '{"b":1}']], False),
    ],
)
def test_whether_keys_are_unique_within_a_batch(
    ground: Ground, columns: str, keys: list[list[Any]], is_unique: bool
) -> None:
    text = f"tables: {{items: {{record: /Items/Item, key: id, version: file_date, columns: {{{columns}}}}}}}"
    feed = ground.feed(text)
    kind = feed.tables["items"].columns["id"].column_type.arrow
    with psycopg.connect(ground.dsn) as connection:
        ground.run(feed)
        staging = Staging(connection, feed)
        staging.create([], [], [])
        staging.copy("items", (_rows(pa.array(some, kind)) for some in keys))
        assert staging.has_unique_keys("items") is is_unique


def _rows(keys: pa.Array) -> pa.Table:
    numbers = pa.array(range(len(keys)), pa.int64())
    place = dict.fromkeys(("_rec", "_part", "_record", "_offset"), numbers)
    return pa.table({**place, "_member": pa.array([""] * len(keys)), "id": keys})


@pytest.mark.parametrize(
    ("known", "brought", "is_in_range"),
    [
        ("", "ab", False),
        ("m", "ab", False),
        ("m", "xz", False),
        ("m", "az", True),
        ("m", "mm", True),
        ("amz", "bc", False),
    ],
)
def test_keys_beside_all_that_are_there_are_known_to_be_new(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, known: str, brought: str, is_in_range: bool
) -> None:
    feed = ground.feed(ITEMS)
    if known:
        ground.put("a.xml", items(*map(item, known)))
        ground.run(feed)
    found: list[bool] = []
    real = Contest._has_keys_in_range
    monkeypatch.setattr(Contest, "_has_keys_in_range", lambda self: found.append(real(self)) or found[-1])
    monkeypatch.setattr(append.KeyAppend, "append", lambda _, read: append.Appended(rest=read))
    ground.put("b.xml", items(*(item(key, 2) for key in brought)))
    ground.run(feed)
    assert found == [is_in_range]
    assert {row[2] for row in ground.tables(feed)["items"]} == {*known, *brought}


@pytest.fixture
def appended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Of each batch with keys, how many records were appended, and whether others were left to be merged."""
    tried: list[tuple[int, bool]] = []
    real = append.KeyAppend.append

    def noting(self: append.KeyAppend, read: append.Read) -> append.Appended:
        done = real(self, read)
        tried.append((sum(counts.loaded for counts in done.counts.values()), done.rest is not None))
        return done

    monkeypatch.setattr(append.KeyAppend, "append", noting)
    return tried


@pytest.mark.parametrize("text", [ITEMS, NUMBERED], ids=["texts", "numbers"])
@pytest.mark.parametrize(
    ("known", "brought", "new", "is_rest"),
    [
        ("", "1 2 3", 3, False),
        ("5", "6 7", 2, False),
        ("5", "3 4", 2, False),
        ("2 9", "3 4", 2, False),
        ("5", "4 6", 2, False),
        ("5", "5", 0, True),
        ("", "2 1 3", 3, False),
        ("5", "7 3", 2, False),
        ("", "1 1", 0, True),
        ("5", "6 5 4", 2, True),
        ("5 6", "6 5", 0, True),
        ("5", "7 5 7 6", 1, True),
        # a merge inserts 6, and keys are locked in ascending order
        ("5", "7 6 6", 0, True),
    ],
)
def test_only_keys_that_are_there_or_there_twice_are_merged(
    ground: Ground,
    appended: list[tuple[int, bool]],
    text: str,
    known: str,
    brought: str,
    new: int,
    is_rest: bool,
) -> None:
    feed = ground.feed(text)
    ground.put("a.xml", items(*map(item, known.split())))
    ground.run(feed)
    ground.put("b.xml", items(*(item(key, 2, parts=[("x", [key])]) for key in brought.split())))
    appended.clear()
    ground.run(feed)
    assert appended == [(new, is_rest)]
    assert {str(row[2]) for row in ground.tables(feed)["items"]} == {*known.split(), *brought.split()}
    joined = (
        "SELECT id::text, code, _n1, p._record = i._record FROM items.items i JOIN items.parts p USING (id) ORDER BY 1"
    )
    assert ground.sql(joined) == [(key, "x", 1, True) for key in sorted({*brought.split()})]
    marks = ground.sql("SELECT id::text, mark FROM items.marks ORDER BY 1")
    assert marks == [(key, key) for key in sorted({*brought.split()})]
    assert ground.miscounted() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older first", "newer first"])
def test_two_batches_that_both_find_their_keys_new(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, appended: list[tuple[int, bool]], order: tuple[int, int]
) -> None:
    """The table is empty for both. The second waits for the first, is refused by the index, and merges."""
    monkeypatch.setattr(warehouse, "_RETRIED", ())
    feed = ground.feed(NUMBERED)
    for name, keys, rev in (("a.xml", range(1, 6), 1), ("b.xml", range(3, 9), 2)):
        ground.put(name, items(*(item(str(key), rev, name, parts=[(name, [])]) for key in keys)))
    runs = [ground.prepare(feed, uri=ground.uri(name))[0] for name in ("a.xml", "b.xml")]
    first, second = (runs[at] for at in order)
    assert Pause(ground, monkeypatch).run(lambda: ground.load(feed, first), lambda: ground.load(feed, second))
    assert appended == [(5 if order[0] == 0 else 6, False), (0, True)]
    names = ground.sql("SELECT id::integer, name FROM items.items ORDER BY id")
    assert names == [(key, "a.xml" if key < 3 else "b.xml") for key in range(1, 9)]
    assert ground.sql("SELECT id::integer, code FROM items.parts ORDER BY id") == names
    assert ground.miscounted() == []
    assert [ground.reconcile(feed, run_id) for run_id in runs] == [None, None]


def test_appends_of_other_keys_do_not_wait(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, appended: list[tuple[int, bool]]
) -> None:
    feed = ground.feed(NUMBERED)
    runs = []
    for name, keys in (("a.xml", "12"), ("b.xml", "34")):
        ground.put(name, items(*map(item, keys)))
        runs.append(ground.prepare(feed, uri=ground.uri(name))[0])
    first, second = runs
    assert not Pause(ground, monkeypatch).run(lambda: ground.load(feed, first), lambda: ground.load(feed, second))
    assert appended == [(2, False), (2, False)]


def test_tombstones_keep_keys_out_that_would_be_appended(ground: Ground, appended: list[tuple[int, bool]]) -> None:
    """Also where the mapping of now knows no deletes."""
    deleting = ground.feed(DELETING.replace('id: "@id", rev: {', 'id: {path: "@id", type: bigint}, rev: {'))
    ground.put("a.xml", items(gone("5", 9)))
    ground.run(deleting)
    feed = ground.feed(NUMBERED)
    ground.put("b.xml", items(item("5", 1), item("6", 1)))
    ground.run(feed)
    assert appended == [(0, True)]
    assert [row[2] for row in ground.tables(feed)["items"]] == [6]


def test_a_run_that_publishes_as_one_appends_no_keys(ground: Ground, appended: list[tuple[int, bool]]) -> None:
    """Each try would take a lock that is held to its end."""
    ground.put("a.xml", items(item("1")))
    feed = ground.feed(NUMBERED, more="publish: run")
    assert ground.run(feed) is None
    assert (appended, len(ground.tables(feed)["items"])) == ([], 1)


@pytest.mark.parametrize("kind", ["integer", "numeric(12,2)", "numeric(50,1)", "date", "timestamptz", "text"])
def test_keys_of_any_order_are_appended_in_theirs(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, appended: list[tuple[int, bool]], kind: str
) -> None:
    """In blocks, as all rows are copied; children follow their records."""
    monkeypatch.setattr(append, "COPY_ROWS", 2)
    feed = ground.feed(ITEMS.replace('id: "@id"', f'id: {{path: "@id", type: "{kind}"}}'))
    spelled = {"date": "2026-03-0{}", "timestamptz": "2026-03-01T00:00:0{}Z"}.get(kind, "{}")
    ground.put("a.xml", items(*(item(spelled.format(n), parts=[(f"p{n}", [])], name=f"n{n}") for n in "73519")))
    ground.run(feed)
    assert appended == [(5, False)]
    assert ground.sql("SELECT name FROM items.items ORDER BY ctid") == [(f"n{n}",) for n in "13579"]
    joined = "SELECT name, code, _n1, p._record = i._record FROM items.items i JOIN items.parts p USING (id) ORDER BY 1"
    assert ground.sql(joined) == [(f"n{n}", f"p{n}", 1, True) for n in "13579"]


@pytest.mark.parametrize("kind", ["integer", "numeric(12,2)", "numeric(50,1)", "date", "timestamptz", "text"])
@pytest.mark.parametrize(
    ("known", "brought", "new", "is_looked_up"),
    [
        ("12", "123", 1, False),
        ("246", "1235", 3, False),
        ("19", "2345", 4, False),
        ("3456789", "1234", 2, False),
        ("123456789", "19", 0, True),
        ("2345678", "194", 2, True),
    ],
)
def test_known_keys_are_found_by_a_walk_along_the_index_unless_that_is_longer_than_to_look_each_up(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    appended: list[tuple[int, bool]],
    kind: str,
    known: str,
    brought: str,
    new: int,
    is_looked_up: bool,
) -> None:
    looked_up: list[str] = []
    real = append.KeyAppend._look_up
    monkeypatch.setattr(append.KeyAppend, "_look_up", lambda self, name: looked_up.append(name) or real(self, name))
    feed = ground.feed(ITEMS.replace('id: "@id"', f'id: {{path: "@id", type: "{kind}"}}'))
    spelled = {"date": "2026-03-0{}", "timestamptz": "2026-03-01T00:00:0{}Z"}.get(kind, "{}")
    for name, keys, rev in (("a.xml", known, 1), ("b.xml", brought, 2)):
        ground.put(name, items(*(item(spelled.format(key), rev, name=key) for key in keys)))
        ground.run(feed)
    assert appended == [(len(known), False), (new, new < len(brought))]
    assert bool(looked_up) is is_looked_up
    revs = dict.fromkeys(known, 1) | dict.fromkeys(brought, 2)
    assert ground.sql("SELECT name, rev FROM items.items ORDER BY name") == sorted(revs.items())


@pytest.mark.parametrize(("brought", "new"), [("x1 x3 y1 y2", 1), ("x2 x4 x5", 2), ("y1 y2", 1)])
def test_known_keys_of_two_columns_are_found(
    ground: Ground, appended: list[tuple[int, bool]], brought: str, new: int
) -> None:
    feed = ground.feed(ITEMS.replace("key: id", "key: [name, id]"))
    known = "x1 x2 x3 y1"
    for name, keys, rev in (("a.xml", known, 1), ("b.xml", brought, 2)):
        ground.put(name, items(*(item(key[1], rev, name=key[0]) for key in keys.split())))
        ground.run(feed)
    assert appended[1:] == [(new, new < len(brought.split()))]
    revs = dict.fromkeys(known.split(), 1) | dict.fromkeys(brought.split(), 2)
    assert ground.sql("SELECT name || id, rev FROM items.items ORDER BY 1") == sorted(revs.items())


@pytest.mark.parametrize(
    ("rows", "is_so"),
    [
        ([], True),
        ([(1, "b")], True),
        ([(1, "b"), (2, "a")], True),
        ([(1, "a"), (1, "b"), (2, "a")], True),
        ([(1, "b"), (1, "a")], False),
        ([(1, "a"), (1, "a")], False),
        ([(2, "a"), (1, "b")], False),
        ([(1, "Z"), (1, "a"), (1, "é"), (1, "€"), (1, "🎉")], True),
    ],
)
def test_whether_keys_ascend(rows: list[tuple[int, str]], is_so: bool) -> None:
    first, second = pa.array([row[0] for row in rows], pa.int64()), pa.array([row[1] for row in rows], pa.string())
    assert append.ascends(pa.table({"first": first, "second": second})) is is_so


def test_places_of_records_are_found_whatever_the_order_of_their_child_rows() -> None:
    records = append.Records(["id"])
    place = {"_part": [7, 7, 8], "_member": ["", "", "m"], "_record": [1, 2, 1], "_offset": [10, 20, 10]}
    assert [
        table.num_rows
        for table in records.noting(iter([pa.table({"_rec": [5, 2, 9], "id": ["e", "b", "i"], **place})]))
    ] == [3]
    assert records.by_part() == {7: 2, 8: 1}
    children = records.give_places(pa.table({"_rec": [9, 5, 5, 2], "_part": [8, 7, 7, 7]}))
    assert children["_offset"].to_pylist() == [10, 10, 10, 20]
    assert children["_member"].to_pylist() == ["m", "", "", ""]
    assert children["id"].to_pylist() == ["i", "e", "e", "b"]
