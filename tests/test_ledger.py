"""The ledger: mappings, manifests, parts and claims, each decided by PostgreSQL whoever comes first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from tests.small_feeds import DAY, ITEMS, MOMENT, Ground, cut_items, item, items

from sluice import holds, ledger, ledger_schema, warehouse
from sluice.feed.model import Feed
from sluice.manifest import keep_listing, manifest_size, read_manifest, register_listed
from sluice.records import Batch, Cut, LoadCounts, Run, RunRequest, SourceFile


@pytest.fixture
def feed(ground: Ground) -> Feed:
    return ground.feed(ITEMS)


@pytest.fixture
def conn(database: str) -> Iterator[psycopg.Connection]:
    with warehouse.connect(database) as connection:
        ledger_schema.create(connection)
        yield connection


# -- mappings ---------------------------------------------------------------------------------------------------------


def test_each_change_of_the_mapping_makes_a_generation_also_the_change_back(conn: psycopg.Connection) -> None:
    generations = [
        warehouse.transact(conn, lambda c, hash_=hash_: ledger.remember_mapping(c, "f", hash_, {"hash": hash_}))
        for hash_ in "aabbaac"
    ]
    assert generations == [1, 1, 2, 2, 3, 3, 4]
    assert warehouse.transact(conn, lambda c: ledger.remember_mapping(c, "other", "c", {})) == 1


def test_going_back_to_an_older_mapping_is_undone_by_loading_what_changed(ground: Ground) -> None:
    """A mapping that was a mistake is taken back; what it has loaded can be told from the rest."""
    mistaken = ITEMS.replace("name: Name", 'name: {path: Name, null: ["n"]}')
    ground.put("a.xml", items(item("a")))
    ground.run(ground.feed(ITEMS))
    ground.put("b.xml", items(item("b")))
    ground.run(ground.feed(mistaken))
    assert ground.sql("SELECT name FROM items.items ORDER BY id") == [("n",), (None,)]
    ground.run(ground.feed(ITEMS), reload="changed")
    assert ground.sql("SELECT name FROM items.items ORDER BY id") == [("n",), ("n",)]
    assert ground.sql("SELECT generation, count(*) FROM sluice.latest_loads GROUP BY 1") == [(3, 2)]


def test_a_dry_run_of_a_mapping_leaves_no_generation(ground: Ground) -> None:
    """A change that was tried and taken back is none: nothing has to be loaded again. The first dry run of all, too."""
    tried = ITEMS.replace("name: Name", 'name: {path: Name, null: ["n"]}')
    ground.put("a.xml", items(item("a")))
    assert ground.summary(ground.feed(tried), dry_run=True).totals.loaded == 1
    ground.run(ground.feed(ITEMS))
    assert ground.summary(ground.feed(tried), reload="changed", dry_run=True).totals.loaded == 1
    assert ground.summary(ground.feed(ITEMS), reload="changed").totals.files == 0
    assert ground.sql("SELECT generation FROM sluice.mappings") == [(1,)]
    assert ground.sql("SELECT generation FROM sluice.runs ORDER BY run_id") == [(1,), (1,), (2,), (1,)]


def test_two_runs_at_once_agree_on_the_generation(database: str, conn: psycopg.Connection) -> None:
    def remember(number: int) -> int:
        with warehouse.connect(database) as own:
            return warehouse.transact(own, lambda c: ledger.remember_mapping(c, "f", "same", {}))

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(remember, range(8))) == {1}


# -- manifests --------------------------------------------------------------------------------------------------------


def source_file(name: str, version: str = "1") -> SourceFile:
    return SourceFile(f"s3://b/{name}", version, 10, MOMENT, None)


def start(conn: psycopg.Connection, *files: SourceFile, key: str = "k", generation: int = 1, reload: str = "no") -> Run:
    request = RunRequest("f", key, DAY, DAY, reload=reload)

    def work(c: psycopg.Connection) -> Run:
        run = ledger.insert_run(c, request, generation)
        assert run is not None
        keep_listing(c, files)
        register_listed(c, run)
        return run

    return warehouse.transact(conn, work)


def listed(conn: psycopg.Connection, run: Run) -> list[tuple[str, int | None]]:
    return [(file.uri[7:], parts) for file, parts in read_manifest(conn, run.run_id)]


def split_whole(conn: psycopg.Connection, run: Run) -> list[int]:
    ledger.store_whole_files(conn, [file.file_id for file, _ in read_manifest(conn, run.run_id)])
    return [part.part_id for part in ledger.read_open_parts(conn, run)]


def claim(conn: psycopg.Connection, run: Run, parts: list[int]) -> list[int]:
    return ledger.claim_parts(conn, run, dict.fromkeys(parts, "loaded"))


def test_a_run_key_is_one_run(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    assert ledger.insert_run(conn, RunRequest("f", "k", DAY, DAY), 1) is None
    assert ledger.find_run(conn, "f", "k") == ledger.read_run(conn, run.run_id) == run
    assert ledger.find_run(conn, "g", "k") is None
    with pytest.raises(LookupError, match="no run 99"):
        ledger.read_run(conn, 99)


def test_editions_name_what_may_be_loaded_once(conn: psycopg.Connection) -> None:
    runs = [start(conn, key=reload, generation=3, reload=reload) for reload in ("no", "changed", "all")]
    assert [run.edition for run in runs] == ["", "generation 3", f"run {runs[2].run_id}"]


def test_what_comes_back_of_a_file_is_what_was_listed(conn: psycopg.Connection) -> None:
    file = SourceFile("s3://b/ü 'x'\\N.xml", "v\t1", 1 << 40, MOMENT.replace(microsecond=1), dt.date(2026, 3, 1))
    run = start(conn, file)
    ((found, parts),) = read_manifest(conn, run.run_id)
    assert (found.as_source_file(), parts) == (file, None)
    assert manifest_size(conn, run.run_id) == (1, 1 << 40)


def test_files_stay_on_manifests_until_all_their_parts_are_loaded(conn: psycopg.Connection) -> None:
    a, b = source_file("a"), source_file("b")
    first = start(conn, a, b)
    parts = split_whole(conn, first)
    claim(conn, first, parts[:1])
    assert listed(conn, start(conn, a, b, source_file("a", "2"), key="second")) == [("a", None), ("b", 1)]
    claim(conn, first, parts[1:])
    assert listed(conn, start(conn, a, b, key="third")) == []


def test_a_held_part_is_open_for_another_mapping_only(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    (part,) = split_whole(conn, run)
    holds.hold_parts(conn, run, {part: 5}, "shut")
    assert ledger.read_open_parts(conn, run) == []
    assert listed(conn, start(conn, source_file("a"), key="same")) == []
    later = start(conn, source_file("a"), key="later", generation=2)
    assert [open_part.part_id for open_part in ledger.read_open_parts(conn, later)] == [part]
    forced = start(conn, source_file("a"), key="all", reload="all")
    assert len(ledger.read_open_parts(conn, forced)) == 1
    claim(conn, later, [part])
    assert conn.execute("SELECT count(*) FROM sluice.holds").fetchone() == (0,)


def test_a_part_that_is_loaded_is_not_held(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    (part,) = split_whole(conn, run)
    claim(conn, run, [part])
    holds.hold_parts(conn, run, {part: 5}, "shut")
    assert conn.execute("SELECT count(*) FROM sluice.holds").fetchone() == (0,)


@pytest.mark.parametrize(
    ("reload", "generation", "expected"), [("no", 2, "c"), ("changed", 2, "bc"), ("changed", 1, "c"), ("all", 2, "abc")]
)
def test_reload_decides_which_files_are_open(
    conn: psycopg.Connection, reload: str, generation: int, expected: str
) -> None:
    """`a` was loaded under generation 2, `b` under 1, `c` never."""
    files = [source_file(name) for name in "abc"]
    old = start(conn, *files[:2])
    parts = split_whole(conn, old)
    claim(conn, start(conn, key="newer", generation=2), parts[:1])
    claim(conn, old, parts[1:])
    run = start(conn, *files, key="again", generation=generation, reload=reload)
    assert [name for name, _ in listed(conn, run)] == list(expected)
    split_whole(conn, run)
    assert [part.file.uri[7:] for part in ledger.read_open_parts(conn, run)] == list(expected)


def test_listing_costs_what_is_listed_however_much_the_ledger_holds(conn: psycopg.Connection) -> None:
    """A feed of years has millions of loads; a run that lists ten files must not go through them."""
    conn.execute(
        """INSERT INTO sluice.files (feed, uri, version, size_bytes, modified_at, part_count, listed_by)
           SELECT 'f', 's3://b/' || n, '1', 1, now(), 1, 1 FROM generate_series(1, 20000) n;
           INSERT INTO sluice.parts (file_id) SELECT file_id FROM sluice.files;
           INSERT INTO sluice.loads (part_id, run_id, generation, state)
               SELECT part_id, 1, 1, 'loaded' FROM sluice.parts;
           ANALYZE sluice.files, sluice.parts, sluice.loads"""
    )
    read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE schemaname = 'sluice' AND relname = 'loads'"
    run = start(conn, key="k0")
    files = [source_file(str(number)) for number in range(1, 10)]
    for reload in ("no", "changed"):
        again = Run(run.run_id, "f", "k0", 2, "", reload, dry_run=False)
        with conn.transaction():
            keep_listing(conn, files)
            assert register_listed(conn, again) == (0 if reload == "no" else 9)
            assert conn.execute(read).fetchone() == (0,)


# -- parts and batches ------------------------------------------------------------------------------------------------


def test_the_first_cuts_of_a_file_stand(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    ((file, _),) = read_manifest(conn, run.run_id)
    cuts = [
        Cut("m", 0, 100, b"", b"</a>\xff", 1, 1, None),
        Cut("m", 100, None, b"\x00<a>", b"", 8, 12, "somewhere"),
    ]
    ledger.store_cuts(conn, file, cuts)
    ledger.store_cuts(conn, file, [Cut()])
    ledger.store_whole_files(conn, [file.file_id])
    found = [part.cut for part in ledger.read_open_parts(conn, run)]
    assert found == [cuts[0], Cut("m", 100, None, b"\x00<a>", b"", 8, 12, "")]
    assert listed(conn, run) == [("a", 2)]


def test_batches_are_stored_once(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"), source_file("b"))
    split_whole(conn, run)
    parts = ledger.read_open_parts(conn, run)
    ledger.store_batches(conn, run.run_id, [(Batch(0, (parts[1], parts[0])), 7)])
    ledger.store_batches(conn, run.run_id, [(Batch(0, (parts[0],)), 9)])
    ids = [part.part_id for part in parts]
    assert ledger.read_batches(conn, run.run_id) == [(0, ids[::-1], 7)]
    assert ledger.read_batch_parts(conn, run.run_id, 0) == parts
    assert ledger.read_batch_parts(conn, run.run_id, 1) == []
    assert not ledger.is_published(conn, run, 0, ids)
    claim(conn, run, ids)
    assert ledger.is_published(conn, run, 0, ids)


# -- claims -----------------------------------------------------------------------------------------------------------


def test_a_part_is_claimed_once_per_edition(conn: psycopg.Connection) -> None:
    first, second = start(conn, source_file("a"), source_file("b")), start(conn, key="second")
    parts = split_whole(conn, first)
    assert claim(conn, first, parts[:1]) == parts[:1]
    assert claim(conn, second, parts) == parts[1:]
    assert claim(conn, start(conn, key="all", reload="all"), parts) == parts
    assert claim(conn, first, []) == []


def test_a_claim_that_is_rolled_back_is_free_again(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    parts = split_whole(conn, run)
    with conn.transaction(force_rollback=True):
        assert claim(conn, run, parts) == parts
    assert claim(conn, run, parts) == parts


def test_loads_under_other_editions_are_found_with_the_mapping_that_stands(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"), source_file("b"))
    parts = split_whole(conn, run)
    claim(conn, run, parts)
    for generation in (5, 4):
        claim(conn, start(conn, key=f"g{generation}", generation=generation, reload="changed"), parts[:1])
    assert ledger.find_loads_before(conn, run, parts) == {parts[0]: 5}
    assert conn.execute("SELECT part_id, generation FROM sluice.latest_loads ORDER BY 1").fetchall() == [
        (parts[0], 5),
        (parts[1], 1),
    ]


def test_counts_are_kept_per_part_and_edition(conn: psycopg.Connection) -> None:
    run = start(conn, source_file("a"))
    (part,) = split_whole(conn, run)
    claim(conn, run, [part])
    again = start(conn, key="all", reload="all")
    claim(conn, again, [part])
    ledger.store_counts(conn, run, [(part, 15, 5, LoadCounts(1, 2, 3, 4, 0), 99, "sha")])
    columns = "edition, found, loaded, quarantined, inserted, updated, unchanged, superseded, bytes_read, sha256"
    rows = conn.execute(f"SELECT {columns} FROM sluice.loads ORDER BY edition".encode()).fetchall()
    assert rows == [("", 15, 10, 5, 1, 2, 3, 4, 99, "sha"), (again.edition, 0, 0, 0, 0, 0, 0, 0, 0, None)]


# -- what analysts see ------------------------------------------------------------------------------------------------


def states(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql("SELECT uri, state, parts_done, found, loaded, quarantined FROM sluice.file_states ORDER BY uri")


def test_the_state_of_a_file_is_that_of_its_parts(ground: Ground, feed: Feed) -> None:
    records = [item("a"), item("b"), "<Item/>"]
    ground.put("a.xml", items(*records))
    ground.put("b.xml", "<Items>")
    run_id, _ = ground.prepare(feed, {"a.xml": cut_items(records, 1)})
    a, b = ground.uri("a.xml"), ground.uri("b.xml")
    assert states(ground) == [(a, "open", 0, 0, 0, 0), (b, "open", 0, 0, 0, 0)]
    ground.load(feed, run_id)
    assert states(ground) == [(a, "loaded", 2, 3, 2, 1), (b, "quarantined", 1, 0, 0, 0)]
    later_part = "(SELECT part_id FROM sluice.parts WHERE start_byte > 0)"
    ground.sql(f"UPDATE sluice.loads SET state = 'quarantined' WHERE part_id = {later_part}")
    assert states(ground)[0][1] == "partial"
    ground.sql("DELETE FROM sluice.loads WHERE state = 'quarantined'")
    assert [row[1] for row in states(ground)] == ["open", "open"]


def test_every_table_of_the_ledger_says_what_it_holds(ground: Ground, conn: psycopg.Connection) -> None:
    silent = conn.execute(
        """SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE nspname = 'sluice' AND relkind IN ('r', 'v') AND obj_description(c.oid) IS NULL"""
    ).fetchall()
    assert silent == []
