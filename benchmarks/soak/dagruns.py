"""DAG runs as Airflow drives them: which task is next, what is tried again, and what a person clears.

    fetch ─▶ split ─▶ [ parse ─▶ validate ─▶ load ] ─▶ reconcile

A task has up to four tries; one that fails for good, or whose upstream did, lets only reconcile go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.soak.tasks import Ended
from benchmarks.soak.world import Shape

from sluice.records import RunRequest

TRIES = 4
BATCH_STAGES = ("parse", "validate", "load")


@dataclass
class Task:
    """A task instance. ``state``: waiting, running, done, failed or upstream_failed.

    ``may_miss_files`` says that nothing is wrong if its work files are gone: the run was reconciled, or another
    instance of the same task has finished its work.
    """

    run: DagRun
    stage: str
    number: int = 0
    state: str = "waiting"
    tries: int = 0
    clears: int = 0
    may_miss_files: bool = False

    @property
    def name(self) -> str:
        return f"{self.run.name}/{self.stage}" + (f"[{self.number}]" if self.stage in BATCH_STAGES else "")

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "upstream_failed")

    def clear(self) -> None:
        self.state, self.tries, self.clears = "waiting", 0, self.clears + 1

    def take(self, ended: Ended) -> None:
        """Airflow's decision about a try that has ended."""
        if ended.is_ok:
            self.state = "done"
        elif (ended.signal or ended.is_transient) and self.tries < TRIES:
            self.state = "waiting"
        else:
            self.state = "failed"


@dataclass
class DagRun:
    """A run of a feed's DAG. ``is_relaxed`` where its tasks run twice at once, or are cleared in any order."""

    name: str
    shape: Shape
    request: RunRequest
    is_relaxed: bool = False
    run_id: int = 0
    tasks: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tasks = [Task(self, "fetch")]
        self._free: list[Task] = []

    def ready(self) -> Iterator[Task]:
        """The tasks that could start now."""
        self._settle()
        for task in self.tasks:
            if task.state == "waiting" and self._may_start(task):
                yield task

    @property
    def is_over(self) -> bool:
        self._settle()
        if not all(task.is_over for task in self.tasks):
            return False
        return self.tasks[0].state == "failed" or any(task.stage == "reconcile" for task in self.tasks)

    def take(self, task: Task, ended: Ended) -> None:
        task.take(ended)
        if task.state != "done":
            return
        if task.stage == "fetch":
            self.run_id = ended.answer["run_id"]
            self._add("split")
        elif task.stage == "split":
            known = {one.number for one in self.tasks if one.stage == "parse"}
            for number in ended.answer["batches"]:
                if number not in known:
                    self.tasks += [Task(self, stage, number) for stage in BATCH_STAGES]

    def clear(self, stage: str, number: int, *, downstream: bool) -> None:
        """Clear a task, as a person does in the UI, with or without those after it in its batch."""
        stages = BATCH_STAGES[BATCH_STAGES.index(stage) :] if downstream else (stage,)
        for task in self.tasks:
            if task.number == number and task.stage in stages:
                task.clear()
                task.may_miss_files = True
                if not downstream:
                    self._free.append(task)
        self._again("reconcile")

    def clear_from_split(self) -> None:
        for task in self.tasks:
            if task.stage in ("split", *BATCH_STAGES):
                task.clear()
                task.may_miss_files = True
        self._again("reconcile")

    def clear_failed(self) -> None:
        """Clear what failed for good, and all that waited for it."""
        failed = [
            task for task in self.tasks if task.state in ("failed", "upstream_failed") and task.stage != "reconcile"
        ]
        for task in failed:
            task.clear()
            task.may_miss_files = True
        if failed:
            self._again("reconcile")

    def clear_reconcile(self) -> None:
        self._again("reconcile")

    @property
    def numbers(self) -> list[int]:
        return [task.number for task in self.tasks if task.stage == "parse"]

    def _again(self, stage: str) -> None:
        for task in self.tasks:
            if task.stage == stage:
                task.clear()

    def _add(self, stage: str) -> None:
        if not any(task.stage == stage for task in self.tasks):
            self.tasks.append(Task(self, stage))

    def _settle(self) -> None:
        """Pass on failures, and add reconcile, which runs whatever became of the others."""
        for task in self.tasks:
            is_bound = task.state == "waiting" and task.stage != "reconcile" and task not in self._free
            if is_bound and any(one.state in ("failed", "upstream_failed") for one in self._upstream(task)):
                task.state = "upstream_failed"
        others = [task for task in self.tasks if task.stage != "reconcile"]
        if len(others) > 1 and all(task.is_over for task in others):
            self._add("reconcile")

    def _may_start(self, task: Task) -> bool:
        if task in self._free:
            return True
        return all(one.is_over if task.stage == "reconcile" else one.state == "done" for one in self._upstream(task))

    def _upstream(self, task: Task) -> list[Task]:
        if task.stage == "reconcile":
            return [one for one in self.tasks if one.stage != "reconcile"]
        before = {"split": "fetch", "parse": "split", "validate": "parse", "load": "validate"}.get(task.stage)
        return [
            one
            for one in self.tasks
            if one.stage == before and (before in ("fetch", "split") or one.number == task.number)
        ]
