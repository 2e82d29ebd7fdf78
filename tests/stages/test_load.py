"""Load: exactly once whatever dies or overlaps, in one transaction, with counts that add up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import DeadlockDetected
from tests.small_feeds import ITEMS, KEYLESS, MOMENT, Ground, cut_items, item, items

from sluice import ledger, warehouse
from sluice.errors import WarehouseUnavailable
from sluice.feed.model import Feed
from sluice.records import LoadCounts
from sluice.stages import split as split_stage
from sluice.stages.load import load
from sluice.tools import Tools

MINUTE = MOMENT.replace(minute=1)
BAD = '<Item rev="1"><Name>no key</Name></Item>'
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["sluice.pipeline"])


@pytest.fixture(params=[ITEMS, KEYLESS], ids=["keyed", "keyless"])
def feed(request: pytest.FixtureRequest, ground: Ground) -> Feed:
    return ground.feed(request.param)


def prepare_two_files(ground: Ground, feed: Feed) -> tuple[int, int]:
    """One batch: five records are found, of which one is rejected where there is a key. Returns run and batch."""
    ground.put("a.xml", items(item("a", parts=[("x", ["1", "2"])]), item("b"), BAD))
    ground.put("b.xml", items(item("b", 2), item("c", parts=[("y", ["3"])])))
    run_id, (number,) = ground.prepare(feed)
    return run_id, number


# -- exactly once -----------------------------------------------------------------------------------------------------


def test_a_second_load_of_a_batch_does_nothing(ground: Ground, feed: Feed) -> None:
    run_id, number = prepare_two_files(ground, feed)
    first = ground.load(feed, run_id, number)
    tables, books = ground.tables(feed), ground.ledger()
    second = ground.load(feed, run_id, number)
    assert (first.parts_known, second.parts_known) == (0, 2)
    assert second.counts == LoadCounts()
    line = load(ground.tools(feed), run_id, number).line()
    assert "2 of 2 parts were loaded before" in line
    assert (ground.tables(feed), ground.ledger()) == (tables, books)
    assert ground.reconcile(feed, run_id) is None


def test_load_is_a_no_op_also_when_the_work_files_are_gone(ground: Ground, feed: Feed) -> None:
    run_id, number = prepare_two_files(ground, feed)
    ground.load(feed, run_id, number)
    ground.reconcile(feed, run_id)
    assert ground.load(feed, run_id, number).parts_known == 2


def test_two_runs_that_overlap_load_each_record_once(ground: Ground, feed: Feed) -> None:
    """Both list the same open files; each part goes to one of them, and only that one counts it."""
    ground.put("a.xml", items(item("a"), item("b"), BAD))
    first, _ = ground.prepare(feed)
    ground.put("b.xml", items(item("b", 2), item("c")))
    second, _ = ground.prepare(feed)
    third, _ = ground.prepare(feed)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda run_id: ground.load(feed, run_id), [first, second, third] * 2))
    assert len(ground.tables(feed)["items"]) == (3 if feed.tables["items"].key else 5)
    assert len(ground.sql("SELECT FROM sluice.loads")) == 2
    assert ground.miscounted() == []
    assert [ground.reconcile(feed, run_id) for run_id in (first, second, third)] == [None] * 3
    assert ground.sql("SELECT sum(found), sum(loaded + quarantined), sum(files) FROM sluice.runs") == [(5, 5, 2)]


def die(tools: Tools, stage: str, at: str, when: str, arguments: tuple[Any, ...]) -> None:
    """Run a stage in a process that kills itself before or after the function ``at``."""
    owner_name, _, name = at.rpartition(".")
    module_name, _, class_name = owner_name.partition(":")
    owner = import_module(module_name)
    owner = getattr(owner, class_name) if class_name else owner
    real = getattr(owner, name)

    def deadly(*args: Any, **options: Any) -> Any:
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)
    getattr(import_module(f"sluice.stages.{stage}"), stage)(tools, *arguments)


def run_to_death(tools: Tools, stage: str, at: str, when: str, *arguments: Any) -> None:
    process = FORKS.Process(target=die, args=(tools, stage, at, when, arguments))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"{stage} did not get to {at}"


@pytest.mark.parametrize(
    ("at", "when", "committed"),
    [
        ("sluice.ledger.lock_parts", "before", False),
        ("sluice.ledger.claim_parts", "after", False),
        ("sluice.staging:Staging.copy", "after", False),
        ("sluice.merge:FamilyMerge._insert_new", "after", False),
        ("sluice.quarantine.store_rejects", "after", False),
        ("sluice.holds.hold_parts", "after", False),
        ("sluice.warehouse.transact", "after", True),
    ],
)
def test_a_load_that_is_killed_is_simply_tried_again(ground: Ground, at: str, when: str, committed: bool) -> None:
    """Promise 2 and 4: dead before its commit it has done nothing, dead after it everything."""
    feed = ground.feed(ITEMS)
    run_id, number = prepare_two_files(ground, feed)
    run_to_death(ground.tools(feed), "load", at, when, run_id, number)
    assert (len(ground.tables(feed)["items"]), len(ground.ledger())) == ((3, 2) if committed else (0, 0))
    assert ground.load(feed, run_id, number).parts_known == (2 if committed else 0)
    assert len(ground.tables(feed)["items"]) == 3
    assert [row[4:] for row in ground.ledger()] == [("loaded", 3, 1, 1, 0, 0, 1), ("loaded", 2, 0, 2, 0, 0, 0)]
    assert ground.sql("SELECT count(*) FROM sluice.quarantine") == [(1,)]
    assert ground.reconcile(feed, run_id) is None


@pytest.mark.parametrize(
    ("stage", "at", "when"),
    [
        ("fetch", "sluice.ledger.insert_run", "after"),
        ("fetch", "sluice.manifest.register_listed", "after"),
        ("fetch", "sluice.warehouse.transact", "after"),
        ("split", "sluice.ledger.store_whole_files", "after"),
        ("split", "sluice.ledger.store_batches", "before"),
        ("split", "sluice.stages.split.write_batch", "before"),
        ("parse", "sluice.workfiles:WorkFiles.write_json", "before"),
        ("validate", "sluice.workfiles:WorkFiles.write_json", "before"),
        ("reconcile", "sluice.accounts.finish_run", "after"),
    ],
)
def test_every_stage_may_be_killed_and_tried_again(ground: Ground, stage: str, at: str, when: str) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a"), BAD))
    tools, request = ground.tools(feed), ground.request(feed)
    names = ["fetch", "split", "parse", "validate", "load", "reconcile"]
    run_id = 0
    for name in names:
        arguments = {"fetch": (request,), "split": (run_id,), "reconcile": (run_id,)}.get(name, (run_id, 0))
        if name == stage:
            run_to_death(tools, stage, at, when, *arguments)
        done = getattr(import_module(f"sluice.stages.{name}"), name)(tools, *arguments)
        run_id = done.run_id if name == "fetch" else run_id
    assert ground.sql("SELECT files, found, loaded, quarantined, state FROM sluice.runs") == [(1, 2, 1, 1, "succeeded")]
    assert len(ground.tables(feed)["items"]) == 1


def test_a_connection_that_is_ended_in_the_middle_leaves_nothing(
    ground: Ground, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, number = prepare_two_files(ground, feed)
    real = ledger.store_counts

    def store_and_end(conn: psycopg.Connection, *rest: Any) -> None:
        real(conn, *rest)
        ground.sql("SELECT pg_terminate_backend(%s)", conn.info.backend_pid)
        conn.execute("SELECT 1")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "store_counts", store_and_end)
        with pytest.raises(WarehouseUnavailable, match="the warehouse ended the work"):
            ground.load(feed, run_id, number)
    assert (ground.tables(feed)["items"], ground.ledger()) == ([], [])
    assert ground.load(feed, run_id, number).parts_known == 0
    assert ground.reconcile(feed, run_id) is None


def test_parse_and_validate_overwrite_what_they_wrote(ground: Ground, feed: Feed) -> None:
    from sluice.stages.parse import parse
    from sluice.stages.validate import validate

    run_id, number = prepare_two_files(ground, feed)
    folder = Path(ground.work.batch(feed.feed, run_id, number)).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".arrow", ".jsonl")}
    parse(ground.tools(feed), run_id, number)
    validate(ground.tools(feed), run_id, number)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert ground.load(feed, run_id, number).counts.inserted == (3 if feed.tables["items"].key else 5)


# -- in parallel ------------------------------------------------------------------------------------------------------


def prepare_files(ground: Ground, feed: Feed, documents: list[str], **options: Any) -> list[tuple[int, int]]:
    """A batch for each document."""
    for number, document in enumerate(documents):
        ground.put(f"{number:02d}.xml", document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_stage, "MAX_PARTS_IN_BATCH", 1)
        run_id, numbers = ground.prepare(feed, **options)
    return [(run_id, number) for number in numbers]


def test_parallel_merges_of_the_same_keys_lose_nothing(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight batches write the same 300 keys, each in another order of the file, each the newest for some of them. One
    that meets a deadlock goes through when it is tried again.
    """
    monkeypatch.setattr(warehouse, "TRANSACTION_TRIES", 2)
    feed = ground.feed(ITEMS)
    keys = [f"k{number:03d}" for number in range(300)]
    documents = []
    for number in range(8):
        order = keys[number * 37 :] + keys[: number * 37]
        records = [item(key, 9 if at % 8 == number else number, f"by {number}") for at, key in enumerate(order)]
        documents.append(items(*(reversed(records) if number % 2 else records)))
    batches = prepare_files(ground, feed, documents)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: ground.load(feed, *one), batches))
    in_parallel = ground.tables(feed)
    assert len(in_parallel["items"]) == 300
    again = prepare_files(ground, feed, documents, reload="all")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: ground.load(feed, *one), again))
    assert ground.tables(feed) == in_parallel
    assert ground.miscounted() == []
    ground.forget_loads(feed)
    for run_id, number in batches:
        ground.load(feed, run_id, number)
    assert ground.tables(feed) == in_parallel


@contextmanager
def holding(ground: Ground, feed: Feed, run_id: int, number: int = 0) -> Iterator[None]:
    """While the block runs, the load of this batch has done all its work and has not committed."""
    real = ledger.store_counts
    is_there, may_go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=ground.load, args=(feed, run_id, number))

    def wait(*arguments: Any) -> None:
        real(*arguments)
        if threading.current_thread() is thread:
            is_there.set()
            assert may_go_on.wait(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "store_counts", wait)
        thread.start()
        try:
            assert is_there.wait(60)
            yield
        finally:
            may_go_on.set()
            thread.join(60)


def test_batches_of_other_keys_do_not_wait_for_each_other(ground: Ground, feed: Feed) -> None:
    """While one load holds its transaction open, others load and commit: there is no lock on a table or a feed."""
    (run_id, first), (_, second) = prepare_files(ground, feed, [items(item("a")), items(item("b"))])
    with holding(ground, feed, run_id, first), ThreadPoolExecutor(1) as pool:
        assert pool.submit(ground.load, feed, run_id, second).result(60).counts.inserted == 1
        assert [row[2] for row in ground.tables(feed)["items"]] == ["b"]
    assert len(ground.tables(feed)["items"]) == 2


def test_a_load_that_met_a_deadlock_is_tried_again_alone(
    ground: Ground, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replacing known rows in one step is quick, and its locks may cross those of others: but not twice."""
    (run_id, first), (_, second) = prepare_files(ground, feed, [items(item("a")), items(item("b"))])
    real, tried = ledger.claim_parts, []

    def claim(*arguments: Any) -> list[int]:
        tried.append(arguments)
        if len(tried) == 1:
            raise DeadlockDetected
        return real(*arguments)

    with ThreadPoolExecutor(1) as pool:
        with holding(ground, feed, run_id, second):
            monkeypatch.setattr(ledger, "claim_parts", claim)
            loading = pool.submit(ground.load, feed, run_id, first)
            wait_for_lock(ground)
            assert (len(tried), loading.done()) == (1, False)
        assert loading.result(60).counts.inserted == 1
    assert (len(tried), len(ground.tables(feed)["items"])) == (2, 2)


def test_a_dry_run_waits_for_merges_before_it_locks_tables(
    ground: Ground, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a merge could wait for the tables, and the dry run for one that waits for that merge."""
    taken: list[str] = []
    for module, name in ((ledger, "lock_merges"), (warehouse, "step_tables")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, n=name, r=real, **k: taken.append(n) or r(*a, **k))
    ground.put("a.xml", items(item("a")))
    run_id, (number,) = ground.prepare(feed, dry_run=True)
    taken.clear()
    ground.load(feed, run_id, number)
    assert taken[:2] == ["lock_merges", "step_tables"]


def test_a_reader_never_sees_half_a_batch(ground: Ground, feed: Feed) -> None:
    """Promise 4: rows, children, quarantine and ledger of a batch appear together."""
    run_id, number = prepare_two_files(ground, feed)
    with holding(ground, feed, run_id, number):
        before = (ground.tables(feed), ground.ledger(), ground.sql("SELECT FROM sluice.quarantine"))
    assert before == ({name: [] for name in feed.tables}, [], [])
    assert len(ground.ledger()) == 2


@pytest.mark.parametrize(("waiting", "late"), [("z.xml", "q.xml"), ("q.xml", "z.xml")])
def test_a_load_that_waited_sees_the_order_of_what_was_written_meanwhile(
    ground: Ground, waiting: str, late: str
) -> None:
    """Equal version and time: the URI decides, also where the other file was listed while this load was waiting."""
    feed = ground.feed(ITEMS)
    ground.put("m.xml", items(item("a"), item("b")))
    ground.run(feed)
    ground.put("n.xml", items(item("a", 2)))
    holder, _ = ground.prepare(feed)
    ground.put(waiting, items(item("a", 2, waiting), item("b", 2, waiting)))
    waiter, _ = ground.prepare(feed, uri=ground.uri(waiting))
    with ThreadPoolExecutor(1) as pool:
        with holding(ground, feed, holder):
            waits = pool.submit(ground.load, feed, waiter)
            wait_for_lock(ground)
            # Key `b` is free while the load of both keys waits for `a`.
            ground.put(late, items(item("b", 2, late)))
            late_run, _ = ground.prepare(feed, uri=ground.uri(late))
            ground.load(feed, late_run)
        waits.result(60)
    assert dict(ground.sql("SELECT id, name FROM items.items")) == {"a": waiting, "b": max(waiting, late)}


def wait_for_lock(ground: Ground) -> None:
    """Until some backend of this database waits for another one."""
    for _ in range(2000):
        if ground.sql(
            """SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
               AND cardinality(pg_blocking_pids(pid)) > 0"""
        ):
            return
    raise AssertionError("nothing waits for a lock")


# -- versions of a file, without a key --------------------------------------------------------------------------------


def test_the_newest_version_of_a_file_replaces_the_rows_of_the_older(ground: Ground) -> None:
    feed = ground.feed(KEYLESS)
    ground.put("a.xml", items(item("1", parts=[("x", ["m"])]), item("2")))
    ground.put("b.xml", items(item("3")))
    assert ground.run(feed) is None
    ground.put("a.xml", items(item("4")), MINUTE)
    assert ground.run(feed) is None
    assert [row[2] for row in ground.tables(feed)["items"]] == ["4", "3"]
    assert ground.tables(feed)["marks"] == []


@pytest.mark.parametrize("is_cut", [False, True])
def test_an_older_version_that_comes_late_gives_no_rows(ground: Ground, is_cut: bool) -> None:
    """Also where only a part of the newer one is loaded by then."""
    feed = ground.feed(KEYLESS)
    old, new = [item("1"), item("2"), item("3")], [item("4"), item("5")]
    ground.put("a.xml", items(*old))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split_stage, "MAX_PARTS_IN_BATCH", 1)
        older, older_parts = ground.prepare(feed, {"a.xml": cut_items(old, 1, 1)} if is_cut else None)
        ground.put("a.xml", items(*new), MINUTE)
        newer, newer_parts = ground.prepare(feed, {"a.xml": cut_items(new, 1)} if is_cut else None)
    ground.load(feed, older, older_parts[0])
    ground.load(feed, newer, newer_parts[-1])
    for number in older_parts[1:]:
        assert ground.load(feed, older, number).counts.superseded == 1
    for number in newer_parts[:-1]:
        ground.load(feed, newer, number)
    assert sorted(row[2] for row in ground.tables(feed)["items"]) == ["4", "5"]
    assert ground.miscounted() == []
    assert (ground.reconcile(feed, older), ground.reconcile(feed, newer)) == (None, None)


def test_a_newer_version_that_cannot_be_read_takes_no_rows_away(ground: Ground) -> None:
    """Whichever is loaded first."""
    feed = ground.feed(KEYLESS, more="rejects: {max_files: null}")
    ground.put("a.xml", items(item("1")))
    older, _ = ground.prepare(feed)
    ground.put("a.xml", items(item("2"))[:-4], MINUTE)
    newer, _ = ground.prepare(feed)
    for order in ((older, newer), (newer, older)):
        for run_id in order:
            ground.load(feed, run_id)
        assert [row[2] for row in ground.tables(feed)["items"]] == ["1"]
        ground.forget_loads(feed)


def test_versions_of_a_file_that_load_at_the_same_time_wait_for_each_other(ground: Ground) -> None:
    feed = ground.feed(KEYLESS)
    ground.put("a.xml", items(item("1"), item("2")))
    older, _ = ground.prepare(feed)
    ground.put("a.xml", items(item("3")), MINUTE)
    newer, _ = ground.prepare(feed)
    for first, second in ((older, newer), (newer, older)):
        with ThreadPoolExecutor(1) as pool:
            with holding(ground, feed, first):
                waits = pool.submit(ground.load, feed, second)
                wait_for_lock(ground)
            waits.result(60)
        assert [row[2] for row in ground.tables(feed)["items"]] == ["3"]
        ground.forget_loads(feed)


# -- counts -----------------------------------------------------------------------------------------------------------


def counts_of(ground: Ground, feed: Feed, name: str, *records: str) -> LoadCounts:
    ground.put(name, items(*records))
    run_id, (number,) = ground.prepare(feed)
    summary = ground.load(feed, run_id, number)
    assert ground.miscounted() == []
    return summary.counts


def test_counts_say_what_became_of_each_record(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    assert counts_of(ground, feed, "1.xml", item("a"), item("b"), item("b", 2)) == LoadCounts(inserted=2, superseded=1)
    assert counts_of(ground, feed, "2.xml", item("a"), item("b", 1), item("c")) == LoadCounts(1, 0, 1, 1)
    assert counts_of(ground, feed, "3.xml", item("a", 2), item("b", 3, "new")) == LoadCounts(updated=2)


@pytest.mark.parametrize(
    "children",
    [[("x", ["1", "3"])], [("x", ["1"])], [("y", ["1", "2"])], [], [("x", ["1", "2"]), ("x", [])], [("x", ["2", "1"])]],
)
def test_a_record_is_updated_where_only_its_children_changed(ground: Ground, children: list[Any]) -> None:
    feed = ground.feed(ITEMS)
    same = [("x", ["1", "2"])]
    assert counts_of(ground, feed, "1.xml", item("a", parts=same)) == LoadCounts(inserted=1)
    assert counts_of(ground, feed, "2.xml", item("a", parts=same)) == LoadCounts(unchanged=1)
    assert counts_of(ground, feed, "3.xml", item("a", parts=children)) == LoadCounts(updated=1)
    assert len(ground.tables(feed)["parts"]) == len(children)
    assert {row[0] for rows in ground.tables(feed).values() for row in rows} == {ground.uri("3.xml")}


def test_equal_content_with_a_greater_order_still_moves_the_stored_order(ground: Ground) -> None:
    """Rule 1: else a version between the two would win, depending on when it comes."""
    feed = ground.feed(ITEMS.replace("version: rev", "version: file_date"), source="{date:%Y-%m-%d}.xml")
    for day, name in ((1, "same"), (3, "same"), (2, "between")):
        ground.put(f"2026-03-0{day}.xml", items(item("a", name=name)))
        ground.run(feed, date_from=MOMENT.date().replace(day=day), date_to=MOMENT.date().replace(day=day))
    assert [row[4] for row in ground.tables(feed)["items"]] == ["same"]


def test_several_kinds_of_records_are_counted_together_and_merged_by_themselves(ground: Ground) -> None:
    text = (
        ITEMS
        + """
  notes:
    record: /Items/Note
    columns: {text: .}
  parties:
    record: /Items/Party
    key: name
    version: file_date
    columns: {name: "@name", kind: "@kind"}
  phones:
    parent: parties
    rows: Phone
    columns: {number: .}
"""
    )
    feed = ground.feed(text)
    party = '<Party name="p" kind="k"><Phone>1</Phone><Phone>2</Phone></Party>'
    ground.put("a.xml", items(item("a"), "<Note>n</Note>", party, "<Note>n</Note>", "<Party/>", party))
    assert ground.run(feed) is None
    assert ground.ledger()[0][4:] == ("loaded", 6, 1, 4, 0, 0, 1)
    assert {name: len(rows) for name, rows in ground.tables(feed).items()} == {
        "items": 1, "parts": 0, "marks": 0, "notes": 2, "parties": 1, "phones": 2,
    }  # fmt: skip


def test_names_of_tables_may_be_long_and_alike(ground: Ground) -> None:
    """PostgreSQL cuts identifiers at 63 bytes; the tables of Sluice's own must not meet there."""
    long = "n" * 62
    feed = ground.feed(
        ITEMS.replace("  parts:", f"  {long}a:")
        .replace("parent: parts", f"parent: {long}a")
        .replace("  marks:", f"  {long}b:")
    )
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])])))
    assert ground.run(feed) is None
    assert [len(rows) for rows in ground.tables(feed).values()] == [1, 1, 1]


# -- the gate ---------------------------------------------------------------------------------------------------------

GATED = """
    expectations:
      - expect_table_row_count_to_be_between: {min_value: 2}
"""


def test_a_held_part_waits_until_the_mapping_changes(ground: Ground, feed: Feed) -> None:
    """Nothing of it is loaded, the run fails with the reason, and its records are held: neither loaded nor lost."""
    text = (feed.folder / "feed.yaml").read_text().partition("\ntables")
    tables = text[1] + text[2].replace("name: Name}\n", "name: Name}\n" + GATED.strip("\n") + "\n", 1)
    gated = ground.feed(tables)
    ground.put("a.xml", items(item("a", parts=[("x", [])])))
    error = ground.run(gated)
    assert error is not None
    assert "1 records are held by the gate" in error
    assert "a.xml" in error
    assert ground.tables(gated) == {name: [] for name in gated.tables}
    assert ground.sql("SELECT state, found, loaded, held FROM sluice.runs") == [("failed", 1, 0, 1)]
    assert ground.sql("SELECT state, found, held FROM sluice.file_states") == [("held", 1, 1)]
    assert ground.run(gated) is None, "the file waits; another run is not about it"
    assert ground.run(ground.feed(tables.replace("min_value: 2", "min_value: 1"))) is None
    assert len(ground.tables(gated)["items"]) == 1
    assert ground.sql("SELECT state, found, held FROM sluice.file_states") == [("loaded", 1, 0)]
    assert ground.sql("SELECT count(*) FROM sluice.holds") == [(0,)]


def test_a_record_that_fails_in_a_child_table_is_out_with_all_its_rows(ground: Ground, feed: Feed) -> None:
    """Promise 6: a record is accepted or quarantined whole; its raw bytes are kept."""
    text = (feed.folder / "feed.yaml").read_text().partition("\ntables")
    expectation = """
    expectations:
      - expect_column_values_to_be_in_set: {column: code, value_set: [x]}"""
    gated = ground.feed(text[1] + text[2].replace('{code: "@code"}', '{code: "@code"}' + expectation))
    bad = item("b", parts=[("x", ["1"]), ("bad", ["2"])])
    ground.put("a.xml", items(item("a", parts=[("x", ["3"])]), bad, item("c")))
    assert ground.run(gated) is None
    assert [len(rows) for rows in ground.tables(gated).values()] == [2, 1, 1]
    assert ground.ledger()[0][4:8] == ("loaded", 3, 1, 2)
    assert ground.sql("SELECT code, ordinal, raw FROM sluice.quarantine") == [("expectation_failed", 2, bad.encode())]


def test_a_held_file_does_not_keep_the_others_of_its_batch(ground: Ground) -> None:
    feed = ground.feed(
        ITEMS.replace(
            "name: Name}\n", "name: Name}\n" + GATED.strip("\n").replace("min_value: 2", "max_value: 1") + "\n"
        )
    )
    ground.put("a.xml", items(item("a"), item("b")))
    ground.put("b.xml", items(item("c")))
    run_id, (number,) = ground.prepare(feed)
    summary = ground.load(feed, run_id, number)
    assert (summary.found, summary.held, summary.counts) == (1, 2, LoadCounts(inserted=1))
    assert "2 records are held by the gate" in str(ground.reconcile(feed, run_id))


# -- dry runs ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_as_a_real_one_and_writes_no_row(ground: Ground, feed: Feed) -> None:
    ground.put("a.xml", items(item("a", parts=[("x", ["1"])]), item("b")))
    ground.run(feed)
    ground.put("b.xml", items(item("b", 2), item("c"), BAD))
    before = (ground.tables(feed), ground.ledger(), ground.sql("SELECT FROM sluice.quarantine"))
    assert ground.run(feed, dry_run=True) is None
    assert (ground.tables(feed), ground.ledger(), ground.sql("SELECT FROM sluice.quarantine")) == before
    assert ground.run(feed) is None
    columns = "state, files, found, loaded, quarantined, inserted, updated, superseded"
    dry, real = ground.sql(f"SELECT {columns} FROM sluice.runs ORDER BY run_id OFFSET 1")
    assert dry == real
