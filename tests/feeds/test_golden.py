"""Golden cases: ``tests/feeds/<feed>/<case>/`` holds input files and, in ``case.yaml``, what must come of them.

``runs`` are made one after another: ``first`` and ``last`` are dates, ``uri`` is below the feed's folder, ``error`` is
in the message of a run that must fail. ``totals`` are the sums of all runs, ``rejects`` what lies in the quarantine,
``tables`` the rows with their child rows; what is NULL or 0 is left out. All values are compared as texts (see
``sluice.draft.golden.spell``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.feeds.conftest import Landing

from sluice.feed import ddl
from sluice.feed.loading import feed_names, feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.records import Totals

CASES = sorted(Path(__file__).parent.glob("*/*/case.yaml"))


def read_case(path: Path) -> dict[str, Any]:
    """The case with every value as a text."""
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)


def feed_of(path: Path) -> Feed:
    return load_feed(feeds_root() / path.parent.parent.name)


def put_input(landing: Landing, path: Path, case: dict[str, Any]) -> None:
    feed = feed_of(path)
    own_samples = feed.folder / "samples"
    landing.put(feed, own_samples if case.get("input") == "samples" else path.parent / "input")


def run_case(landing: Landing, path: Path, case: dict[str, Any]) -> None:
    feed = feed_of(path)
    for run in case["runs"]:
        first = dt.date.fromisoformat(run["first"])
        last = dt.date.fromisoformat(run.get("last", run["first"]))
        error = landing.run(feed, first, last, uri=run.get("uri"))
        assert run.get("error", "") in (error or ""), error
        assert bool(error) == ("error" in run), error


def spell_totals(totals: Totals) -> dict[str, str]:
    """What is not 0."""
    counts = asdict(totals)
    counts |= counts.pop("counts")
    return {name: str(count) for name, count in counts.items() if count}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}")
def test_case(path: Path, landing: Landing) -> None:
    """Rows, rejects and counts are those that a person has read off the input."""
    case = read_case(path)
    put_input(landing, path, case)
    run_case(landing, path, case)
    feed = feed_of(path)
    assert landing.rejects(feed) == case.get("rejects", [])
    assert landing.tables(feed) == case["tables"]
    assert spell_totals(landing.totals(feed)) == case["totals"]


@pytest.mark.parametrize("name", feed_names(feeds_root()))
def test_every_feed_has_a_golden_case_and_its_tables(name: str) -> None:
    """A feed without a golden case is not finished; its tables are those of ddl.sql."""
    folder = Path(__file__).parent / name
    assert [path for path in CASES if path.parent.parent == folder], f"{folder} has no case"
    statements = [f"{statement.rstrip(';')};" for statement in ddl.create_statements(load_feed(feeds_root() / name))]
    assert "\n".join(statements) == (folder / "ddl.sql").read_text().rstrip("\n")
