"""`publish: run`: all batches of a run together, or nothing; and what a person may do about what is held."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.small_feeds import DELETING, ITEMS, KEYLESS, MOMENT, Ground, deleted, gone, item, items

from sluice import holds, ledger
from sluice.attempts import RETRIES, Attempts
from sluice.publishing import open_batch
from sluice.records import Cut, LedgerFile, Part
from sluice.stages.fetch import fetch
from sluice.stages.load import load
from sluice.stages.reconcile import reconcile
from sluice.stages.split import split
from sluice.stages.validate import validate
from sluice.warehouse import connect, transact

AS_ONE = "publish: run\nrejects: {max_records: 1}"
NO_NAME = "name: {path: Name, required: true, null: [bad]}"


@pytest.fixture(params=[ITEMS, KEYLESS], ids=["keyed", "keyless"])
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param).replace("name: Name", NO_NAME)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is a batch of its own."""
    monkeypatch.setattr("sluice.stages.split.MIN_BATCH_BYTES", 1)


def states(ground: Ground) -> list[str]:
    return sorted(state for (state,) in ground.sql("SELECT state FROM sluice.file_states"))


def test_all_batches_are_published_together(ground: Ground, text: str) -> None:
    """Load writes nothing; reconcile writes all of it in one transaction."""
    feed = ground.feed(text, more=AS_ONE)
    for name in "abc":
        ground.put(f"{name}.xml", items(item(name), item(f"{name}2", parts=[("x", ["1"])])))
    run_id, numbers = ground.prepare(feed)
    assert len(numbers) == 3
    for number in numbers:
        assert "left to reconcile" in load(ground.tools(feed), run_id, number).line()
    assert ground.tables(feed)["items"] == []
    assert ground.ledger() == []
    assert ground.reconcile(feed, run_id) is None
    assert [len(rows) for rows in ground.tables(feed).values()] == [6, 3, 3]
    assert len(ground.sql("SELECT DISTINCT xmin::text FROM items.items")) == 1
    assert ground.reconcile(feed, run_id) is None
    assert states(ground) == ["loaded"] * 3


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("rejects: {max_records: 1}", "2 records quarantined, 1 allowed"),
        ("rejects: {max_share: 0.1}", "allowed"),
        ("run: {expectations: {items: [{expect_table_row_count_to_equal: {value: 9}}]}}", "expect_table_row_count"),
    ],
)
def test_a_run_that_breaks_a_rule_publishes_nothing(ground: Ground, text: str, more: str, why: str) -> None:
    """What would have been rejected is shown all the same; the parts wait for a person or another mapping."""
    feed = ground.feed(text, more=f"publish: run\n{more}")
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.put("b.xml", items(item("c"), item("d", name="bad"), item("e")))
    error = ground.run(feed)
    assert error is not None
    assert "nothing was published" in error
    assert why in error
    assert [rows for rows in ground.tables(feed).values() if rows] == []
    assert ground.ledger() == []
    assert states(ground) == ["held", "held"]
    assert ground.sql("SELECT found, loaded, quarantined, held, state FROM sluice.runs") == [(5, 0, 0, 5, "failed")]
    assert ground.sql("SELECT code, state FROM sluice.quarantine") == [("required_missing", "held")] * 2


def test_a_file_that_cannot_be_read_keeps_the_run_back(ground: Ground, text: str) -> None:
    """`max_files` is 0 unless told otherwise."""
    feed = ground.feed(text, more="publish: run")
    ground.put("a.xml", items(item("a")))
    ground.put("b.xml", items(item("b"))[:-4])
    error = ground.run(feed)
    assert error is not None
    assert "b.xml: truncated" in error
    assert states(ground) == ["held", "held"]


def test_a_shut_gate_keeps_the_whole_run_back(ground: Ground, text: str) -> None:
    gate = "    expectations: [{expect_table_row_count_to_be_between: {max_value: 2}}]\n    columns"
    feed = ground.feed(text.replace("    columns", gate, 1), more="publish: run")
    ground.put("a.xml", items(item("a")))
    ground.put("b.xml", items(item("b"), item("c"), item("d")))
    error = ground.run(feed)
    assert error is not None
    assert "held by the gate" in error
    assert ground.tables(feed)["items"] == []
    assert states(ground) == ["held", "held"]


def test_a_task_that_failed_keeps_the_run_back_and_may_be_cleared(ground: Ground, text: str) -> None:
    """The parts stay open, and the work of the other batches is kept."""
    feed = ground.feed(text, more="publish: run")
    ground.put("a.xml", items(item("a")))
    ground.put("b.xml", items(item("b")))
    run_id, numbers = ground.prepare(feed)
    verdict = ground.work.verdict("items", run_id, numbers[0])
    Path(verdict).rename(verdict + ".away")
    error = ground.reconcile(feed, run_id)
    assert error is not None
    assert "2 parts were not loaded" in error
    assert ground.tables(feed)["items"] == []
    assert states(ground) == ["open", "open"]
    Path(verdict + ".away").rename(verdict)
    assert ground.reconcile(feed, run_id) is None
    assert len(ground.tables(feed)["items"]) == 2


def test_with_another_limit_the_run_may_be_reconciled_again(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    feed = ground.feed(text, more=AS_ONE)
    run_id, _ = ground.prepare(feed)
    assert ground.reconcile(feed, run_id) == ground.reconcile(feed, run_id) is not None
    lenient = ground.feed(text, more=AS_ONE.replace("1", "2"))
    assert ground.reconcile(lenient, run_id) is None
    assert len(ground.tables(feed)["items"]) == 1
    assert ground.sql("SELECT state FROM sluice.quarantine") == [("open",)] * 2
    assert ground.miscounted() == []


def test_what_is_held_waits_for_another_mapping(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    assert ground.run(ground.feed(text, more=AS_ONE)) is not None
    assert ground.run(ground.feed(text, more=AS_ONE)) is None  # nothing is open
    mended = ground.feed(text.replace(NO_NAME, "name: Name"), more=AS_ONE)
    assert ground.run(mended) is None
    assert len(ground.tables(mended)["items"]) == 3
    assert ground.sql("SELECT state FROM sluice.quarantine") == [("replayed",)] * 2


@pytest.mark.parametrize("more", [AS_ONE, ""])
def test_a_person_may_release_what_is_held(ground: Ground, text: str, more: str) -> None:
    """Then neither the gate nor a limit keeps it out."""
    gate = "    expectations: [{expect_table_row_count_to_be_between: {max_value: 1}}]\n    columns"
    feed = ground.feed(text.replace("    columns", gate, 1), more=more)
    ground.put("a.xml", items(item("a"), item("b"), item("c", name="bad"), item("d", name="bad")))
    assert ground.run(feed) is not None
    with connect(ground.dsn) as connection:
        assert holds.release(connection, "items", "%b.xml", None) == 0
        assert holds.release(connection, "items", "%a.xml", "agreed with the sender") == 1
    assert ground.run(feed) is None
    assert len(ground.tables(feed)["items"]) == 2
    assert states(ground) == ["loaded"]
    assert ground.sql("SELECT count(*) FROM sluice.holds") == [(0,)]
    assert ground.sql("SELECT release_note FROM sluice.loads") == [("agreed with the sender",)]


def release(ground: Ground, file: str, note: str | None = "looked at") -> None:
    with connect(ground.dsn) as connection:
        assert holds.release(connection, "items", f"%{file}", note) == 1


ONE_ROW = "    expectations: [{expect_table_row_count_to_be_between: {max_value: 1}}]\n    columns"
MANY_BAD = [item(f"k{number}", name="bad") for number in range(5)]


def test_a_release_lifts_no_limit_for_other_files(ground: Ground, text: str) -> None:
    """They keep the run back, also what was released; that stays so, and the next run loads it."""
    feed = ground.feed(text, more=AS_ONE)
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    assert ground.run(feed) is not None
    release(ground, "a.xml")
    ground.put("new.xml", items(*MANY_BAD, item("n")))
    ground.put("broken.xml", "<Items><It")
    error = str(ground.run(feed))
    assert "nothing was published: 1 file quarantined" in error
    assert "broken.xml: truncated" in error
    assert "5 records quarantined, 1 allowed" in error
    assert "a.xml" not in error
    assert states(ground) == ["held"] * 3
    assert ground.run(feed) is None
    assert [row[2] for row in ground.tables(feed)["items"]] == ["a"]
    assert states(ground) == ["held", "held", "loaded"]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ("max_records: 4", "5 records quarantined, 4 allowed"),
        ("max_records: 5", None),
        ("max_share: 0.83", "83.33% of the records quarantined, 83.00% allowed"),
        ("max_share: 0.84", None),
        ("max_files: 0", None),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_released_counts_for_no_limit(
    ground: Ground, text: str, limits: str, why: str | None, dry_run: bool
) -> None:
    """Neither its rejects nor its records; also where each batch is published by itself, and in a dry run."""
    feed = ground.feed(text.replace("    columns", ONE_ROW, 1), more=f"rejects: {{{limits}}}")
    ground.put("a.xml", items(*(item(f"a{number}", name="nb"[number % 2] + "ad") for number in range(20))))
    assert "held by the gate" in str(ground.run(feed))
    release(ground, "a.xml")
    ground.put("new.xml", items(*MANY_BAD, item("n")))
    error = ground.run(feed, dry_run=dry_run)
    assert (error or "").partition("; see `")[0].endswith(why or "")
    assert (error is None) == (why is None)
    assert ground.reconcile(feed, 2) == error


def test_a_file_that_cannot_be_read_may_be_released(ground: Ground, text: str) -> None:
    feed = ground.feed(text, more="publish: run")
    ground.put("a.xml", items(item("a"))[:-4])
    assert "a.xml: truncated" in str(ground.run(feed))
    release(ground, "a.xml", None)
    assert ground.run(feed, dry_run=True) is None
    assert ground.run(feed) is None
    assert states(ground) == ["quarantined"]
    assert ground.sql("SELECT release_note FROM sluice.loads") == [("",)]


@pytest.mark.parametrize("reload", ["changed", "all"])
def test_a_release_holds_once(ground: Ground, text: str, reload: str) -> None:
    """A later load of the same file is judged again, under whatever mapping."""
    text = text.replace("    columns", ONE_ROW, 1)
    ground.put("a.xml", items(item("a"), item("b")))
    ground.run(ground.feed(text))
    release(ground, "a.xml")
    assert ground.run(ground.feed(text)) is None
    if reload == "changed":
        text = text.replace("path: Name", "path: Nothing").replace("required: true, ", "")
    assert "held by the gate" in str(ground.run(ground.feed(text), reload=reload))
    assert {row[4] for row in ground.tables(ground.feed(text))["items"]} == {"n"}


def test_a_release_is_for_the_mapping_that_held_the_file(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b")))
    ground.run(ground.feed(text.replace("    columns", ONE_ROW, 1)))
    release(ground, "a.xml")
    other = ground.feed(text.replace("    columns", ONE_ROW.replace("max_value: 1", "min_value: 3"), 1))
    assert "held by the gate" in str(ground.run(other))
    assert ground.sql("SELECT is_released, note FROM sluice.holds") == [(False, None)]
    release(ground, "a.xml", "now for this one")
    assert ground.run(other) is None
    assert ground.sql("SELECT release_note FROM sluice.loads") == [("now for this one",)]


def test_run_expectations_leave_out_what_is_released(ground: Ground, text: str) -> None:
    """A run of nothing else is not judged by them, so that a release is of use."""
    rule = "run: {expectations: {items: [{expect_table_row_count_to_be_between: {min_value: 2, max_value: 3}}]}}"
    feed = ground.feed(text, more=f"publish: run\n{rule}")
    ground.put("a.xml", items(item("a")))
    assert "1 is too low, not between 2 and 3" in str(ground.run(feed))
    release(ground, "a.xml")
    ground.put("b.xml", items(item("b")))
    assert "1 is too low, not between 2 and 3" in str(ground.run(feed))
    assert states(ground) == ["held", "held"]
    assert ground.run(feed) is None  # a.xml only
    release(ground, "b.xml")
    ground.put("c.xml", items(item("c"), item("d"), item("e")))
    assert ground.run(feed) is None
    assert states(ground) == ["loaded"] * 3


def test_a_release_that_an_older_release_of_sluice_left_is_spent(ground: Ground, text: str) -> None:
    feed = ground.feed(text, more=AS_ONE)
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    ground.put("b.xml", items(item("d")))
    ground.run(feed)
    release(ground, "a.xml", "why")
    ground.sql("CREATE TABLE public.kept AS SELECT * FROM sluice.holds WHERE is_released")
    assert ground.run(feed) is None
    ground.sql("INSERT INTO sluice.holds SELECT * FROM public.kept")
    ground.sql("DROP TABLE public.kept")
    ground.sql("ALTER TABLE sluice.loads DROP COLUMN release_note CASCADE")
    ground.sql("COMMENT ON SCHEMA sluice IS 'of an older release'")
    assert ground.run(feed) is None
    assert ground.sql("SELECT is_released FROM sluice.holds") == [(False,)]  # b.xml
    assert ground.sql("SELECT release_note FROM sluice.loads") == [("why",)]


@pytest.mark.parametrize(("options", "is_loaded"), [({}, False), ({"takes_left": True}, True)])
def test_what_was_released_loads_though_the_run_does_not_list_it(
    ground: Ground, text: str, options: dict[str, Any], is_loaded: bool
) -> None:
    """The file is of another day than the run."""
    feed = ground.feed(text, source="{date:%Y-%m-%d}/*.xml", more=AS_ONE)
    bad = items(item("a"), item("b", name="bad"), item("c", name="bad"))
    for name in ("a", "b"):
        ground.put(f"2026-03-01/{name}.xml", bad)
    assert ground.run(feed) is not None
    with connect(ground.dsn) as connection:
        holds.release(connection, "items", "%a.xml", "agreed")
    day = dt.date(2026, 3, 9)
    (ground.landing / "2026-03-09").mkdir()
    assert ground.run(feed, date_from=day, date_to=day, **options) is None
    assert states(ground) == ["held", "loaded" if is_loaded else "held"]
    assert ground.run(feed, date_from=day, date_to=day, **options) is None
    assert ground.sql("SELECT files FROM sluice.runs ORDER BY run_id OFFSET 1") == [(int(is_loaded),), (0,)]


def test_a_reader_never_sees_half_a_run(ground: Ground, text: str) -> None:
    feed = ground.feed(text, more="publish: run")
    for name in "abcdef":
        ground.put(f"{name}.xml", items(item(name)))
    run_id, _ = ground.prepare(feed)
    seen: set[Any] = set()
    with psycopg.connect(ground.dsn, autocommit=True) as reader:

        def look(*_: Any) -> None:
            seen.add(reader.execute("SELECT count(*) FROM items.items").fetchone())

        sys.setprofile(look)
        try:
            reconcile(ground.tools(feed), run_id)
        finally:
            sys.setprofile(None)
        look()
    assert seen == {(0,), (6,)}


def test_a_dry_run_says_what_would_happen(ground: Ground, text: str) -> None:
    feed = ground.feed(text, more=AS_ONE)
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    error = ground.run(feed, dry_run=True)
    assert error is not None
    assert "2 records quarantined, 1 allowed" in error
    assert ground.sql("SELECT count(*) FROM sluice.holds") == [(0,)]


# -- parts that kill their worker -------------------------------------------------------------------------------------

KILLER = """
import os, signal, sys
from pathlib import Path
from sluice.feed.loading import load_feed
from sluice import batch_parser
from sluice.stages import parse
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

feed_folder, work, run_id, number = sys.argv[1:5]
def deadly(parse_it):
    def parse_or_die(self, section, *arguments):
        if b"deadly" in next(one for one in arguments if hasattr(one, "body")).body:
            os.kill(os.getpid(), signal.SIGKILL)
        return parse_it(self, section, *arguments)
    return parse_or_die
for way in ("_leap", "_parse_piece"):
    setattr(batch_parser.BatchParser, way, deadly(getattr(batch_parser.BatchParser, way)))
parse.parse(Tools(load_feed(Path(feed_folder)), "", WorkFiles(work), Clients()), int(run_id), int(number))
"""


@pytest.mark.parametrize(("killers", "deaths"), [(1, 4), (3, 5)])
def test_a_part_that_kills_its_worker_is_given_up(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, killers: int, deaths: int
) -> None:
    """Within the tries of its task, and the others of its batch are loaded. Two deaths are blamed on nobody, two on the
    part alone; of several such parts, one each.
    """
    monkeypatch.undo()
    feed = ground.feed(ITEMS, more=f"rejects: {{max_files: {killers}}}")
    for name in ("a", "z"):
        ground.put(f"{name}.xml", items(item(name)))
    for number in range(killers):
        ground.put(f"b{number}.xml", items(item("deadly")))
    tools = ground.tools(feed)
    run_id = fetch(tools, ground.request(feed)).run_id
    (batch,) = split(tools, run_id).batches
    command = [sys.executable, "-c", KILLER, str(feed.folder), ground.work.root, str(run_id), str(batch.number)]
    codes = [subprocess.run(command, check=False).returncode for _ in range(deaths + 1)]
    assert codes == [-signal.SIGKILL] * deaths + [0]
    assert len(codes) <= 1 + RETRIES
    validate(tools, run_id, batch.number)
    ground.load(feed, run_id, batch.number)
    assert ground.reconcile(feed, run_id) is None
    assert [row[2] for row in ground.tables(feed)["items"]] == ["a", "z"]
    assert ground.sql("SELECT code, ordinal FROM sluice.quarantine") == [("worker_died", None)] * killers
    assert ground.replay(feed).totals.loaded == killers  # a machine with more memory, a mended library


def parts_of(*names: str) -> list[Part]:
    file = LedgerFile(1, "s3://b/a.xml", "1", 1, MOMENT, None)
    return [Part(ord(name), file, Cut()) for name in names]


def go_through(ground: Ground, deadly: str, parts: str = "abcdefgh", errors: int = 0) -> tuple[int, str, str]:
    """Try to parse ``parts`` until a try comes to its end. Those in ``deadly`` kill the worker each time, unless it is
    one of the first ``errors`` tries: those end with an error. Returns the tries, and the parts parsed and given up.
    """
    path = ground.work.attempts("items", 1, 0)
    for number in range(1, 100):
        attempts, parsed = Attempts(ground.work, path).__enter__(), ""
        for group in attempts.divide(parts_of(*parts)):
            names = "".join(chr(part.part_id) for part in group)
            if set(names) & set(deadly):
                break  # without a word
            parsed += names
        else:
            attempts.__exit__(None, None, None)
            return number, "".join(sorted(parsed)), "".join(sorted(map(chr, attempts.given_up)))
        if number <= errors:
            attempts.__exit__(OSError, OSError(), None)
    raise AssertionError("no try came to its end")


@pytest.mark.parametrize("deadly", ["a", "h", "ah", "de", "abc", "fgh", "adh"])
def test_parts_that_kill_workers_do_not_use_up_the_tries_of_their_task(ground: Ground, deadly: str) -> None:
    """Up to three in a batch are found out by the tries that the task has, one spare try for an error included."""
    tries, parsed, given_up = go_through(ground, deadly, errors=1)
    assert tries <= 1 + RETRIES
    assert given_up == deadly
    assert parsed == "".join(sorted(set("abcdefgh") - set(deadly)))
    assert go_through(ground, deadly) == (1, parsed, deadly)  # a task that is cleared gives the same


def test_more_parts_than_that_are_found_out_when_the_task_is_cleared(ground: Ground) -> None:
    """It goes on where it was, and each death more finds one more; nothing is given up that killed nobody."""
    assert go_through(ground, "bcdefg") == (2 + 6 + 1, "ah", "bcdefg")


def test_a_part_that_a_worker_died_on_by_chance_is_forgiven(ground: Ground) -> None:
    path = ground.work.attempts("items", 1, 0)
    for _ in range(2):
        Attempts(ground.work, path).__enter__()
    chance = Attempts(ground.work, path).__enter__()
    assert [part.part_id for part in next(chance.divide(parts_of("a", "b")))] == [ord("a")]
    assert go_through(ground, "", "ab") == (1, "ab", "")
    assert not Attempts(ground.work, path).is_careful


def test_an_error_is_no_death(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ground.work.attempts("items", 1, 0)

    def fail() -> None:
        with Attempts(ground.work, path):
            raise OSError("once")

    for _ in range(5):
        with pytest.raises(OSError, match="once"):
            fail()
    assert not Attempts(ground.work, path).is_careful


TWO_FAMILIES = f"""{DELETING}
  others:
    record: /Items/Other
    columns: {{name: .}}
"""


def test_a_batch_more_takes_no_lock_more(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """All locks of a run that publishes as one are held to its end, and the server has room for so many only."""
    monkeypatch.setattr("sluice.stages.split._batch_bytes", lambda *_: 1)
    feed = ground.feed(TWO_FAMILIES, more="publish: run")
    for number in range(0, 9, 3):
        ground.put(f"{number}.xml", items(item("a", number, parts=[("p", ["m"])]), "<Other>o</Other>"))
        ground.put(f"{number + 1}.xml", items(item("a", number), deleted("b", 5), "<Other>p</Other>"))
        ground.put(f"{number + 2}.xml", items(gone("a", number), item("b", number)))
    run_id, _ = ground.prepare(feed)
    assert ground.reconcile(feed, run_id) is None
    runs = [ground.prepare(feed, reload="all") for _ in range(2)]
    before = ground.tables(feed)

    def count_locks(conn: psycopg.Connection, run_id: int, numbers: list[int]) -> int:
        for number in numbers:
            open_batch(ground.tools(feed), ledger.read_run(conn, run_id), number).publish(conn)
        (found,) = conn.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()").fetchone() or (0,)
        return int(found)

    with connect(ground.dsn) as connection:
        once, twice = transact(connection, lambda conn: [count_locks(conn, *run) for run in runs])
    assert once == twice < 300
    assert ground.tables(feed) == before
    assert len(before["others"]) == 6
