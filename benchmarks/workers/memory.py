"""One stage of a run of one large file, in a process that has imported what a task's process has."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
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


def measure(stage: str, size: int, dsn: str, work: str) -> dict[str, Any]:
    """Do ``stage`` for all batches, one after the other, of a file of shape B of ``size`` bytes.

    The other stages have their own processes before and after; the run is found by its key.
    """
    _import_what_tasks_import()
    imported_mb = peak_mb()
    # small blocks: the memory of the source is not what is measured
    file = RecordFile.of_size(replace(SHAPES["items"], records_per_block=1000), size)
    bucket = VirtualBucket(file)
    tools = make_tools("items", dsn, work, Clients(s3=lambda: bucket))
    made_mb, started = peak_mb(), time.perf_counter()
    run_id = fetch.fetch(tools, request_of("items", bucket.uri, f"memory {size}")).run_id
    batches = 0
    if stage == "split":
        batches = len(split.split(tools, run_id).batches)
    elif stage == "reconcile":
        reconcile.reconcile(tools, run_id)
    elif stage != "fetch":
        mapped: dict[str, Any] = {"parse": parse.parse, "validate": validate.validate, "load": load.load}
        numbers = _batch_numbers(dsn, run_id)
        batches = len(numbers)
        for number in numbers:
            mapped[stage](tools, run_id, number)
    seconds = time.perf_counter() - started
    return {"mb": file.size / 1e6, "wall": seconds, "batches": batches, "imported_mb": imported_mb, "made_mb": made_mb}


def _batch_numbers(dsn: str, run_id: int) -> list[int]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT number FROM sluice.batches WHERE run_id = %s ORDER BY number", [run_id])
        return [number for (number,) in rows]


def _import_what_tasks_import() -> None:
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="sluice-bench-airflow-"))
    from sluice.stack.components import PRELOADED

    for name in ("airflow.sdk", *PRELOADED):
        importlib.import_module(name)
