"""What the documentation tells people to type exists, and what exists is told."""

import re
from pathlib import Path

import pytest

from sluice.cli import COMMANDS

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)
# commands stand in code: `make demo`, or a line of a fenced block
CODE = "\n".join([*re.findall(r"```[a-z]*\n(.*?)```", TEXT, re.DOTALL), *re.findall(r"`([^`\n]+)`", TEXT)])

MAKE_TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))
SUBCOMMANDS = {command.name for command in COMMANDS}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z-]+)", CODE))))
def test_a_make_target_in_the_documentation_exists(target: str):
    assert target in MAKE_TARGETS


@pytest.mark.parametrize("target", sorted(MAKE_TARGETS))
def test_a_make_target_is_in_the_documentation(target: str):
    assert re.search(rf"\bmake {target}(?![a-z-])", CODE), f"`make {target}` is told nowhere"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:^|[/ ])sluice ([a-z]+)\b", CODE, re.MULTILINE))))
def test_a_subcommand_in_the_documentation_exists(name: str):
    assert name in SUBCOMMANDS


@pytest.mark.parametrize("name", sorted(SUBCOMMANDS))
def test_a_subcommand_is_in_the_documentation(name: str):
    """`make NAME` tells of it too, where there is one."""
    assert re.search(rf"\b(sluice|make) {name}\b", CODE), f"`sluice {name}` is told nowhere"


def headings_of(page: Path) -> set[str]:
    """The anchors that a page has, as GitHub makes them of its headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_that_the_documentation_links_to_exist(page: Path):
    for link, anchor in re.findall(r"\]\(([^)#: ]*)#([^) ]+)\)", page.read_text()):
        target = page.parent / link if link else page
        assert anchor in headings_of(target), f"{page.name} links to {link}#{anchor}"


def test_files_that_the_documentation_links_to_exist():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"
