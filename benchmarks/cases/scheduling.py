"""The real scheduler: what a run costs that finds nothing, and many tiny files beside the same work without Airflow."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg
from benchmarks.bench import PROJECT, Bench, Runs
from benchmarks.cpu import tree_cpu
from benchmarks.workers.sluice_run import FEEDS

from sluice.stack.home import Home
from sluice.stack.processes import wait_until
from sluice.stack.running import AIRFLOW_NAMES, Stack, down, up

FEED = "invoices"
_WARM_FILES = 50
_POLL_SECONDS = 0.25
_PARSE_SECONDS = 120
_RUN_SECONDS = 3600


def scheduled(bench: Bench) -> Runs:
    """``nothing``: a run without files. ``scheduler``: many tiny files, from trigger to reconciled. ``per core``: the
    same in one warm process per core, with Airflow not even started.
    """
    folder = bench.invoices(bench.scale.scheduled_files)
    runs: Runs = {"per core": [_per_core(bench, f"{folder}/*.xml") for _ in range(bench.scale.few)]}
    with _stack(bench) as stack:
        api = stack.api
        api.unpause(FEED)
        empty = bench.data / "nothing"
        empty.mkdir(parents=True, exist_ok=True)
        _run(stack, f"{bench.invoices(_WARM_FILES)}/*.xml", "warm")  # tables made, modules compiled

        def run_anew(turn: int) -> dict[str, Any]:
            _forget(stack)
            return _run(stack, f"{folder}/*.xml", f"tiny{turn}")

        contestants = {"nothing": lambda turn: _run(stack, f"{empty}/*.xml", f"nothing{turn}"), "scheduler": run_anew}
        return runs | bench.in_turns(bench.scale.few, contestants)


def _per_core(bench: Bench, uri: str) -> dict[str, Any]:
    with bench.server(autovacuum="on") as server:
        measured = bench.measure_per_core(server, FEED, uri, f"{bench.invoices(_WARM_FILES)}/*.xml")
    bench.say(f"  per core: {measured['wall']:.2f} s")
    return measured


@contextmanager
def _stack(bench: Bench) -> Iterator[Stack]:
    """A stack of the benchmark's own, with its feeds; gone afterwards, with its data."""
    home = Home(bench.folder / "stack", PROJECT)
    with mock.patch.dict(os.environ, {"SLUICE_FEEDS": str(FEEDS)}):
        try:
            stack = up(home, bench.say)
            wait_until(
                home, lambda: FEED in stack.api.dag_ids(), AIRFLOW_NAMES, "the DAGs of the feeds", _PARSE_SECONDS
            )
            yield stack
        finally:
            down(home, bench.say, remove_data=True)


def _run(stack: Stack, uri: str, run_id: str) -> dict[str, Any]:
    """Trigger a run by hand and wait for its end; ``wall`` is from the request to the end as Airflow notes it."""
    cpu = {name: tree_cpu(pid) for name, pid in _pids(stack).items()}
    started = time.time()
    stack.api.trigger(FEED, run_id, {"uri": uri})
    run = _wait(stack, run_id, started + _RUN_SECONDS)
    if run["state"] != "success":
        raise RuntimeError(f"the run {run_id} ended as {run['state']}; see {stack.home.logs}")
    spent = {name: tree_cpu(pid) - cpu.get(name, 0.0) for name, pid in _pids(stack).items()}
    tasks = stack.api.task_instances(FEED, run_id)
    seconds: dict[str, float] = {}
    for task in tasks:
        seconds[task["task_id"]] = seconds.get(task["task_id"], 0.0) + (task["duration"] or 0.0)
    return {
        "wall": _moment(run["end_date"]) - started,
        "tasks": len(tasks),
        "task_seconds": seconds,
        "component_cpu": spent,
        "cpu": sum(spent.values()),
    }


def _wait(stack: Stack, run_id: str, deadline: float) -> dict[str, Any]:
    while time.time() < deadline:
        time.sleep(_POLL_SECONDS)
        run = next(run for run in stack.api.runs(FEED) if run["dag_run_id"] == run_id)
        if run["state"] not in ("queued", "running"):
            return run
    raise RuntimeError(f"the run {run_id} did not end within {_RUN_SECONDS} s")


def _moment(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def _forget(stack: Stack) -> None:
    """Empty the warehouse, so that the same files are new again."""
    with psycopg.connect(stack.warehouse_dsn) as connection:
        for schema in ("sluice", FEED):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def _pids(stack: Stack) -> dict[str, int]:
    """The leading process of each component of the stack."""
    return {path.stem: int(json.loads(path.read_text())["pid"]) for path in stack.home.pids.glob("*.json")}
