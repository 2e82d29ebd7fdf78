"""What the gate has rejected can be replayed when its file is gone: the quarantine holds all that is needed."""

from __future__ import annotations

from tests.small_feeds import ITEMS, MOMENT, Ground, item, items

from sluice.records import Selection

GATE = "\n    expectations:\n      - expect_column_values_to_not_be_in_set: {column: name, value_set: [bad]}\n"
GATED = ITEMS.replace("name: Name}\n", "name: Name}" + GATE, 1)


def test_a_reject_of_the_gate_is_replayed_from_what_the_quarantine_holds(ground: Ground) -> None:
    """The file has been replaced by a newer version; the raw record is whole."""
    feed = ground.feed(GATED)
    ground.put("a.xml", items(item("a"), item("b", name="bad")))
    assert ground.run(feed) is None
    ground.put("a.xml", items(item("c")), MOMENT.replace(minute=1))
    assert ground.run(feed) is None
    assert ground.sql("SELECT code, raw_is_whole FROM sluice.quarantine") == [("expectation_failed", True)]
    assert ground.run(ground.feed(ITEMS), reload="replay", selection=Selection()) is None
    assert ground.sql("SELECT state FROM sluice.quarantine") == [("replayed",)]
    assert ground.sql("SELECT id FROM items.items ORDER BY id") == [("a",), ("b",), ("c",)]
