"""``make arrivals``: a stopwatch on single files, then a storm of announcements among kills.

Writes ``benchmarks/records/arrivals-<date>.json``; ends with 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import secrets
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.arrivals.ground import ground
from benchmarks.arrivals.stopwatch import measure
from benchmarks.arrivals.storm import storm
from benchmarks.record import machine

RECORDS = Path(__file__).parents[1] / "records"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arrivals", description=__doc__)
    parser.add_argument("--turns", type=int, default=20, help="how many single files")
    parser.add_argument("--files", type=int, default=10_000, help="how many files in the storm")
    parser.add_argument("--seed", default="", help="repeat the plan of kills of an earlier storm")
    parser.add_argument("--seconds", type=float, default=3600, help="the storm's limit")
    parser.add_argument("--no-record", action="store_true", help="write no record")
    chosen = parser.parse_args()
    seed = chosen.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-arrivals-") as folder:
        with ground(Path(folder) / "single") as single:
            seconds = measure(single, chosen.turns)
            heard = len(single.follower_notes())
        told = f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s"
        print(f"{told}; a DAG that waits for the table heard of {heard} loads", flush=True)
        with ground(Path(folder) / "storm") as stormy:
            outcome = storm(stormy, chosen.files, seed, chosen.seconds)
    print(f"{outcome.messages:,} messages, {outcome.runs} runs, {outcome.seconds:.0f} s, kills {dict(outcome.kills)}")
    print(*outcome.problems or ["everything was loaded once"], sep="\n")
    if not chosen.no_record:
        record = {
            "machine": machine(),
            "seed": seed,
            "seconds_from_upload_to_row": {
                "turns": len(seconds),
                "median": round(statistics.median(seconds), 2),
                "worst": round(max(seconds), 2),
                "all": [round(value, 2) for value in seconds],
            },
            "storm": {
                "files": outcome.files,
                "messages": outcome.messages,
                "malformed": outcome.malformed,
                "seconds": round(outcome.seconds),
                "runs": outcome.runs,
                "kills": dict(outcome.kills),
                "problems": outcome.problems,
            },
        }
        path = RECORDS / f"arrivals-{dt.datetime.now(dt.UTC).date()}.json"
        path.write_text(json.dumps(record, indent=2) + "\n")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
