"""docs/trying.md: its examples are what the commands print, its tables what they give."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tests.tryout.trying import feed_with_samples, order, orders

from sluice.cli import COMMANDS, main
from sluice.findings import FINDING_CODES

PAGE = (Path(__file__).parents[1] / "docs/trying.md").read_text()
EXAMPLES = re.findall(r"```\n\$ (sluice .+)\n((?:.*\n)*?)```", PAGE)
SPEED = re.compile(r"in [\d.,]+ s: [\d.,]+ MB/s, [\d.,]+ records/s")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.+?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("command", "output"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example(
    command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page shows is what comes, but for the speed."""
    folder = tmp_path / "include/feeds/orders"
    (folder / "samples").mkdir(parents=True)
    (folder / "feed.yaml").write_text(block("yaml"))
    (folder / "samples" / "orders.xml").write_text(block("xml"))
    monkeypatch.setenv("SLUICE_FEEDS", str(folder.parent))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [SPEED.sub("", line) for line in printed] == [SPEED.sub("", line) for line in output.splitlines()]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


def test_every_code_is_listed() -> None:
    """With its meaning, and no other."""
    section = PAGE.split("| code | means |")[1].split("\n## ")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)) == FINDING_CODES


def test_every_field_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All names in the document that `--json` prints."""
    folder = feed_with_samples(tmp_path, {"a.xml": orders(order(1, total="x"))}).folder
    main(["check", str(folder), "--json"])
    document = json.loads(capsys.readouterr().out)

    def names(value: object) -> set[str]:
        if isinstance(value, dict):
            below = [names(item) for key, item in value.items() if key != "rows"]
            return set(value) | set().union(*below)
        return set().union(*map(names, value)) if isinstance(value, list) else set()

    told = set(re.findall(r"`(\w+)`", PAGE))
    assert names(document) - told == set()


@pytest.mark.parametrize("name", ["check", "preview"])
def test_every_option_is_listed(name: str) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    next(command for command in COMMANDS if command.name == name).declare(parser)
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    section = PAGE.split(f"\n## {name.capitalize()}\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))
    assert listed == options - {"--help"}
