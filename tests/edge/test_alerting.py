"""The failure callback of a DAG: what it makes of Airflow's context, and that it never raises."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from tests.airflow_home import PROJECT
from tests.edge.test_runs import FakeTaskInstance

from sluice.alerts import ADVICE, Problem

START = dt.datetime(2026, 3, 5, 5, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_FEEDS", str(PROJECT / "tests" / "dags" / "feeds"))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    for name in ("SLUICE_ALERT_WEBHOOK", "SLUICE_ALERT_EMAIL"):
        monkeypatch.delenv(name, raising=False)


def context_with(task_instance: Any) -> Any:
    from airflow.sdk.api.datamodels._generated import DagRunType

    run = SimpleNamespace(
        run_id="scheduled__2026-03-06T05:00:00+00:00",
        run_type=DagRunType.SCHEDULED,
        run_after=START,
        clear_number=0,
        logical_date=START,
        data_interval_start=START,
        data_interval_end=START + dt.timedelta(days=1),
    )
    return {
        "dag": SimpleNamespace(dag_id="orders"),
        "run_id": run.run_id,
        "dag_run": run,
        "params": {},
        "reason": "task_failure",
        "ti": task_instance,
    }


def test_the_alert_names_feed_dates_reason_and_link(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import FailureAlert

    problem = Problem("reconcile", "RunFailed", "a.xml is quarantined: truncated")
    FailureAlert()(context_with(FakeTaskInstance([problem], {"reconcile": "failed"})))
    assert caplog.messages[-1].splitlines()[1:] == [
        "Feed:   orders",
        "Run:    scheduled__2026-03-06T05:00:00+00:00",
        "Date:   2026-03-03 to 2026-03-05",
        "Stage:  reconcile",
        "Reason: a.xml is quarantined: truncated",
        f"To do:  {ADVICE['RunFailed']}",
        "See:    https://airflow.example.org/dags/orders/runs/scheduled__2026-03-06T05%3A00%3A00%2B00%3A00",
    ]


def test_the_alert_of_housekeeping_names_the_feed(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import FailureAlert

    problem = Problem("tidy", "WarehouseUnavailable", "the warehouse does not answer", "orders")
    context = context_with(FakeTaskInstance([problem], {"tidy_0": "failed", "tidy_1": "success"}))
    FailureAlert()({**context, "dag": SimpleNamespace(dag_id="housekeeping")})
    lines = caplog.messages[-1].splitlines()
    assert "Stage:  tidy [orders]" in lines
    assert "Reason: the warehouse does not answer" in lines


def test_an_api_server_that_does_not_answer_leaves_airflows_own_word(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import FailureAlert

    class Unreachable(FakeTaskInstance):
        def xcom_pull(self, task_ids: list[str], key: str) -> list[Any]:
            raise ConnectionError

    FailureAlert()(context_with(Unreachable([], {})))
    assert "Airflow says no more than task_failure" in caplog.text


def test_the_barest_context_still_makes_an_alert(caplog: pytest.LogCaptureFixture) -> None:
    """For a run whose task instances are gone, Airflow gives the DAG and the run's id only."""
    from sluice.edge.alerting import FailureAlert

    FailureAlert()({"dag": SimpleNamespace(dag_id="gone"), "run_id": "manual__1", "reason": "timed_out"})
    assert "Sluice: gone failed in run" in caplog.text
    assert "timed_out" in caplog.text


def test_the_callback_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Airflow would count it as a fault of the DAG, on top of the failure itself."""
    from sluice.edge.alerting import FailureAlert

    FailureAlert()({})
    assert "could not be made" in caplog.text
