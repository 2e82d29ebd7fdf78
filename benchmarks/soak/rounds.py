"""One round of a world: files arrive, runs go through their faults, people clear tasks; then all of it is compared."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from benchmarks.soak import check
from benchmarks.soak.check import Findings
from benchmarks.soak.dagruns import BATCH_STAGES, DagRun, Task
from benchmarks.soak.database import Database
from benchmarks.soak.driving import Driver, Tally
from benchmarks.soak.model import expect
from benchmarks.soak.outages import plan_outages
from benchmarks.soak.plan import Planner
from benchmarks.soak.tasks import Call, Ended, freeze
from benchmarks.soak.world import DAYS, TODAY, Shape, World

from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.records import RunRequest, Selection


@dataclass(frozen=True)
class Ground:
    """Where a world lives: its database, its folders (``disk`` is the small disk that ``work`` lies on, if it does)."""

    database: Database
    dsn: str
    root: Path
    work: Path
    disk: Path | None
    shapes: tuple[Shape, ...]

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def log(self) -> Path:
        return self.root / "tasks.log"

    def declare(self, *, is_healed: bool = False) -> dict[str, Feed]:
        """Make the landing folder, and write and load the feeds."""
        feeds = {}
        for shape in self.shapes:
            (self.landing / shape.name).mkdir(parents=True, exist_ok=True)
            folder = self.root / "feeds" / shape.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "feed.yaml").write_text(shape.declaration(self.landing, is_healed=is_healed))
            feeds[shape.name] = load_feed(folder)
        return feeds


class Rounds:
    """The rounds of a world, one after the other. ``planner`` is None for one without faults.

    With ``has_all`` nothing is left to chance: in every round something else goes on beside each feed's daily run.
    """

    def __init__(
        self, world: World, ground: Ground, planner: Planner | None, tally: Tally, *, has_all: bool = False
    ) -> None:
        self._world, self._ground, self._planner, self._tally = world, ground, planner, tally
        self._has_all = has_all
        self._is_healed = False
        self._feeds = ground.declare()
        self._number = self._turn = 0
        self._runs: list[DagRun] = []

    def warm_up(self) -> None:
        """Run each stage of a feed in this process, so that its children have all that it needs."""
        self._name, self._pick = self._world.seed, random.Random(self._world.seed)
        self._world.arrive()
        for shape in self._ground.shapes:
            run = self._run(shape, "warm up", DAYS[0], TODAY)
            while not run.is_over:
                for task in list(run.ready()):
                    run.take(task, Ended(is_ok=True, answer=self._call_of(task).run()))
        freeze()

    def play(self) -> tuple[Findings, Driver]:
        """Play the next round; what the comparison found, and the driver that knows the counts of its tasks."""
        self._number += 1
        self._name = f"{self._world.seed}/{self._number}"
        # Which task is next depends on timing; what is planned must not, so that a seed repeats it.
        self._pick, self._order = random.Random(self._name), random.Random(f"{self._name}/order")
        repeats = self._world.repeats
        self._world.arrive()
        for _ in range(self._world.repeats - repeats):
            self._tally.strike("same file twice", self._name)
        if self._planner and self._number >= 2 and not self._is_healed:
            self._is_healed = True
            self._feeds = self._ground.declare(is_healed=True)
        driver = self._driver(self._planner)
        self._runs = list(self._plan_runs()) if self._planner else []
        driver.drive(self._runs, self._order, self._clear_while_running)
        if self._planner:
            self._runs += self._clear_by_hand()
            driver.drive(self._runs, self._order)
        calm = self._driver(None)
        for run in self._runs:
            run.clear_failed()
        calm.drive(self._runs, self._order)
        closing = [self._run(shape, "closing", DAYS[0], TODAY) for shape in self._ground.shapes]
        calm.drive(closing, self._order)
        if self._is_healed:
            replays = [self._replay(shape, "last replay") for shape in self._ground.shapes]
            calm.drive(replays, self._order)
            closing += replays
        return self._compare(calm, closing), calm

    def _driver(self, planner: Planner | None) -> Driver:
        ground, outages = self._ground, []
        if planner:
            outages = plan_outages(self._pick, ground.database, ground.dsn, ground.disk, planner.seconds, self._has_all)
        self._the_driver = Driver(self._call_of, planner, outages, self._tally, ground.log)
        return self._the_driver

    def _call_of(self, task: Task) -> Call:
        run = task.run
        return Call(
            task.stage,
            self._feeds[run.shape.name],
            self._ground.dsn,
            self._ground.work,
            run.request,
            run.run_id,
            task.number,
        )

    # -- runs -----------------------------------------------------------------------------------------------------

    def _run(self, shape: Shape, name: str, first: dt.date, last: dt.date, **options: object) -> DagRun:
        key = f"{self._name}/{shape.name}/{name}"
        request = RunRequest(shape.name, key, first, last, batch_mb=self._pick.choice((None, None, 1, 2, 8)))
        return DagRun(key, shape, replace(request, **options))  # type: ignore[arg-type]

    def _replay(self, shape: Shape, name: str) -> DagRun:
        return self._run(shape, name, DAYS[0], TODAY, reload="replay", selection=Selection())

    def _plan_runs(self) -> Iterator[DagRun]:
        """Each feed's daily run, and what may go on beside it."""
        for place, shape in enumerate(self._ground.shapes):
            self._turn = place
            daily = self._run(shape, "daily", DAYS[2], TODAY)
            if self._happens(0.3, 0):
                daily.is_relaxed = True
                yield DagRun(f"{daily.name} again", shape, daily.request, is_relaxed=True)
                self._tally.strike("same run twice at once", daily.name)
            yield daily
            if self._happens(0.5, 1):
                day = self._pick.choice(DAYS)
                yield self._run(shape, f"backfill of {day}", day, day)
                self._tally.strike("backfill beside daily run", daily.name)
            if self._happens(0.3, 2):
                yield self._run(shape, "early closing", DAYS[0], TODAY)
                self._tally.strike("overlapping runs", daily.name)
            if self._happens(0.25, 3):
                day = self._pick.choice(DAYS)
                yield self._run(shape, f"reload of {day}", day, day, reload="all")
                self._tally.strike("reload beside daily run", daily.name)
            if self._number > 1 and (self._has_all or self._pick.random() < 0.4):
                yield from (self._replay(shape, f"replay {number}") for number in range(self._pick.randint(1, 2)))
                self._tally.strike("replay beside daily run", daily.name)

    def _happens(self, share: float, turn: int) -> bool:
        """With a chance of ``share``; where nothing is left to chance, for every fourth feed from ``turn`` on."""
        return self._turn % 4 == turn if self._has_all else self._pick.random() < share

    # -- people ---------------------------------------------------------------------------------------------------

    def _clear_while_running(self, task: Task) -> None:
        """Now and then somebody clears a batch that is being worked on; what runs of it is ended."""
        pick = random.Random(f"{task.name}/{task.clears}/{task.tries}/clear")
        if (
            self._planner is None
            or task.stage not in ("parse", "validate")
            or pick.random() > (0.3 if self._has_all else 0.04)
        ):
            return
        for one in task.run.tasks:
            if one.number == task.number and one.stage in BATCH_STAGES and one.state == "running":
                self._the_driver.stop_tries_of(one)
        task.run.clear("parse", task.number, downstream=True)
        task.run.is_relaxed = True
        self._tally.strike("batch cleared while running", task.name)

    def _clear_by_hand(self) -> list[DagRun]:
        """After their end, runs are cleared: a batch, some tasks in any order, from split on, or whole."""
        more = []
        kinds = ("batch", "any order", "split", "whole", *(() if self._has_all else ("none", "none")))
        for place, run in enumerate(self._runs):
            kind = kinds[place % len(kinds)] if self._has_all else self._pick.choice(kinds)
            if kind == "none" or not run.run_id or not run.numbers:
                continue
            if kind == "batch":
                stage = self._pick.choice(BATCH_STAGES)
                run.clear(stage, self._pick.choice(run.numbers), downstream=True)
            elif kind == "any order":
                for _ in range(self._pick.randint(1, 5)):
                    run.clear(self._pick.choice(BATCH_STAGES), self._pick.choice(run.numbers), downstream=False)
            elif kind == "split":
                run.clear_from_split()
            else:
                more.append(DagRun(f"{run.name} cleared", run.shape, replace(run.request, run_key=f"{run.name}#1")))
            run.is_relaxed = run.is_relaxed or kind in ("any order", "split")
            self._tally.strike(f"cleared after the run: {kind}", run.name)
        return more

    # -- what came of it ------------------------------------------------------------------------------------------

    def _compare(self, calm: Driver, closing: list[DagRun]) -> Findings:
        findings = Findings()
        with psycopg.connect(self._ground.dsn, autocommit=True) as connection:
            _wait_for_quiet(connection)
            before = check.read_runs(connection)
            # Who reconciles a run once more gets the same answer; a run that lacked parts is now complete.
            for run in [*self._runs, *closing]:
                run.clear_reconcile()
            calm.drive([run for run in [*self._runs, *closing] if run.run_id], self._order)
            after = check.read_runs(connection)
            for run_id, totals in before.items():
                if after.get(run_id) != totals:
                    findings.add_unexplained(f"run {run_id} had the totals {totals}, and then {after.get(run_id)}")
            _wait_for_quiet(connection)
            for shape in self._ground.shapes:
                arrivals = [one for one in self._world.arrived.values() if one.feed == shape.name]
                root = f"file://{self._ground.landing}/"
                expected = expect(shape, arrivals, root, is_healed=self._is_healed)
                check.check_feed(connection, shape, expected, findings)
            check.check_books(connection, findings)
        check.check_folder(self._ground.work, findings)
        for what in self._tally.unexplained:
            findings.add_unexplained(what)
        return findings


def _wait_for_quiet(connection: psycopg.Connection) -> None:
    """A killed task's server process may need a moment to notice."""
    deadline = time.monotonic() + 20
    statement = """SELECT count(*) FROM pg_stat_activity
        WHERE application_name LIKE 'sluice%' AND datname = current_database()"""
    while time.monotonic() < deadline:
        if connection.execute(statement.encode()).fetchone() == (0,):
            return
        time.sleep(0.02)
