"""A declared expectation that cannot be judged is refused with its table, its name, and what was probably meant."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from sluice import gate
from sluice.errors import PermanentError
from sluice.feed.model import Expectation

ROWS = pa.table(
    {
        "_rec": [0],
        "amount": [1.0],
        "name": ["secret-value"],
        "flag": [True],
        "day": [dt.date(2024, 1, 1)],
        "at": pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us")),  # noqa: DTZ001
    }
)
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("expect_column_values_to_be_betwen", {}, f"knows no expectation of this name (did you mean '{BETWEEN}'?)"),
    (BETWEEN, {"column": "amount", "min_vale": 1}, "takes no argument 'min_vale' (did you mean 'min_value'?)"),
    (BETWEEN, {"column": "amount", "severity": "info", "min_value": 1}, "takes no argument 'severity'"),
    (BETWEEN, {"column": "amont", "min_value": 1}, "no column 'amont' in this table (did you mean 'amount'?)"),
    (BETWEEN, {"min_value": 1}, "column: field required"),
    (BETWEEN, {"column": "amount"}, "min_value and max_value cannot both be None"),
    (
        BETWEEN,
        {"column": "amount", "min_value": 1, "mostly": 2},
        "mostly: ensure this value is less than or equal to 1",
    ),
    (BETWEEN, {"column": "amount", "min_value": "one"}, "min_value: 'one' is not a number"),
    (BETWEEN, {"column": "amount", "min_value": True}, "min_value: True is not a number"),
    (BETWEEN, {"column": "day", "min_value": "1 Jan"}, "min_value: '1 Jan' is not an ISO 8601 date"),
    (BETWEEN, {"column": "day", "min_value": 20240101}, "min_value: 20240101 is not a date"),
    (BETWEEN, {"column": "at", "min_value": "2024-01-01T00:00:00+02:00"}, "has a time zone, which the column has not"),
    (BETWEEN, {"column": "name", "min_value": 1}, "a bound needs a column of numbers, dates or timestamps"),
    (IN_SET, {"column": "name", "value_set": [7]}, "value_set: 7 is not a text, as the column is; write '7'"),
    (IN_SET, {"column": "name", "value_set": "a"}, "value_set: 'a' is not a list"),
    (IN_SET, {"column": "flag", "value_set": ["yes"]}, "value_set: 'yes' is not a boolean"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), WRONG)
def test_a_mistake_is_named(name: str, arguments: dict[str, Any], message: str) -> None:
    """Even where the batch has no row at all."""
    for rows in (ROWS, ROWS.slice(0, 0)):
        with pytest.raises(PermanentError) as caught:
            gate.judge(rows, (Expectation(type=name, arguments=arguments),), "orders")
        assert str(caught.value).startswith(f"table orders: {name}: ")
        assert message in str(caught.value)


def test_what_cannot_be_evaluated_is_no_verdict() -> None:
    """It fails the task, and its message quotes no value of the data."""
    mean = Expectation(type="expect_column_mean_to_be_between", arguments={"column": "name", "min_value": 1})
    with pytest.raises(PermanentError, match=r"mean_to_be_between\(column=name, min_value=1\): .*Error") as caught:
        gate.judge(ROWS, (mean,), "orders")
    assert "secret" not in str(caught.value)


def test_a_warning_that_cannot_be_evaluated_is_a_mistake_too() -> None:
    """Nobody would notice an expectation that is never judged."""
    broken = Expectation(
        type="expect_column_values_to_match_regex", arguments={"column": "name", "regex": "("}, severity="info"
    )
    with pytest.raises(PermanentError):
        gate.judge(ROWS, (broken,), "orders")
