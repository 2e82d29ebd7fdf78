"""Expectations on a whole run (`run:` in the feed file), judged by SQL on the rows that the run left in its tables.

They go by Great Expectations' own names and arguments. Two kinds make sense for a run as a whole: how many rows it
gave, and what a column of them sums up to. Files that a person had released are left out: their rows break no rule that
the others keep, and a run that loaded nothing else is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg

from sluice.feed.model import Expectation, Feed
from sluice.feed.rules import RUN_EXPECTATIONS
from sluice.records import Run
from sluice.warehouse import query

SUMMED = ("integer", "bigint", "numeric")


# The files of the run that a person had released.
_RELEASED = """SELECT file_id FROM sluice.loads JOIN sluice.parts USING (part_id)
    WHERE loads.run_id = %(run)s AND release_note IS NOT NULL"""


def judge(conn: psycopg.Connection, feed: Feed, run: Run) -> Iterator[str]:
    """What is wrong with the run, one line for each critical expectation that fails or cannot be judged."""
    if feed.run.expectations and _is_all_released(conn, run):
        return
    for table, expectation in feed.run.expectations:
        problem = _judge_one(conn, feed, run, table, expectation)
        if problem and expectation.severity == "critical":
            yield f"{table}: {expectation.type} {problem}"


def _judge_one(conn: psycopg.Connection, feed: Feed, run: Run, table: str, expectation: Expectation) -> str | None:
    arguments = expectation.arguments
    if expectation.type not in RUN_EXPECTATIONS:
        return f"cannot be judged on a run; known are {', '.join(RUN_EXPECTATIONS)}"
    if expectation.type != "expect_column_sum_to_be_between":
        found = _observe(conn, feed, run, table, "count(*)")
        return _compare(found, arguments, f"{found:,}")
    column = feed.tables[table].columns.get(str(arguments.get("column")))
    if column is None or column.column_type.kind not in SUMMED or column.column_type.is_list:
        return f"needs `column`, a column of numbers; {arguments.get('column')!r} is none"
    # of a run of one record the sum is its value, which alerts must not hold
    return _compare(
        _observe(conn, feed, run, table, f'coalesce(sum("{arguments["column"]}"), 0)'), arguments, "the sum"
    )


def _is_all_released(conn: psycopg.Connection, run: Run) -> bool:
    row = conn.execute(
        query(
            f"""SELECT bool_and(file_id IN ({_RELEASED})) FROM sluice.loads JOIN sluice.parts USING (part_id)
                WHERE loads.run_id = %(run)s"""
        ),
        {"run": run.run_id},
    ).fetchone()
    return bool(row and row[0])


def _observe(conn: psycopg.Connection, feed: Feed, run: Run, table: str, measure: str) -> Decimal:
    """The measure over the rows of the run. Its files are named as well, since tables have an index on the file."""
    row = conn.execute(
        query(
            f'SELECT {measure} FROM "{feed.schema_name}"."{table}" WHERE _run = %(run)s'
            f" AND _file = ANY (ARRAY(SELECT file_id FROM sluice.manifest WHERE run_id = %(run)s EXCEPT {_RELEASED}))"
        ),
        {"run": run.run_id},
    ).fetchone()
    return Decimal(row[0] if row else 0)


def _compare(found: Decimal, arguments: dict[str, Any], name: str) -> str | None:
    """What is wrong with ``found``, if anything is, which goes by ``name``; the arguments are Great Expectations'."""
    low, high = (arguments.get("value", arguments.get(name)) for name in ("min_value", "max_value"))
    is_low = low is not None and (found <= _exact(low) if arguments.get("strict_min") else found < _exact(low))
    is_high = high is not None and (found >= _exact(high) if arguments.get("strict_max") else found > _exact(high))
    if not is_low and not is_high:
        return None
    return f"failed: {name} is too {'low' if is_low else 'high'}, not between {low} and {high}"


def _exact(number: Any) -> Decimal:
    """As it is written: 0.1 is no binary fraction here."""
    return Decimal(str(number))
