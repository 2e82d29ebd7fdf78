"""The gate: a table's expectations, judged by Great Expectations on the rows of a batch.

*Row-level* are Great Expectations' map expectations without ``mostly``: each row is right or wrong, and a record with a
wrong row is rejected. All others are *batch-level*: they are judged on what is left, and stop the batch. Only the
severity ``critical`` rejects or stops; the rest is reported. A table without any row passes all but expectations on its
row count.

Nothing else imports Great Expectations, which takes seconds: ``gate.suite`` does so when the first suite is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sluice.errors import PermanentError
from sluice.feed.model import Expectation, Feed
from sluice.gate.columns import BatchColumns
from sluice.gate.values import looked_at
from sluice.gate.verdict import FailingRecords, Judged, Verdict, label_of, reasons_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "FailingRecords",
    "Judged",
    "Verdict",
    "check_feed",
    "judge",
    "judge_batch",
    "judge_levels",
    "judge_rows",
    "label_of",
    "needed_columns",
    "reasons_of",
    "split_levels",
    "without",
]


def judge(frame: pa.Table | pd.DataFrame, expectations: tuple[Expectation, ...], table: str) -> Verdict:
    """Judge ``expectations`` on the rows of ``table``: row-level ones first, the others without the rejected records.

    ``frame`` holds the columns that the expectations name, and ``_rec``, the record of each row. Raises
    ``PermanentError`` for an expectation that is not known, does not fit its columns, or cannot be evaluated.
    """
    import pyarrow as pa

    rows = frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
    by_row, by_batch = split_levels(expectations)
    verdict, judged = judge_levels(rows, by_row, by_batch, table)
    if judged is None or (by_batch and verdict.failing):
        judged = judge_batch(without(rows, verdict.failing), by_batch, table)
    return Verdict(verdict.results + judged, verdict.failing)


def judge_rows(rows: pa.Table, expectations: Iterable[Expectation], table: str) -> Verdict:
    """Judge row-level ``expectations``, and name the records that the critical ones among them reject."""
    return judge_levels(rows, expectations, (), table)[0]


def judge_levels(
    rows: pa.Table, by_row: Iterable[Expectation], by_batch: Sequence[Expectation], table: str
) -> tuple[Verdict, tuple[Judged, ...] | None]:
    """Judge both levels in one go: what ``judge_rows`` says, and what ``judge_batch`` says if no record is rejected.

    Mostly none is, and then Great Expectations was called once instead of twice. The second is None where it cannot be
    told before the rejected records are out.
    """
    from sluice.gate import suite

    columns = BatchColumns(rows)
    checks = suite.build(columns, by_row, table, "row")
    try:
        both = [*checks, *suite.build(columns, by_batch, table, "batch")]
        results: tuple[Judged, ...] = suite.evaluate(columns, both, table)
    except PermanentError:
        if not by_batch:
            raise
        return judge_rows(rows, [check.declared for check in checks], table), None
    failing = tuple(
        suite.find_records(columns, check, result)
        for check, result in zip(checks, results, strict=False)
        if result.severity == "critical" and not result.success
    )
    return Verdict(results[: len(checks)], failing), results[len(checks) :]


def judge_batch(rows: pa.Table, expectations: Iterable[Expectation], table: str) -> tuple[Judged, ...]:
    """Judge batch-level ``expectations`` on rows that were accepted."""
    from sluice.gate import suite

    columns = BatchColumns(rows)
    return suite.evaluate(columns, suite.build(columns, expectations, table, "batch"), table)


def without(rows: pa.Table, failing: Iterable[FailingRecords]) -> pa.Table:
    """``rows`` without those of the records in ``failing``."""
    import numpy as np

    records = [one.records for one in failing]
    return rows.filter(~np.isin(rows["_rec"].to_numpy(), np.concatenate(records))) if records else rows


def split_levels(expectations: Iterable[Expectation]) -> tuple[tuple[Expectation, ...], tuple[Expectation, ...]]:
    """The row-level and the batch-level ones among ``expectations``."""
    from sluice.gate import suite

    levels: dict[bool, list[Expectation]] = {True: [], False: []}
    for one in expectations:
        levels[suite.is_row_level(one)].append(one)
    return tuple(levels[True]), tuple(levels[False])


def needed_columns(expectations: Iterable[Expectation], available: Sequence[str]) -> list[str]:
    """Those of ``available`` that ``expectations`` look at, in the order of ``available``."""
    named = {name for one in expectations for name in looked_at(one.arguments, available)}
    return [name for name in available if name in named]


def check_feed(feed: Feed) -> None:
    """Raise ``PermanentError`` for the first expectation of ``feed`` that the gate could not judge."""
    import pyarrow as pa

    from sluice.gate import suite

    for name, table in feed.tables.items():
        of_runs = tuple(expectation for table_name, expectation in feed.run.expectations if table_name == name)
        if expectations := table.expectations + of_runs:
            fields = [(column_name, column.column_type.arrow) for column_name, column in table.columns.items()]
            suite.build(BatchColumns(pa.schema(fields).empty_table()), expectations, name, "row")
