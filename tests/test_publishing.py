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
from tests.small_feeds import ITEMS, KEYLESS, Ground, item, items

from sluice import ledger
from sluice.stages.load import load
from sluice.stages.reconcile import reconcile
from sluice.stages.split import split
from sluice.warehouse import connect

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
        assert ledger.release(connection, "items", "%b.xml", None) == 0
        assert ledger.release(connection, "items", "%a.xml", "agreed with the sender") == 1
    assert ground.run(feed) is None
    assert len(ground.tables(feed)["items"]) == 2
    assert states(ground) == ["loaded"]
    assert ground.sql("SELECT is_released, note FROM sluice.holds") == [(True, "agreed with the sender")]


@pytest.mark.parametrize(("options", "is_loaded"), [({}, False), ({"takes_released": True}, True)])
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
        ledger.release(connection, "items", "%a.xml", "agreed")
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
from sluice.stages import parse
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

feed_folder, work, run_id, number = sys.argv[1:5]
take = parse._BatchParser._take_record
def deadly(self, element, place):
    if element.get("id") == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    take(self, element, place)
parse._BatchParser._take_record = deadly
parse.parse(Tools(load_feed(Path(feed_folder)), "", WorkFiles(work), Clients()), int(run_id), int(number))
"""


def test_a_part_that_kills_its_worker_is_given_up_after_four_deaths(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its batch are loaded; two deaths are blamed on nobody, two on the part alone."""
    monkeypatch.undo()
    feed = ground.feed(ITEMS, more="rejects: {max_files: 1}")
    for name in ("a", "deadly", "z"):
        ground.put(f"{name}.xml", items(item(name)))
    from sluice.stages.fetch import fetch
    from sluice.stages.validate import validate

    tools = ground.tools(feed)
    run_id = fetch(tools, ground.request(feed)).run_id
    (batch,) = split(tools, run_id).batches
    command = [sys.executable, "-c", KILLER, str(feed.folder), ground.work.root, str(run_id), str(batch.number)]
    codes = [subprocess.run(command, check=False).returncode for _ in range(5)]
    assert codes == [-signal.SIGKILL] * 4 + [0]
    validate(tools, run_id, batch.number)
    ground.load(feed, run_id, batch.number)
    assert ground.reconcile(feed, run_id) is None
    assert [row[2] for row in ground.tables(feed)["items"]] == ["a", "z"]
    assert ground.sql("SELECT code, ordinal FROM sluice.quarantine") == [("worker_died", None)]
    assert ground.replay(feed).totals.loaded == 1  # a machine with more memory, a mended library


def test_an_error_is_no_death(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    from sluice.attempts import Attempts

    path = ground.work.attempts("items", 1, 0)

    def fail() -> None:
        with Attempts(ground.work, path):
            raise OSError("once")

    for _ in range(5):
        with pytest.raises(OSError, match="once"):
            fail()
    assert not Attempts(ground.work, path).is_careful
