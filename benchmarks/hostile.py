"""What hostile files cost: each of ``tests.hostile.cases`` parsed in a process of its own, under a limit of memory.

``python -m benchmarks.hostile`` prints the table of docs/xml.md: what becomes of each file, seconds of CPU time, and
the peak of memory beyond that of a process that has loaded everything. The process may take 1 GiB of address space
more, else it dies.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hostile.cases import CASES, Case
from tests.hostile.worker import Worker
from tests.parsed import write_feed


def main() -> None:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(f"Measured on {dt.datetime.now(dt.UTC):%Y-%m-%d}; {machine}.\n")
    print("| file | size | what becomes of it | CPU seconds | peak MB |\n|---|---|---|---|---|")
    worker = Worker()
    for line in _lines(worker):
        print(line, flush=True)
    worker.close()


def _lines(worker: Worker) -> Iterator[str]:
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory(prefix="sluice-hostile-") as folder:
            size, answer = _measure(worker, case, Path(folder))
        cost = f"{answer['cpu_seconds']:.1f} | {answer['extra_mb']:.0f}"
        yield f"| {name} | {_spell_size(size)} | {_spell_outcome(answer)} | {cost} |"


def _measure(worker: Worker, case: Case, folder: Path) -> tuple[int, dict[str, Any]]:
    if case.xsd:
        (folder / "things").mkdir()
        (folder / "things" / "main.xsd").write_text(case.xsd)
    feed = write_feed(folder, case.feed)
    path = folder / "file.xml"
    with path.open("wb") as file:
        case.write(file)
    return path.stat().st_size, worker.parse(feed.folder, path)


def _spell_outcome(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return "the feed is refused"
    codes = sorted(set(answer["codes"]))
    if not codes:
        return f"loads, {answer['rows']:,} record{'s' if answer['rows'] > 1 else ''}"
    what = "file" if any(answer["failed"]) else "record"
    return f"the {what} is rejected (`{'`, `'.join(codes)}`)"


def _spell_size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} KB"


if __name__ == "__main__":
    main()
