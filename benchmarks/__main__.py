"""``make bench``: how fast Sluice is here, beside its peers and its goals.

    python -m benchmarks                     everything, about an hour
    python -m benchmarks --quick             everything, small
    python -m benchmarks --only parse,peers  some cases again; the day's record keeps the others
    python -m benchmarks --only memory-huge --huge

Data, environments of the peers and quick records are kept in ``.bench``; full records go to ``benchmarks/records`` and
plots to ``docs/images``.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import FULL, PROJECT, QUICK, Bench, Scale, Skipped
from benchmarks.cases import CASES
from benchmarks.charts import write_charts
from benchmarks.goals import GOALS
from benchmarks.record import Record
from benchmarks.report import render


def main() -> int:
    chosen = _arguments()
    # servers and the stack are stopped on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    scale = _limited(QUICK if chosen.quick else FULL, chosen.turns, chosen.rows)
    bench = Bench(scale, chosen.folder.resolve(), chosen.huge, lambda line: print(line, flush=True))
    record = Record.of_today(bench)
    failed = [] if chosen.render else [name for name in chosen.only or CASES if not _measure(bench, record, name)]
    _show(bench, record)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="all of it small, in minutes")
    parser.add_argument("--only", type=_case_names, metavar="CASE,…", help=f"of {', '.join(CASES)}")
    parser.add_argument("--huge", action="store_true", help="also one file of 20 GB (not written anywhere)")
    parser.add_argument("--turns", type=int, help="how often each contestant is measured, at most")
    parser.add_argument("--rows", type=int, help="how large tables grow, at most")
    parser.add_argument("--render", action="store_true", help="only write page and plots of the day's record anew")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".bench", help="where data is kept")
    return parser.parse_args()


def _limited(scale: Scale, turns: int | None, rows: int | None) -> Scale:
    """For somebody who has not the time: fewer turns, smaller tables."""
    if turns is not None:
        scale = replace(scale, repeat=min(turns, scale.repeat), few=min(turns, scale.few))
    if rows is not None:
        scale = replace(scale, table_rows=tuple(size for size in scale.table_rows if size <= rows))
    return scale


def _case_names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    return names


def _measure(bench: Bench, record: Record, name: str) -> bool:
    """Measure a case and put it into the record. A case that fails leaves the record as it was."""
    print(f"{name}:", flush=True)
    started = time.monotonic()
    try:
        runs, skipped = CASES[name](bench), None
    except Skipped as reason:
        print(f"  skipped: {reason}")
        runs, skipped = None, str(reason)
    except Exception:
        traceback.print_exc()
        return False
    record.add(name, bench.scale.name, time.monotonic() - started, runs, skipped)
    return True


def _show(bench: Bench, record: Record) -> None:
    """Write page and plots, and print how the goals fared."""
    whole = record.read()
    page = record.path.with_suffix(".md")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(whole))
    is_full = bench.scale.name == "full"
    write_charts(whole, PROJECT / "docs" / "images" if is_full else record.path.parent)
    for goal in GOALS:
        print("  ".join(cell for cell in goal.judge(whole["cases"]).cells() if cell).replace("**", ""))
    print(f"written to {page}")


if __name__ == "__main__":
    sys.exit(main())
