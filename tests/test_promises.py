"""The promises on values, attacked: what is exact arrives, and what does not fit costs its own record only."""

from __future__ import annotations

import random

from tests.small_feeds import Ground, items

VALUES = """
tables:
  items:
    record: /Items/Item
    key: id
    version: file_date
    columns:
      id: "@id"
      indexed: Indexed
      json: {path: Json, type: json}
      number: {path: Number, type: "numeric(76,38)"}
      whole: {path: Whole, type: bigint}
      instant: {path: Instant, type: timestamptz}
      texts: {path: Text, type: "text[]"}
    indexes: [indexed]
"""
LONG = random.Random(1).randbytes(5_000).hex()
GOOD = [
    ("<Json>{&quot;a&quot;: 1, &quot;a&quot;: 2}</Json>", "json", {"a": 2}),
    (f"<Json>1{'0' * 5_000}</Json>", "json::text", "1" + "0" * 5_000),
    (f"<Number>{'9' * 38}.{'9' * 38}</Number>", "number::text", "9" * 38 + "." + "9" * 38),
    (f"<Number>-0.{'0' * 37}1</Number>", "number::text", f"-0.{'0' * 37}1"),
    ("<Whole>-9223372036854775808</Whole>", "whole", -(1 << 63)),
    ("<Whole>9223372036854775807</Whole>", "whole", (1 << 63) - 1),
    ("<Instant>2026-03-29T02:30:00.000001+02:00</Instant>", "instant = '2026-03-29T00:30:00.000001Z'", True),
    ("<Text>a\nb</Text><Text>\\.</Text><Text></Text><Text>NULL</Text>", "texts", ["a\nb", "\\.", "", "NULL"]),
    ('<Text>{"\\,🎉}</Text><Text>\t</Text>', "texts", ['{"\\,🎉}', "\t"]),
    ("", "texts IS NULL AND number IS NULL AND json IS NULL", True),
    ("<Indexed></Indexed>", "indexed", ""),
]
BAD = [
    ("<Json>NaN</Json>", "not_json"),
    ('<Json>"\\u0000"</Json>', "bad_character"),
    ('<Json>"\\ud800"</Json>', "bad_character"),
    ("<Json>1e200000</Json>", "out_of_range"),
    (f"<Json>{'[' * 20_000}{']' * 20_000}</Json>", "not_json"),
    (f"<Indexed>{LONG}</Indexed>", "too_long_for_index"),
    (f"<Number>0.{'0' * 38}1</Number>", "too_precise"),
    (f"<Number>1{'0' * 38}</Number>", "out_of_range"),
    ("<Whole>9223372036854775808</Whole>", "out_of_range"),
    ("<Instant>0001-01-01T00:00:00+14:00</Instant>", "out_of_range"),
    ("<Instant>2026-03-29T02:30:00.0000001Z</Instant>", "too_precise"),
]


def test_every_value_arrives_exactly_or_costs_its_own_record_only(ground: Ground) -> None:
    """Promises 5 and 6: what PostgreSQL would refuse is rejected before, so that no batch ever fails for a value."""
    feed = ground.feed(VALUES)
    good = [f'<Item id="good {number}">{content}</Item>' for number, (content, _, _) in enumerate(GOOD)]
    bad = [f'<Item id="bad {number}">{content}</Item>' for number, (content, _) in enumerate(BAD)]
    ground.put("a.xml", items(*good, *bad, f'<Item id="{LONG}"/>', "<Item/>"))
    assert ground.run(feed) is None
    assert ground.ledger()[0][4:8] == ("loaded", len(GOOD) + len(BAD) + 2, len(BAD) + 2, len(GOOD))
    codes = [code for (code,) in ground.sql("SELECT code FROM sluice.quarantine ORDER BY ordinal")]
    assert codes == [*(code for _, code in BAD), "too_long_for_index", "required_missing"]
    for number, (_, column, value) in enumerate(GOOD):
        assert ground.sql(f"SELECT {column} FROM items.items WHERE id = %s", f"good {number}") == [(value,)]
