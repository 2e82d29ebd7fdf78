"""Following runs of several DAGs until they have ended: one live line per DAG, or plain lines where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sluice.stack.api import AirflowApi
from sluice.stack.home import StackError
from sluice.stack.processes import is_running, tail
from sluice.stack.running import AIRFLOW_NAMES, Stack

# each look costs Airflow some tenths of a second, which the tasks then lack
POLL_SECONDS = 2.0
ACTIVE = ("queued", "running")
STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")
# mapped over batches; the others are one task each
BATCHED = STAGES[2:5]
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the followed runs of one DAG are."""

    dag_id: str
    ended: int
    runs: int
    stage: str = ""
    batches_ended: int = 0
    batches: int = 0

    @property
    def is_over(self) -> bool:
        return self.ended == self.runs

    def words(self) -> tuple[str, str, str]:
        """(runs, stage, batches), for a person to read."""
        runs = f"run {min(self.ended + 1, self.runs)} of {self.runs}"
        if self.is_over:
            return f"{self.runs} run{'s' if self.runs > 1 else ''} done", "", ""
        return runs, self.stage or "waiting", f"{self.batches_ended} of {self.batches} batches" if self.batches else ""


def follow(stack: Stack, started: Mapping[str, Sequence[str]], console: Console) -> dict[str, dict[str, str]]:
    """Wait for the ``started`` runs of each DAG, and for those that the scheduler begins meanwhile.

    Answers with the state of each run by its id, per DAG. StackError if a component of Airflow ends before they do.
    """
    api = stack.api
    followed: dict[str, dict[str, str]] = {dag_id: dict.fromkeys(runs, "queued") for dag_id, runs in started.items()}
    shown: dict[str, tuple[str, ...]] = {}
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            progress = [_look(api, dag_id, states) for dag_id, states in followed.items()]
            if console.is_terminal:
                live.update(_as_table(progress))
            else:
                _print_news(progress, shown, console)
            if all(item.is_over for item in progress):
                return followed
            _check_alive(stack)
            time.sleep(POLL_SECONDS)


def _look(api: AirflowApi, dag_id: str, states: dict[str, str]) -> Progress:
    """How far the runs are; brings ``states`` up to date and adds runs that the scheduler has begun."""
    for run in api.runs(dag_id):
        if run["dag_run_id"] in states or run["state"] in ACTIVE:
            states[run["dag_run_id"]] = run["state"]
    running = [run_id for run_id, state in states.items() if state == "running"]
    tasks = [task for run_id in running for task in api.task_instances(dag_id, run_id)]
    batches = [task for task in tasks if task["task_id"] in BATCHED and task["map_index"] >= 0]
    return Progress(
        dag_id,
        ended=sum(state not in ACTIVE for state in states.values()),
        runs=len(states),
        stage=_stage(tasks),
        batches_ended=sum(task["task_id"] == "load" and task["state"] in ENDED for task in batches),
        batches=sum(task["task_id"] == "load" for task in batches),
    )


def _stage(tasks: Sequence[Mapping[str, Any]]) -> str:
    """The earliest stage that still has work, of all the runs together."""
    open_stages = {task["task_id"] for task in tasks if task["state"] not in ENDED}
    return next((stage for stage in STAGES if stage in open_stages), "")


def _as_table(progress: Sequence[Progress]) -> Table:
    table = Table.grid(padding=(0, 3))
    for item in progress:
        table.add_row(item.dag_id, *item.words(), style="green" if item.is_over else "")
    return table


def _print_news(progress: Sequence[Progress], shown: dict[str, tuple[str, ...]], console: Console) -> None:
    for item in progress:
        words = item.words()
        if shown.get(item.dag_id) != words:
            console.print(f"{item.dag_id}: {', '.join(filter(None, words))}")
        shown[item.dag_id] = words


def _check_alive(stack: Stack) -> None:
    for name in AIRFLOW_NAMES:
        if not is_running(stack.home, name):
            raise StackError(f"{name} stopped. The end of its log:\n{tail(stack.home, name)}")
