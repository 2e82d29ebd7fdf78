"""``make bench``: how fast a feed goes from bytes to committed rows here, stage by stage, and in how much memory.

Each case runs in a process of its own, several times in turn with the floor (lxml reading the same bytes into a tree,
with nothing extracted), so that figures can be compared though the machine's speed drifts. Writes
``benchmarks/records/bench-<date>.json`` and prints the medians.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.generate import write_entities, write_statements

RECORDS = Path(__file__).parent / "records"
PACKAGES = ("lxml", "pyarrow", "numba", "great-expectations", "psycopg", "pandas")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size-mb", type=int, default=50, help="size of the one large LEI file")
    parser.add_argument("--files", type=int, default=1000, help="number of small statement files")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", nargs=3, metavar=("CASE", "PATTERN", "DSN"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(_measure(*chosen.one)))
        return
    _run_all(chosen.size_mb, chosen.files, chosen.repeat)


def _run_all(size_mb: int, files: int, repeat: int) -> None:
    from sluice.stack.temporary import temporary_server

    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder, temporary_server({}) as server:
        root = Path(folder)
        write_entities(root / "lei.xml", size=size_mb * 1_000_000)
        write_statements(root / "statements", files=files, day=dt.date(2026, 11, 20))
        cases = {
            "legal_entities": f"{root}/lei.xml",
            "bank_statements": f"{root}/statements/*.xml",
            "floor legal_entities": f"{root}/lei.xml",
            "floor bank_statements": f"{root}/statements/*.xml",
        }
        runs: dict[str, list[dict[str, Any]]] = {case: [] for case in cases}
        for turn in range(repeat):
            for case, pattern in cases.items():
                name = f"bench_{case.replace(' ', '_')}_{turn}"
                server.create_database(name)
                runs[case].append(_in_own_process(case, pattern, server.dsn(name)))
    _record(runs, size_mb, files, repeat)


def _in_own_process(case: str, pattern: str, dsn: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "--one", case, pattern, dsn]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def _measure(case: str, pattern: str, dsn: str) -> dict[str, Any]:
    measured = _measure_floor(pattern) if case.startswith("floor ") else _measure_feed(case, pattern, dsn)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**measured, "peak_mb": round(peak_mb, 1)}


def _measure_floor(pattern: str) -> dict[str, Any]:
    from lxml import etree

    folder, _, glob = pattern.rpartition("/")
    paths = sorted(Path(folder).glob(glob))
    size = sum(path.stat().st_size for path in paths)
    started = time.process_time()
    for path in paths:
        for _, element in etree.iterparse(str(path), remove_comments=True):
            if element.tag.endswith(("LEIRecord", "Stmt")):
                element.clear()
    cpu = time.process_time() - started
    return {"mb_per_cpu_second": size / 1e6 / cpu, "files_per_cpu_second": len(paths) / cpu}


def _measure_feed(case: str, pattern: str, dsn: str) -> dict[str, Any]:
    from sluice.feed.loading import feeds_root, load_feed
    from sluice.records import RunRequest
    from sluice.sources import Clients
    from sluice.stages import fetch, load, parse, reconcile, split, validate
    from sluice.tools import Tools
    from sluice.workfiles import WorkFiles

    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        tools = Tools(load_feed(feeds_root() / case), dsn, WorkFiles(work), Clients())
        day = dt.date(2026, 11, 20)
        seconds = dict.fromkeys(("fetch", "split", "parse", "validate", "load", "reconcile"), 0.0)

        def timed(stage: str, work_of: Any, *arguments: Any) -> Any:
            before = time.process_time()
            result = work_of(tools, *arguments)
            seconds[stage] += time.process_time() - before
            return result

        manifest = timed("fetch", fetch.fetch, RunRequest(case, "bench", day, day, uri=pattern))
        batches = timed("split", split.split, manifest.run_id).batches
        for batch in batches:
            timed("parse", parse.parse, manifest.run_id, batch.number)
            timed("validate", validate.validate, manifest.run_id, batch.number)
            timed("load", load.load, manifest.run_id, batch.number)
        totals = timed("reconcile", reconcile.reconcile, manifest.run_id).totals
    cpu = sum(seconds.values())
    return {
        "records": totals.loaded,
        "mb_per_cpu_second": manifest.size_bytes / 1e6 / cpu,
        "files_per_cpu_second": manifest.files / cpu,
        "parse_mb_per_cpu_second": manifest.size_bytes / 1e6 / seconds["parse"],
        **{f"{stage}_share": value / cpu for stage, value in seconds.items()},
    }


def _record(runs: dict[str, list[dict[str, Any]]], size_mb: int, files: int, repeat: int) -> None:
    medians = {
        case: {key: round(statistics.median(run[key] for run in of_case), 3) for key in of_case[0]}
        for case, of_case in runs.items()
    }
    record = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {package: version(package) for package in PACKAGES},
        "input": {"legal_entities_mb": size_mb, "bank_statement_files": files},
        "repeat": repeat,
        "note": "CPU seconds of the client process, with Great Expectations' import, without PostgreSQL's own",
        "medians": medians,
        "runs": runs,
    }
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"bench-{dt.datetime.now(dt.UTC):%Y-%m-%d}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    for case, values in medians.items():
        print(f"{case:24} " + "  ".join(f"{key} {value:,.2f}" for key, value in values.items()))
    print(f"written to {path}")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
