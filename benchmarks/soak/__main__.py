"""``make soak``: run feeds through thousands of faults, and compare every row with what must be there.

Worlds of small feeds are made of a seed; in each, files arrive in rounds, and DAG runs work on them task by task as
Airflow would have it, while tasks are killed, connections ended, PostgreSQL restarted, disks filled, runs doubled and
tasks cleared. After each round every row of every table, the quarantine and the ledger are compared with a model that
knows nothing of Sluice's code. Writes ``benchmarks/records/soak-<date>.json``; ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys

from benchmarks.soak import record
from benchmarks.soak.runner import Result, Soak

_SHOWN = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="how long (the round that it ends in is finished)")
    parser.add_argument("--seed", default="", help="repeat the worlds and the plan of faults of an earlier soak")
    parser.add_argument("--no-record", action="store_true", help="write no record")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also then nothing is left behind
    seed = chosen.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    result = Soak(seed, chosen.seconds, lambda line: print(line, flush=True)).run()
    _report(result)
    if not chosen.no_record:
        print(f"recorded in {record.write(result).name}")
    return 0 if result.findings.is_clean else 1


def _report(result: Result) -> None:
    for kind, count in sorted(result.tally.faults.items()):
        print(f"{count:8,}  {kind}")
    print(f"{result.tally.faults.total():8,}  faults in {result.rounds} rounds and {result.seconds:.0f} s")
    if result.findings.is_clean:
        return
    print(f"\nworld {result.worlds} of seed {result.seed} differs; kept for study: {result.kept}")
    print("the last faults:", *result.tally.story[-_SHOWN:], sep="\n  ")
    print("what differs:", *result.findings.details[:_SHOWN], sep="\n  ")


if __name__ == "__main__":
    sys.exit(main())
