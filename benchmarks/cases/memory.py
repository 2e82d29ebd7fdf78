"""The peak of memory of each stage against the size of one file, which comes in ranges, as from S3."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from benchmarks.bench import HUGE_MB, MB, Bench, Runs, Skipped

# what is kept of each MB of XML at once: rows between stages, the table with its index, WAL
_DISK_SHARE = 2.0


def memory(bench: Bench) -> Runs:
    """Contestants are the sizes; each has one turn, a process per stage."""
    sizes = bench.scale.memory_mb
    return {f"{mb} MB": [_all_stages(bench, mb)] for mb in sizes}


def memory_huge(bench: Bench) -> Runs:
    """The same for one very large file. Raises ``Skipped`` where it was not asked for, or the disk is too small."""
    if not bench.huge:
        raise Skipped("takes an hour and much disk: ask for it with --huge")
    free_mb = shutil.disk_usage(tempfile.gettempdir()).free / MB
    if free_mb < HUGE_MB * _DISK_SHARE:
        raise Skipped(f"needs {HUGE_MB * _DISK_SHARE / 1000:,.0f} GB of disk, there are {free_mb / 1000:,.0f}")
    return {f"{HUGE_MB} MB": [_all_stages(bench, HUGE_MB)]}


def _all_stages(bench: Bench, mb: int) -> dict[str, Any]:
    with bench.server() as server:
        measured = bench.measure("memory.measure", size=mb * MB, dsn=server.fresh("memory"))
    stages = measured["stages"]
    peaks = {stage: one["peak_mb"] for stage, one in stages.items()}
    bench.say(f"  {mb:,} MB: " + ", ".join(f"{stage} {peak:,.0f} MB" for stage, peak in peaks.items()))
    return {
        "mb": measured["mb"],
        "wall": sum(one["wall"] for one in stages.values()),
        "peak_mb": max(peaks.values()),
        "batches": measured["batches"],
        "stages": peaks,
        "imported": {stage: one["imported_mb"] for stage, one in stages.items()},
    }
