"""`sluice diff` against the warehouse, and the history of mappings: what the ledger keeps is told as it is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.small_feeds import CHILDREN, DELETING, ITEMS, KEYLESS, Ground, item, items

from sluice import warehouse
from sluice.change.history import read_mappings, read_standing
from sluice.cli import main
from sluice.feed.mapping import mapping_document, mapping_hash

BY_DAY = "{date:%Y-%m-%d}/*.xml"
WIDER = ITEMS.replace("name: Name}", "name: Name, size: Size}")


@pytest.fixture
def desk(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """The commands find the feeds and the warehouse."""
    monkeypatch.setenv("SLUICE_WAREHOUSE", ground.dsn)
    monkeypatch.setenv("SLUICE_FEEDS", str(ground.root / "feeds"))
    return ground


def run_day(ground: Ground, text: str, day: str, *records: str, reload: str = "no") -> None:
    """A file of this day, if there are records for one, and a run of that day."""
    if records:
        ground.put(f"{day}/{day}.xml", items(*records), dt.datetime.fromisoformat(f"{day}T12:00Z"))
    date = dt.date.fromisoformat(day)
    feed = ground.feed(text, source=BY_DAY)
    assert ground.run(feed, date_from=date, date_to=date, reload=reload) is None


def diff(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["diff", "items", *arguments]) == code
    return capsys.readouterr().out


def test_the_ledger_keeps_the_mapping_itself(ground: Ground) -> None:
    """Each generation with its document, so that it can be compared when the file is long gone."""
    ground.put("a.xml", items(item("a")))
    feeds = [ground.feed(ITEMS), ground.feed(WIDER)]
    documents = []
    for text, feed in zip((ITEMS, WIDER), feeds, strict=True):
        ground.feed(text)
        ground.run(feed)
        documents.append((mapping_hash(feed), mapping_document(feed)))
    with warehouse.connect(ground.dsn) as connection:
        assert [(one.hash, one.document) for one in read_mappings(connection, "items")] == documents


def test_what_stands_is_counted_by_mapping_and_month(desk: Ground) -> None:
    run_day(desk, ITEMS, "2026-02-27", item("a"), item("b"))
    run_day(desk, ITEMS, "2026-03-01", item("c"))
    run_day(desk, WIDER, "2026-03-02", item("d"))
    run_day(desk, WIDER, "2026-03-01", reload="changed")
    with warehouse.connect(desk.dsn) as connection:
        found = [(s.generation, str(s.month), s.files, s.parts, s.records) for s in read_standing(connection, "items")]
    assert found == [(1, "2026-02-01", 1, 1, 2), (2, "2026-03-01", 2, 2, 2)]


def test_a_version_that_cannot_be_read_again_is_not_counted(ground: Ground) -> None:
    for hour in (1, 2):
        ground.put("a.xml", items(item("a", hour)), dt.datetime(2026, 3, 1, hour, tzinfo=dt.UTC))
        ground.run(ground.feed(ITEMS))
    with warehouse.connect(ground.dsn) as connection:
        assert [(one.files, one.records) for one in read_standing(connection, "items")] == [(1, 1)]


def test_an_additive_change(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """What the next run does by itself, and which files were loaded without it."""
    run_day(desk, ITEMS, "2026-02-27", item("a"), item("b"))
    run_day(desk, ITEMS, "2026-03-01", item("c"))
    desk.feed(WIDER, source=BY_DAY)
    out = diff(capsys)
    assert "items.size  new, text from Size\n" in out
    assert 'Done by the next run itself:\n    ALTER TABLE "items"."items" ADD COLUMN "size" text;' in out
    assert "the next run makes it generation 2" in out
    lines = [line.split() for line in out.splitlines()]
    assert lines[-5:-2] == [
        ["2026-03-01", "1", "1", "1", "1"],
        ["2026-02-27", "1", "1", "1", "2"],
        ["together", "2", "2", "3"],
    ]
    run_day(desk, WIDER, "2026-03-02")
    out = diff(capsys)
    assert "Nothing that decides rows is changed." in out
    assert "The tables in the schema items are in step." in out
    assert "The mapping is that of generation 2" in out
    for day in ("2026-02-27", "2026-03-01"):
        run_day(desk, WIDER, day, reload="changed")
    assert "Everything that is loaded was loaded under it." in diff(capsys)


def test_a_refused_change(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1 as long as the next run would refuse; the SQL that is told makes it pass."""
    run_day(desk, ITEMS, "2026-03-01", item("a"))
    desk.feed(ITEMS.replace("type: integer", "type: bigint"), source=BY_DAY)
    out = diff(capsys, code=1)
    assert "items.rev: the type changes from integer to bigint\n" in out
    (statement,) = [line.strip() for line in out.splitlines() if line.strip().startswith("ALTER")]
    desk.sql(statement)
    assert "are in step" in diff(capsys)


def test_what_is_declared_no_more_stays(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns and tables, each with the SQL that would drop it; a table that no mapping had is not the feed's."""
    run_day(desk, ITEMS, "2026-03-01", item("a"))
    desk.sql("ALTER TABLE items.items ADD COLUMN own text")
    desk.sql("CREATE TABLE items.mine (x text)")
    desk.feed(ITEMS.replace(CHILDREN, "").replace(", name: Name", ""), source=BY_DAY)
    out = diff(capsys)
    dropped = [line.strip() for line in out.split("to drop it:\n")[1].splitlines() if "DROP" in line]
    assert dropped == [
        'DROP TABLE "items"."marks";  -- marks: declared no more',
        'DROP TABLE "items"."parts";  -- parts: declared no more',
        'ALTER TABLE "items"."items" DROP COLUMN "name";  -- items.name: declared no more',
        'ALTER TABLE "items"."items" DROP COLUMN "own";  -- items.own: never declared',
    ]
    for line in dropped:
        desk.sql(line)
    assert "to drop it" not in diff(capsys)


@pytest.mark.parametrize("text", [ITEMS, KEYLESS, DELETING], ids=["keyed", "keyless", "deleting"])
def test_a_column_with_another_name(desk: Ground, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """The SQL for it keeps the values, and the next run finds nothing to add."""
    run_day(desk, text, "2026-03-01", item("a", name="kept"))
    renamed = text.replace("name: Name", "label: Name")
    desk.feed(renamed, source=BY_DAY)
    out = diff(capsys, code=1)
    assert "items.label  renamed, was name\n" in out
    assert "items.name is label now" in out
    desk.sql(out.split("is label now\n")[1].splitlines()[0])
    assert "are in step" in diff(capsys)
    run_day(desk, renamed, "2026-03-02", item("b"))
    assert desk.sql("SELECT label FROM items.items WHERE id = 'a'") == [("kept",)]


@pytest.mark.parametrize("text", [ITEMS, DELETING], ids=["keyed", "deleting"])
def test_a_key_with_another_name(desk: Ground, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Without the renames the tables would have to be made anew; with them nothing is refused."""
    run_day(desk, text, "2026-03-01", item("a", parts=[("x", ["1"])]))
    renamed = text.replace("key: id", "key: number").replace('id: "@id"', 'number: "@id"')
    desk.feed(renamed, source=BY_DAY)
    out = diff(capsys, code=1)
    assert "Nothing is refused then." in out
    statements = [line.strip() for line in out.splitlines() if "RENAME COLUMN" in line]
    assert len(statements) == (4 if text == DELETING else 3)
    for statement in statements:
        desk.sql(statement)
    assert "are in step" in diff(capsys)
    run_day(desk, renamed, "2026-03-02", item("b", parts=[("y", ["2"])]))
    assert desk.sql("SELECT number, mark FROM items.marks ORDER BY 1") == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize("text", [ITEMS, DELETING], ids=["keyed", "deleting"])
def test_a_table_with_another_name(desk: Ground, capsys: pytest.CaptureFixture[str], text: str) -> None:
    run_day(desk, text, "2026-03-01", item("a", parts=[("x", ["1"])]))
    renamed = text.replace("  items:\n", "  things:\n").replace("parent: items", "parent: things")
    desk.feed(renamed, source=BY_DAY)
    out = diff(capsys, code=1)
    assert "things  renamed, was items\n" in out
    for statement in [line.strip() for line in out.splitlines() if " RENAME TO " in line]:
        desk.sql(statement)
    assert "are in step" in diff(capsys)
    run_day(desk, renamed, "2026-03-02", item("b"))
    assert desk.sql("SELECT id FROM items.things ORDER BY 1") == [("a",), ("b",)]
    assert desk.sql("SELECT count(*) FROM pg_indexes WHERE schemaname = 'items' AND indexdef ~ 'brin'") == [(1,)]


def test_the_history(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Newest first: when, what stands under each, and what was changed."""
    run_day(desk, ITEMS, "2026-03-01", item("a"))
    run_day(desk, WIDER, "2026-03-02", item("b"), item("c"))
    run_day(desk, ITEMS, "2026-03-03")
    lines = diff(capsys, "--history").splitlines()
    assert lines[0] == "feed items: 3 mappings so far"
    told = [" ".join(line.split()[:2] + line.split()[7:]) if line.startswith("gen") else line.strip() for line in lines]
    assert told[1:] == [
        "generation 3 nothing stands under it",
        "items.size  gone, was text from Size",
        "generation 2 1 file, 1 part, 2 records of 2026-03-02 to 2026-03-02",
        "items.size  new, text from Size",
        "generation 1 1 file, 1 part, 1 record of 2026-03-01 to 2026-03-01",
        "the first one",
    ]


def test_against_a_mapping_of_the_ledger(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """By generation or by the beginning of its hash; the tables are then those that it had."""
    run_day(desk, ITEMS.replace("name: Name", "name: Nom"), "2026-03-01", item("a"))
    run_day(desk, ITEMS, "2026-03-02", item("b"))
    desk.feed(WIDER, source=BY_DAY)
    first = desk.sql("SELECT hash FROM sluice.mappings WHERE generation = 1")[0][0]
    out = diff(capsys, "--against", "1")
    assert out == diff(capsys, "--against", first[:8])
    assert "items.name  path Nom → Name\n" in out
    assert 'ADD COLUMN "size"' in out
    assert "items.name" not in diff(capsys, "--against", "2")
    assert main(["diff", "items", "--against", "7"]) == 1
    assert "no mapping '7'; the ledger has the generations 1 (" in capsys.readouterr().err


def test_both_at_once(desk: Ground, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_day(desk, ITEMS, "2026-03-01", item("a"))
    out = diff(capsys, "--against", str(desk.root / "feeds/items/feed.yaml"), "--warehouse")
    assert out.count("feed items, against") == 2


def test_without_a_ledger(desk: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    desk.feed(ITEMS)
    desk.drop_ledger()
    assert main(["diff", "items"]) == 1
    assert "let a feed run first" in capsys.readouterr().err
