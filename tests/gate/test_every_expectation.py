"""Every expectation that Great Expectations has can be judged by the gate and shown in Data Docs, or is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sluice import gate
from sluice.errors import PermanentError
from sluice.feed.model import Expectation
from sluice.gate import suite
from sluice.gate.data_docs import render_page

ROWS = pa.table(
    {
        "_rec": pa.array([0, 1, 2, 3], pa.int64()),
        "amount": pa.array([Decimal("1.10"), Decimal("2.20"), None, Decimal("4.40")], pa.decimal128(18, 2)),
        "fee": pa.array([Decimal("0.1"), Decimal("0.2"), None, Decimal("0.4")], pa.decimal128(9, 1)),
        "wide": pa.array([Decimal(f"{10**30 + n}") for n in range(4)], pa.decimal256(50, 4)),
        "number": pa.array([1, 2, 3, 4], pa.int64()),
        "name": pa.array(["ab", "cd", None, "ef"]),
        "body": pa.array(["{}", '{"a": 1}', None, "[]"]),
        "flag": pa.array([True, None, False, True]),
        "day": pa.array([dt.date(2024, 1, day) for day in (1, 2, 3, 4)]),
        "at": pa.array([dt.datetime(2024, 1, 1, hour, tzinfo=dt.UTC) for hour in range(4)], pa.timestamp("us", "UTC")),
        "local": pa.array([dt.datetime(2024, 1, 1, hour) for hour in range(4)], pa.timestamp("us")),  # noqa: DTZ001
        "tags": pa.array([["a"], [], None, ["b", "c"]], pa.list_(pa.string())),
    }
)

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("column_distinct_values_to_be_in_set", {"column": "name", "value_set": ["ab", "cd", "ef"]}),
    ("column_distinct_values_to_contain_set", {"column": "flag", "value_set": [True]}),
    ("column_distinct_values_to_equal_set", {"column": "amount", "value_set": [1.1, "2.20", 4.4]}),
    ("column_kl_divergence_to_be_less_than", {
        "column": "name", "threshold": 1,
        "partition_object": {"values": ["ab", "cd", "ef"], "weights": [0.3, 0.3, 0.4]},
    }),
    ("column_max_to_be_between", {"column": "amount", "max_value": 4.4}),
    ("column_max_to_be_between", {"column": "at", "max_value": "2024-01-01T03:00:00Z"}),
    ("column_mean_to_be_between", {"column": "amount", "min_value": 2, "max_value": 3}),
    ("column_median_to_be_between", {"column": "number", "min_value": 2, "max_value": 3}),
    ("column_min_to_be_between", {"column": "day", "min_value": dt.date(2024, 1, 1)}),
    ("column_most_common_value_to_be_in_set", {"column": "flag", "value_set": [True]}),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "amount", "column_B": "fee"}),
    ("column_pair_values_a_to_be_greater_than_b", {
        "column_A": "at", "column_B": "day", "or_equal": True, "mostly": 0.2,
    }),
    ("column_pair_values_to_be_equal", {"column_A": "local", "column_B": "at"}),
    ("column_pair_values_to_be_in_set", {
        "column_A": "number", "column_B": "flag", "value_pairs_set": [[1, True], [2, None], [3, False], [4, True]],
    }),
    ("column_proportion_of_non_null_values_to_be_between", {"column": "name", "min_value": 0.7}),
    ("column_proportion_of_unique_values_to_be_between", {"column": "wide", "min_value": 1}),
    ("column_quantile_values_to_be_between", {
        "column": "amount", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[2, 3]]},
    }),
    ("column_stdev_to_be_between", {"column": "amount", "min_value": 1, "max_value": 2}),
    ("column_sum_to_be_between", {"column": "amount", "min_value": 7.7, "max_value": 7.7}),
    ("column_unique_value_count_to_be_between", {"column": "wide", "min_value": 4, "max_value": 4}),
    ("column_value_lengths_to_be_between", {"column": "amount", "min_value": 4, "max_value": 4}),
    ("column_value_lengths_to_equal", {"column": "name", "value": 2}),
    ("column_value_z_scores_to_be_less_than", {"column": "amount", "threshold": 3, "double_sided": True}),
    ("column_values_to_be_between", {"column": "local", "min_value": "2024-01-01"}),
    ("column_values_to_be_dateutil_parseable", {"column": "day"}),
    ("column_values_to_be_decreasing", {"column": "number", "mostly": 0.1}),
    ("column_values_to_be_in_set", {
        "column": "day", "value_set": ["2024-01-01", "2024-01-02", "2024-01-03", dt.date(2024, 1, 4)],
    }),
    ("column_values_to_be_increasing", {"column": "wide", "strictly": True}),
    ("column_values_to_be_json_parseable", {"column": "body"}),
    ("column_values_to_be_null", {"column": "name", "mostly": 0.25}),
    ("column_values_to_be_unique", {"column": "amount"}),
    ("column_values_to_match_json_schema", {"column": "body", "json_schema": {"type": ["object", "array"]}}),
    ("column_values_to_match_regex", {"column": "amount", "regex": r"^\d\.\d0$"}),
    ("column_values_to_match_regex_list", {"column": "name", "regex_list": ["^a", "^c", "^e"], "match_on": "any"}),
    ("column_values_to_match_strftime_format", {"column": "day", "strftime_format": "%Y-%m-%d"}),
    ("column_values_to_not_be_in_set", {"column": "at", "value_set": ["2023-01-01T00:00:00Z"]}),
    ("column_values_to_not_be_null", {"column": "tags", "mostly": 0.7}),
    ("column_values_to_not_be_outliers", {"column": "amount", "method": "iqr", "multiplier": 3}),
    ("column_values_to_not_match_regex", {"column": "name", "regex": "x"}),
    ("column_values_to_not_match_regex_list", {"column": "name", "regex_list": ["x", "y"]}),
    ("compound_columns_to_be_unique", {"column_list": ["name", "wide"]}),
    ("multicolumn_sum_to_equal", {"column_list": ["number", "number"], "sum_total": 4, "mostly": 0.2}),
    ("multicolumn_values_to_be_equal", {"column_list": ["at", "local"]}),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["number", "wide", "name"]}),
    ("table_row_count_to_be_between", {"min_value": 4, "max_value": 4}),
    ("table_row_count_to_equal", {"value": 4}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), GOOD)
def test_it_is_judged_and_shown(name: str, arguments: dict[str, Any]) -> None:
    """Each expectation holds on rows of its types, and its result fits Data Docs."""
    verdict = gate.judge(ROWS, (Expectation(type=f"expect_{name}", arguments=arguments),), "orders")
    assert [one.success for one in verdict.results] == [True]
    page = render_page(verdict.results, "shop.orders", "batch 1", dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    assert "shop.orders" in page


@pytest.mark.parametrize("name", sorted(suite._REFUSED))
def test_it_is_refused(name: str) -> None:
    """What the gate cannot judge, or what the declaration decides, is refused with the reason."""
    with pytest.raises(PermanentError, match=f"table orders: {name}: .{{30,}}"):
        gate.judge(ROWS, (Expectation(type=name, arguments={"column": "name"}),), "orders")


def test_all_are_known() -> None:
    """A new version of Great Expectations that brings a new expectation makes somebody decide what to do with it."""
    suite.great_expectations()
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = {f"expect_{name}" for name, _ in GOOD} | set(suite._REFUSED) | {"unexpected_rows_expectation"}
    assert set(list_registered_expectation_implementations()) == known
