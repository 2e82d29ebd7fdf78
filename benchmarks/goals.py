"""What Sluice shall reach, and whether a record shows it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.environments import PEERS

Cases = Mapping[str, Any]
Values = list[float]


class NotMeasured(Exception):
    """A record does not hold what a goal is about; the message says why, if the record does."""


@dataclass(frozen=True, slots=True)
class Goal:
    """``values_of`` takes one value per turn out of a record's cases. ``bound`` is the goal, None where a value is
    only reported; ``least`` is what is worth landing.
    """

    name: str
    unit: str
    values_of: Callable[[Cases], Values]
    bound: float | None = None
    is_upper: bool = False
    least: float | None = None

    def spell(self) -> str:
        if self.bound is None:
            return "reported"
        text = f"{'≤' if self.is_upper else '≥'} {_number(self.bound)} {self.unit}".strip()
        return f"{text}, at least {_number(self.least)}" if self.least is not None else text

    def judge(self, cases: Cases) -> Judgement:
        try:
            values = self.values_of(cases)
        except NotMeasured as reason:
            return Judgement(self, (), str(reason))
        return Judgement(self, tuple(values))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A goal with what was measured; ``missing`` says why nothing was."""

    goal: Goal
    values: tuple[float, ...]
    missing: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """None where nothing was measured, or nothing is asked."""
        bound = self.goal.bound
        if not self.values or bound is None:
            return None
        return self.median <= bound if self.goal.is_upper else self.median >= bound

    def cells(self) -> tuple[str, str, str, str, str]:
        """Name, goal, median, spread, whether it is met."""
        goal = self.goal
        if not self.values:
            return goal.name, goal.spell(), "not measured", self.missing, ""
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}" if len(self.values) > 1 else "one turn"
        return goal.name, goal.spell(), f"**{_number(self.median)}** {goal.unit}".strip(), spread, self._verdict()

    def _verdict(self) -> str:
        if self.is_met is None:
            return ""
        if not self.is_met and self.goal.least is not None and self.median >= self.goal.least:
            return "not met, but worth landing"
        return "met" if self.is_met else "**not met**"


def runs_of(cases: Cases, case: str, contestant: str) -> list[dict[str, Any]]:
    """The turns of a contestant. Raises ``NotMeasured``."""
    entry = cases.get(case)
    if entry is None:
        raise NotMeasured("")
    if "skipped" in entry:
        raise NotMeasured(entry["skipped"])
    runs = entry["runs"].get(contestant, [])
    if not runs or "skipped" in runs[0]:
        raise NotMeasured(runs[0]["skipped"] if runs else "")
    return list(runs)


def values(case: str, contestant: str, key: str) -> Callable[[Cases], Values]:
    return lambda cases: [float(run[key]) for run in runs_of(cases, case, contestant)]


def ratios(case: str, above: str, below: str, key: str) -> Callable[[Cases], Values]:
    """``above`` divided by ``below`` in each turn: both were measured side by side."""

    def of(cases: Cases) -> Values:
        pairs = zip(runs_of(cases, case, above), runs_of(cases, case, below), strict=False)
        return [one[key] / other[key] for one, other in pairs]

    return of


def last_to_first(case: str, key: str = "cpu_per_mb") -> Callable[[Cases], Values]:
    """The last contestant of a case divided by the first: what growth does."""

    def of(cases: Cases) -> Values:
        names = list(cases[case]["runs"]) if "runs" in cases.get(case, {}) else [""]
        return ratios(case, names[-1], names[0], key)(cases)

    return of


def _largest_peak(cases: Cases) -> Values:
    names = _all_sizes(cases)
    return [max(run["peak_mb"] for case, name in names for run in runs_of(cases, case, name))]


def _peak_growth(cases: Cases) -> Values:
    names = _all_sizes(cases)
    first, last = (runs_of(cases, *name)[0]["peak_mb"] for name in (names[0], names[-1]))
    return [last / first]


def _all_sizes(cases: Cases) -> list[tuple[str, str]]:
    found = [(case, name) for case in ("memory", "memory-huge") for name in cases.get(case, {}).get("runs", {})]
    if not found:
        raise NotMeasured("")
    return found


def _beyond_imports(cases: Cases) -> Values:
    runs = [run for case, name in _all_sizes(cases) for run in runs_of(cases, case, name)]
    return [max(run["stages"][stage] - run["imported"][stage] for run in runs for stage in run["stages"])]


def gate_share(case: str, contestant: str) -> Callable[[Cases], Values]:
    """The percentage of a batch's CPU that validate takes, of parse, validate and load, with the server's."""

    def of(cases: Cases) -> Values:
        stages = [run["stages"] for run in runs_of(cases, case, contestant)]
        return [100 * one["validate"]["cpu"] / sum(one[name]["cpu"] for name in BATCH_STAGES) for one in stages]

    return of


def _faster_than(peer: str, key: str = "wall", who: str = "sluice") -> Callable[[Cases], Values]:
    return ratios("peers", peer, who, key)


def _per_core(way: str) -> Callable[[Cases], Values]:
    return values("load", way, "mb_per_cpu_second")


BATCH_STAGES = ("parse", "validate", "load")
GOALS = (
    *(
        Goal(
            f"parse, {shape}: bytes to typed columns with every check, against libxml2's SAX pass, null handlers",
            "×", ratios("parse", f"floor {shape}", f"columns {shape}", "cpu"), 1.0, least=0.5,
        )
        for shape in "ABC"
    ),
    *(
        Goal(
            f"the whole stage, {shape}, its work files written",
            "×", ratios("parse", f"floor {shape}", f"parse {shape}", "cpu"),
        )
        for shape in "ABC"
    ),
    *(
        Goal(f"B to committed, gated rows with ledger, {way}, against {peer}", "×", _faster_than(key, who=who), bound)
        for who, way in (("sluice per core", "a process for each core"), ("sluice", "one process"))
        for key, peer, bound in (
            ("xml2db", "xml2db", 12),
            ("pandas", "pandas.read_xml and to_sql", 10),
            ("spark", "Spark local[2], warm, to JDBC", 3),
        )
    ),
    *(Goal(f"CPU of {peer}, with PostgreSQL's, to that of Sluice", "×", _faster_than(peer, "cpu")) for peer in PEERS),
    Goal("append of a large B, CPU with PostgreSQL's", "MB/s per core", _per_core("append"), 60),
    Goal("upsert of a large B, half of the keys known", "MB/s per core", _per_core("upsert"), 40),
    Goal("keyed load of a large B into an empty table", "MB/s per core", _per_core("first")),
    Goal("tiny files (D) to committed rows, one process", "files/s", values("tiny", "tiny", "files_per_second"), 2000),
    Goal(
        "tiny files through the real scheduler, trigger to reconciled, against one process per core", "×",
        ratios("scheduler", "scheduler", "per core", "wall"), 2, is_upper=True,
    ),
    Goal(
        "a run that finds nothing, through the real scheduler", "s",
        values("scheduler", "nothing", "wall"), 8, is_upper=True,
    ),
    Goal("peak memory of any stage, at any size of one file", "MB", _largest_peak, 400, is_upper=True),
    Goal("of it beyond what a task's process imports", "MB", _beyond_imports),
    Goal("peak memory, largest file to smallest", "×", _peak_growth, 1.15, is_upper=True),
    Goal("the gate's share of a batch's CPU (upsert of B)", "%", gate_share("load", "upsert"), 12, is_upper=True),
    Goal("cost per MB, largest input to smallest", "×", last_to_first("growth-input"), 1.15, is_upper=True),
    Goal("cost per MB, largest table to smallest", "×", last_to_first("growth-table"), 1.15, is_upper=True),
)  # fmt: skip


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
