"""The stages of a run of one large file, each in a process of its own: a fork of one that has imported what tasks need,
as the scheduler's tasks are.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import tempfile
import time
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
FEED = "items"


def measure(size: int, dsn: str) -> dict[str, Any]:
    """Take a file of shape B of ``size`` bytes through all stages; peak and seconds of each."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        _import_what_tasks_import(f"{work}/airflow")
        stages = {stage: _in_a_fork(stage, size, dsn, work) for stage in STAGES}
    return {"mb": stages["fetch"]["mb"], "batches": stages["parse"]["batches"], "stages": stages}


def _in_a_fork(stage: str, size: int, dsn: str, work: str) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(_do_stage, stage, size, dsn, work).result()


def _do_stage(stage: str, size: int, dsn: str, work: str) -> dict[str, Any]:
    """Do ``stage``, where it is mapped for all batches, one after the other: one process takes what many would."""
    imported_mb, started = peak_mb(), time.perf_counter()
    # small blocks: the memory of the source is not what is measured
    file = RecordFile.of_size(replace(SHAPES["items"], records_per_block=1000), size)
    bucket = VirtualBucket(file)
    tools = make_tools(FEED, dsn, work, Clients(s3=lambda: bucket))
    run_id = fetch.fetch(tools, request_of(FEED, bucket.uri, f"memory {size}")).run_id
    numbers: list[int] = []
    if stage == "split":
        split.split(tools, run_id)
    elif stage == "reconcile":
        reconcile.reconcile(tools, run_id)
    elif stage != "fetch":
        mapped: dict[str, Any] = {"parse": parse.parse, "validate": validate.validate, "load": load.load}
        numbers = _batch_numbers(dsn, run_id)
        for number in numbers:
            mapped[stage](tools, run_id, number)
    return {
        "mb": file.size / 1e6,
        "batches": len(numbers),
        "wall": time.perf_counter() - started,
        "imported_mb": imported_mb,
        "peak_mb": peak_mb(),
    }


def _batch_numbers(dsn: str, run_id: int) -> list[int]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT number FROM sluice.batches WHERE run_id = %s ORDER BY number", [run_id])
        return [number for (number,) in rows]


def _import_what_tasks_import(airflow_home: str) -> None:
    os.environ["AIRFLOW_HOME"] = airflow_home
    from sluice.stack.components import PRELOADED

    for name in ("airflow.sdk", *PRELOADED):
        importlib.import_module(name)
