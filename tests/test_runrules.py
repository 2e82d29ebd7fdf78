"""Expectations on a whole run, by Great Expectations' names and arguments."""

from __future__ import annotations

from typing import Any

import pytest
from tests.small_feeds import ITEMS, Ground, item, items

from sluice import ledger, runrules, warehouse
from sluice.feed.model import Expectation, Feed, RunRules

COUNT, EQUAL, SUM = (
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_column_sum_to_be_between",
)
TEXT = ITEMS.replace("name: Name}", 'name: Name, amount: {path: Amount, type: "numeric(38,2)"}}')


@pytest.fixture
def feed(ground: Ground) -> Feed:
    """Of four records three are left: two from the run that is judged, which sum up to 0.30."""
    feed = ground.feed(TEXT)
    record = item("{}", 1, parts=[("x", [])]).replace("</Name>", "</Name><Amount>{}</Amount>")
    ground.put("a.xml", items(record.format("old", "7.00"), record.format("lost", "5.00")))
    ground.run(feed)
    ground.put("b.xml", items(record.format("a", "0.10"), record.format("b", "0.20"), item("lost", 0)))
    ground.run(feed)
    return feed


def judge(ground: Ground, feed: Feed, *expectations: Expectation, table: str = "items") -> list[str]:
    rules = RunRules(expectations=tuple((table, one) for one in expectations))
    with warehouse.connect(ground.dsn) as connection:
        run_id = ground.sql("SELECT max(run_id) FROM sluice.runs")[0][0]
        judged = feed.model_copy(update={"run": rules})
        return list(runrules.judge(connection, judged, ledger.read_run(connection, run_id)))


def expect(name: str, severity: Any = "critical", **arguments: Any) -> Expectation:
    return Expectation(type=name, arguments=arguments, severity=severity)


def test_what_fits_is_not_told(ground: Ground, feed: Feed) -> None:
    """Sums are exact: 0.1 + 0.2 is 0.3. What is not critical decides nothing."""
    fitting = [
        expect(COUNT, min_value=2, max_value=2),
        expect(COUNT, min_value=2),
        expect(COUNT, max_value=2),
        expect(COUNT),
        expect(EQUAL, value=2),
        expect(SUM, column="amount", min_value=0.3, max_value=0.3),
        expect(SUM, column="rev", max_value=2),
        expect(COUNT, "warning", min_value=3),
    ]
    assert judge(ground, feed, *fitting) == []


def test_what_does_not_fit_is_told_with_a_count_but_no_sum(ground: Ground, feed: Feed) -> None:
    failing = [
        (expect(COUNT, min_value=3), f"items: {COUNT} failed: 2 is too low, not between 3 and None"),
        (expect(COUNT, max_value=1), f"items: {COUNT} failed: 2 is too high, not between None and 1"),
        (expect(EQUAL, value=0), f"items: {EQUAL} failed: 2 is too high, not between 0 and 0"),
        (
            expect(SUM, column="amount", min_value=0.31),
            f"items: {SUM} failed: the sum is too low, not between 0.31 and None",
        ),
        (expect(SUM, column="amount", max_value=0.3, strict_max=True), "the sum is too high, not between None and 0.3"),
        (expect(SUM, column="amount", min_value=0.3, strict_min=True), "the sum is too low, not between 0.3 and None"),
        (expect(SUM, column="name", min_value=1), "needs `column`, a column of numbers; 'name' is none"),
        (expect(SUM, min_value=1), "needs `column`, a column of numbers; None is none"),
        (expect("expect_column_max_to_be_between"), "cannot be judged on a run"),
    ]
    problems = judge(ground, feed, *(expectation for expectation, _ in failing))
    assert "0.30" not in " ".join(problems)
    assert len(problems) == len(failing)
    for problem, (_, told) in zip(problems, failing, strict=True):
        assert told in problem


def test_child_tables_are_judged_too_and_a_run_without_rows_sums_up_to_nothing(ground: Ground, feed: Feed) -> None:
    assert judge(ground, feed, expect(EQUAL, value=2), table="parts") == []
    ground.run(feed)
    assert judge(ground, feed, expect(EQUAL, value=0), expect(SUM, column="amount", min_value=0, max_value=0)) == []
