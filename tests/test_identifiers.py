"""What the feed language allows as a name works everywhere, also where SQL means something by it."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.small_feeds import Ground

from sluice.retention import tidy

FEED = """
tables:
  order:
    record: /r/rec
    key: [user, current_user]
    version: select
    columns:
      user: "@user"
      current_user: "@cu"
      select: {path: "@select", type: integer}
      primary: {path: primary, type: "text[]"}
      end: {path: end, type: "numeric(9,2)"}
      default: {path: default, default: d}
      "null": {path: "null", type: json}
      excluded: excluded
    deletes: {column: default, values: [D]}
    indexes: [[excluded, primary], [end]]
    expectations:
      - expect_column_values_to_not_be_in_set: {column: excluded, value_set: [bad]}
      - expect_column_values_to_not_be_null: {column: user, mostly: 0.5}
  table:
    parent: order
    rows: t
    columns: {all: "@all", from: ., s: s, t: t}
  union:
    parent: table
    rows: u
    columns: {where: "@w"}
run:
  expectations:
    order: [{expect_column_sum_to_be_between: {column: end, min_value: 0}}]
"""


def record(user: str, version: int = 1, end: str = "1.5", excluded: str = "x", more: str = "") -> str:
    below = f"<primary>p</primary><end>{end}</end><null>{{}}</null><excluded>{excluded}</excluded>{more}"
    return f'<rec user="{user}" cu="c" select="{version}">{below}<t all="1"><s/></t></rec>'


@pytest.mark.parametrize("schema", ["order", "user", "select", "table"])
def test_sql_words_are_names_of_schemas_tables_and_columns(ground: Ground, schema: str) -> None:
    """Through first load, update, reject, a wider table, reload, dry run, replay, delete and housekeeping."""
    limits = "rejects: {max_records: 9}\nretention: {quarantine_days: 1}"
    feed = ground.feed(FEED, schema, more=limits)
    ground.put("a.xml", f"<r>{record('a')}{record('b', excluded='bad')}{record('c', end='bad')}</r>")
    assert ground.run(feed) is None
    ground.put("b.xml", f"<r>{record('a', 2, '2.5', more='<later>l</later>')}{record('d')}{record('f')}</r>")
    wider = FEED.replace("excluded: excluded\n", "excluded: excluded\n      offset: later\n")
    feed = ground.feed(wider, schema, more=limits)
    assert ground.run(feed, reload="changed") is None
    assert ground.run(feed, reload="all") is None
    assert ground.run(feed, dry_run=True, reload="all") is None
    ground.replay(feed)
    ground.put("c.xml", f"<r>{record('f', 2, more='<default>D</default>')}</r>")
    assert ground.run(feed) is None
    assert tidy(ground.tools(feed), dt.datetime.now(dt.UTC) + dt.timedelta(days=9)).entries == 2
    columns = '"user", "select", "end", "offset"'
    rows = [
        (*row[:2], str(row[2]), row[3]) for row in ground.sql(f'SELECT {columns} FROM "{schema}"."order" ORDER BY 1')
    ]
    assert rows == [("a", 2, "2.50", "l"), ("d", 1, "1.50", None)]
    assert ground.sql(f'SELECT "user", "all" FROM "{schema}"."table" ORDER BY 1') == [("a", "1"), ("d", "1")]
    assert ground.miscounted() == []


def test_feeds_without_a_key_too(ground: Ground) -> None:
    """There the rows of a file's older version are looked for by other statements."""
    text = FEED.replace("    key: [user, current_user]\n    version: select\n", "")
    text = text.replace("    deletes: {column: default, values: [D]}\n", "")
    feed = ground.feed(text, "user")
    ground.put("a.xml", f"<r>{record('a')}</r>")
    assert ground.run(feed) is None
    ground.put("a.xml", f"<r>{record('b')}{record('c')}</r>", dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
    assert ground.run(feed) is None
    assert ground.sql('SELECT "user" FROM "user"."order" ORDER BY 1') == [("b",), ("c",)]
