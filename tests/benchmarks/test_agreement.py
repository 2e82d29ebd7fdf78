"""A peer that loaded something else is found out, whatever the difference is."""

from __future__ import annotations

import psycopg
import pytest
from benchmarks.agreement import COLUMNS, PEER_TABLES, compare_with_peer, find_differences

ROWS = [("1", "a", None), ("2", "b", "x"), ("3", "c", "y")]
NAMES = ("id", "name", "weight")


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        (ROWS, []),
        ([ROWS[0], ("2", "B", "x"), ROWS[2]], ["2: name is 'b', the peer has 'B'"]),
        ([("1", "a", ""), *ROWS[1:]], ["1: weight is None, the peer has ''"]),
        (ROWS[:2], ["3: only Sluice has it"]),
        ([*ROWS, ("4", "d", None)], ["4: only the peer has it"]),
        ([ROWS[0], ROWS[2]], ["keys 2 and 3 stand side by side"]),
        ([], ["1: only Sluice has it", "2: only Sluice has it", "3: only Sluice has it"]),
    ],
)
def test_differences_are_told_in_words(theirs: list[tuple[str, str, str | None]], found: list[str]) -> None:
    assert find_differences(NAMES, ROWS, theirs) == found


def test_not_all_differences_are_told() -> None:
    """A table that differs everywhere is told by a few rows."""
    theirs = [(key, "other", None) for key, _, _ in ROWS]
    assert len(find_differences(NAMES, ROWS, theirs, most=2)) == 2


TABLE = """
    CREATE SCHEMA {schema};
    CREATE TABLE {schema}.items AS SELECT n::bigint AS id, 'AB-1' AS sku, 'x' AS name, 'c' AS category,
        (n + 0.5)::numeric(12,2) AS price, 'EUR' AS currency, 1 AS qty, {created} AS created,
        date '2026-01-01' AS updated, true AS active, 'BE' AS country, NULL::numeric(12,3) AS weight,
        'd' AS description
    FROM generate_series(1, 50) AS n"""


@pytest.fixture
def two_tables(database: str) -> str:
    """Sluice's table, and the same as Spark would have it."""
    with psycopg.connect(database) as connection:
        connection.execute("SET timezone = 'UTC'")
        made = "timestamptz '2026-01-01 10:00:00+00'"
        connection.execute(TABLE.format(schema="items", created=made))
        connection.execute(TABLE.format(schema="by_spark", created=f"({made})::timestamp"))
    return database


def test_tables_that_hold_the_same_agree(two_tables: str) -> None:
    assert compare_with_peer(two_tables, "spark") == (50, [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE by_spark.items SET price = price + 0.01 WHERE id = 17", "17: price is '17.50', the peer has '17.51'"),
        ("UPDATE by_spark.items SET created = created + interval '1 s' WHERE id = 3", "3: created is"),
        ("UPDATE by_spark.items SET weight = 0 WHERE id = 9", "9: weight is None, the peer has '0.000'"),
        ("DELETE FROM by_spark.items WHERE id = 50", "50: only Sluice has it"),
        ("INSERT INTO by_spark.items SELECT * FROM by_spark.items WHERE id = 50", "50: only the peer has it"),
    ],
)
def test_a_planted_difference_is_found(two_tables: str, change: str, found: str) -> None:
    with psycopg.connect(two_tables) as connection:
        connection.execute(change)
    _, differences = compare_with_peer(two_tables, "spark")
    assert len(differences) == 1
    assert differences[0].startswith(found)


def test_every_peer_compares_the_key_first_and_says_what_it_lacks() -> None:
    """Rows are sorted by the first column; a column that a peer has not is named in its note."""
    for table in PEER_TABLES.values():
        assert table.columns[0] == "id"
        assert all(name in table.known for name in COLUMNS if name not in table.columns)
