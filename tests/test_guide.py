"""The guide to a first feed, as somebody new follows it: each command that it shows, and what comes of it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.small_feeds import Ground

from sluice.cli import main
from sluice.feed.loading import load_feed

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs/first-feed.md").read_text()
SHOWN = re.findall(r"```\n\$ sluice (.+)\n([^`]+)```", GUIDE)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with nothing in it but the guide's samples."""
    shutil.copytree(ROOT / "docs/first-feed", tmp_path / "docs/first-feed")
    (tmp_path / "include/feeds").mkdir(parents=True)
    (tmp_path / "tests/feeds").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_FEEDS", "include/feeds")
    monkeypatch.setenv("COLUMNS", "130")
    return tmp_path


def typed(command: str) -> list[str]:
    """The arguments of a command, as the shell would give them."""
    words = []
    for word in shlex.split(command):
        words += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    return words


def test_the_guide_shows_what_comes(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [command.split()[0] for command, _ in SHOWN] == ["draft", "check", "preview", "preview"]
    for command, expected in SHOWN:
        assert main(typed(command)) == 0, command
        out, err = capsys.readouterr()
        said = [line.rstrip() for line in (err + out).replace(f"{desk}/", "").splitlines()]
        wanted = expected.splitlines()
        assert said[: len(wanted)] == wanted
        assert all("records found =" in line for line in said[len(wanted) :])  # how fast, and that nothing was rejected
    heart = re.search(r"```yaml\n(.+?)```", GUIDE, re.DOTALL)
    assert heart
    assert heart[1] in (desk / "include/feeds/deliveries/feed.yaml").read_text()


def test_the_drafted_feed_loads_the_files_in_any_order(desk: Path, ground: Ground) -> None:
    """As the guide drops them: the newest version of a delivery wins, whenever it came."""
    assert main(typed(SHOWN[0][0])) == 0
    feed = load_feed(desk / "include/feeds/deliveries")
    for day in ("02", "04", "03"):
        assert ground.run(feed, uri=str(desk / f"docs/first-feed/2026-03-{day}.xml")) is None
    by_status, by_article, newest = re.findall(r"^SELECT .+;$", GUIDE, re.MULTILINE)
    assert sum(row[1] for row in ground.sql(by_status)) == 30
    assert len(ground.sql(by_article)) == 7
    ((status, _, uri),) = ground.sql(newest)
    assert (status, uri.rpartition("/")[2]) == ("delivered", "2026-03-04.xml")
