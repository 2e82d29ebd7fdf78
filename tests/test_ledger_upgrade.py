"""Warehouses of other releases: what others have built on the ledger stays, or is told to stand in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_feeds import DAY, ITEMS, Ground, item, items

from sluice import ledger_schema, warehouse
from sluice.cli import main
from sluice.errors import PermanentError
from sluice.sources import Clients, UriPattern, source_for
from sluice.stages.parse import parse
from sluice.stages.validate import validate

VERSION_1 = Path(__file__).parent / "ledgers" / "version-1.sql"
READER = "reader_of_views"


@pytest.fixture
def old(ground: Ground) -> Iterator[Ground]:
    """A warehouse as the first release has made it, with a role that nobody else knows."""
    ground.drop_ledger()
    ground.sql(VERSION_1.read_text())
    ground.sql(f"CREATE ROLE {READER}")
    yield ground
    ground.sql(f"DROP OWNED BY {READER}")
    ground.sql(f"DROP ROLE {READER}")


def upgrade(ground: Ground) -> None:
    with warehouse.connect(ground.dsn) as connection:
        ledger_schema.create(connection)
        assert ledger_schema.exists(connection)


def may_read(ground: Ground, view: str) -> bool:
    return bool(ground.sql(f"SELECT has_table_privilege('{READER}', '{view}', 'SELECT')")[0][0])


def test_views_on_the_views_of_the_ledger_and_grants_outlive_an_upgrade(old: Ground) -> None:
    old.sql("CREATE SCHEMA mine CREATE VIEW states AS SELECT * FROM sluice.file_states")
    old.sql("CREATE VIEW mine.latest AS SELECT * FROM sluice.latest_loads")
    old.sql(f"GRANT SELECT ON sluice.file_states TO {READER}")
    old.put("a.xml", items(item("a")))
    assert old.run(old.feed(ITEMS)) is None
    upgrade(old)
    assert old.sql("SELECT state FROM mine.states") == [("loaded",)]
    assert old.sql("SELECT state FROM mine.latest") == [("loaded",)]
    assert may_read(old, "sluice.file_states")


def test_a_view_whose_columns_have_changed_is_made_anew_and_keeps_its_grants(old: Ground) -> None:
    old.sql("DROP VIEW sluice.file_states")
    old.sql("CREATE VIEW sluice.file_states AS SELECT 1 AS file_id, 'x' AS gone")
    old.sql(f"GRANT SELECT ON sluice.file_states, sluice.latest_loads TO {READER}")
    upgrade(old)
    assert old.sql("SELECT state FROM sluice.file_states") == []
    assert may_read(old, "sluice.file_states")
    assert may_read(old, "sluice.latest_loads")


@pytest.mark.parametrize("publish", ["batch", "run"])
@pytest.mark.parametrize("at", ["load", "reconcile"])
def test_a_run_that_was_at_work_when_sluice_was_updated_goes_on(ground: Ground, publish: str, at: str) -> None:
    """The ledger has been brought up to date by no fetch yet."""
    totals = "totals: [{path: /Items/@n, counts: items, required: false}]"
    feed = ground.feed(ITEMS + totals, more=f"publish: {publish}")
    ground.put("a.xml", items(item("a")))
    run_id, numbers = ground.prepare(feed)
    if at == "load":
        back_to_version_9(ground)
    for number in numbers:
        ground.load(feed, run_id, number)
    if at == "reconcile":
        back_to_version_9(ground)
    assert ground.reconcile(feed, run_id) is None
    assert ground.sql("SELECT count(*) FROM items.items") == [(1,)]


def back_to_version_9(ground: Ground) -> None:
    """That ledger knew no totals."""
    ground.sql("DROP VIEW sluice.file_totals")
    ground.sql("DROP TABLE sluice.totals")
    ground.sql("COMMENT ON SCHEMA sluice IS 'Sluice: ledger, quarantine and tombstones; version 9'")


@pytest.mark.parametrize(
    ("view", "depends"),
    [
        ("SELECT unmapped FROM sluice.runs", "column unmapped of table"),
        ("SELECT gone FROM sluice.file_states", "view"),
    ],
)
def test_what_stands_in_the_way_is_named(old: Ground, view: str, depends: str) -> None:
    """Nothing has happened then."""
    old.sql("DROP VIEW sluice.file_states")
    old.sql("CREATE VIEW sluice.file_states AS SELECT 1 AS file_id, 'x' AS gone")
    old.sql(f"CREATE SCHEMA mine CREATE VIEW report AS {view}")
    with pytest.raises(PermanentError, match=rf"view mine\.report depends on {depends} .*make them anew"):
        old.run(old.feed(ITEMS))
    assert old.sql("SELECT to_regclass('sluice.replays')") == [(None,)]
    old.sql("DROP VIEW mine.report")
    assert old.run(old.feed(ITEMS)) is None


def test_the_ledger_of_a_newer_release_is_left_alone(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever meets it: a run, or a command at a terminal."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    known = ledger_schema.VERSION
    newer = f"Sluice: ledger, quarantine and tombstones; version {known + 1}"
    ground.sql(f"COMMENT ON SCHEMA sluice IS '{newer}'")
    ground.put("b.xml", items(item("b")))
    told = rf"newer Sluice \(its ledger has version {known + 1}, this one knows {known}\)"
    with pytest.raises(PermanentError, match=told):
        ground.run(feed)
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    assert main(["quarantine", "items"]) == 1
    assert ground.sql("SELECT obj_description('sluice'::regnamespace, 'pg_namespace')") == [(newer,)]
    assert len(ground.sql("SELECT FROM items.items")) == 1


def test_a_ledger_without_its_mark_is_brought_up_to_date(ground: Ground) -> None:
    """A dump without comments has lost it."""
    feed = ground.feed(ITEMS)
    ground.run(feed)
    ground.sql("COMMENT ON SCHEMA sluice IS 'ours'")
    upgrade(ground)
    assert ground.run(feed) is None


@pytest.mark.parametrize("is_parsed", [False, True], ids=["split", "parsed"])
def test_a_run_that_an_older_release_has_begun_goes_on(old: Ground, is_parsed: bool) -> None:
    """Its batch does not say which records are wanted, its outcomes know nothing of drift."""
    old.put("a.xml", items(item("a"), item("b")))
    feed = old.feed(ITEMS)
    begin_as_version_1(old, old.uri("a.xml"))
    old.put("b.xml", items(item("c")))
    assert old.run(feed, uri=old.uri("b.xml")) is None  # brings the ledger up to date
    tools = old.tools(feed)
    parse(tools, 1, 0)
    if is_parsed:
        path = old.work.outcomes("items", 1, 0)
        outcomes = old.work.read_json(path)
        del outcomes["drift"]
        old.work.write_json(path, {**outcomes, "unmapped": {}})
    validate(tools, 1, 0)
    assert old.load(feed, 1).counts.inserted == 2
    assert old.reconcile(feed, 1) is None
    assert old.sql("SELECT state, found, loaded FROM sluice.runs ORDER BY run_id") == [
        ("succeeded", 2, 2),
        ("succeeded", 1, 1),
    ]


def begin_as_version_1(ground: Ground, uri: str) -> None:
    """What fetch and split of the first release leave of a run: rows of the ledger, and a batch as a work file."""
    (file,) = source_for(uri, Clients(), ground.work, "items").list_files(UriPattern(uri), [DAY])
    modified = file.modified_at.isoformat()
    ground.sql("INSERT INTO sluice.mappings (feed, generation, hash, document) VALUES ('items', 1, 'x', '{}')")
    ground.sql("INSERT INTO sluice.runs (feed, run_key, generation, request) VALUES ('items', 'old', 1, '{}')")
    ground.sql(
        "INSERT INTO sluice.files (feed, uri, version, size_bytes, modified_at, part_count, listed_by)"
        " VALUES ('items', %s, %s, %s, %s, 1, 1)",
        *(uri, file.version, file.size_bytes, modified),
    )
    ground.sql("INSERT INTO sluice.manifest VALUES (1, 1)")
    ground.sql("INSERT INTO sluice.parts (file_id) VALUES (1)")
    ground.sql("INSERT INTO sluice.batches (run_id, number, parts, bytes) VALUES (1, 0, '{1}', 10)")
    named = {"file_id": 1, "uri": uri, "version": file.version, "size_bytes": file.size_bytes}
    cut = {"member": "", "start_byte": 0, "end_byte": None, "context": "", "tail": ""}
    part = {
        "part_id": 1,
        "file": {**named, "modified_at": modified, "file_date": None},
        "cut": {**cut, "first_record": 1, "first_line": 1, "spool": None},
    }
    ground.work.write_json(ground.work.batch("items", 1, 0), {"number": 0, "parts": [part]})
