"""Plots of a record as SVG, readable on a light page and on a dark one."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.goals import NotMeasured, runs_of

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 720, 34, 190, 90, 64
_COLOURS = ("#2f7ed8", "#e07b39", "#3f9d5a", "#9a5fb8", "#c0475d", "#7a8b99", "#b8a13a", "#4aa3a8")
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 } .note { fill: #57606a; font-size: 12px }
  .axis { stroke: #afb8c1; stroke-width: 1 } .grid { stroke: #d8dee4; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .axis { stroke: #656c76 } .grid { stroke: #3d444d }
  }"""


@dataclass(frozen=True, slots=True)
class Series:
    """A line: points of (x, y)."""

    name: str
    points: tuple[tuple[float, float], ...]


def write_charts(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what the record holds; what was not measured is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (("throughput", _throughput), ("memory", _memory), ("growth", _growth), ("time", _time)):
        try:
            text = draw(record["cases"])
        except NotMeasured:
            continue
        path = folder / f"bench-{name}.svg"
        path.write_text(text)
        written.append(path)
    return written


# -- what is drawn ----------------------------------------------------------------------------------------------------


def _throughput(cases: Mapping[str, Any]) -> str:
    bars = []
    for who in ("sluice per core", "sluice", "spark", "pandas", "xml2db"):
        try:
            turns = runs_of(cases, "peers", who)
        except NotMeasured:
            continue
        bars.append((who, statistics.median(turn["mb_per_second"] for turn in turns)))
    if not bars:
        raise NotMeasured("")
    mb = runs_of(cases, "peers", bars[0][0])[0]["mb"]
    bars.sort(key=lambda bar: -bar[1])
    return bar_chart(
        "XML to committed rows, MB/s", f"shape B, {mb:,.0f} MB; only Sluice gates and keeps a ledger", bars
    )


def _memory(cases: Mapping[str, Any]) -> str:
    runs = [turns[0] for case in ("memory", "memory-huge") for turns in cases.get(case, {}).get("runs", {}).values()]
    if not runs:
        raise NotMeasured("")
    lines = [Series(stage, tuple((run["mb"], run["stages"][stage]) for run in runs)) for stage in runs[0]["stages"]]
    return line_chart("Peak memory of a stage, MB", "against the size of one file in MB", lines)


def _growth(cases: Mapping[str, Any]) -> str:
    lines = []
    for case, name in (("growth-input", "input of so many MB"), ("growth-table", "table of so many rows")):
        runs = cases.get(case, {}).get("runs", {})
        medians = [
            (float(who.split()[0]), statistics.median(turn["cpu_per_mb"] for turn in turns))
            for who, turns in runs.items()
        ]
        if medians:
            lines.append(Series(name, tuple((x, y * 1000) for x, y in medians)))
    if not lines:
        raise NotMeasured("")
    return line_chart("Cost, milliseconds of CPU per MB", "PostgreSQL's included", lines)


def _time(cases: Mapping[str, Any]) -> str:
    rows: list[tuple[str, dict[str, float]]] = []
    for case, who, label in (("load", "append", "append, one process"), ("load", "upsert", "upsert, one process")):
        try:
            rows.append((label, _stages_with_server(runs_of(cases, case, who))))
        except NotMeasured:
            continue
    with contextlib.suppress(NotMeasured):
        rows.append(("tiny files, scheduler", _scheduled_time(cases)))
    if not rows:
        raise NotMeasured("")
    return stacked_chart(
        "Where the time of a run goes, %", "of CPU; through the scheduler: of the time by the clock", rows
    )


def _stages_with_server(turns: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Median CPU seconds of each stage, and PostgreSQL's of all of them apart."""
    names = list(turns[0]["stages"])
    parts = {name: statistics.median(turn["stages"][name]["client_cpu"] for turn in turns) for name in names}
    return parts | {"PostgreSQL": statistics.median(turn["server_cpu"] for turn in turns)}


def _scheduled_time(cases: Mapping[str, Any]) -> dict[str, float]:
    """The run without Airflow, shared out by the stages' own times; what the scheduler's run takes more is Airflow."""
    plain, through = runs_of(cases, "scheduler", "per core"), runs_of(cases, "scheduler", "scheduler")
    wall = statistics.median(turn["wall"] for turn in plain)
    stages = {name: statistics.median(turn["stages"][name]["wall"] for turn in plain) for name in plain[0]["stages"]}
    scale = wall / sum(stages.values())
    airflow = statistics.median(turn["wall"] for turn in through) - wall
    return {name: seconds * scale for name, seconds in stages.items()} | {"Airflow": max(0.0, airflow)}


# -- how it is drawn --------------------------------------------------------------------------------------------------


def bar_chart(title: str, note: str, bars: Sequence[tuple[str, float]]) -> str:
    """Horizontal bars with their values."""
    top = max(value for _, value in bars)
    lines = []
    for index, (name, value) in enumerate(bars):
        y, length = _TOP + index * _ROW, (_WIDTH - _LEFT - _RIGHT) * value / top
        colour = _COLOURS[0] if name.startswith("sluice") else _COLOURS[5]
        lines.append(_text(_LEFT - 10, y + 17, name, anchor="end"))
        lines.append(f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="24" rx="3" fill="{colour}"/>')
        lines.append(_text(_LEFT + length + 8, y + 17, f"{value:,.3g}"))
    return _svg(title, note, _TOP + len(bars) * _ROW + 10, lines)


def stacked_chart(title: str, note: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Horizontal bars of 100 %, each part with its colour; parts of 4 % and more with their number."""
    names = list(dict.fromkeys(name for _, parts in rows for name in parts))
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    lines = []
    for index, (label, parts) in enumerate(rows):
        y, x, total = _TOP + index * _ROW, float(_LEFT), sum(parts.values())
        lines.append(_text(_LEFT - 10, y + 17, label, anchor="end"))
        for name, value in parts.items():
            share = value / total
            width = (_WIDTH - _LEFT - 20) * share
            lines.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="24" fill="{colours[name]}"/>')
            if share >= 0.04:
                lines.append(_text(x + width / 2, y + 17, f"{100 * share:.0f}", anchor="middle", fill="#ffffff"))
            x += width
    y = _TOP + len(rows) * _ROW + 18
    return _svg(title, note, y + 20, [*lines, *_legend(names, colours, y)])


def line_chart(title: str, note: str, series: Sequence[Series]) -> str:
    """Lines over a logarithmic x axis; y starts at zero."""
    points = [point for one in series for point in one.points]
    low, high = (math.log10(pick(x for x, _ in points)) for pick in (min, max))
    top, bottom = _round_up(max(y for _, y in points)), _TOP + 220
    colours = {one.name: _COLOURS[index % len(_COLOURS)] for index, one in enumerate(series)}

    def place(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - low) / ((high - low) or 1)
        return _LEFT / 2 + right * (_WIDTH - _LEFT / 2 - _RIGHT), bottom - 210 * y / top

    lines = [f'<line class="axis" x1="{_LEFT / 2}" y1="{bottom}" x2="{_WIDTH - _RIGHT}" y2="{bottom}"/>']
    for part in (0.25, 0.5, 0.75, 1.0):
        y = bottom - 210 * part
        lines.append(f'<line class="grid" x1="{_LEFT / 2}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>')
        lines.append(_text(_LEFT / 2 - 8, y + 4, f"{top * part:,.3g}", anchor="end", kind="note"))
    ticks = sorted({x for x, _ in points})
    lines += [_text(place(x, 0)[0], bottom + 18, _short(x), anchor="middle", kind="note") for x in ticks]
    for one in series:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in one.points))
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colours[one.name]}" stroke-width="2"/>')
        for x, y in (place(*point) for point in one.points):
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[one.name]}"/>')
    return _svg(title, note, bottom + 56, [*lines, *_legend(list(colours), colours, bottom + 40)])


def _round_up(value: float) -> float:
    """The next number of which a quarter is easily read."""
    power = 10 ** math.floor(math.log10(value or 1))
    return next(power * step for step in (1, 2, 4, 8, 10) if value <= power * step)


def _legend(names: Sequence[str], colours: Mapping[str, str], y: float) -> Iterator[str]:
    x = 20.0
    for name in names:
        yield f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{colours[name]}"/>'
        yield _text(x + 17, y, name, kind="note")
        x += 32 + 6.6 * len(name)


def _short(value: float) -> str:
    return next(
        (f"{value / size:,.3g}{unit}" for size, unit in ((1e6, "M"), (1e3, "k")) if value >= size), f"{value:,.3g}"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "", fill: str = "") -> str:
    style = f' style="fill: {fill}"' if fill else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"{style}>{escape(text)}</text>'


def _svg(title: str, note: str, height: float, lines: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">'
    named = [f"<title>{escape(title)}</title>", f"<style>{_STYLE}\n</style>"]
    titles = [_text(20, 26, title, kind="title"), _text(20, 46, note, kind="note")]
    return "\n".join([head, *named, *titles, *lines, "</svg>"]) + "\n"
