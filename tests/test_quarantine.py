"""The quarantine: every reject with its reason, its place and its bytes."""

from __future__ import annotations

import json

import psycopg
import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import quarantine
from sluice.records import Reason, Reject, Run, to_json

REASONS = (
    Reason("too_precise", "3 digits after the point", "items", "amount", "Amount", '1.234 😀\\ "'),
    Reason("xsd_invalid", "an element is missing"),
)


@pytest.mark.parametrize(
    "reject",
    [
        Reject(1, "", 7, 3, 100, 250, REASONS, b"\x00\xff<a>\xc3\xa9</a>\n", True, b"<b>\x80"),
        Reject(1, "m.xml", None, None, None, None, REASONS[1:], b"", False, b"", records=12),
    ],
)
def test_a_reject_survives_its_way_through_a_work_file(reject: Reject) -> None:
    line = json.dumps(to_json(reject))
    assert "\n" not in line
    assert quarantine.read_reject(json.loads(line)) == reject


def test_an_entry_shows_a_record_as_it_stood_in_the_file(ground: Ground) -> None:
    """Place, bytes and all reasons; the message tells no value."""
    feed = ground.feed(ITEMS.replace("name: Name", "name: {path: Name, type: integer}"))
    bad = item("b", 1, "sécret").replace("rev", "\n rev")
    content = items(item("a", name="1"), bad)
    ground.put("a.zip", {"m.xml": content})
    ground.run(feed)
    columns = "member, ordinal, line, start_byte, end_byte, code, message, raw, raw_is_whole, records, state, reasons"
    ((member, ordinal, line, start, end, code, message, raw, *rest, reasons),) = ground.sql(
        f"SELECT {columns} FROM sluice.quarantine"
    )
    assert (member, ordinal, line, code, rest) == ("m.xml", 2, 1, "not_a_number", [True, 1, "open"])
    assert content.encode()[start:end] == raw == bad.encode()
    assert message == "items.name: not a whole number for integer"
    assert [(one["table"], one["column"], one["value"]) for one in reasons] == [("items", "name", "sécret")]


def test_a_file_that_cannot_be_read_is_one_entry_for_all_its_records(ground: Ground) -> None:
    feed = ground.feed(ITEMS)
    ground.put("a.xml", items(item("a"), "<Item/>", item("b"))[:-5])
    ground.run(feed)
    assert ground.sql("SELECT ordinal, code, records FROM sluice.quarantine") == [(None, "truncated", 3)]
    assert [row[4:8] for row in ground.ledger()] == [("quarantined", 3, 3, 0)]


def test_what_other_parts_have_stays_open(ground: Ground) -> None:
    """What was dismissed and passes after all keeps its note."""
    feed = ground.feed(ITEMS)
    for name in "abc":
        ground.put(f"{name}.xml", items("<Item/>", item("x")))
    ground.run(feed)
    ground.sql("UPDATE sluice.quarantine SET state = 'dismissed', note = 'known' WHERE entry_id = 1")
    with psycopg.connect(ground.dsn) as connection:
        parts = [part for (part,) in connection.execute("SELECT part_id FROM sluice.quarantine ORDER BY entry_id")]
        quarantine.close_others(connection, Run(99, feed.feed, "", 1, "", "all", False), parts[:2])
    rows = ground.sql("SELECT state, note, closed_at IS NOT NULL FROM sluice.quarantine ORDER BY entry_id")
    assert rows == [("replayed", "known", True), ("replayed", None, True), ("open", None, False)]
