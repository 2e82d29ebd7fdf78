"""What a record in the quarantine goes through when files, mappings and gates change around it: it is never lost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
import pytest
from tests.small_feeds import DELETING, ITEMS, MOMENT, Ground, gone, item, items

from sluice import holds, quarantine
from sluice.errors import PermanentError, RunFailed
from sluice.feed.model import Feed
from sluice.publishing import BatchPublisher
from sluice.records import Selection
from sluice.stages.fetch import fetch
from sluice.stages.load import load
from sluice.stages.parse import parse
from sluice.stages.split import split
from sluice.stages.validate import validate

STRICT = ITEMS.replace("name: Name", "name: {path: Name, required: true, null: [bad]}")
OTHERS = """  others:
    record: /Items/Other
    key: other
    version: file_date
    columns: {other: "@id"}
"""
TAIL = "malformed: keep_records"


def gated(text: str, *expectations: str) -> str:
    return text.replace("    columns", f"    expectations: [{', '.join(expectations)}]\n    columns", 1)


def at_most(rows: int) -> str:
    return f"{{expect_table_row_count_to_be_between: {{max_value: {rows}}}}}"


NO_BAD = "{expect_column_values_to_not_match_regex: {column: name, regex: bad}}"


def ids(ground: Ground) -> list[str]:
    return [key for (key,) in ground.sql("SELECT id FROM items.items ORDER BY id")]


def entries(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql("SELECT code, state FROM sluice.quarantine ORDER BY part_id, start_byte")


def books(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql("SELECT found, quarantined, loaded FROM sluice.latest_loads ORDER BY part_id")


def replay(ground: Ground, feed: Feed, **options: Any) -> str:
    """The line of a replay, or why it failed."""
    try:
        return ground.replay(feed, **options).line()
    except RunFailed as failed:
        return str(failed)


def release(ground: Ground) -> None:
    with psycopg.connect(ground.dsn) as connection:
        holds.release(connection, "items", None, "agreed")


# -- a place is where a record begins, not its ordinal ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "mended"), [('<Other id="o"/>', ITEMS + OTHERS), (gone("z"), DELETING)], ids=["one more table", "deletes"]
)
def test_a_replay_finds_its_record_under_a_mapping_that_counts_differently(
    ground: Ground, other: str, mended: str
) -> None:
    ground.put("a.xml", items(other, item("a"), item("b", name="bad"), item("c")))
    ground.run(ground.feed(STRICT))
    ground.replay(ground.feed(mended))
    assert ids(ground) == ["a", "b", "c"]
    assert entries(ground) == [("required_missing", "replayed")]
    assert books(ground) == [(3, 0, 3)]


def test_a_cut_file_without_keys_may_get_one_more_table(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts were numbered under the old mapping; their rows do not take each other's places."""
    monkeypatch.setattr("sluice.stages.split._batch_bytes", lambda *_: 200)
    keyless = (ITEMS + OTHERS).replace("    key: id\n    version: rev\n", "")
    keyless = keyless.replace("    key: other\n    version: file_date\n", "")
    records = [text for number in range(12) for text in (item(f"i{number:02}"), f'<Other id="o{number:02}"/>')]
    ground.put("a.xml", items(*records))
    assert ground.run(ground.feed(keyless.split("  others:")[0])) is None
    assert ground.sql("SELECT count(*) > 2 FROM sluice.parts") == [(True,)]
    assert ground.run(ground.feed(keyless), reload="changed") is None
    assert ids(ground) == [f"i{number:02}" for number in range(12)]
    assert ground.sql("SELECT count(DISTINCT other) FROM items.others") == [(12,)]


# -- a file that cannot be read again ---------------------------------------------------------------------------------


def test_a_replay_of_a_file_that_is_gone_takes_nothing_away(ground: Ground) -> None:
    """Neither rows, nor counts, nor entries: they stay open."""
    feed = ground.feed(STRICT, more=TAIL)
    path = ground.put("a.xml", items(item("a"), item("x", name="bad"), item("b"))[:-4])
    ground.run(feed)
    before = ids(ground), books(ground), ground.sql("SELECT sum(records) FROM sluice.quarantine")
    path.unlink()
    replay(ground, ground.feed(ITEMS, more=TAIL))
    assert (ids(ground), books(ground), ground.sql("SELECT sum(records) FROM sluice.quarantine")) == before
    assert {state for _, state in entries(ground)} == {"open"}
    assert ground.miscounted() == []
    (entry,) = ground.sql("SELECT entry_id FROM sluice.quarantine WHERE ordinal IS NOT NULL")
    replay(ground, ground.feed(ITEMS, more=TAIL), entries=entry)
    assert ids(ground) == ["a", "b", "x"]


@pytest.mark.parametrize("reload", ["all", "changed"])
def test_a_re_load_of_a_file_that_was_replaced_takes_nothing_away(ground: Ground, reload: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.run(ground.feed(STRICT))
    feed = ground.feed(ITEMS)
    tools, run = ground.tools(feed), fetch(ground.tools(feed), ground.request(feed, reload=reload)).run_id
    numbers = [batch.number for batch in split(tools, run).batches]
    ground.put("a.xml", items(item("c")), MOMENT + dt.timedelta(days=1))
    for number in numbers:
        for stage in (parse, validate, load):
            stage(tools, run, number)
    failed = ground.reconcile(feed, run)
    assert failed is not None
    assert "source_changed" in failed
    assert ids(ground) == ["a"]
    assert books(ground) == [(2, 1, 1)]
    assert ("required_missing", "open") in entries(ground)
    assert ground.miscounted() == []
    assert ground.run(feed) is None
    assert ids(ground) == ["a", "c"]


def test_a_file_that_was_replaced_before_its_replay_keeps_what_it_counted(ground: Ground) -> None:
    ground.put("a.xml", items(item("a"), item("b"))[:-4])
    feed = ground.feed(ITEMS)
    ground.run(feed)
    before = books(ground), ground.sql("SELECT records FROM sluice.quarantine")
    ground.put("a.xml", items(item("a"), item("b")), MOMENT + dt.timedelta(days=1))
    ground.run(feed)
    ground.replay(feed)
    assert (books(ground)[:1], ground.sql("SELECT records FROM sluice.quarantine")) == before
    assert entries(ground) == [("source_changed", "open")]


def test_a_reject_of_the_gate_is_replayed_from_what_the_quarantine_holds(ground: Ground) -> None:
    """The file has been replaced by a newer version; the raw record is whole."""
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    assert ground.run(ground.feed(gated(ITEMS, NO_BAD))) is None
    ground.put("a.xml", items(item("c")), MOMENT + dt.timedelta(minutes=1))
    assert ground.run(ground.feed(gated(ITEMS, NO_BAD))) is None
    assert entries(ground) == [("expectation_failed", "open")]
    ground.replay(ground.feed(ITEMS))
    assert entries(ground) == [("expectation_failed", "replayed")]
    assert ids(ground) == ["a", "b", "c"]


def test_header_values_come_from_what_the_quarantine_has_kept(ground: Ground) -> None:
    """A feed that reads what stands before its records does not need the file either."""
    headed = ITEMS.replace("name: Name", "name: Name, head: ../Head")
    path = ground.put("a.xml", items("<Head>h</Head>", item("a"), item("b", name="bad")))
    ground.run(ground.feed(headed.replace("name: Name", "name: {path: Name, required: true, null: [bad]}")))
    path.unlink()
    ground.replay(ground.feed(headed))
    assert ground.sql("SELECT id, head FROM items.items ORDER BY id") == [("a", "h"), ("b", "h")]


@pytest.mark.parametrize("declaration", ["", "<?xml version='1.0'?>"])
def test_a_record_that_is_the_document_needs_nothing_before_it(ground: Ground, declaration: str) -> None:
    lone = STRICT.replace("/Items/Item", "/Item")
    path = ground.put("a.xml", declaration + item("a", name="bad"))
    ground.run(ground.feed(lone))
    path.unlink()
    ground.replay(ground.feed(ITEMS.replace("/Items/Item", "/Item")))
    assert ids(ground) == ["a"]


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_a_released_file_is_loaded_without_the_records_that_the_gate_rejects(ground: Ground) -> None:
    feed = ground.feed(gated(ITEMS, NO_BAD, at_most(1)))
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c")))
    assert ground.run(feed) is not None
    assert entries(ground) == [("expectation_failed", "held")]
    release(ground)
    assert ground.run(feed) is None
    assert ids(ground) == ["a", "c"]
    assert entries(ground) == [("expectation_failed", "open")]
    assert books(ground) == [(3, 1, 2)]


def test_a_replay_that_the_gate_stops_closes_nothing(ground: Ground) -> None:
    ground.put("a.xml", items(item("a"), item("x", name="bad"), item("b"))[:-4])
    ground.run(ground.feed(STRICT, more=TAIL))
    before = entries(ground), books(ground)
    assert "are held" in replay(ground, ground.feed(gated(ITEMS, at_most(1)), more=TAIL))
    assert (entries(ground), books(ground)) == before
    assert {outcome for (outcome,) in ground.sql("SELECT outcome FROM sluice.replays")} == {"held"}
    assert ground.sql("SELECT count(*) FROM sluice.holds") == [(0,)]


@pytest.mark.parametrize("more", ["", "publish: run\nrejects: {max_records: 1}"], ids=["batch", "run"])
def test_a_run_that_is_held_leaves_the_entries_of_another(ground: Ground, more: str) -> None:
    """Both runs have the file; one has loaded it, and its reject stays open, whatever the other meets."""
    feed = ground.feed(STRICT if more else gated(STRICT, at_most(1)), more=more)
    ground.put("a.xml", items(item("a"), item("x", name="bad")))
    first, numbers = ground.prepare(feed)
    ground.put("b.xml", items(item("b"), item("y", name="bad"), item("z", name="bad")))
    second, both = ground.prepare(feed)
    for number in numbers:
        ground.load(feed, first, number)
    assert ground.reconcile(feed, first) is None
    for number in both:
        ground.load(feed, second, number)
    assert ground.reconcile(feed, second) is not None
    assert ground.sql(f"SELECT state FROM sluice.quarantine WHERE run_id = {first}") == [("open",)]
    held = "SELECT uri FROM sluice.holds JOIN sluice.parts USING (part_id) JOIN sluice.files USING (file_id)"
    assert ground.sql(held) == [(ground.uri("b.xml"),)]
    ground.replay(ground.feed(ITEMS), file="a.xml")
    assert ids(ground) == ["a", "x"]


def test_a_refused_replay_holds_nothing(ground: Ground) -> None:
    """It was about some records and files; no later run takes the rest of their files for held."""
    more = "publish: run\nrejects: {max_records: 9, max_files: 9}\nnamespaces: {default: "
    text = gated(STRICT, at_most(2))
    ground.put("a.xml", items(item("a"), item("x", name="bad")).replace("<Items", '<Items xmlns="urn:one"'))
    ground.put("b.xml", items(item("b"), item("c"), item("d")).replace("<Items", '<Items xmlns="urn:two"'))
    assert ground.run(ground.feed(text, more=more + "urn:one}")) is None
    before = entries(ground)
    assert "nothing was published" in replay(
        ground, ground.feed(gated(ITEMS, at_most(2)), more=more + "[urn:one, urn:two]}")
    )
    assert entries(ground) == before
    assert ground.sql("SELECT count(*) FROM sluice.holds") == [(0,)]


def test_what_is_shown_as_held_is_of_the_last_run(ground: Ground) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="worse")))
    more = "publish: run\nrejects: {max_records: 0}"
    ground.run(ground.feed(STRICT.replace("[bad]", "[bad, worse]"), more=more))
    assert entries(ground) == [("required_missing", "held")] * 2
    ground.run(ground.feed(STRICT, more=more))
    assert entries(ground) == [("required_missing", "held")]


# -- dismissed entries ------------------------------------------------------------------------------------------------


def test_a_dismissed_entry_stays_dismissed_until_its_record_passes_or_fails_otherwise(ground: Ground) -> None:
    """One entry for each place, whatever its state: what is dismissed counts as quarantined once."""
    feed = ground.feed(STRICT)
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.run(feed)
    with psycopg.connect(ground.dsn) as connection:
        quarantine.dismiss(connection, "items", Selection(), "known")
    ground.run(feed, reload="all")
    assert entries(ground) == [("required_missing", "dismissed")]
    ground.run(
        ground.feed(ITEMS.replace("name: Name", "name: Name, size: {path: Name, type: integer, null: [n]}")),
        reload="all",
    )
    assert entries(ground) == [("not_a_number", "open")]
    with psycopg.connect(ground.dsn) as connection:
        quarantine.dismiss(connection, "items", Selection(), "known")
    ground.run(ground.feed(ITEMS), reload="all")
    assert entries(ground) == [("not_a_number", "replayed")]


# -- counts -----------------------------------------------------------------------------------------------------------


def test_nothing_is_committed_that_does_not_add_up(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should ever a record get lost on the way, its part is not loaded at all."""
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a"), item("b")))
    run, (number,) = ground.prepare(feed)
    accepted = BatchPublisher._accepted_rows
    monkeypatch.setattr(BatchPublisher, "_accepted_rows", lambda *args: (rows.slice(1) for rows in accepted(*args)))
    with pytest.raises(PermanentError, match=r"2 records found, but 1 loaded \+ 0 quarantined"):
        ground.load(feed, run, number)
    assert (ids(ground), books(ground)) == ([], [])


def test_what_the_quarantine_has_kept_is_read_some_at_a_time(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.replay.KEPT_AT_ONCE", 3)
    path = ground.put("a.xml", items(*(item(f"k{number}", name="bad") for number in range(10))))
    ground.run(ground.feed(STRICT))
    path.unlink()
    assert ground.replay(ground.feed(ITEMS)).totals.loaded == 10
