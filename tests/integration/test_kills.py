"""Exactly once on a real Airflow: tasks are killed, runs doubled, a backfill goes on beside them, tasks are cleared."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from benchmarks.soak import check
from benchmarks.soak.check import Findings
from benchmarks.soak.model import expect
from benchmarks.soak.world import DAYS, SHAPES, Arrival, Record, Shape, World

from sluice.stack.api import AirflowApi
from sluice.stack.home import Home
from sluice.stack.processes import wait_until
from sluice.stack.running import AIRFLOW_NAMES, Stack, down, up

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.xdist_group("stack")]

PROJECT = Path(__file__).parents[2]
# one without a key, one with deletes; without a gate, which takes its time and has tests of its own
FEEDS = tuple(shape for shape in SHAPES if shape.name in ("readings", "changes"))
BACKFILLED = DAYS[:2]
SCHEDULE = "\nschedule: {cron: 0 6 * * *, start: 2026-03-01}\n"
# What Airflow calls the process of a task: the id of the task instance, new with each try.
TASK_TITLE = re.compile(r"airflow worker -- ([0-9a-f-]{36})")
SECONDS = 300


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two feeds with files of two days, and where they lie."""
    root = tmp_path_factory.mktemp("world")
    world = World("kills", root / "landing", FEEDS, BACKFILLED)
    for shape in FEEDS:
        (world.landing / shape.name).mkdir(parents=True)
        folder = root / "feeds" / shape.name
        folder.mkdir(parents=True)
        (folder / "feed.yaml").write_text(shape.declaration(world.landing) + SCHEDULE)
    return world


@pytest.fixture(scope="module")
def stack(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own that knows these feeds only, and tries again at once."""
    home = Home(tmp_path_factory.mktemp("stack"), PROJECT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLUICE_FEEDS", str(world.landing.parent / "feeds"))
        patch.setenv("SLUICE_RETRY_SECONDS", "0")
        try:
            yield up(home, print)
        finally:
            down(home, print, remove_data=True)


def large_file(shape: Shape) -> Arrival:
    """A file that is cut into several batches."""
    records = tuple(
        Record(f"k{number}", number % 4, "1.50", "x" * 30_000, (("x", 1, ("m",)),)) for number in range(100)
    )
    modified = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
    return Arrival(shape.name, BACKFILLED[-1], "large.xml", modified, "plain", (("", records),))


class Killer:
    """Kills tasks at random, as a lack of memory does."""

    def __init__(self, home: Home) -> None:
        self._scheduler = json.loads((home.pids / "scheduler.json").read_text())["pid"]
        self._pick = random.Random("kills")
        self.killed: set[str] = set()

    def strike(self) -> None:
        """Kill one task of those that run, or none."""
        running = dict(self._running())
        waiting = sorted(running.keys() - self.killed)
        if waiting and self._pick.random() < 0.3:
            task = self._pick.choice(waiting)
            with suppress(psutil.Error):
                running[task].kill()
                self.killed.add(task)

    def _running(self) -> Iterator[tuple[str, psutil.Process]]:
        for process in psutil.process_iter():
            try:
                named = TASK_TITLE.fullmatch(" ".join(process.cmdline()).strip())
                if named and os.getsid(process.pid) == self._scheduler:
                    yield named[1], process
            except (OSError, psutil.Error):
                continue


def backfill(api: AirflowApi, feed: str) -> None:
    day = dt.timedelta(days=1)
    dates = {"from_date": f"{BACKFILLED[0]}T00:00:00Z", "to_date": f"{BACKFILLED[-1] + day}T00:00:00Z"}
    api._request("POST", "/backfills", {"dag_id": feed, **dates, "max_active_runs": 2})


def clear(api: AirflowApi, feed: str, run_id: str, tasks: list[Any], *, only_failed: bool = False) -> None:
    """As the UI does it for one mapped task or for several tasks, with all that comes after them."""
    body = {"dag_run_id": run_id, "include_downstream": True, "only_failed": only_failed, "dry_run": False}
    api._request("POST", f"/dags/{feed}/clearTaskInstances", {**body, **({"task_ids": tasks} if tasks else {})})


def run_to_the_end(api: AirflowApi, killer: Killer, most_kills: int) -> dict[tuple[str, str], str]:
    """Wait for all runs; kills tasks meanwhile, and clears what failed for good. Returns the state of each run."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if len(killer.killed) < most_kills:
            killer.strike()
        states = {(shape.name, run["dag_run_id"]): run["state"] for shape in FEEDS for run in api.runs(shape.name)}
        failed = [run for run, state in states.items() if state == "failed"]
        if set(states.values()) == {"success"}:
            return states
        for feed, run_id in failed:
            clear(api, feed, run_id, [], only_failed=True)
        time.sleep(0.3)
    raise AssertionError(f"the runs did not end: {states}")


def test_kills_doubled_runs_a_backfill_and_cleared_tasks_leave_each_record_once(stack: Stack, world: World) -> None:
    api, killer = stack.api, Killer(stack.home)
    names = {shape.name for shape in FEEDS}
    wait_until(stack.home, lambda: names <= api.dag_ids(), AIRFLOW_NAMES, "the DAGs of the feeds", 120)
    assert api.import_errors() == {}
    world.arrive()
    for shape in FEEDS:
        world.put(large_file(shape))
    for feed in sorted(names):
        # before the DAG is switched on, so that both begin at once
        for number in (1, 2):
            api.trigger(feed, f"by-hand-{number}", {"date": str(BACKFILLED[-1]), "batch_mb": 1})
        api.unpause(feed)
        backfill(api, feed)
    run_to_the_end(api, killer, most_kills=12)
    for feed in sorted(names):
        clear(api, feed, "by-hand-1", [["parse", 0]])
        clear(api, feed, "by-hand-2", ["parse", "validate", "load"])
    run_to_the_end(api, killer, most_kills=18)

    assert len(killer.killed) >= 5
    findings = Findings()
    with psycopg.connect(stack.warehouse_dsn, autocommit=True) as connection:
        for shape in FEEDS:
            arrivals = [one for one in world.arrived.values() if one.feed == shape.name]
            check.check_feed(connection, shape, expect(shape, arrivals, f"file://{world.landing}/"), findings)
        check.check_books(connection, findings)
    check.check_folder(stack.home.work, findings)
    assert findings.details == []
    assert findings.records > 0
