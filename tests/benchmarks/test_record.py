"""What was measured is kept, case by case, and judged by the goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.cases import CASES
from benchmarks.charts import bar_chart, line_chart, stacked_chart, write_charts
from benchmarks.goals import GOALS, Goal, NotMeasured, gate_share, ratios, runs_of, values
from benchmarks.record import Record
from benchmarks.report import render
from lxml import etree

from benchmarks import __main__ as command


def stages(**cpu: float) -> dict[str, dict[str, float]]:
    return {name: {"cpu": value, "client_cpu": value, "server_cpu": 0.0, "wall": value} for name, value in cpu.items()}


STAGES = stages(fetch=1.0, split=1.0, parse=5.0, validate=1.0, load=4.0, reconcile=0.0)
LOADED = {"mb": 10.0, "wall": 2.0, "cpu": 2.0, "server_cpu": 0.5, "mb_per_second": 5.0, "mb_per_cpu_second": 5.0}
CASES_OF_A_DAY: dict[str, Any] = {
    "peers": {
        "sluice": [LOADED, LOADED | {"wall": 1.0}],
        "xml2db": [LOADED | {"wall": 20.0}, LOADED | {"wall": 30.0}],
        "spark": [{"skipped": "no Java"}],
    },
    "load": {name: [LOADED | {"stages": STAGES}] for name in ("append", "first", "upsert")},
    "memory": {
        "10 MB": [{"mb": 10.0, "peak_mb": 300.0, "stages": {"parse": 300.0}, "imported": {"parse": 250.0}}],
        "1000 MB": [{"mb": 1000.0, "peak_mb": 310.0, "stages": {"parse": 310.0}, "imported": {"parse": 250.0}}],
    },
    "growth-table": {"1000 rows": [LOADED | {"cpu_per_mb": 0.1}], "5000 rows": [LOADED | {"cpu_per_mb": 0.2}]},
    "scheduler": {
        "per core": [{"wall": 10.0, "stages": STAGES}],
        "scheduler": [{"wall": 15.0, "cpu": 30.0}],
        "nothing": [{"wall": 6.0}],
    },
}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    made = Record(tmp_path / "bench-2026-11-20.json")
    for case, runs in CASES_OF_A_DAY.items():
        made.add(case, "quick", 12.3, runs)
    made.add("memory-huge", "quick", 0.0, None, "ask for it")
    return made


def judged(record: Record, name: str) -> tuple[str, ...]:
    (goal,) = (goal for goal in GOALS if goal.name == name)
    return goal.judge(record.read()["cases"]).cells()


def test_a_case_measured_again_replaces_only_itself(record: Record) -> None:
    """A run that breaks off loses nothing that was measured before it."""
    record.add("load", "quick", 1.0, {"append": [LOADED | {"mb_per_cpu_second": 99.0}]})
    cases = record.read()["cases"]
    assert list(cases) == [*CASES_OF_A_DAY, "memory-huge"]
    assert [run["mb_per_cpu_second"] for run in runs_of(cases, "load", "append")] == [99.0]
    assert record.read()["date"] == "2026-11-20"


def test_a_skipped_case_replaces_no_measurement(record: Record) -> None:
    """The huge file is measured by itself, and skipped by a run of everything."""
    before = record.read()
    record.add("load", "quick", 0.0, None, "not asked for")
    assert record.read() == before


def test_a_record_says_on_what_it_was_measured(record: Record) -> None:
    whole = record.read()
    assert whole["machine"]["cores"] > 0
    assert {"python", "pyarrow", "xml2db", "spark", "pandas"} <= set(whole["cases"]["load"]["versions"])
    assert whole["cases"]["load"]["commit"]


def test_a_ratio_is_that_of_one_turn(record: Record) -> None:
    """Not that of medians: contestants of a turn ran side by side."""
    cases = record.read()["cases"]
    assert ratios("peers", "xml2db", "sluice", "wall")(cases) == [10.0, 30.0]
    name = "B to committed, gated rows with ledger, one process, against xml2db"
    assert judged(record, name) == (name, "≥ 12 ×", "**20** ×", "10 to 30", "met")


@pytest.mark.parametrize(
    ("value", "is_upper", "verdict"),
    [(10.0, False, "met"), (9.9, False, "**not met**"), (10.0, True, "met"), (10.1, True, "**not met**")],
)
def test_a_goal_is_met_from_its_bound_on(value: float, is_upper: bool, verdict: str) -> None:
    goal = Goal("some", "s", lambda cases: [value], 10, is_upper)
    assert goal.judge({}).cells()[-1] == verdict


def test_what_is_worth_landing_is_told_from_what_is_met() -> None:
    goals = [Goal("some", "×", lambda cases, value=value: [value], 1.0, least=0.5) for value in (1.0, 0.6, 0.4)]
    assert [goal.judge({}).cells()[-1] for goal in goals] == ["met", "not met, but worth landing", "**not met**"]


def test_a_goal_without_a_measurement_is_not_met_and_not_missed(record: Record) -> None:
    """It says why, where the record does."""
    name = "B to committed, gated rows with ledger, one process, against Spark local[2], warm, to JDBC"
    assert judged(record, name) == (name, "≥ 3 ×", "not measured", "no Java", "")
    with pytest.raises(NotMeasured):
        values("tiny", "tiny", "wall")(record.read()["cases"])


def test_the_gates_share_is_of_a_batch_only(record: Record) -> None:
    """Of parse, validate and load: 1 of 10."""
    assert gate_share("load", "upsert")(record.read()["cases"]) == [10.0]


def test_the_page_shows_every_goal_and_every_case(record: Record) -> None:
    page = render(record.read())
    assert all(f"| {goal.name} | {goal.spell()} |" in page for goal in GOALS)
    assert all(f"\n## {case}\n" in page for case in record.read()["cases"])
    assert "spark was skipped: no Java." in page
    assert "Skipped: ask for it." in page
    assert "| upsert | 8 % | 8 % | 42 % | 8 % | 33 % | 0 % |" in page


def test_the_page_of_an_empty_record_shows_the_goals(tmp_path: Path) -> None:
    page = render(Record(tmp_path / "bench-2026-11-20.json").read())
    assert page.count("not measured") == len(GOALS)


def test_plots_are_drawn_of_what_there_is(record: Record, tmp_path: Path) -> None:
    """And they are pictures: well-formed, with the values in them."""
    written = write_charts(record.read(), tmp_path / "images")
    assert [path.name for path in written] == [f"bench-{n}.svg" for n in ("throughput", "memory", "growth", "time")]
    for path in written:
        assert etree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "Airflow" in written[-1].read_text()
    assert write_charts(Record(tmp_path / "bench-2026-11-21.json").read(), tmp_path / "none") == []


def test_lengths_are_to_scale() -> None:
    """A bar of half the value is half as long; parts of a stack fill it."""
    widths = [float(rect.get("width")) for rect in rects(bar_chart("t", "n", [("a", 10.0), ("b", 5.0)]))]
    assert widths == pytest.approx([widths[0], widths[0] / 2])
    stack = rects(stacked_chart("t", "n", [("r", {"a": 1.0, "b": 3.0})]))[:2]
    assert float(stack[1].get("width")) == pytest.approx(3 * float(stack[0].get("width")), abs=0.2)


def test_a_line_of_equal_values_is_level() -> None:
    from benchmarks.charts import Series

    (line,) = etree.fromstring(line_chart("t", "n", [Series("s", ((1, 5.0), (1000, 5.0)))])).iter("{*}polyline")
    first, last = (point.split(",") for point in line.get("points").split())
    assert first[1] == last[1]
    assert float(first[0]) < float(last[0])


def rects(svg: str) -> list[Any]:
    return list(etree.fromstring(svg).iter("{*}rect"))


def test_a_case_that_fails_leaves_the_record_as_it_was(
    record: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says so; the cases after it are still measured."""
    from benchmarks.bench import QUICK, Bench

    def fail(bench: Bench) -> Any:
        raise RuntimeError("nothing works")

    before = record.read()
    monkeypatch.setitem(CASES, "load", fail)
    assert not command._measure(Bench(QUICK, record.path.parent), record, "load")
    assert record.read() == before
    assert "nothing works" in capsys.readouterr().err
