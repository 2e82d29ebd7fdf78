"""Data Docs show what was expected and how many rows failed, and no value of the data."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa

from sluice import gate
from sluice.feed.model import Expectation
from sluice.gate.data_docs import render_page


def test_a_page_shows_expectations_and_counts_but_no_values() -> None:
    """The failing values, the greatest value and the rows' numbers stay out."""
    rows = pa.table(
        {
            "_rec": [0, 1, 2],
            "name": ["private-one", "private-two", "x"],
            "amount": pa.array([Decimal("98765.43"), Decimal("1.00"), None], pa.decimal128(18, 2)),
        }
    )
    expectations = (
        Expectation(type="expect_column_values_to_be_in_set", arguments={"column": "name", "value_set": ["x"]}),
        Expectation(
            type="expect_column_values_to_match_regex", arguments={"column": "name", "regex": "<b>", "mostly": 1}
        ),
        Expectation(type="expect_column_max_to_be_between", arguments={"column": "amount", "max_value": 5}),
        Expectation(type="expect_column_values_to_not_be_null", arguments={"column": "amount"}, severity="warning"),
    )
    verdict = gate.judge(rows, expectations, "orders")
    page = render_page(verdict.results, "shop.orders", "shop run 7 batch 3", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    for shown in ("shop.orders", "shop run 7 batch 3", "values must belong to this set", "2 unexpected values", "1.24"):
        assert shown in page
    assert "<b>" not in page
    for hidden in ("private", "98765"):
        assert hidden not in page
