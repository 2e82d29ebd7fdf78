"""``make fuzz``: splitter, parser and feed loader on inputs that grow out of one another, for a bounded time.

Prints what it has tried, and each input that something is wrong with: it belongs into ``regressions``.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from tests.fuzz.engine import fuzz, shrink
from tests.fuzz.targets import Feeds, Parser, Splitter, Target, open_scratch

TARGETS = ("splitter", "parser", "feeds")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for all targets together")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--target", choices=TARGETS, action="append")
    chosen = parser.parse_args()
    names = chosen.target or TARGETS
    print(f"fuzz: seed {chosen.seed}", flush=True)
    with open_scratch() as folder:
        targets = [target for target in all_targets(Path(folder)) if target.name in names]
        findings = sum(_run(target, chosen.seconds / len(targets), chosen.seed) for target in targets)
    sys.exit(1 if findings else 0)


def all_targets(folder: Path) -> list[Target]:
    return [Splitter(), Parser(folder), Feeds(folder)]


def _run(target: Target, seconds: float, seed: int) -> int:
    tally = fuzz(target, seconds, seed)
    print(tally.line(), flush=True)
    for finding in tally.findings:
        small = shrink(target, finding)
        print(f"  {finding.error}\n    {small.data!r}", flush=True)
    return len(tally.findings)


if __name__ == "__main__":
    main()
