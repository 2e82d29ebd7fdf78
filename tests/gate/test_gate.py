"""The gate as a whole: who rejects a record, who stops a batch, and what is said about it."""

from __future__ import annotations

import gc
import logging
import weakref
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from sluice import gate
from sluice.errors import PermanentError
from sluice.feed.model import Expectation, Feed


def expect(name: str, severity: str = "critical", **arguments: Any) -> Expectation:
    return Expectation.model_validate({"type": f"expect_{name}", "arguments": arguments, "severity": severity})


def orders(
    amounts: list[int | None], records: list[int] | None = None, names: list[str | None] | None = None
) -> pa.Table:
    return pa.table(
        {
            "_rec": pa.array(records or range(len(amounts)), pa.int64()),
            "amount": pa.array(amounts, pa.int64()),
            "name": pa.array(names or ["x"] * len(amounts), pa.string()),
        }
    )


POSITIVE = expect("column_values_to_be_between", column="amount", min_value=0)


def test_a_map_expectation_rejects_the_records_of_its_failing_rows() -> None:
    """The record is named with the expectation, its arguments, the column and the value; others are not touched."""
    verdict = gate.judge(orders([5, -7, 0]), (POSITIVE,), "orders")
    (reason,) = verdict.reasons().pop(1)
    assert reason.code == "expectation_failed"
    assert reason.message == "expect_column_values_to_be_between(column=amount, min_value=0)"
    assert (reason.table, reason.column, reason.value) == ("orders", "amount", "-7")
    assert verdict.failing[0].records.tolist() == [1]
    assert verdict.failures == ()


def test_null_is_no_failure_unless_it_is_forbidden() -> None:
    """Great Expectations leaves NULL out of map expectations; only not_be_null and its like look at it."""
    rows = orders([None, 3, -1])
    assert set(gate.judge(rows, (POSITIVE,), "orders").reasons()) == {2}
    verdict = gate.judge(rows, (expect("column_values_to_not_be_null", column="amount"),), "orders")
    assert {record: reason.value for record, (reason,) in verdict.reasons().items()} == {0: None}


def test_a_record_has_one_reason_for_each_expectation_however_many_of_its_rows_fail() -> None:
    """The reason tells how many rows fail, and shows the first failing value."""
    verdict = gate.judge(orders([-1, -2, 3, -4], records=[7, 7, 7, 8]), (POSITIVE,), "lines")
    reasons = verdict.reasons()
    assert set(reasons) == {7, 8}
    assert reasons[7][0].message.endswith("; 2 rows of the record")
    assert (reasons[7][0].value, reasons[8][0].value) == ("-1", "-4")


def test_a_record_keeps_the_reasons_of_all_expectations_that_it_fails() -> None:
    """Whoever mends the record sees everything at once."""
    named = expect("column_values_to_be_in_set", column="name", value_set=["a", "b"])
    verdict = gate.judge(orders([-1, 1], names=["z", "a"]), (POSITIVE, named), "orders")
    assert [reason.column for reason in verdict.reasons()[0]] == ["amount", "name"]


def test_a_pair_of_columns_shows_both_values() -> None:
    """An expectation on two columns names both, and tells NULL from an empty text."""
    rows = pa.table({"_rec": [0, 1], "a": ["", "y"], "b": pa.array([None, "y"], pa.string())})
    verdict = gate.judge(rows, (expect("column_pair_values_to_be_equal", column_A="a", column_B="b"),), "t")
    (reason,) = verdict.reasons()[0]
    assert (reason.column, reason.value) == ("a, b", "a=, b=NULL")


def test_mostly_makes_it_a_judgement_on_the_batch() -> None:
    """A share of wrong rows is tolerated or not; no record is rejected for it."""
    rows = orders([1, 2, 3, -4])
    three_quarters = expect("column_values_to_be_between", column="amount", min_value=0, mostly=0.75)
    all_but_a_few = expect("column_values_to_be_between", column="amount", min_value=0, mostly=0.9)
    assert gate.judge(rows, (three_quarters,), "orders").failures == ()
    verdict = gate.judge(rows, (all_but_a_few,), "orders")
    assert [one.unexpected for one in verdict.failures] == [1]
    assert verdict.reasons() == {}


def test_the_batch_is_judged_without_the_rejected_records() -> None:
    """What is rejected neither spoils a mean nor counts as a row."""
    total = expect("column_sum_to_be_between", column="amount", min_value=3, max_value=3)
    count = expect("table_row_count_to_equal", value=2)
    verdict = gate.judge(orders([1, -100, 2]), (total, count, POSITIVE), "orders")
    assert verdict.failures == ()
    assert [(one.level, one.observed) for one in verdict.results] == [("row", None), ("batch", 3.0), ("batch", 2.0)]


def test_a_record_goes_with_all_its_rows() -> None:
    """One wrong row takes the record's other rows out of what the batch is judged by."""
    count = expect("table_row_count_to_equal", value=1)
    assert gate.judge(orders([1, -1, 5], records=[3, 3, 4]), (POSITIVE, count), "lines").failures == ()


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_only_critical_expectations_decide(severity: str) -> None:
    """The others are judged and reported, no more."""
    row = expect("column_values_to_be_between", severity, column="amount", min_value=0)
    batch = expect("table_row_count_to_equal", severity, value=99)
    verdict = gate.judge(orders([-1]), (row, batch), "orders")
    assert [(one.severity, one.success) for one in verdict.results] == [(severity, False)] * 2
    assert verdict.reasons() == {}
    assert verdict.failures == ()


def test_a_table_without_rows_fails_only_by_its_row_count() -> None:
    """A mean of nothing is not wrong: a batch may hold no row of a child table."""
    mean = expect("column_mean_to_be_between", column="amount", min_value=1)
    count = expect("table_row_count_to_be_between", min_value=1)
    verdict = gate.judge(orders([]), (POSITIVE, mean, count), "orders")
    assert [one.type for one in verdict.failures] == ["expect_table_row_count_to_be_between"]


def test_a_column_without_values_fails_its_statistics() -> None:
    """A column that went empty is drift, and loud."""
    mean = expect("column_mean_to_be_between", column="amount", min_value=1)
    assert len(gate.judge(orders([None, None]), (mean,), "orders").failures) == 1


def test_a_row_condition_narrows_what_is_judged() -> None:
    """The columns of the condition need not be those that are judged."""
    only_a = expect(
        "column_values_to_be_between",
        column="amount",
        min_value=0,
        row_condition="name == 'a'",
        condition_parser="pandas",
    )
    assert set(gate.judge(orders([-1, -1], names=["a", "b"]), (only_a,), "orders").reasons()) == {0}


def test_equal_expectations_are_both_judged() -> None:
    """Results keep the order of the declarations, even of two that are alike."""
    verdict = gate.judge(orders([-1]), (POSITIVE, POSITIVE), "orders")
    assert [len(failing.records) for failing in verdict.failing] == [1, 1]


def test_a_data_frame_is_judged_like_a_table() -> None:
    """Rows may come as pandas."""
    verdict = gate.judge(pd.DataFrame({"_rec": [4, 5], "amount": [1.5, -2.5]}), (POSITIVE,), "orders")
    assert set(verdict.reasons()) == {5}


def test_results_show_no_value_of_the_data() -> None:
    """Raw values are for the quarantine alone: a maximum or a most common value is one."""
    secret = "4111-1111"
    rows = orders([123456789], names=[secret])
    expectations = (
        expect("column_most_common_value_to_be_in_set", column="name", value_set=["x"]),
        expect("column_distinct_values_to_be_in_set", column="name", value_set=["x"]),
        expect("column_max_to_be_between", column="amount", max_value=5),
        expect("column_values_to_be_in_set", column="name", value_set=["x"], mostly=0.9),
    )
    verdict = gate.judge(rows, expectations, "orders")
    assert len(verdict.failures) == 4
    assert secret not in str(verdict.results)
    assert "123456789" not in str(verdict.results)


def test_a_value_is_cut_short() -> None:
    """A reason holds at most 200 characters of the value."""
    verdict = gate.judge(
        orders([1], names=["z" * 5000]), (expect("column_value_lengths_to_equal", column="name", value=1),), "t"
    )
    assert verdict.reasons()[0][0].value == "z" * 200


def test_great_expectations_is_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither log lines nor progress bars: what it says about failures quotes values."""
    with caplog.at_level(logging.DEBUG):
        gate.judge(orders([-1]), (POSITIVE,), "orders")
        with pytest.raises(PermanentError):
            gate.judge(orders([1]), (expect("column_mean_to_be_between", column="name", min_value=1),), "orders")
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]
    assert capfd.readouterr() == ("", "")


def test_needed_columns_are_those_that_expectations_look_at() -> None:
    """In the table's order, those of a condition included."""
    pair = expect("column_pair_values_to_be_equal", column_A="d", column_B="a", row_condition="c > 1")
    assert gate.needed_columns([pair, POSITIVE], ["a", "amount", "b", "c", "d"]) == ["a", "amount", "c", "d"]


def feed_with(expectations: list[Any], run: dict[str, Any] | None = None) -> Feed:
    table = {
        "record": "/A/B",
        "columns": {"amount": {"path": "X", "type": "numeric(9,2)"}},
        "expectations": expectations,
    }
    return Feed.model_validate(
        {"feed": "shop", "source": {"uri": "in/*.xml"}, "tables": {"orders": table}, "run": run or {}}
    )


def test_a_feed_is_checked_without_data() -> None:
    """What the gate could not judge is found before the first file comes, in the rules on whole runs too."""
    good = {"expect_column_values_to_be_between": {"column": "amount", "min_value": 0}}
    bad = {"expect_column_values_to_be_between": {"column": "amount", "min_value": "nought"}}
    gate.check_feed(feed_with([good]))
    with pytest.raises(PermanentError, match=r"table orders: .*min_value: 'nought' is not a number"):
        gate.check_feed(feed_with([bad]))
    total = {"expect_column_sum_to_be_between": {"column": "amount", "min_value": "nought"}}
    with pytest.raises(PermanentError, match="table orders: expect_column_sum"):
        gate.check_feed(feed_with([], {"expectations": {"orders": [total]}}))


def test_great_expectations_is_called_once_where_nothing_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both levels in one call; a second one only for what is left of a batch with rejects."""
    from sluice.gate import suite

    calls: list[int] = []
    run = suite._validate
    monkeypatch.setattr(suite, "_validate", lambda *given: calls.append(len(given[1])) or run(*given))
    several = expect("table_row_count_to_be_between", min_value=3)
    assert gate.judge(orders([1, 2, 3]), (POSITIVE, several), "orders").failures == ()
    assert calls == [2]
    (failure,) = gate.judge(orders([1, -2, 3]), (POSITIVE, several), "orders").failures
    assert failure.observed == 2
    # all, the names of the rejected, and what is left
    assert calls == [2, 2, 1, 1]


def test_what_cannot_be_judged_before_the_rejects_are_out_is_judged_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sluice.gate import suite

    evaluate = suite.evaluate

    def balk(columns: Any, checks: Any, table: str) -> Any:
        if columns.row_count == 3 and any(check.level == "batch" for check in checks):
            raise PermanentError("not with this row")
        return evaluate(columns, checks, table)

    monkeypatch.setattr(suite, "evaluate", balk)
    verdict = gate.judge(orders([1, -2, 3]), (POSITIVE, expect("table_row_count_to_equal", value=2)), "orders")
    assert [one.success for one in verdict.results] == [False, True]


def test_nothing_of_a_batch_stays_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Great Expectations' context serves all batches of a process: neither rows nor results of one may stay in it."""
    from sluice.gate import columns

    frames: list[Any] = []
    build = columns.BatchColumns.frame

    def remember(self: Any, views: Any) -> pd.DataFrame:
        frame = build(self, views)
        frames.append(weakref.ref(frame))
        return frame

    monkeypatch.setattr(columns.BatchColumns, "frame", remember)
    for amounts, rejected in (([1, -2], {1}), ([-1, 2], {0}), ([1, 2], set()), ([1, -2], {1})):
        assert set(gate.judge(orders(amounts), (POSITIVE,), "orders").reasons()) == rejected
    gc.collect()
    assert len(frames) >= 4
    assert [frame() for frame in frames if frame() is not None] == []


def test_no_fingerprint_is_made_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads it, and it takes longer than to judge them."""
    from great_expectations.execution_engine import pandas_execution_engine

    asked: list[int] = []
    monkeypatch.setattr(pandas_execution_engine, "hash_pandas_dataframe", lambda frame: asked.append(len(frame)) or "x")
    gate.judge(orders([1, 2]), (POSITIVE,), "orders")
    assert asked == []
