"""What Airflow knows of a run: the request, and the problems of its tasks."""

import datetime as dt
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from sluice.alerts import Problem
from sluice.feed.model import Feed

FEED = Feed.model_validate(
    {
        "feed": "orders",
        "source": {"uri": "/landing/{date:%Y-%m-%d}/*.xml"},
        "tables": {"orders": {"record": "/Orders/Order", "columns": {"id": "@id"}}},
    }
)
STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")


class FakeTaskInstance:
    """What a task instance answers in a task and in the DAG processor: XComs and states."""

    dag_id = "orders"
    run_id = "manual__1"

    def __init__(self, problems: list[Problem], states: dict[str, str]) -> None:
        self.problems = problems
        self.states = states

    def xcom_pull(self, task_ids: list[str], key: str) -> list[Any]:
        assert key == "problem"
        # Airflow answers [None] where there is nothing
        return [asdict(problem) for problem in self.problems if problem.stage in task_ids] or [None]

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {self.run_id: self.states} if self.states else {}


def problems_of(problems: list[Problem], states: dict[str, str]) -> list[Problem]:
    from sluice.edge import runs

    return runs.problems_of({"ti": FakeTaskInstance(problems, states)}, STAGES)  # type: ignore[typeddict-item]


def test_the_request_is_made_of_the_dag_run() -> None:
    """All facts of Airflow's run arrive, the clear number as part of the run's key."""
    from airflow.sdk.api.datamodels._generated import DagRunType

    from sluice.edge.runs import request_of

    start = dt.datetime(2026, 3, 5, tzinfo=dt.UTC)
    run = SimpleNamespace(
        run_id="backfill__1",
        run_type=DagRunType.BACKFILL,
        run_after=start,
        clear_number=2,
        logical_date=start,
        data_interval_start=start,
        data_interval_end=start + dt.timedelta(days=1),
    )
    dag = SimpleNamespace(dag_id=FEED.feed)
    request = request_of(FEED, {"dag": dag, "dag_run": run, "params": {"reload": "all"}})  # type: ignore[typeddict-item]
    assert (request.run_key, str(request.date_from), request.reload) == ("backfill__1#2", "2026-03-05", "all")


def test_problems_come_in_the_order_of_the_stages() -> None:
    told = [Problem("reconcile", "RunFailed", "a"), Problem("parse", "KeyError", "b", "x.xml")]
    found = problems_of(told, {"parse_0": "failed", "parse_1": "success", "reconcile": "failed"})
    assert found == [told[1], told[0]]


def test_a_task_that_failed_without_a_word_was_killed() -> None:
    """Nobody can tell of its own death; the others of its stage may have told of theirs."""
    told = [Problem("parse", "KeyError", "b", "x.xml")]
    found = problems_of(told, {"parse_0": "failed", "parse_1": "failed", "load_1": "upstream_failed"})
    assert [(problem.stage, problem.kind) for problem in found] == [("parse", "KeyError"), ("parse", "WorkerDied")]
    assert found[1].reason.startswith("1 task(s)")


def test_a_run_without_problems_has_none() -> None:
    assert problems_of([], {"fetch": "success", "reconcile": "running"}) == []


def test_without_a_task_instance_nothing_is_known() -> None:
    """Airflow gives a DAG's callback none where the run never had one."""
    from sluice.edge import runs

    assert runs.problems_of({}, STAGES) == []
