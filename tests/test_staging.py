"""Exact values: what parse wrote into a file is what PostgreSQL holds, to the last digit and character."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.small_feeds import Ground

from sluice.copying import NO_DATE, copy_rows, is_binary, spell_binary, spell_csv
from sluice.feed.types import parse_type
from sluice.rowfiles import RowWriter, read_rows
from sluice.staging import COPY_ROWS, Staging

UTC = dt.UTC
TEXTS = [
    "", " ", "NULL", "null", "\\N", "\\.", "a\n\\.\nb", "\n", "\r\n", "\r", "tab\there", 'say "hi"', '"', '""', "'",
    "\\", "\\\\", "a,b", ",", "a;b", "{}", "{a,b}", "(1)", "ünïcode", "日本語", "🎉👩‍👩‍👧", "\u2028", "\ufeff",
    "\u00a0", "e\u0301", "x" * 100_000, "--", "$1", "%s", "\x7f", "\x85", "\U0010ffff", "\ue000",
]  # fmt: skip
DECIMALS = {
    "numeric(76,38)": ["9" * 38 + "." + "9" * 38, "-" + "9" * 38 + "." + "9" * 38, "0." + "0" * 37 + "1", "0", "1e-38"],
    "numeric(76,0)": ["9" * 76, "-" + "9" * 76],
    "numeric(76,76)": ["0." + "9" * 76, "-0." + "0" * 75 + "1"],
    "numeric(38,10)": ["9" * 28 + "." + "9" * 10, "0.0000000001", "-0.0000001"],
    "numeric(39,38)": ["9." + "9" * 38],
    "numeric(18,2)": ["0.00", "-0.01", "9999999999999999.99"],
}
INSTANTS = [
    dt.datetime(1, 1, 1, tzinfo=UTC),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    dt.datetime(1970, 1, 1, tzinfo=UTC),
    dt.datetime(2026, 3, 29, 1, 0, 0, 1, UTC),
    dt.datetime(1582, 10, 4, 12, tzinfo=UTC),
]
VALUES: dict[str, list[Any]] = {
    "text": TEXTS,
    "integer": [-(1 << 31), (1 << 31) - 1, 0],
    "bigint": [-(1 << 63), (1 << 63) - 1, 0, 1 << 53, (1 << 53) + 1],
    **{kind: [Decimal(text) for text in texts] for kind, texts in DECIMALS.items()},
    "boolean": [True, False],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1582, 10, 10), dt.date(2024, 2, 29)],
    "timestamptz": INSTANTS,
    "timestamp": [instant.replace(tzinfo=None) for instant in INSTANTS],
    "json": [
        '{"a": [1, 2.50, "x\\"y", null, true], "b": {}}',
        '"text"',
        "null",
        "[]",
        "1e3",
        '{"ü": "\\u00e9🎉"}',
        '"a\\nb"',
    ],
}


@pytest.fixture
def connection(database: str) -> Any:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.prepare_threshold = None  # the table there has other columns each time
        yield opened


def through_file_and_copy(connection: psycopg.Connection, kind: str, values: list[Any]) -> list[Any]:
    """The values as PostgreSQL holds them after the way that load takes; the way that it would else take is as good."""
    declared = parse_type(kind)
    sink = io.BytesIO()
    array = pa.array(values, declared.arrow)
    rows = pa.table({"number": pa.array(range(len(values)), pa.int64()), "value": array})
    writer = RowWriter(sink, rows.schema, is_packed=False)
    writer.write(rows)
    writer.finish()
    connection.execute("SET TIME ZONE 'America/New_York'")
    for name in ("there", "as_csv"):
        connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}".encode())
        connection.execute(f"CREATE TEMP TABLE {name} (number bigint, value {declared.sql})".encode())
    columns = {"number": "bigint", "value": declared.sql}
    assert copy_rows(connection, "there", columns, [read_rows(sink)]) == len(values)
    with connection.cursor().copy("COPY as_csv FROM STDIN (FORMAT csv)") as copy:
        for data in spell_csv(columns, [read_rows(sink)]):
            copy.write(data)
    connection.execute("SET TIME ZONE 'UTC'")
    text = "SELECT number, value::text FROM"
    assert connection.execute(f"{text} there EXCEPT {text} as_csv".encode()).fetchall() == []
    shown = {"jsonb": "value", "jsonb[]": "value::text[]"}
    select = shown.get(declared.sql, "value")
    return [row[0] for row in connection.execute(f"SELECT {select} FROM there ORDER BY number".encode())]


def test_rows_behind_a_chunk_without_any_are_spelled_as_csv() -> None:
    """Arrow's writer spells zeros in their place."""
    few = pa.table({"value": pa.array(["a" * 1000] * 20)})
    many = pa.concat_tables([few.slice(0, 0), few])
    assert many["value"].num_chunks == 2
    assert b"".join(spell_csv({"value": "text"}, [many])) == b"".join(spell_csv({"value": "text"}, [few]))


def test_the_binary_format_is_for_all_but_lists_xml_and_large_decimals() -> None:
    kinds = {kind for kind in VALUES if is_binary([parse_type(kind).sql])}
    large = {kind for kind in DECIMALS if kind.startswith(("numeric(76", "numeric(39"))}
    assert kinds == VALUES.keys() - large
    assert is_binary(["bigint", 'text COLLATE "C"'])
    assert not any(map(is_binary, (["xml"], ["bigint", "text[]"], ["integer[]"])))


@pytest.mark.parametrize("form", [spell_binary, spell_csv])
def test_dates_may_come_as_texts_and_be_none(connection: psycopg.Connection, form: Any) -> None:
    texts = ["0001-01-01", "1969-12-31", "1999-12-31", "2000-01-01", "9999-12-31", NO_DATE, None]
    table = pa.table({"number": pa.array(range(len(texts)), pa.int64()), "value": pa.array(texts, pa.string())})
    connection.execute("CREATE TEMP TABLE dated (number bigint, value date)")
    kind = "binary" if form is spell_binary else "csv"
    with connection.cursor().copy(f"COPY dated FROM STDIN (FORMAT {kind})".encode()) as copy:
        for data in form({"number": "bigint", "value": "date"}, [table.slice(0, 3), table.slice(3)]):
            copy.write(data)
    arrived = connection.execute("SELECT value::text FROM dated ORDER BY number").fetchall()
    assert [text for (text,) in arrived] == texts


@pytest.mark.parametrize("kind", VALUES)
def test_every_value_arrives_as_it_is(connection: psycopg.Connection, kind: str) -> None:
    """NULL and empty are told apart; the session's time zone moves no instant."""
    import json

    values = [None, *VALUES[kind], None]
    arrived = through_file_and_copy(connection, kind, values)
    expected = [json.loads(value) if value is not None and kind == "json" else value for value in values]
    assert arrived == expected


@pytest.mark.parametrize("kind", VALUES)
def test_lists_arrive_as_they_are(connection: psycopg.Connection, kind: str) -> None:
    """With NULL in them, empty, or absent."""
    import json

    lists = [None, [], [None], VALUES[kind], [*VALUES[kind], None, *VALUES[kind]]]
    arrived = through_file_and_copy(connection, f"{kind}[]", lists)
    if kind == "json":
        arrived = [many and [one and json.loads(one) for one in many] for many in arrived]
        lists = [many and [one and json.loads(one) for one in many] for many in lists]
    assert arrived == lists


SOME_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(SOME_TEXT | st.sampled_from(TEXTS) | st.none(), max_size=20))
def test_any_text_arrives_as_it_is(connection: psycopg.Connection, texts: list[str | None]) -> None:
    assert through_file_and_copy(connection, "text", texts) == texts
    assert through_file_and_copy(connection, "text[]", [texts]) == [texts]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scale=st.integers(0, 38),
    digits=st.lists(st.integers(-(10**38), 10**38).filter(lambda number: abs(number) < 10**38), max_size=20),
)
def test_any_decimal_arrives_as_it_is(connection: psycopg.Connection, scale: int, digits: list[int]) -> None:
    values = [Decimal(f"{number}e-{scale}") for number in digits]
    assert through_file_and_copy(connection, f"numeric(38,{scale})", values) == values
    assert through_file_and_copy(connection, f"numeric(76,{scale})[]", [values]) == [values]


def test_large_values_are_spelled_a_few_at_a_time() -> None:
    size = 1 << 20
    table = pa.table({"value": pa.array(["x" * size] * 20 + ["y"], pa.string())})
    written = list(spell_binary({"value": "text"}, [table, table.slice(0, 0)]))
    assert max(map(len, written)) < 6 * size
    whole = b"".join(written)
    assert (len(whole) > 20 * size, whole[:6], whole[-3:]) == (True, b"PGCOPY", b"y\xff\xff")


def test_staging_takes_more_rows_than_one_block_and_none(database: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path, database)
    feed = ground.feed("tables: {items: {record: /Items/Item, columns: {text: ., number: {path: '@n', type: bigint}}}}")
    ground.run(feed)
    size = COPY_ROWS + 1
    rows = pa.table(
        {
            **{name: pa.array(range(size), pa.int64()) for name in ("_rec", "_part", "_record", "_offset", "number")},
            "_member": pa.array([""] * size, pa.string()),
            "text": pa.array([f"{number}" for number in range(size)], pa.string()),
        }
    )
    with psycopg.connect(database) as connection:
        staging = Staging(connection, feed)
        staging.create([], [], [])
        assert staging.copy("items", iter([rows.slice(0, 0), rows.slice(0, COPY_ROWS), rows.slice(COPY_ROWS)])) == size
        found = connection.execute("SELECT count(*), count(DISTINCT text), max(number) FROM stage_rows_0").fetchone()
    assert found == (size, size, size - 1)
