"""A soak: world after world, until the time is over or something is wrong."""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.check import Findings
from benchmarks.soak.database import Database
from benchmarks.soak.driving import Driver, Tally
from benchmarks.soak.outages import mount_small_disk, unmount
from benchmarks.soak.plan import EveryKind, Planner
from benchmarks.soak.rounds import Ground, Rounds
from benchmarks.soak.tasks import small_cuts
from benchmarks.soak.world import SHAPES, Shape, World

ROUNDS_PER_WORLD = 8
_DISK_MEGABYTES = 64


@dataclass
class Result:
    """What a soak came to."""

    seed: str
    seconds: float = 0.0
    worlds: int = 0
    rounds: int = 0
    tally: Tally = field(default_factory=Tally)
    records: int = 0
    rows: int = 0
    findings: Findings = field(default_factory=Findings)
    kept: str = ""


class Soak:
    """``say`` gets a line for each round. With ``until``, which ends it earlier, every kind of fault comes soon.

    A world that differs from its model is left as it is, with its database running, unless ``keeps`` is false.
    """

    def __init__(
        self,
        seed: str,
        seconds: float,
        say: Callable[[str], object] = print,
        *,
        shapes: tuple[Shape, ...] = SHAPES,
        until: Callable[[Result], bool] | None = None,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._seconds, self._say, self._shapes, self._until = seconds, say, shapes, until
        self._result = Result(seed)
        self._root = Path(tempfile.mkdtemp(prefix="sluice-soak-"))
        self._disk = self._root / "disk"

    def run(self) -> Result:
        result, started = self._result, time.monotonic()
        has_disk = mount_small_disk(self._disk, _DISK_MEGABYTES)
        database = Database()
        keeps = self._keeps
        try:
            with small_cuts():
                planner = self._calibrate(database)
                while result.findings.is_clean and not self._is_over(started):
                    result.worlds += 1
                    self._live_through(database, planner, started, has_disk)
            keeps = keeps and not result.findings.is_clean
        except KeyboardInterrupt:
            keeps = False
            raise
        finally:
            gc.unfreeze()
            result.seconds = time.monotonic() - started
            self._clean_up(database, has_disk, keeps=keeps)
        return result

    def _is_over(self, started: float) -> bool:
        is_late = time.monotonic() - started > self._seconds
        return is_late or (self._until is not None and self._until(self._result))

    def _calibrate(self, database: Database) -> Planner:
        """A round without faults, to learn how many boundaries the tasks have, and how long they take."""
        world, ground = self._make_world(database, "calibration", has_disk=False)
        rounds = Rounds(world, ground, None, Tally())
        rounds.warm_up()
        findings, driver = rounds.play()
        self._say(
            f"tasks take {', '.join(f'{stage} {value:.2f}' for stage, value in driver.seconds.items())} s at most"
        )
        if not findings.is_clean:
            raise AssertionError("without any fault: " + "\n".join(findings.details))
        if self._until is None:
            return Planner(self._result.seed, driver.counts, driver.seconds)
        return EveryKind(self._result.seed, driver.counts, driver.seconds, self._result.tally.faults)

    def _make_world(self, database: Database, name: str, *, has_disk: bool) -> tuple[World, Ground]:
        root = self._root / name
        root.mkdir()
        database.server.create_database(name)
        disk = self._disk if has_disk else None
        ground = Ground(database, database.server.dsn(name), root, (disk or root) / "work", disk, self._shapes)
        return World(f"{self._result.seed}/{name}", ground.landing, self._shapes), ground

    def _live_through(self, database: Database, planner: Planner, started: float, has_disk: bool) -> None:
        """The rounds of one world. One that is clean is removed."""
        result = self._result
        name = f"world{result.worlds}"
        world, ground = self._make_world(database, name, has_disk=has_disk)
        rounds = Rounds(world, ground, planner, result.tally, has_all=self._until is not None)
        for number in range(1, ROUNDS_PER_WORLD + 1):
            if self._is_over(started):
                break
            findings, driver = rounds.play()
            self._add(findings, number, driver)
            if not findings.is_clean:
                return
        shutil.rmtree(ground.root)
        shutil.rmtree(ground.work, ignore_errors=True)

    def _add(self, findings: Findings, number: int, driver: Driver) -> None:
        result = self._result
        result.rounds += 1
        result.rows += findings.rows
        result.records += findings.records
        result.findings = findings
        done = f"{result.tally.tasks:,} tasks, {result.tally.faults.total():,} faults"
        compared = f"{findings.records:,} records, {findings.rows:,} rows compared"
        wrong = f"{findings.lost} lost, {findings.doubled} doubled, {findings.unexplained} unexplained"
        self._say(f"world {result.worlds}, round {number}: {done}; {compared}: {wrong}")

    def _clean_up(self, database: Database, has_disk: bool, *, keeps: bool) -> None:
        if keeps:
            self._result.kept = f"{self._root}; the database listens at {database.server.dsn('postgres')}"
            return
        database.close()
        if has_disk:
            unmount(self._disk)
        shutil.rmtree(self._root, ignore_errors=True)
