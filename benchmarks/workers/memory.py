"""The tasks of a run of one large file, each in a process of its own: a fork of one that has imported what tasks need,
as the scheduler's are.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
from benchmarks.cpu import peak_mb
from benchmarks.shapes import SHAPES, RecordFile
from benchmarks.workers.sluice_run import make_tools, request_of
from benchmarks.workers.virtual_s3 import VirtualBucket

from sluice.sources import Clients
from sluice.stages import fetch, load, parse, reconcile, split, validate

STAGES = ("fetch", "split", "parse", "validate", "load", "reconcile")
MAPPED: dict[str, Callable[..., Any]] = {"parse": parse.parse, "validate": validate.validate, "load": load.load}
FEED = "items"


def measure(size: int, dsn: str) -> dict[str, Any]:
    """Take a file of shape B of ``size`` bytes through all stages; seconds of each, and the peak of its tasks."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        _import_what_tasks_import(f"{work}/airflow")
        stages: dict[str, dict[str, Any]] = {}
        numbers: list[int] = []
        for stage in STAGES:
            tasks = numbers if stage in MAPPED else [None]
            done = [_in_a_fork(stage, number, size, dsn, work) for number in tasks]
            stages[stage] = {key: max(one[key] for one in done) for key in ("mb", "imported_mb", "peak_mb")}
            stages[stage]["wall"] = sum(one["wall"] for one in done)
            if stage == "split":
                numbers = _batch_numbers(dsn)
    return {"mb": stages["fetch"]["mb"], "batches": len(numbers), "stages": stages}


def _in_a_fork(*arguments: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(_do_task, *arguments).result()


def _do_task(stage: str, number: int | None, size: int, dsn: str, work: str) -> dict[str, Any]:
    """Do ``stage``, where it is mapped for the batch of that number."""
    imported_mb, started = peak_mb(), time.perf_counter()
    # small blocks: the memory of the source is not what is measured
    file = RecordFile.of_size(replace(SHAPES["items"], records_per_block=1000), size)
    bucket = VirtualBucket(file)
    tools = make_tools(FEED, dsn, work, Clients(s3=lambda: bucket))
    run_id = fetch.fetch(tools, request_of(FEED, bucket.uri, f"memory {size}")).run_id
    if stage == "split":
        split.split(tools, run_id)
    elif stage == "reconcile":
        reconcile.reconcile(tools, run_id)
    elif number is not None:
        MAPPED[stage](tools, run_id, number)
    return {
        "mb": file.size / 1e6,
        "wall": time.perf_counter() - started,
        "imported_mb": imported_mb,
        "peak_mb": peak_mb(),
    }


def _batch_numbers(dsn: str) -> list[int]:
    """The batches of the only run."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT number FROM sluice.batches ORDER BY number")
        return [number for (number,) in rows]


def _import_what_tasks_import(airflow_home: str) -> None:
    os.environ["AIRFLOW_HOME"] = airflow_home
    from sluice.stack.components import PRELOADED

    for name in ("airflow.sdk", *PRELOADED):
        importlib.import_module(name)
