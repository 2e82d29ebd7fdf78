"""The verdicts of the gate are those of the exact numbers, whatever form these are shown in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice import gate
from sluice.feed.model import Expectation
from sluice.gate.columns import BatchColumns


def rejected(column: pa.Array, name: str, **arguments: Any) -> set[int]:
    """The rows that an expectation on the column ``x`` rejects."""
    rows = pa.table({"_rec": pa.array(range(len(column)), pa.int64()), "x": column})
    return set(gate.judge(rows, (Expectation(type=name, arguments={"column": "x", **arguments}),), "t").reasons())


def decimals(*texts: str | None, type_: pa.DataType) -> pa.Array:
    return pa.array([None if text is None else Decimal(text) for text in texts], type_)


MONEY = pa.decimal128(18, 2)
LONG = pa.decimal128(38, 18)
VAST = pa.decimal256(76, 10)


@pytest.mark.parametrize("type_", [MONEY, LONG, VAST, pa.decimal128(38, 2)])
def test_a_bound_with_a_fraction_is_met_exactly(type_: pa.DataType) -> None:
    """0.10 is at least 0.1, though the double 0.1 is a little more."""
    column = decimals("0.10", "0.09", None, "0.11", type_=type_)
    assert rejected(column, "expect_column_values_to_be_between", min_value=0.1) == {1}
    assert rejected(column, "expect_column_values_to_be_between", min_value=0.1, strict_min=True) == {0, 1}
    assert rejected(column, "expect_column_values_to_be_in_set", value_set=[0.1, "0.11"]) == {1}


def test_neighbours_that_share_a_double_are_told_apart() -> None:
    """Numbers of more digits than a double has still fall on the right side of a bound."""
    column = decimals("12345678901234567890.01", "12345678901234567890.02", None, type_=pa.decimal128(38, 2))
    bound = "12345678901234567890.02"
    assert rejected(column, "expect_column_values_to_be_between", min_value=bound) == {0}
    assert rejected(column, "expect_column_values_to_be_in_set", value_set=[bound]) == {0}
    assert rejected(column, "expect_column_values_to_be_unique") == set()


def test_big_integers_are_told_apart() -> None:
    """Also with NULL among them, which pandas would make doubles of."""
    column = pa.array([2**53, 2**53 + 1, None, 2**63 - 1], pa.int64())
    assert rejected(column, "expect_column_values_to_be_between", max_value=2**53) == {1, 3}
    assert rejected(column, "expect_column_values_to_not_be_in_set", value_set=[2**53 + 1]) == {1}


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.decimals(min_value=-(10**20), max_value=10**20, places=6), min_size=1, max_size=6),
    data=st.data(),
)
def test_every_bound_divides_as_decimals_do(values: list[Decimal], data: st.DataObject) -> None:
    """Bounds are drawn among the values and close to them, where rounding would show."""
    near = [value + step for value in values for step in (Decimal(0), Decimal("0.000001"), Decimal("-0.000001"))]
    bound = data.draw(st.sampled_from(near))
    column = pa.array(values, pa.decimal128(38, 6))
    found = rejected(column, "expect_column_values_to_be_between", min_value=str(bound))
    assert found == {position for position, value in enumerate(values) if value < bound}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.decimals(-(10**9), 10**9, places=4), st.integers(-(10**17), 10**17)), min_size=1, max_size=5)
)
def test_pairs_of_numbers_compare_as_exact_numbers(pairs: list[tuple[Decimal, int]]) -> None:
    """A decimal and a big integer stand on one scale."""
    rows = pa.table(
        {
            "_rec": pa.array(range(len(pairs)), pa.int64()),
            "a": pa.array([a for a, _ in pairs], pa.decimal128(30, 4)),
            "b": pa.array([b for _, b in pairs], pa.int64()),
        }
    )
    greater = Expectation(
        type="expect_column_pair_values_a_to_be_greater_than_b", arguments={"column_A": "a", "column_B": "b"}
    )
    expected = {position for position, (a, b) in enumerate(pairs) if not a > b}
    assert set(gate.judge(rows, (greater,), "t").reasons()) == expected


def test_a_sum_is_exact() -> None:
    """A hundred times 0.10 is 10, not 9.99999999999998."""
    rows = pa.table({"_rec": pa.array(range(100), pa.int64()), "x": decimals(*["0.10"] * 100, type_=MONEY)})
    total = Expectation(
        type="expect_column_sum_to_be_between", arguments={"column": "x", "min_value": 10, "max_value": 10.00}
    )
    (judged,) = gate.judge(rows, (total,), "t").results
    assert (judged.success, judged.observed) == (True, 10.0)


def test_a_sum_over_columns_is_exact() -> None:
    """0.1 + 0.2 is 0.3, row by row, whatever their scales."""
    rows = pa.table(
        {
            "_rec": [0, 1],
            "a": decimals("0.1", "0.1", type_=pa.decimal128(9, 1)),
            "b": decimals("0.2", "0.21", type_=MONEY),
        }
    )
    three = Expectation(type="expect_multicolumn_sum_to_equal", arguments={"column_list": ["a", "b"], "sum_total": 0.3})
    assert set(gate.judge(rows, (three,), "t").reasons()) == {1}


def test_numbers_and_dates_are_printed_for_patterns() -> None:
    """A pattern sees what PostgreSQL would print: all decimal places, no exponent."""
    assert rejected(
        decimals("1.50", "1.55", type_=MONEY), "expect_column_values_to_match_regex", regex=r"^\d\.\d0$"
    ) == {1}
    tiny = decimals("0.000000000000000012", type_=LONG)
    assert rejected(tiny, "expect_column_value_lengths_to_equal", value=20) == set()
    days = pa.array([dt.date(2024, 2, 29), dt.date(2024, 3, 1)])
    assert rejected(days, "expect_column_values_to_match_regex", regex="^2024-02") == {1}


def test_dates_and_timestamps_compare_with_what_yaml_gives() -> None:
    """Bounds are dates, timestamps or ISO 8601 texts; without a zone they are in UTC."""
    days = pa.array([dt.date(2024, 1, 1), dt.date(2024, 1, 2), None])
    for bound in ("2024-01-02", dt.date(2024, 1, 2), dt.datetime(2024, 1, 2)):  # noqa: DTZ001
        assert rejected(days, "expect_column_values_to_be_between", min_value=bound) == {0}
    moments = pa.array([dt.datetime(2024, 1, 1, 11, tzinfo=dt.UTC), None], pa.timestamp("us", "UTC"))
    assert rejected(moments, "expect_column_values_to_be_between", min_value="2024-01-01T12:00:00+01:00") == set()
    assert rejected(moments, "expect_column_values_to_be_between", min_value="2024-01-01T12:00:00") == {0}


def test_dates_far_off_keep_their_order() -> None:
    """The years 1 and 9999 are no trouble."""
    days = pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)])
    assert rejected(days, "expect_column_values_to_be_between", min_value="1000-01-01") == {0}


def test_only_what_is_looked_at_is_shown() -> None:
    """Great Expectations reads through all of a frame, so it is shown no column without need."""
    columns = BatchColumns(pa.table({"_rec": [0], "a": [1], "b": [2], "c": [3]}))
    view = columns.show("expect_column_values_to_be_between", {"column": "a", "row_condition": "c > 1"})
    assert list(columns.frame([view]).columns) == ["a", "c"]
