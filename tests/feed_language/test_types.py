"""The column types: how they are written, and what they are in Arrow and in PostgreSQL."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sluice.feed.types import ColumnType, TypeProblem, parse_type

TYPES = {
    "text": ("text", pa.string()),
    "integer": ("integer", pa.int32()),
    "bigint": ("bigint", pa.int64()),
    "numeric(18,2)": ("numeric(18,2)", pa.decimal128(18, 2)),
    "numeric(38,38)": ("numeric(38,38)", pa.decimal128(38, 38)),
    "numeric(39,0)": ("numeric(39,0)", pa.decimal256(39, 0)),
    "numeric(76,10)": ("numeric(76,10)", pa.decimal256(76, 10)),
    "boolean": ("boolean", pa.bool_()),
    "date": ("date", pa.date32()),
    "timestamp": ("timestamp", pa.timestamp("us")),
    "timestamptz": ("timestamptz", pa.timestamp("us", "UTC")),
    "json": ("jsonb", pa.string()),
    "xml": ("xml", pa.string()),
    "text[]": ("text[]", pa.list_(pa.string())),
    "json[]": ("jsonb[]", pa.list_(pa.string())),
    "numeric(5,1)[]": ("numeric(5,1)[]", pa.list_(pa.decimal128(5, 1))),
}


@pytest.mark.parametrize("text", TYPES)
def test_type(text: str) -> None:
    """Each type has one in PostgreSQL and one in Arrow, and is written out as it is read."""
    column_type = parse_type(text)
    assert (column_type.sql, column_type.arrow) == TYPES[text]
    assert str(column_type) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [(" Numeric ( 18 , 2 ) ", "numeric(18,2)"), ("numeric(9)", "numeric(9,0)"), ("TEXT []", "text[]")],
)
def test_spelling(text: str, canonical: str) -> None:
    """Space and case do not matter; a numeric without a scale is whole."""
    assert str(parse_type(text)) == canonical


def test_lists() -> None:
    """A list is told apart from its element."""
    assert parse_type("date[]") == ColumnType("date", is_list=True)


REFUSED = {
    "strng": "text",
    "string": "text",
    "varchar(35)": "text",
    "int": "integer",
    "long": "bigint",
    "int[]": "integer[]",
    "decimal(18, 2)": "numeric(18, 2)",
    "decimal(18,2)[]": "numeric(18,2)[]",
    "numeric(18.2)": "numeric(p,s)",
    "float": "numeric(p,s)",
    "bool": "boolean",
    "datetime": "timestamp",
    "timestamp with time zone": "timestamptz",
    "jsonb": "json",
    "": None,
    "quaternion": None,
    "text[][]": "text[]",
}


@pytest.mark.parametrize(("text", "suggestion"), REFUSED.items(), ids=REFUSED)
def test_unknown(text: str, suggestion: str | None) -> None:
    """An unknown type is refused; what other systems call a type leads to its name here."""
    with pytest.raises(TypeProblem, match="unknown type") as raised:
        parse_type(text)
    assert raised.value.suggestion == suggestion


@pytest.mark.parametrize("text", ["numeric", "numeric[]", "numeric(0,0)", "numeric(77,2)", "numeric(2,3)"])
def test_digits(text: str) -> None:
    """A numeric says its digits, within what Arrow holds exactly."""
    with pytest.raises(TypeProblem, match=r"needs its digits|precision must be 1 to 76"):
        parse_type(text)
