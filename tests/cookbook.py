"""Reads docs/cookbook.md: of each recipe its files, its feed, and the rows, rejects and answers that it promises.

A recipe begins with a heading of the second level that has a number. In it, fenced XML is a file (named by a line
such as ``name.xml`` in backticks before it, where there is one), fenced YAML the feed without its name, fenced SQL a
question, fenced text what a run with the files fails of. A Markdown table is the answer to the question before it; the
rejects, after ``Rejected:``; else the rows of the table that is named before it. An empty cell is NULL, ``''`` an empty
text; backticks around a value are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/cookbook.md"
_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_BLOCK = re.compile(
    r"(?:^`(?P<name>[\w.-]+)`:\n\n|^(?P<rejected>Rejected):\n\n)?"
    r"(?:^```(?P<kind>\w+)\n(?P<code>.*?)^```$|(?P<table>(?:^\|[^\n]*\|$\n?)+))",
    re.MULTILINE | re.DOTALL,
)
Cells = list[str | None]


@dataclass(frozen=True)
class Grid:
    """A Markdown table: the names of its columns, and the cells of its rows."""

    header: list[str]
    rows: list[Cells]


@dataclass
class Recipe:
    number: int
    title: str
    files: dict[str, str] = field(default_factory=dict)
    feed: str = ""
    tables: dict[str, Grid] = field(default_factory=dict)
    rejects: Grid | None = None
    questions: list[tuple[str, Grid]] = field(default_factory=list)
    failure: str = ""

    @property
    def name(self) -> str:
        """A name for its feed."""
        return f"recipe_{self.number}"

    @property
    def wants_libxml(self) -> bool:
        """Whether a column or a question is about values of PostgreSQL's type xml."""
        questions = (question for question, _ in self.questions)
        return any(re.search(r"\btype: xml|\bxpath|\bxmltable|::xml", text) for text in (self.feed, *questions))


def read_recipes(text: str) -> list[Recipe]:
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    return [
        _read_recipe(Recipe(int(heading[1]), heading[2]), text[heading.end() : end])
        for heading, end in zip(headings, ends, strict=True)
    ]


def _read_recipe(recipe: Recipe, text: str) -> Recipe:
    question = None
    for block in _BLOCK.finditer(text):
        kind, code = block["kind"], block["code"]
        if kind == "xml":
            recipe.files[block["name"] or "sample.xml"] = code
        elif kind == "yaml":
            recipe.feed += code
        elif kind == "sql":
            question = code
        elif kind == "text":
            recipe.failure = code.strip()
        elif block["rejected"]:
            recipe.rejects = _read_grid(block["table"])
        elif question:
            recipe.questions.append((question, _read_grid(block["table"])))
            question = None
        else:
            recipe.tables[block["name"]] = _read_grid(block["table"])
    assert question is None, f"recipe {recipe.number}: a question without an answer"
    return recipe


def _read_grid(text: str) -> Grid:
    header, _, *rows = (list(_cells(line)) for line in text.strip().splitlines())
    return Grid([name or "" for name in header], rows)


def _cells(line: str) -> Iterator[str | None]:
    for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]):
        text = cell.strip().replace("\\|", "|")
        bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "`" else text
        yield None if text == "" else "" if bare == "''" else bare
