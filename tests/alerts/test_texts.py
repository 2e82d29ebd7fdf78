"""What a person reads: each kind of alert as a whole, and what never stands in one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.alerts.samples import GOLDEN, SAMPLES, failed, full_disk, reconciled

import sluice.errors
from sluice.alerts import describe_exception
from sluice.alerts.alert import KINDS, Alert
from sluice.alerts.problems import ADVICE, Problem
from sluice.errors import PermanentError, RunFailed, SluiceError, SourceMissing, TransientError

DOCS = (Path(__file__).parents[2] / "docs/alerts.md").read_text()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_text_is_the_golden_one(name: str) -> None:
    alert = SAMPLES[name]
    assert f"{alert.subject}\n\n{alert.text}\n" == (GOLDEN / f"{name}.txt").read_text()


def test_there_is_a_golden_text_of_each_kind() -> None:
    assert {alert.cause.kind for alert in SAMPLES.values()} == KINDS.keys()
    assert {path.stem for path in GOLDEN.iterdir()} == SAMPLES.keys()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_documentation_shows_the_text(name: str) -> None:
    assert (GOLDEN / f"{name}.txt").read_text() in DOCS


@pytest.mark.parametrize("name", SAMPLES)
def test_an_alert_survives_the_warehouse(name: str) -> None:
    """``watch`` sends again what was kept there."""
    alert = SAMPLES[name]
    assert Alert.from_json(json.loads(json.dumps(alert.as_json()))) == alert


def test_a_subject_is_one_line() -> None:
    (alert,) = failed(Problem("parse", "SourceMissing", "gone"))
    assert "\n" not in Alert(cause=alert.cause, headline="a\r\nBcc: everybody@example.org").subject


def test_long_reasons_are_cut() -> None:
    (alert,) = failed(Problem("parse", "SourceMissing", "x" * 100_000))
    assert len(alert.text) < 3_000


# -- one alert for each cause -----------------------------------------------------------------------------------------


def test_tasks_that_fail_alike_are_one_alert_with_their_number() -> None:
    assert [alert.tasks for alert in failed(*full_disk(300))] == [300]


def test_the_same_outage_met_by_several_stages_is_one_cause() -> None:
    down = [Problem(stage, "WarehouseUnavailable", "no answer") for stage in ("load", "reconcile")]
    assert [(alert.cause.key, alert.stage) for alert in failed(*down)] == [("WarehouseUnavailable", "load")]


def test_different_faults_are_different_causes() -> None:
    lost = reconciled(
        ("unaccounted", "2 parts were not loaded"),
        ("held", "3 records are held"),
        ("limits", "too many"),
        ("totals", "other"),
    )
    found = failed(Problem("parse", "KeyError", "unexpected"), Problem("load", "TablesDiffer", "differ"), lost)
    assert [(alert.cause.kind, alert.cause.key) for alert in found] == [
        ("failed", "KeyError"),
        ("failed", "TablesDiffer"),
        ("held", ""),
        ("limits", ""),
        ("totals", ""),
    ]


def test_what_nobody_accounts_for_is_told_where_no_task_says_why() -> None:
    (alert,) = failed(reconciled(("unaccounted", "3 records found, but 2 loaded + 0 quarantined + 0 held")))
    assert (alert.cause.kind, alert.reason) == (
        "failed",
        "3 records found, but 2 loaded + 0 quarantined + 0 held",
    )


def test_the_gist_leaves_out_what_differs_from_run_to_run() -> None:
    """Files and numbers differ in every run; what is wrong does not."""
    gists = {
        failed(Problem("fetch", "SourceChanged", f"s3://landing/{day}/a.xml was replaced {day} s ago"))[0].cause.gist
        for day in range(3)
    }
    assert len(gists) == 1
    (other,) = failed(Problem("fetch", "SourceChanged", "s3://landing/1/a.xml has gone"))
    assert other.cause.gist not in gists


# -- why a task failed ------------------------------------------------------------------------------------------------


def test_every_error_that_ends_a_task_has_its_advice() -> None:
    """A new error class comes with a line on what to do about it."""

    def leaves(kind: type[SluiceError]) -> set[str]:
        below = kind.__subclasses__()
        return set().union(*map(leaves, below)) if below else {kind.__name__}

    named = {name for name in leaves(PermanentError) | leaves(TransientError) if hasattr(sluice.errors, name)}
    assert named <= ADVICE.keys()


def test_an_expected_error_is_described_by_its_message() -> None:
    problem = describe_exception(SourceMissing("the folder /landing does not exist"), "fetch")
    assert (problem.kind, problem.reason, problem.place) == (
        "SourceMissing",
        "the folder /landing does not exist",
        "fetch",
    )


def test_what_reconcile_found_stays_apart() -> None:
    problem = describe_exception(
        RunFailed("held; too many", breaches=(("held", "held"), ("limits", "too many"))), "reconcile"
    )
    assert problem.breaches == (("held", "held"), ("limits", "too many"))
    assert Problem.from_json(json.loads(json.dumps(asdict(problem)))) == problem


def test_an_unexpected_error_is_described_without_its_message() -> None:
    """The message of a library may hold a value of a record, and values stay in the quarantine."""
    try:
        raise ValueError("could not convert 'DE89370400440532013000'")
    except ValueError as error:
        problem = describe_exception(error, "load", "a.xml")
    assert "DE89" not in problem.reason
    assert "ValueError at test_texts.py:" in problem.reason
