"""Drives DAG runs to their end, two tasks at once, through the faults that are planned for them."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.dagruns import DagRun, Task
from benchmarks.soak.faults import Fault
from benchmarks.soak.outages import Outage
from benchmarks.soak.plan import Outside, Planner
from benchmarks.soak.tasks import Call, Ended, Process

SLOTS = 2
_LONGEST_SECONDS = 120.0
_POLL_SECONDS = 0.003


@dataclass
class Tally:
    """What was done, what struck, and what nobody can explain."""

    tasks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    failed_tasks: int = 0
    story: list[str] = field(default_factory=list)

    def strike(self, kind: str, where: str) -> None:
        self.faults[kind] += 1
        self.story.append(f"{kind}: {where}")


@dataclass
class _Try:
    task: Task
    number: int
    process: Process
    outside: Outside | None
    is_zombie: bool = False
    is_paused: bool = False
    was_killed: bool = False
    told_to_end: bool = False


class Driver:
    """``call_of`` makes the call of a task; ``planner`` is None where nothing is to go wrong."""

    def __init__(
        self,
        call_of: Callable[[Task], Call],
        planner: Planner | None,
        outages: Sequence[Outage],
        tally: Tally,
        log: Path,
    ) -> None:
        self._call_of, self._planner, self._outages = call_of, planner, list(outages)
        self._tally, self._log = tally, log
        self._tries: list[_Try] = []
        self.counts: dict[str, Counter[str]] = {}
        self.seconds: dict[str, float] = {}

    def drive(self, runs: Sequence[DagRun], order: random.Random, on_end: Callable[[Task], None] | None = None) -> None:
        """Until every run has ended; ``on_end`` is told of each task that has."""
        while True:
            self._start_ready(runs, order)
            for one in list(self._tries):
                self._look_at(one, on_end)
            for outage in self._outages:
                outage.turn([one.task.stage for one in self._tries if not one.is_paused])
            if not self._tries and not any(True for run in runs for _ in run.ready()):
                if not all(run.is_over for run in runs):
                    raise AssertionError(
                        f"nothing can start: {[t for run in runs for t in run.tasks if not t.is_over]}"
                    )
                break
            time.sleep(_POLL_SECONDS)
        for outage in self._outages:
            outage.end(self._tally)

    def stop_tries_of(self, task: Task) -> None:
        """End what runs of a task, as Airflow does with one that is cleared."""
        for one in self._tries:
            if one.task is task and one.process.send(signal.SIGKILL):
                one.is_zombie = one.was_killed = True

    def _start_ready(self, runs: Sequence[DagRun], order: random.Random) -> None:
        while sum(not one.is_paused for one in self._tries) < SLOTS:
            ready = [task for run in runs for task in run.ready()]
            if not ready:
                return
            self._start(order.choice(ready))

    def _start(self, task: Task) -> None:
        task.state, task.tries = "running", task.tries + 1
        self._tally.tasks += 1
        fault = self._planner.plan(f"{task.name}/{task.clears}", task.stage, task.tries) if self._planner else None
        within, outside = (fault, None) if isinstance(fault, Fault) else (None, fault)
        self._tries.append(_Try(task, task.tries, Process(self._call_of(task), within, self._log), outside))

    def _look_at(self, one: _Try, on_end: Callable[[Task], None] | None) -> None:
        ended = one.process.poll()
        if ended is None:
            self._attack(one)
            if one.process.seconds > _LONGEST_SECONDS and not one.told_to_end:
                one.told_to_end = one.process.send(signal.SIGUSR1)
                time.sleep(0.5)
                one.process.send(signal.SIGKILL)
                self._tally.unexplained.append(f"{one.task.name} did not end within {_LONGEST_SECONDS:.0f} s")
            return
        self._tries.remove(one)
        self._judge(one, ended)
        if one.is_zombie:
            return
        one.task.run.take(one.task, ended)
        self._tally.failed_tasks += one.task.state == "failed"
        if on_end is not None:
            on_end(one.task)

    # -- faults from outside --------------------------------------------------------------------------------------

    def _attack(self, one: _Try) -> None:
        outside, seconds = one.outside, one.process.seconds
        if outside is None or seconds < outside.after:
            return
        if outside.kind == "kill at random":
            one.was_killed = one.process.send(signal.SIGKILL)
            one.outside = None
        elif outside.kind == "disconnect at random":
            for outage in self._outages:
                outage.disconnect()
            one.outside = None
        elif not one.is_paused:
            self._pause(one)
        elif seconds >= outside.after + outside.lasts:
            one.process.send(signal.SIGCONT)
            one.is_paused, one.outside = False, None

    def _pause(self, one: _Try) -> None:
        """A worker that is silent for too long: Airflow tries the task again, while the old try wakes up later."""
        one.is_paused = one.process.send(signal.SIGSTOP)
        if one.is_paused and not one.is_zombie:
            self._tally.strike("pause at random", one.task.name)
            one.is_zombie = one.task.run.is_relaxed = True
            one.task.state = "waiting" if one.task.tries < 4 else "failed"

    # -- was that to be expected? ---------------------------------------------------------------------------------

    def _judge(self, one: _Try, ended: Ended) -> None:
        name = f"{one.task.name}, try {one.number}"
        if ended.struck:
            self._tally.strike(ended.struck, name)
        if ended.is_ok:
            counts = self.counts.setdefault(one.task.stage, Counter())
            counts |= Counter(ended.counts)
            self.seconds[one.task.stage] = max(self.seconds.get(one.task.stage, 0.0), one.process.seconds)
        elif ended.signal == signal.SIGKILL and one.was_killed and not ended.struck:
            self._tally.strike("kill at random", name)
        elif not ended.struck and not self._is_expected(one, ended):
            self._tally.unexplained.append(f"{name}: {ended.error or f'signal {ended.signal}'}")

    def _is_expected(self, one: _Try, ended: Ended) -> bool:
        if one.told_to_end:
            return True  # noted already
        struck = [outage for outage in self._outages if outage.explains(one.process.started, ended)]
        if struck:
            return True
        run = one.task.run
        if ended.error.startswith(("WorkFilesGone", "PermanentError")) and "clear" in ended.error:
            return run.is_relaxed or one.task.may_miss_files
        if ended.error.startswith("WorkFilesUnavailable") and "No such file" in ended.error:
            # a reconcile that another try had made possible has removed the folder; Airflow tries again
            return ended.is_transient and (run.is_relaxed or one.task.may_miss_files)
        if ended.error.startswith("RunFailed") and "parts were not loaded" in ended.error:
            return run.is_relaxed or any(task.state in ("failed", "upstream_failed") for task in run.tasks)
        return False
