"""What the documentation says is there: codes, keys, commands, settings and tables, each way round."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from tests.small_feeds import DELETING, Ground

from sluice.cli import main
from sluice.errors import REJECT_CODES
from sluice.feed.keys import keys_layout
from sluice.feed.loading import load_feed
from sluice.metrics.catalog import METRICS

ROOT = Path(__file__).parent.parent
FEEDS = (ROOT / "docs/feeds.md").read_text()
LEDGER = (ROOT / "docs/ledger.md").read_text()
RUNNING = (ROOT / "docs/running.md").read_text()
METRICS_PAGE = (ROOT / "docs/metrics.md").read_text()
README = (ROOT / "README.md").read_text()


def test_every_reject_code_is_documented_with_its_meaning() -> None:
    """A code in the quarantine can be looked up; the page lists no code that is never given."""
    section = LEDGER.split("### Codes")[1]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)) == REJECT_CODES


def test_the_reference_is_that_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/feed-reference.md is what `make reference` makes of it."""
    assert main(["schema", "--reference"]) == 0
    is_same = capsys.readouterr().out == (ROOT / "docs/feed-reference.md").read_text()
    assert is_same, "the feed language has changed: `make reference` writes its page anew"


def test_the_example_in_the_readme_is_a_feed(tmp_path: Path) -> None:
    """The feed of the README loads as it stands."""
    example = re.search(r"```yaml\n(feed: orders.+?)```", README, re.DOTALL)
    assert example is not None
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "feed.yaml").write_text(example[1])
    assert list(load_feed(folder).tables) == ["orders", "lines"]


def test_the_examples_of_deletes_delete(ground: Ground) -> None:
    """The feed of docs/feeds.md loads, its file deletes two keys, and the query of docs/ledger.md finds them."""
    section = FEEDS.split("### Deletes")[1]
    declared, content = (re.search(rf"```{kind}\n(.+?)```", section, re.DOTALL) for kind in ("yaml", "xml"))
    question = re.search(r'```sql\n([^`]+FROM sluice\."orders\.orders"[^`]+);', LEDGER)
    assert declared
    assert content
    assert question
    feed = ground.feed(declared[1], name="orders")
    ground.put("a.xml", content[1])
    assert ground.run(feed) is None
    assert [(row[0], *row[3:]) for row in sorted(ground.sql(question[1]))] == [
        ("17", ground.uri("a.xml"), 1),
        ("18", ground.uri("a.xml"), 2),
    ]


def test_the_columns_of_a_keys_table_are_documented(ground: Ground) -> None:
    """Those that every keys table has, each in docs/ledger.md."""
    feed = ground.feed(DELETING)
    section = LEDGER.split("## Keys")[1].split("##")[0]
    names = [column.name for column in keys_layout(feed, "items") if column.name.startswith("_")]
    assert re.findall(r"`(_\w+)`", section.split("Every merge")[0]) == names


def test_every_table_of_the_ledger_is_documented() -> None:
    """docs/ledger.md lists the tables and the views that an analyst may join."""
    made = set(
        re.findall(
            r"(?:TABLE IF NOT EXISTS|CREATE VIEW) sluice\.(\w+)",
            resources.files("sluice").joinpath("ledger.sql").read_text(),
        )
    )
    assert {name for name in made if f"`{name}`" not in LEDGER} == set()


def test_every_metric_is_documented_as_the_list_has_it() -> None:
    """Name, unit, kind, dimensions, meaning; in the order of the list, and no others."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (counter|gauge) \| (.+?) \| (.+) \|$", METRICS_PAGE, re.MULTILINE)
    listed = []
    for metric in METRICS.values():
        dimensions = ", ".join(f"`{name}`" for name in metric.dimensions) or "none"
        star = " *" if metric.is_overall else ""
        listed.append((metric.name, metric.unit, metric.kind, dimensions + star, metric.meaning))
    assert rows == listed


def test_every_setting_is_documented() -> None:
    """The environment variables that the package reads stand in docs/running.md, and no others."""
    sources = "".join(path.read_text() for path in sorted((ROOT / "include/sluice").rglob("*.py")))
    feeds = "".join(path.read_text() for path in (ROOT / "include/feeds").glob("*/feed.yaml"))
    read = set(re.findall(r"\bSLUICE_[A-Z_]+\b", sources + feeds))
    shorthand = {f"SLUICE_SMTP_{name}" for name in re.findall(r"`…_([A-Z]+)`", RUNNING)}
    documented = set(re.findall(r"\bSLUICE_[A-Z_]+\b", RUNNING)) | shorthand
    assert read - documented == set()
    assert documented - read == set()
