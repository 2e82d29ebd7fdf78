"""What Airflow knows of a run, in the words of Sluice: its request, and the problems of its tasks.

A task that fails leaves word of its problem in the XCom ``problem``, since a DAG's failure callback is not told the
exception, and may be the only one that is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from airflow.sdk import Context

from sluice.alerts import Problem
from sluice.dates import DagRunFacts, replay_request, run_request
from sluice.feed.model import Feed
from sluice.records import RunRequest

STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")
TIDY = "tidy"  # the task of the DAG housekeeping
WATCH, LOOK = "watch", "look"  # the DAG that looks for what no run can tell of, and its task
OWN_TASKS = (TIDY, LOOK)
REPLAY = "replay"  # the DAG that serves all feeds; its form says which
PROBLEM_KEY = "problem"


def feed_of(context: Context) -> str:
    """The feed that a run is about."""
    dag_id = context["dag"].dag_id
    return str(context["params"]["feed"]) if dag_id == REPLAY else dag_id


def request_of(feed: Feed, context: Context) -> RunRequest:
    run = context["dag_run"]
    facts = DagRunFacts(
        dag_run_id=run.run_id,
        run_type=run.run_type.value,
        run_after=run.run_after,
        clear_number=run.clear_number or 0,
        logical_date=run.logical_date,
        interval_start=run.data_interval_start,
        interval_end=run.data_interval_end,
    )
    make = replay_request if context["dag"].dag_id == REPLAY else run_request
    return make(feed, facts, context["params"])


def leave_word(context: Context, problem: Problem) -> None:
    """Keep ``problem`` for the tasks after this one and for the alert."""
    ti = context["ti"]
    map_index = getattr(ti, "map_index", None)
    ti.xcom_push(key=PROBLEM_KEY, value=asdict(replace(problem, map_index=-1 if map_index is None else map_index)))


def problems_of(context: Context, stages: tuple[str, ...]) -> list[Problem]:
    """What the failed tasks of the run left word of, in the order of stages; a task that left none was killed."""
    ti = context.get("ti")
    if ti is None:
        return []
    states: Mapping[str, Any] = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    problems = []
    for stage in stages:
        told = [Problem.from_json(word) for word in ti.xcom_pull(task_ids=[stage], key=PROBLEM_KEY) if word]
        problems += told
        # mapped tasks are named <task id>_<map index>
        failed = [name for name, state in states.items() if state == "failed" and name.split("_")[0] == stage]
        if len(failed) > len(told):
            reason = f"{len(failed) - len(told)} task(s) ended without a word: killed, or out of memory"
            problems.append(Problem(stage, "WorkerDied", reason))
    return problems
