"""Replay: what is in the quarantine gets another try, alone, at its old place and in its old order, and passes once."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from tests.small_feeds import ITEMS, KEYLESS, MOMENT, Ground, cut_items, item, items

from sluice import quarantine
from sluice.feed.model import Feed
from sluice.records import Selection
from sluice.stages.fetch import fetch
from sluice.stages.parse import parse
from sluice.stages.reconcile import reconcile
from sluice.stages.split import split
from sluice.stages.validate import validate
from sluice.validity import judging
from sluice.warehouse import connect

LATER = MOMENT + dt.timedelta(days=1)


def strict(text: str) -> str:
    """Items that are called bad have no name, and need one."""
    return text.replace("name: Name", "name: {path: Name, type: text, required: true, null: [bad]}")


@pytest.fixture(params=[ITEMS, KEYLESS], ids=["keyed", "keyless"])
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def entries(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.sql("SELECT ordinal, code, state FROM sluice.quarantine ORDER BY entry_id")


def books(ground: Ground) -> list[tuple[Any, ...]]:
    """found, quarantined, loaded of the load of each part that stands."""
    return ground.sql("SELECT found, quarantined, loaded FROM sluice.latest_loads ORDER BY part_id")


def test_what_passes_gets_into_the_tables_as_if_it_had_passed_at_once(ground: Ground, text: str) -> None:
    """The rows are those of a feed that was right from the start; the entry is closed, with its history."""
    records = [item("a"), item("b", 2, "bad", [("x", ["1", "2"])]), item("c")]
    ground.put("a.xml", items(*records))
    assert ground.run(ground.feed(strict(text))) is None
    assert entries(ground) == [(2, "required_missing", "open")]
    mended = ground.feed(text)
    summary = ground.replay(mended)
    assert (summary.totals.found, summary.totals.loaded, summary.totals.quarantined) == (1, 1, 0)
    assert entries(ground) == [(2, "required_missing", "replayed")]
    assert books(ground) == [(3, 0, 3)]
    assert ground.miscounted() == []
    assert ground.sql("SELECT code, outcome FROM sluice.replays") == [("required_missing", "loaded")]
    replayed = ground.tables(mended)
    ground.forget_all(mended)
    ground.put("a.xml", items(*records))
    ground.run(mended)
    assert replayed == ground.tables(mended)


def test_what_fails_stays_with_its_new_reason(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.run(ground.feed(strict(text)))
    still = ground.feed(text.replace("name: Name", "name: Name, size: {path: Name, type: integer, null: [n]}"))
    summary = ground.replay(still)
    assert (summary.totals.loaded, summary.totals.quarantined) == (0, 1)
    assert entries(ground) == [(2, "not_a_number", "open")]
    assert books(ground) == [(2, 1, 1)]
    ((raw, runs),) = ground.sql("SELECT raw, run_id FROM sluice.quarantine")
    assert raw == item("b", name="bad").encode()
    assert runs == summary.run_id
    assert ground.sql("SELECT code, outcome FROM sluice.replays") == [("required_missing", "rejected")]


def test_what_an_xsd_cannot_judge_is_rejected_again_and_the_replay_ends(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many of them end the parsing of a file; of a replay they are records like all others, each with its reason.

    What could be judged before them is loaded.
    """
    monkeypatch.setattr(judging, "MAX_GIVEN_UP", 2)
    explodes = "x" * 40
    ground.put(
        "a.xml", items(item("a"), *(item(key, name="bad") for key in ["b", *(explodes + key for key in "cdefg")]))
    )
    assert ground.run(ground.feed(strict(ITEMS))) is None
    (ground.root / "feeds" / "items" / "main.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Items"><xs:complexType><xs:sequence>'
        '<xs:element name="Item" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:any processContents="skip"/>'
        '</xs:sequence><xs:attribute name="rev"/><xs:attribute name="id"><xs:simpleType><xs:restriction'
        ' base="xs:string"><xs:pattern value="a|b|(x+x+)+y"/></xs:restriction></xs:simpleType></xs:attribute>'
        "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    summary = ground.replay(ground.feed(ITEMS, more="xsd: {files: main.xsd}"))
    assert (summary.totals.found, summary.totals.loaded, summary.totals.quarantined) == (6, 1, 5)
    rejected_again = [(ordinal, "xsd_invalid", "open") for ordinal in range(3, 8)]
    assert entries(ground) == [(2, "required_missing", "replayed"), *rejected_again]
    told = [message for (message,) in ground.sql("SELECT message FROM sluice.quarantine ORDER BY entry_id")]
    assert [message.startswith("not judged: ") for message in told] == [False] * 4 + [True] * 2
    assert books(ground) == [(7, 5, 2)]
    assert ground.miscounted() == []


def test_the_gate_may_reject_it_again(ground: Ground) -> None:
    gate = "    expectations: [{expect_column_values_to_not_match_regex: {column: name, regex: bad}}]\n    columns"
    ground.put("a.xml", items(item("a"), item("b", name="bad"), item("c", name="bad")))
    ground.run(ground.feed(strict(ITEMS)))
    ground.replay(ground.feed(ITEMS.replace("    columns", gate, 1)))
    assert entries(ground) == [(2, "expectation_failed", "open"), (3, "expectation_failed", "open")]
    assert books(ground) == [(3, 2, 1)]
    assert ground.sql("SELECT count(*) FROM sluice.quarantine WHERE raw IS NULL") == [(0,)]


def test_expectations_on_a_batch_are_not_asked_about_a_few_records(ground: Ground) -> None:
    gate = "    expectations: [{expect_table_row_count_to_be_between: {min_value: 3}}]\n    columns"
    ground.put("a.xml", items(item("a"), item("b"), item("c"), item("d", name="bad")))
    ground.run(ground.feed(strict(ITEMS).replace("    columns", gate, 1)))
    summary = ground.replay(ground.feed(ITEMS.replace("    columns", gate, 1)))
    assert summary.totals.loaded == 1


def test_a_newer_row_beats_it_and_the_entry_is_closed(ground: Ground) -> None:
    ground.put("a.xml", items(item("b", 1, "bad")))
    ground.run(ground.feed(strict(ITEMS)))
    ground.put("b.xml", items(item("b", 2, "new")), LATER)
    ground.run(ground.feed(strict(ITEMS)))
    feed = ground.feed(ITEMS)
    assert ground.replay(feed).totals.counts.superseded == 1
    assert [row[4] for row in ground.tables(feed)["items"]] == ["new"]
    assert entries(ground) == [(1, "required_missing", "replayed")]


def test_of_a_keyless_file_that_was_replaced_nothing_comes_back(ground: Ground) -> None:
    ground.put("a.xml", items(item("b", 1, "bad")))
    ground.run(ground.feed(strict(KEYLESS)))
    ground.put("a.xml", items(item("c", 1)), LATER)
    ground.run(ground.feed(strict(KEYLESS)))
    feed = ground.feed(KEYLESS)
    ground.replay(feed)
    assert [row[2] for row in ground.tables(feed)["items"]] == ["c"]
    assert [state for _, _, state in entries(ground)] in (["replayed"], ["open"])


def test_a_file_that_was_quarantined_is_loaded_whole(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b")).replace("<Items", '<Items xmlns="urn:two"'))
    ground.put("b.xml", items(item("c")).replace("<Items", '<Items xmlns="urn:one"'))
    old = ground.feed(text, more="namespaces: {default: urn:one}")
    assert ground.run(old) is not None
    feed = ground.feed(text, more="namespaces: {default: [urn:one, urn:two]}")
    summary = ground.replay(feed, code="wrong_document")
    assert (summary.totals.files, summary.totals.loaded) == (1, 2)
    assert entries(ground) == [(None, "wrong_document", "replayed")]
    assert len(ground.tables(feed)["items"]) == 3
    assert ground.sql("SELECT state FROM sluice.file_states") == [("loaded",)] * 2


def test_a_file_that_still_cannot_be_read_keeps_its_entry(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"))[:-3])
    feed = ground.feed(text)
    ground.run(feed)
    summary = ground.replay(feed)
    assert (summary.totals.files_quarantined, summary.totals.loaded) == (1, 0)
    assert entries(ground) == [(None, "truncated", "open")]
    assert ground.sql("SELECT run_id FROM sluice.quarantine") == [(summary.run_id,)]


@pytest.mark.parametrize("name", ["a.xml", "a.zip"])
def test_where_the_file_is_gone_the_quarantine_stands_in(ground: Ground, text: str, name: str) -> None:
    """What it has kept, with the open ancestors and their namespaces, is parsed in the file's stead."""
    more = "namespaces: {default: urn:one}"
    content = items(item("a"), item("b", 3, "bad", [("x", ["1"])])).replace("<Items", '<Items xmlns="urn:one"')
    path = ground.put(name, {"m.xml": content} if name.endswith("zip") else content)
    ground.run(ground.feed(strict(text), more=more))
    path.unlink()
    feed = ground.feed(text, more=more)
    assert ground.replay(feed).totals.loaded == 1
    assert [len(rows) for rows in ground.tables(feed).values()] == [2, 1, 1]
    assert ground.sql("SELECT _member, _record, _offset FROM items.items WHERE id = 'b'") == [
        ("m.xml" if name.endswith("zip") else "", 2, content.index('<Item id="b"'))
    ]


def test_a_record_that_is_gone_for_good_says_so(ground: Ground) -> None:
    """Retention has forgotten its bytes, and its file is no longer there."""
    path = ground.put("a.xml", items(item("b", name="bad")))
    ground.run(ground.feed(strict(ITEMS)))
    ground.sql("UPDATE sluice.quarantine SET raw = NULL, raw_is_whole = false, context = NULL")
    path.unlink()
    summary = ground.replay(ground.feed(ITEMS))
    assert (summary.totals.loaded, summary.totals.quarantined) == (0, 1)
    assert entries(ground) == [(1, "source_gone", "open")]
    assert books(ground) == [(1, 1, 0)]


def test_the_bytes_of_a_new_version_of_the_file_are_not_taken_for_the_old(ground: Ground) -> None:
    ground.put("a.xml", items(item("b", 1, "bad")))
    ground.run(ground.feed(strict(ITEMS)))
    ground.put("a.xml", items(item("z", 9, "x")), LATER)
    feed = ground.feed(ITEMS)
    ground.replay(feed)
    assert [row[2:5] for row in ground.tables(feed)["items"]] == [("b", 1, "bad")]


def test_single_records_of_cut_files_and_archives(ground: Ground, text: str) -> None:
    """Each at its own ordinal, the rest of its part as it is."""
    records = [item(f"k{n}", n, "bad" if n % 3 == 0 else "n", [("x", [str(n)])]) for n in range(1, 13)]
    ground.put("cut.xml", items(*records))
    ground.put("b.zip", {"1.xml": items(item("m1", 1, "bad")), "2.xml": items(item("m2"), item("m3", 1, "bad"))})
    first = ground.feed(strict(text))
    run_id, numbers = ground.prepare(first, cuts={"cut.xml": cut_items(records, 4, 4)})
    for number in numbers:
        ground.load(first, run_id, number)
    assert ground.reconcile(first, run_id) is None
    feed = ground.feed(text)
    assert ground.replay(feed).totals.loaded == 6
    assert {state for _, _, state in entries(ground)} == {"replayed"}
    replayed = ground.tables(feed)
    assert ground.run(feed, reload="all") is None
    assert ground.tables(feed) == replayed
    assert ground.miscounted() == []


@pytest.mark.parametrize(
    ("selected", "ordinals"),
    [
        ({}, [1, 2, 1]),
        ({"code": "required_missing"}, [1, 1]),
        ({"code": "not_a_number"}, [1, 2]),
        ({"file": "a.xml"}, [1, 2]),
        ({"file": "*/b.x?l"}, [1]),
        ({"file": "b%"}, []),
        ({"since": MOMENT}, [1, 2, 1]),
        ({"until": MOMENT}, []),
        ({"entries": (2, 3)}, [2, 1]),
        ({"run_id": 99}, []),
        ({"file": "a.xml", "code": "required_missing"}, [1]),
    ],
)
def test_a_selection_takes_what_fits_all_that_is_given(
    ground: Ground, selected: dict[str, Any], ordinals: list[int]
) -> None:
    """A code is found among all reasons of a record, not only the first."""
    number = "name: {path: Name, required: true}\n      size: {path: Size, type: integer}\n"
    feed = ground.feed(f"tables:\n  items:\n    record: /Items/Item\n    columns:\n      {number}")
    ground.put("a.xml", items("<Item><Size>x</Size></Item>", "<Item><Name>n</Name><Size>x</Size></Item>"))
    ground.put("b.xml", items("<Item/>"))
    ground.run(feed)
    with connect(ground.dsn) as connection:
        found = quarantine.list_entries(connection, "items", Selection(**selected), ["open"], 10)
    assert [entry.ordinal for entry in reversed(found)] == ordinals
    assert ground.replay(feed, **selected).totals.found == len(ordinals)


def test_a_dry_run_leaves_everything_as_it_is(ground: Ground, text: str) -> None:
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    ground.run(ground.feed(strict(text)))
    feed = ground.feed(text)
    before = ground.tables(feed), entries(ground), books(ground)
    summary = ground.replay(feed, dry_run=True)
    assert (summary.totals.found, summary.totals.loaded) == (1, 1)
    assert (ground.tables(feed), entries(ground), books(ground)) == before


# -- exactly once -----------------------------------------------------------------------------------------------------


def prepare(ground: Ground, feed: Feed) -> tuple[int, list[int]]:
    """A replay of everything, up to load."""
    tools = ground.tools(feed)
    run_id = fetch(tools, ground.request(feed, reload="replay")).run_id
    numbers = [batch.number for batch in split(tools, run_id).batches]
    for number in numbers:
        parse(tools, run_id, number)
        validate(tools, run_id, number)
    return run_id, numbers


def quarantine_two(ground: Ground, text: str) -> Feed:
    """A record and a file in the quarantine, and the feed that takes them."""
    ground.put("a.xml", items(item("a"), item("b", name="bad", parts=[("x", ["1"])])))
    ground.put("b.xml", items(item("c"), item("d")).replace("<Items", '<Items xmlns="urn:two"'))
    ground.run(ground.feed(strict(text)))
    return ground.feed(text, more="namespaces: {default: ['', urn:two]}")


def test_a_second_load_does_nothing(ground: Ground, text: str) -> None:
    feed = quarantine_two(ground, text)
    run_id, numbers = prepare(ground, feed)
    for _ in range(2):
        for number in numbers:
            ground.load(feed, run_id, number)
    assert len(ground.tables(feed)["items"]) == 4
    assert sorted(books(ground)) == [(2, 0, 2), (2, 0, 2)]
    summary = reconcile(ground.tools(feed), run_id)
    assert (summary.totals.found, summary.totals.loaded) == (3, 3)


@pytest.mark.parametrize("overlap", [True, False])
def test_two_replays_of_the_same_entries_load_them_once(ground: Ground, text: str, overlap: bool) -> None:
    feed = quarantine_two(ground, text)
    replays = [prepare(ground, feed), prepare(ground, feed)]

    def load_all(run_id: int, numbers: list[int]) -> None:
        for number in numbers:
            ground.load(feed, run_id, number)

    threads = [threading.Thread(target=load_all, args=replay) for replay in replays]
    for thread in threads:
        thread.start()
        if not overlap:
            thread.join()
    for thread in threads:
        thread.join()
    loaded = [reconcile(ground.tools(feed), run_id).totals.loaded for run_id, _ in replays]
    assert sorted(loaded)[-1] + sorted(loaded)[0] == 3
    assert len(ground.tables(feed)["items"]) == 4
    assert sorted(books(ground)) == [(2, 0, 2), (2, 0, 2)]
    assert {state for _, _, state in entries(ground)} == {"replayed"}


def test_a_re_load_that_comes_first_leaves_nothing_to_replay(ground: Ground, text: str) -> None:
    feed = quarantine_two(ground, text)
    run_id, numbers = prepare(ground, feed)
    assert ground.run(feed, reload="all") is None
    tables = ground.tables(feed)
    for number in numbers:
        ground.load(feed, run_id, number)
    assert reconcile(ground.tools(feed), run_id).totals.found == 0
    assert ground.tables(feed) == tables
    assert ground.sql("SELECT DISTINCT outcome FROM sluice.replays") == [("closed",)]


def test_a_re_load_that_comes_later_changes_nothing(ground: Ground, text: str) -> None:
    feed = quarantine_two(ground, text)
    ground.replay(feed)
    tables = ground.tables(feed)
    for reload in ("no", "changed", "all"):
        assert ground.run(feed, reload=reload) is None
        assert ground.tables(feed) == tables
    assert ground.miscounted() == []


def test_what_a_person_dismisses_meanwhile_is_not_replayed(ground: Ground, text: str) -> None:
    feed = quarantine_two(ground, text)
    run_id, numbers = prepare(ground, feed)
    with connect(ground.dsn) as connection:
        assert quarantine.dismiss(connection, "items", Selection(file="a.xml"), "known") == 1
    for number in numbers:
        ground.load(feed, run_id, number)
    reconcile(ground.tools(feed), run_id)
    assert sorted(state for _, _, state in entries(ground)) == ["dismissed", "replayed"]
    assert ground.sql("SELECT count(*) FROM items.items WHERE id = 'b'") == [(0,)]
    assert sorted(books(ground)) == [(2, 0, 2), (2, 1, 1)]


def test_a_replay_of_nothing_succeeds(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a")))
    ground.run(feed)
    assert ground.replay(feed).totals.found == 0
