"""How long Airflow's DAG processor takes to read the DAG folder, by the number of feeds in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
PATTERNS = ("bank_statements", "legal_entities", "exchange_rates")
ELEMENT = re.compile(r"(?<![\w'=<{-])(?!Europe|Brussels)[A-Z]\w+(?=[/\[\],}\s])")
READ = """
import json, os, sys, time
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def read():
    began = time.perf_counter(), time.process_time()
    bag = DagBag(sys.argv[1], bundle_path=sys.argv[1], bundle_name="dags-folder")
    read = time.perf_counter() - began[0], time.process_time() - began[1]
    for dag in bag.dags.values():
        DagSerialization.to_dict(dag)
    assert not bag.import_errors, bag.import_errors
    whole = time.process_time() - began[1]
    return {"dags": len(bag.dags), "seconds": read[0], "cpu": read[1], "with_serialization": whole}

feeds = os.environ.pop("SLUICE_FEEDS")
read()  # what is imported once, with the sample feeds
os.environ["SLUICE_FEEDS"] = feeds
print(json.dumps(read()))
"""


def measure(counts: tuple[int, ...] = (50, 100, 200)) -> dict[str, Any]:
    """Seconds to read all DAG files, for each number of feeds, and per feed between the smallest and the largest.

    ``seconds`` is wall time and ``cpu`` CPU time of the reading alone; ``with_serialization`` is CPU time that includes
    what the DAG processor does next: it writes each DAG down for the scheduler.
    """
    results = {str(count): _read_folder(count) for count in counts}
    first, last = results[str(counts[0])], results[str(counts[-1])]
    per_feed = {
        key: (last[key] - first[key]) / (counts[-1] - counts[0]) for key in ("seconds", "cpu", "with_serialization")
    }
    return {"feeds": results, "per_feed": per_feed}


def write_feeds(root: Path, count: int) -> None:
    """``count`` feeds, made of the sample feeds. No two have an element in common, as feeds of different senders."""
    for number in range(count):
        pattern = PATTERNS[number % len(PATTERNS)]
        folder = root / f"{pattern}_{number:03d}"
        folder.mkdir(parents=True)
        text = (PROJECT / "include" / "feeds" / pattern / "feed.yaml").read_text()
        head, tables = text.replace(f"feed: {pattern}", f"feed: {folder.name}", 1).split("\ntables:\n")
        own = ELEMENT.sub(lambda found, number=number: f"{found[0]}{number}", tables)  # type: ignore[misc]
        (folder / "feed.yaml").write_text(f"{head}\ntables:\n{own}")


def _read_folder(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        feeds, home = Path(name) / "feeds", Path(name) / "airflow"
        write_feeds(feeds, count)
        env = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        env |= {
            "SLUICE_FEEDS": str(feeds),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        done = subprocess.run(
            [sys.executable, "-c", READ, str(PROJECT / "dags")], env=env, capture_output=True, text=True, check=False
        )
        shutil.rmtree(home, ignore_errors=True)
    if done.returncode != 0:
        raise RuntimeError(f"the DAG folder could not be read:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
