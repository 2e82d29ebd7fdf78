"""`sluice check` knows the expectations of Great Expectations and their arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sluice.feed.checking import check_expectations
from sluice.feed.model import Feed

pytestmark = pytest.mark.slow  # the import of Great Expectations

NOT_NULL = "expect_column_values_to_not_be_null: {column: ordered_on}"

CASES = {
    "unknown name": (
        "expect_column_values_to_not_be_nul: {column: ordered_on}",
        33,
        9,
        "has no",
        "expect_column_values_to_not_be_null",
    ),
    "unknown argument": (
        "expect_column_sum_to_be_between: {column: total, min_valu: 0}",
        33,
        58,
        "no argument of",
        "min_value",
    ),
    "missing argument": ("expect_column_values_to_be_in_set: {value_set: [x]}", 33, 9, "'column' is missing", None),
    "wrong type": (
        "expect_column_values_to_be_between: {column: total, min_value: x}",
        33,
        72,
        "cannot be the text 'x'",
        None,
    ),
    "missing both": ("expect_column_values_to_be_between: {column: total}", 33, 9, "do not go together", None),
}


def test_sound(change_feed: Callable[..., Feed]) -> None:
    """Sound expectations give no problem."""
    assert check_expectations(change_feed()) == []


@pytest.mark.parametrize(("new", "line", "column", "message", "suggestion"), CASES.values(), ids=CASES)
def test_mistake(
    change_feed: Callable[..., Feed], new: str, line: int, column: int, message: str, suggestion: str | None
) -> None:
    """One mistake is one problem at its place."""
    (problem,) = check_expectations(change_feed((NOT_NULL, new)))
    assert message in problem.message
    assert (problem.line, problem.column, problem.suggestion) == (line, column, suggestion)


def test_expectation_of_the_run(change_feed: Callable[..., Feed]) -> None:
    """The expectations under `run` are checked too."""
    (problem,) = check_expectations(change_feed(("{min_value: 1}", "{min_valu: 1, max_value: 2}")))
    assert problem.where == "run.expectations.orders[0].expect_table_row_count_to_be_between.min_valu"
