"""Expectations on a whole run (`run:` in the feed file), judged by SQL on the rows that the run left in its tables.

They go by Great Expectations' own names and arguments. Two kinds make sense for a run as a whole: how many rows it
gave, and what a column of them sums up to.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg

from sluice.errors import PermanentError
from sluice.feed.model import Expectation, Feed
from sluice.feed.rules import RUN_EXPECTATIONS
from sluice.records import Run
from sluice.warehouse import query


def judge(conn: psycopg.Connection, feed: Feed, run: Run) -> Iterator[str]:
    """What is wrong with the run, one line for each critical expectation that fails. Raises ``PermanentError`` for
    unknown ones.
    """
    for table, expectation in feed.run.expectations:
        found = _observe(conn, feed, run, table, expectation)
        low, high = _bounds(expectation.arguments)
        fits = (low is None or (found is not None and found >= low)) and (
            high is None or (found is not None and found <= high)
        )
        if not fits and expectation.severity == "critical":
            yield f"{table}: {expectation.type} failed: {found} is not between {low} and {high}"


def _observe(
    conn: psycopg.Connection, feed: Feed, run: Run, table: str, expectation: Expectation
) -> Decimal | int | None:
    if expectation.type not in RUN_EXPECTATIONS:
        raise PermanentError(
            f"run.expectations.{table}: {expectation.type} cannot be judged on a run; "
            f"known are {', '.join(RUN_EXPECTATIONS)}"
        )
    measure = "count(*)"
    if expectation.type == "expect_column_sum_to_be_between":
        column = expectation.arguments.get("column")
        if column not in feed.tables[table].columns:
            raise PermanentError(
                f"run.expectations.{table}: {expectation.type} needs `column`, one of the table's; found {column!r}"
            )
        measure = f'sum("{column}")'
    row = conn.execute(
        query(f'SELECT {measure} FROM "{feed.schema_name}"."{table}" WHERE _run = %s'), [run.run_id]
    ).fetchone()
    return row[0] if row else None


def _bounds(arguments: dict[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    if "value" in arguments:
        return Decimal(str(arguments["value"])), Decimal(str(arguments["value"]))
    low, high = arguments.get("min_value"), arguments.get("max_value")
    return (None if low is None else Decimal(str(low))), (None if high is None else Decimal(str(high)))
