"""`sluice check` at a terminal and in CI: lines, JSON, exit codes; without Airflow, without a warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tryout.trying import ORDERS, feed_with_samples, order, orders

from sluice.cli import main

GOOD = {"a.xml": orders(order(1), order(2))}
WARNED = {"a.xml": orders(order(1), order(2, total="1,50"))}
FAILED = GOOD | {"b.xml": orders(order(3))[:-10]}


@pytest.mark.parametrize(
    ("samples", "options", "code"),
    [
        (GOOD, [], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (WARNED, ["--strict", "--no-samples"], 0),
        (FAILED, [], 1),
        (FAILED, ["--no-samples"], 0),
        (FAILED, ["--samples", "{samples}/a.xml"], 0),
        (GOOD, ["--samples", "{samples}/nothing.xml"], 2),
        (GOOD, ["{folder}", "--samples", "{samples}"], 2),  # samples for two feeds
    ],
)
def test_exit_code(
    tmp_path: Path, samples: dict[str, str], options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 no errors, 1 errors (with --strict warnings too), 2 wrong usage, told on stderr."""
    folder = feed_with_samples(tmp_path, samples).folder
    arguments = [option.format(folder=folder, samples=folder / "samples") for option in options]
    assert main(["check", f"{folder}", *arguments]) == code
    assert bool(capsys.readouterr().err) == (code == 2)


def test_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that does not exist is told with what was probably meant."""
    feed_with_samples(tmp_path, GOOD)
    monkeypatch.setenv("SLUICE_FEEDS", str(tmp_path))
    assert main(["check", "oders"]) == 2
    assert "did you mean 'orders'?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["check", "orders", "--samples", "x", "--no-samples"])
    assert stopped.value.code == 2


def test_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins with a place that an editor or a terminal can open, and its severity."""
    monkeypatch.chdir(tmp_path)
    folder = feed_with_samples(tmp_path, WARNED | {"b.xml": ""}, ORDERS.replace("path: Total", "path: Totl")).folder
    assert main(["check", str(folder)]) == 1
    path = "nothing in the samples is at 'Totl' (did you mean 'Total'?)"
    assert capsys.readouterr().out.splitlines() == [
        "orders/samples/b.xml:1: error: 1 file rejected: empty_file: the file is empty",
        "orders/feed.yaml:1:1: error: a run on these files would fail: 1 file quarantined",
        f"orders/feed.yaml:14:21: warning: tables.orders.columns.total.path: {path}",
        "orders: 2 errors, 1 warning; 2 files, 2 records found: 2 accepted, 0 rejected",
    ]


def test_only_the_first_of_a_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a feed leaves out may be much: some, and how many more; --all shows them."""
    more = "".join(f"<N{number}/>" for number in range(9))
    folder = feed_with_samples(tmp_path, {"a.xml": orders(order(1, more=more))}).folder
    main(["check", str(folder)])
    short = capsys.readouterr().out.splitlines()
    main(["check", str(folder), "--all"])
    assert short[3] == "note: … and 6 more of the kind element_unmapped (--all)"
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first value is shown, its control characters spelled out, unless it must not be."""
    folder = feed_with_samples(tmp_path, {"a.xml": orders(order(1, total="1&#x85;\x7f2"), order(2))}).folder
    main(["check", str(folder)])
    assert r"the first is '1\x85\x7f2'" in capsys.readouterr().out
    main(["check", str(folder), "--hide-values"])
    assert "the first is" not in capsys.readouterr().out
    main(["check", str(folder), "--hide-values", "--json"])
    (finding,) = json.loads(capsys.readouterr().out)["feeds"][0]["findings"]
    assert finding["value"] is None


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One document with all fields, whatever was found; the page in the docs lists them."""
    monkeypatch.chdir(tmp_path)
    folder = feed_with_samples(tmp_path, WARNED).folder
    assert main(["check", str(folder), "--json", "--strict"]) == 1
    report = json.loads(capsys.readouterr().out)
    (feed,) = report.pop("feeds")
    assert report == {"format": 1, "errors": 0, "warnings": 1, "notes": 0}
    assert feed.pop("findings") == [
        {
            "severity": "warning",
            "code": "not_a_number",
            "message": "1 record rejected: not_a_number: not a decimal number for numeric(9,2) (at Total)",
            "place": {"file": "orders/samples/a.xml", "line": 4, "column": None, "record": 2},
            "where": "orders.total",
            "table": "orders",
            "column": "total",
            "path": "Total",
            "count": 1,
            "suggestion": None,
            "value": "1,50",
            "examples": [{"file": "orders/samples/a.xml", "line": 4, "column": None, "record": 2}],
        }
    ]
    counts = {"files": 1, "files_rejected": 0, "found": 2, "accepted": 1, "rejected": 1, "held": 0}
    size = (folder / "samples" / "a.xml").stat().st_size
    samples = counts | {"bytes": size, "rows": {"orders": 1, "lines": 1}}
    assert feed == {"feed": "orders", "folder": "orders", "samples": samples}


def test_json_of_a_broken_feed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A document all the same."""
    folder = feed_with_samples(tmp_path, GOOD).folder
    (folder / "feed.yaml").write_text("feed: [")
    assert main(["check", str(folder), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["errors"], report["feeds"][0]["samples"]) == (1, None)


PROBE = """
import sys
from sluice.cli import main
code = main(["check", sys.argv[1]])
print("loaded", sorted({"airflow", "great_expectations", "boto3"} & sys.modules.keys()))
sys.exit(code)
"""


def test_what_is_loaded(tmp_path: Path) -> None:
    """Neither Airflow nor a warehouse is needed, and Great Expectations, whose import takes seconds, only by feeds that
    have expectations."""
    folder = feed_with_samples(tmp_path, GOOD).folder
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SLUICE", "AIRFLOW", "PG"))}
    done = subprocess.run([sys.executable, "-c", PROBE, folder], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"
