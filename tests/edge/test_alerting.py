"""The failure callback of a DAG: what it makes of Airflow's context, and that it never raises."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.airflow_home import PROJECT
from tests.alerts.listeners import Listener, web_server
from tests.edge.test_runs import FEED, FakeTaskInstance
from tests.edge.test_watching import connection
from tests.small_feeds import Ground

from sluice.alerts import Problem
from sluice.alerts.alert import Alert, Cause
from sluice.alerts.problems import ADVICE, GENERAL_ADVICE

RUN = "scheduled__2026-03-06T05:00:00+00:00"
START = dt.datetime(2026, 3, 5, 5, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_FEEDS", str(PROJECT / "tests" / "dags" / "feeds"))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    monkeypatch.setenv("SLUICE_WORK", "/var/sluice")
    for name in ("WEBHOOK", "EMAIL", "SLACK", "SNS"):
        monkeypatch.delenv(f"SLUICE_ALERT_{name}", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", raising=False)


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


def test_the_alert_names_feed_dates_reason_and_links(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import FailureAlert

    problem = Problem("parse", "SourceMissing", "the folder has gone", "a.xml", map_index=3)
    FailureAlert()(context_with(FakeTaskInstance([problem], {"parse_3": "failed"})))
    page = "https://airflow.example.org/dags/orders/runs/scheduled__2026-03-06T05%3A00%3A00%2B00%3A00"
    assert caplog.messages[-1].splitlines() == [
        "Sluice: orders failed in parse for 2026-03-03 to 2026-03-05",
        "Feed:       orders",
        "Run:        scheduled__2026-03-06T05:00:00+00:00",
        "Date:       2026-03-03 to 2026-03-05",
        "Stage:      parse",
        "File:       a.xml",
        "Reason:     the folder has gone",
        f"To do:      {ADVICE['SourceMissing']}",
        f"Log:        {page}/tasks/parse/mapped/3",
        f"Run page:   {page}",
    ]


def test_the_alert_of_housekeeping_names_the_feed(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import FailureAlert

    problem = Problem("tidy", "WarehouseUnavailable", "the warehouse does not answer", "orders")
    context = context_with(FakeTaskInstance([problem], {"tidy_0": "failed", "tidy_1": "success"}))
    FailureAlert()({**context, "dag": SimpleNamespace(dag_id="housekeeping")})
    lines = caplog.messages[-1].splitlines()
    assert lines[0] == "Sluice: housekeeping failed in tidy"
    assert "File:       orders" in lines
    assert "Reason:     the warehouse does not answer" in lines


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
    assert "Sluice: gone failed\n" in caplog.text
    assert GENERAL_ADVICE in caplog.text
    assert "timed_out" in caplog.text


@pytest.mark.parametrize(
    ("dag_id", "before", "is_told"),
    [("watch", "failed", False), ("watch", "success", True), ("watch", None, True), ("orders", "failed", True)],
)
def test_that_watch_fails_is_told_once_where_its_state_is_not_known(
    dag_id: str, before: str | None, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs every five minutes. Of a feed every run is told then."""
    from sluice.edge.alerting import FailureAlert

    class Earlier(FakeTaskInstance):
        def get_previous_dagrun(self) -> Any:
            return SimpleNamespace(state=before) if before else None

    problem = Problem("look", "WarehouseUnavailable", "the warehouse does not answer")
    context = context_with(Earlier([problem], {"look": "failed"}))
    with web_server() as server:
        monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", f"http://127.0.0.1:{server.port}/")
        FailureAlert()({**context, "dag": SimpleNamespace(dag_id=dag_id)})
    assert len(server.received) == int(is_told)


def test_the_callback_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Airflow would count it as a fault of the DAG, on top of the failure itself."""
    from sluice.edge.alerting import FailureAlert

    FailureAlert()({})
    assert "could not be made" in caplog.text


# -- late runs --------------------------------------------------------------------------------------------------------


def late_context(state: str) -> dict[str, Any]:
    """What Airflow tells a deadline's callback, of which more is not looked at."""
    return {"dag_run": {"dag_id": "orders", "dag_run_id": "manual__1", "state": state}, "deadline": {}}


def test_a_run_that_is_not_done_in_time_is_told(caplog: pytest.LogCaptureFixture) -> None:
    from sluice.edge.alerting import tell_late

    asyncio.run(tell_late("orders", 30, late_context("running")))
    assert "Sluice: orders is late: not done after 30 minutes\nFeed:       orders\nRun:        manual__1" in caplog.text
    assert "Run page:   https://airflow.example.org/dags/orders/runs/manual__1" in caplog.text


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_is_over_is_not_late(state: str, caplog: pytest.LogCaptureFixture) -> None:
    """Airflow keeps the deadline of a run that fails before it."""
    from sluice.edge.alerting import tell_late

    asyncio.run(tell_late("orders", 30, late_context(state)))
    assert caplog.messages == []


def test_a_backfill_is_never_late(caplog: pytest.LogCaptureFixture) -> None:
    """One of thirty days would be thirty alerts, and nobody waits for it."""
    from sluice.edge.alerting import tell_late

    context = late_context("running")
    asyncio.run(tell_late("orders", 30, {"dag_run": {**context["dag_run"], "run_type": "backfill"}}))
    assert caplog.messages == []


def test_a_late_run_that_cannot_be_told_of_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The triggerer runs it beside all else that it does."""
    from sluice.edge.alerting import tell_late

    asyncio.run(tell_late("orders", 30, {}))
    assert "could not be made" in caplog.text


def test_the_deadline_is_that_of_the_feed() -> None:
    from sluice.edge.alerting import deadline_of

    assert deadline_of(FEED) is None
    late = FEED.model_copy(update={"alerts": FEED.alerts.model_copy(update={"late_minutes": 45})})
    deadline = deadline_of(late)
    assert deadline is not None
    assert deadline.interval == dt.timedelta(minutes=45)
    assert deadline.callback.path == "sluice.edge.alerting.tell_late"
    assert deadline.callback.kwargs == {"feed": "orders", "minutes": 45}


# -- what is over -----------------------------------------------------------------------------------------------------


@pytest.fixture
def told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A warehouse in which everything of ``orders`` is open: three failures, of fetch, of a task that reads files, and
    one of replay, a gate, a limit, and a late run; and a listener for what is told from there on.
    """
    from sluice.edge.channels import desk_for

    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", connection(ground.dsn))
    causes = {
        "fetch": Cause("orders", "failed", "SourceMissing"),
        "parse": Cause("orders", "failed", "KeyError"),
        "load": Cause("orders", "failed", "replay: KeyError"),
        "": Cause("orders", "held"),
        " ": Cause("orders", "limits"),
        "late": Cause("orders", "late"),
    }
    desk_for("orders").tell(
        *(
            Alert(cause=cause, headline=f"orders {cause.kind} {cause.key}", stage=stage, run=RUN)
            for stage, cause in causes.items()
        )
    )
    with web_server() as server:
        monkeypatch.setenv("SLUICE_ALERT_WEBHOOK", f"http://127.0.0.1:{server.port}/")
        yield server


def closed(ground: Ground) -> list[tuple[str, str]]:
    return ground.sql("SELECT kind, key FROM sluice.alerts WHERE closed_at IS NOT NULL ORDER BY alert_id")


def test_a_run_that_succeeds_ends_what_runs_of_its_dag_failed_of(ground: Ground, told: Listener) -> None:
    from sluice.edge.alerting import tell_success

    tell_success(context_with(None), files=1)
    assert closed(ground) == [
        ("failed", "SourceMissing"),
        ("failed", "KeyError"),
        ("held", ""),
        ("limits", ""),
        ("late", ""),
    ]
    assert [message["subject"] for message in told.json()] == ["Sluice: orders works again"]


def test_a_run_without_files_shows_only_that_the_source_answers(ground: Ground, told: Listener) -> None:
    """Else a feed that looks every minute would be well again a minute after each broken file."""
    from sluice.edge.alerting import tell_success

    tell_success(context_with(None), files=0)
    assert closed(ground) == [("failed", "SourceMissing"), ("late", "")]


def test_a_late_run_that_succeeds_is_done(ground: Ground, told: Listener) -> None:
    from sluice.edge.alerting import tell_success

    ground.sql("UPDATE sluice.alerts SET closed_at = now() WHERE kind <> 'late'")
    tell_success({**context_with(None), "run_id": "manual__2"}, files=0)
    assert told.json() == []
    tell_success(context_with(None), files=0)
    assert [message["subject"] for message in told.json()] == ["Sluice: orders is done, late"]


def test_a_later_run_that_succeeds_ends_that_one_is_late(ground: Ground, told: Listener) -> None:
    """Of a late run that was deleted nobody hears again. A backfill, and a run that began before, show nothing."""
    from airflow.sdk.api.datamodels._generated import DagRunType

    from sluice.edge.alerting import tell_success

    ground.sql("UPDATE sluice.alerts SET closed_at = now() WHERE kind <> 'late'")
    ((before,), (after,)) = ground.sql(
        "INSERT INTO sluice.runs (feed, run_key, generation, request, started_at)"
        " SELECT 'orders', hours::text, 1, '{}', now() + make_interval(hours => hours)"
        " FROM unnest(ARRAY[-1, 1]) AS hours RETURNING run_id"
    )
    later = {**context_with(None), "run_id": "manual__2"}
    backfill = SimpleNamespace(**{**vars(later["dag_run"]), "run_type": DagRunType.BACKFILL})
    tell_success(later, before)
    tell_success({**later, "dag_run": backfill}, after)
    assert told.json() == []
    tell_success(later, after)
    assert [message["subject"] for message in told.json()] == ["Sluice: orders is no longer late"]


def test_late_runs_of_a_feed_are_one_cause(ground: Ground, told: Listener) -> None:
    """It is over with the last of them."""
    from sluice.edge.alerting import tell_late, tell_success

    ground.sql("DELETE FROM sluice.alerts")
    for number in range(3):
        run = {**late_context("running")["dag_run"], "dag_run_id": f"manual__{number}"}
        asyncio.run(tell_late("orders", 30, {"dag_run": run}))
    assert [message["run"] for message in told.json()] == ["manual__0"]
    for number in range(3):
        assert closed(ground) == []
        tell_success({**context_with(None), "run_id": f"manual__{number}"})
    assert closed(ground) == [("late", "")]


def test_a_replay_that_succeeds_ends_what_replays_failed_of(ground: Ground, told: Listener) -> None:
    from sluice.edge.alerting import tell_success

    replay = {"dag": SimpleNamespace(dag_id="replay"), "params": {"feed": "orders"}, "run_id": "manual__9"}
    tell_success({**context_with(None), **replay})
    assert closed(ground) == [("failed", "replay: KeyError")]


def test_a_run_that_fails_is_not_late_any_more(ground: Ground, told: Listener) -> None:
    """Its failure is told, and nothing else."""
    from sluice.edge.alerting import FailureAlert

    problem = Problem("fetch", "SourceMissing", "gone")
    FailureAlert()(context_with(FakeTaskInstance([problem], {"fetch": "failed"})))
    assert closed(ground) == [("late", "")]
    assert [message["kind"] for message in told.json()] == ["failed"]


def test_that_it_works_again_never_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sluice.edge.alerting import tell_drift, tell_success

    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_WAREHOUSE", "postgres://nobody@127.0.0.1:9/nothing")
    tell_success(context_with(None))
    tell_drift(context_with(None), 1)
    tell_success({})  # type: ignore[typeddict-item]
    assert len(caplog.messages) == 3
