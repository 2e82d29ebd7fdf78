"""A run of many files in one process per core, as plain as it can be: what a scheduler is compared with."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.cpu import Cost, Meter
from benchmarks.workers.sluice_run import make_tools, request_of, warm_up

from sluice.stages import fetch, load, parse, reconcile, split, validate
from sluice.tools import Tools


def measure(feed: str, uri: str, warm_uri: str, warm_dsns: list[str], dsn: str, server_pid: int) -> dict[str, Any]:
    """Wall seconds from fetch to reconciled, with a process for each of ``warm_dsns`` but the first, which is for this
    one: all are warm before.
    """
    own_dsn, *others = warm_dsns
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        tools, meter = make_tools(feed, dsn, f"{work}/measured"), Meter(server_pid)
        queue = multiprocessing.get_context("spawn").Queue()
        warm_up(feed, own_dsn, f"{work}/warm", warm_uri)
        for number, warm_dsn in enumerate(others):
            queue.put((feed, warm_dsn, f"{work}/warm{number}", warm_uri))
        with _warm_pool(len(others), queue) as pool:
            _take_warm_processes(pool, len(others))
            started = time.perf_counter()
            with meter.step("fetch"):
                run_id = fetch.fetch(tools, request_of(feed, uri, "measured")).run_id
            with meter.step("split"):
                batches = split.split(tools, run_id).batches
            arguments = [(feed, dsn, f"{work}/measured", run_id, batch.number) for batch in batches]
            for costs in pool.map(_do_batch, arguments):
                for stage, cost in costs.items():
                    meter.costs[stage] = meter.costs.get(stage, Cost()) + cost
            with meter.step("reconcile"):
                totals = reconcile.reconcile(tools, run_id).totals
            wall = time.perf_counter() - started
    return {"wall": wall, "records": totals.loaded, "batches": len(batches), "stages": meter.as_dict()}


def _warm_pool(size: int, queue: Any) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(size, mp_context=context, initializer=_warm, initargs=(queue,))


def _warm(queue: Any) -> None:
    feed, dsn, work, uri = queue.get()
    warm_up(feed, dsn, work, uri)


def _take_warm_processes(pool: ProcessPoolExecutor, size: int) -> None:
    """Wait until all processes are there: each holds one of these for a while."""
    list(pool.map(time.sleep, [2.0] * size))


def _do_batch(arguments: tuple[str, str, str, int, int]) -> dict[str, Cost]:
    feed, dsn, work, run_id, number = arguments
    tools: Tools = make_tools(feed, dsn, work)
    meter = Meter(os.getpid())
    for name, stage in (("parse", parse.parse), ("validate", validate.validate), ("load", load.load)):
        with meter.step(name):
            stage(tools, run_id, number)
    # of the server's CPU nobody can say here which process it worked for
    return {name: Cost(cost.client, 0.0, cost.wall) for name, cost in meter.costs.items()}
