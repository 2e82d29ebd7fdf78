"""What can be measured, by name; each case can be run alone."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench, Runs
from benchmarks.cases.growth import growing_input, growing_table
from benchmarks.cases.loading import against_peers, append_and_upsert, tiny_files
from benchmarks.cases.memory import memory, memory_huge
from benchmarks.cases.parsing import parse_against_floor
from benchmarks.cases.scheduling import scheduled

CASES: dict[str, Callable[[Bench], Runs]] = {
    "parse": parse_against_floor,
    "peers": against_peers,
    "load": append_and_upsert,
    "tiny": tiny_files,
    "memory": memory,
    "memory-huge": memory_huge,
    "growth-input": growing_input,
    "growth-table": growing_table,
    "scheduler": scheduled,
}
