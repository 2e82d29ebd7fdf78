"""A record as a page that a person reads."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.goals import GOALS

_KEYS = {
    "mb": "MB", "wall": "seconds", "cpu": "CPU seconds", "mb_per_second": "MB/s", "mb_per_cpu_second": "MB/s of CPU",
    "files_per_second": "files/s", "cpu_per_mb": "CPU seconds per MB", "peak_mb": "peak MB",
    "rows_compared": "rows compared",
}  # fmt: skip
_NOTES = """\
Medians over turns; contestants were measured in turn, each in a process of its own, Sluice per core in one for each
core, and on the same bytes. A ratio is that of two contestants of one turn. CPU is that of the process and, where
something is loaded, of the whole PostgreSQL server, which is durable and has autovacuum off. Sluice's processes are
warm: they have loaded a file of 1 MB before.
What a peer loaded was compared with Sluice's table, row by row; what differs by its nature is listed in
`benchmarks/agreement.py`."""


def render(record: Mapping[str, Any]) -> str:
    """The record in Markdown: the goals first, then everything that was measured."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    machine, cases = record["machine"], record["cases"]
    yield f"# Benchmark of {record['date']}\n"
    yield f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}.\n"
    yield _NOTES + "\n"
    yield "| measure | goal | median | spread | |\n|---|---|---|---|---|"
    for goal in GOALS:
        yield f"| {' | '.join(goal.judge(cases).cells())} |"
    for name, case in cases.items():
        yield from _case_lines(name, case)
    yield from _version_lines(cases)


def _case_lines(name: str, case: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {name}\n"
    yield f"{case['scale']}, at {case['measured_at']}, commit {case['commit']}, {case['seconds']:,.0f} s in all.\n"
    if "skipped" in case:
        yield f"Skipped: {case['skipped']}."
        return
    runs = {who: turns for who, turns in case["runs"].items() if turns and "skipped" not in turns[0]}
    keys = [key for key in _KEYS if any(key in turns[0] for turns in runs.values())]
    yield f"| | turns | {' | '.join(_KEYS[key] for key in keys)} |"
    yield f"|---|{'---|' * (len(keys) + 1)}"
    for who, turns in runs.items():
        yield f"| {who} | {len(turns)} | {' | '.join(_median(turns, key) for key in keys)} |"
    for who, turns in case["runs"].items():
        if turns and "skipped" in turns[0]:
            yield f"\n{who} was skipped: {turns[0]['skipped']}."
    yield from _stage_lines(runs)


def _stage_lines(runs: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """CPU of each stage as a share of all, where stages were measured apart."""
    staged = {who: turns for who, turns in runs.items() if isinstance(turns[0].get("stages"), dict)}
    staged = {who: turns for who, turns in staged.items() if isinstance(next(iter(turns[0]["stages"].values())), dict)}
    if not staged:
        return
    names = list(next(iter(staged.values()))[0]["stages"])
    yield f"\n| share of CPU, with PostgreSQL's | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    for who, turns in staged.items():
        yield f"| {who} | {' | '.join(f'{100 * stage_share(turns, name):.0f} %' for name in names)} |"


def stage_share(turns: list[dict[str, Any]], stage: str) -> float:
    """The median over turns of a stage's part in the CPU of all stages."""
    shares = [
        turn["stages"].get(stage, {}).get("cpu", 0.0) / sum(one["cpu"] for one in turn["stages"].values())
        for turn in turns
    ]
    return statistics.median(shares)


def _median(turns: list[dict[str, Any]], key: str) -> str:
    found = [turn[key] for turn in turns if key in turn]
    if not found:
        return ""
    median = statistics.median(found)
    return f"{median:,.0f}" if median >= 100 else f"{median:.3g}"


def _version_lines(cases: Mapping[str, Any]) -> Iterator[str]:
    """Versions of the last case that was measured; a difference between cases is told."""
    told = [case["versions"] for case in cases.values()]
    if told:
        yield "\n## Versions\n"
        yield ", ".join(f"{name} {version}" for name, version in told[-1].items()) + "."
        if any(versions != told[-1] for versions in told):
            yield "\nSome cases were measured with other versions: see the JSON."
