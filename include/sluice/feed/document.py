"""The text of a feed file as plain values, with the place of each.

YAML 1.2 by its core schema: `yes`, `on` and dates are texts, `true` and `12` are not. Keys are always texts, so that
`null:` can be a key. One document, no key twice, no tags of an application.

PyYAML's binding of libyaml reads it: a feed file is read at every parse of the DAGs, and it takes a thirtieth of the
time of ruamel.yaml. The schema of YAML 1.1 that PyYAML brings along is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from sluice.errors import FeedInvalid, FeedProblem
from sluice.feed.faults import Fault, Loc, spell

MAX_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"
_NUMERALS = list("-+0123456789")


class _CoreLoader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """Resolves plain scalars as the core schema does; `.inf` and `.nan`, useless in a feed, stay texts."""


_CoreLoader.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_CoreLoader.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_CoreLoader.add_implicit_resolver(f"{_TAG}int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), _NUMERALS)
_CoreLoader.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"), [*_NUMERALS, "."]
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands and where its key does (the same, where it has none); lines and columns count from 1."""

    value: tuple[int, int]
    key: tuple[int, int]


@dataclass(frozen=True)
class Document:
    """A feed file as read: plain ``data``, the ``places`` of its values, ``problems`` that did not stop the reading."""

    source: str
    data: Any
    places: dict[Loc, Place] = field(repr=False)
    problems: tuple[FeedProblem, ...] = ()

    def problem(self, fault: Fault) -> FeedProblem:
        """``fault`` with its line and column: those of the nearest value around it that is written in the file.

        Steps that a short form leaves out (the ``path`` of a column that is only a path) are passed over.
        """
        loc: Loc = ()
        for step in fault.loc:
            if (*loc, step) in self.places:
                loc = (*loc, step)
        place = self.places[loc]
        line, column = place.key if fault.at_key else place.value
        return FeedProblem(self.source, line, column, spell(loc), fault.message, fault.suggestion)

    def invalid(self, faults: Iterable[Fault]) -> FeedInvalid:
        """All ``faults``, and the problems of the reading, as one exception in the order of the file."""
        problems = dict.fromkeys([*self.problems, *map(self.problem, faults)])
        return FeedInvalid(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def read_document(file: Path) -> Document:
    """Read a feed file; raises ``FeedInvalid`` where it is missing or is not YAML."""
    source = str(file)
    text = _read_text(file, source)
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise FeedInvalid([_syntax_problem(source, text, error)]) from error
    except yaml.reader.ReaderError as error:
        place = _place_in(text, error.position)
        raise FeedInvalid([FeedProblem(source, *place, "", "a character that YAML does not allow")]) from error
    reader = _Reader(source)
    if node is None:
        empty = FeedProblem(source, 1, 1, "", "the file is empty")
        return Document(source, {}, {(): Place((1, 1), (1, 1))}, (empty,))
    data = reader.read(node, (), _place(node))
    return Document(source, data, reader.places, tuple(reader.problems))


def _read_text(file: Path, source: str) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FeedInvalid([FeedProblem(source, 1, 1, "", f"cannot be read: {error.strerror}")]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_in(content[: error.start].decode("utf-8", "replace"), error.start)
        raise FeedInvalid([FeedProblem(source, *place, "", "the file is not UTF-8")]) from error


def _place_in(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax_problem(source: str, text: str, error: yaml.MarkedYAMLError) -> FeedProblem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if text.splitlines()[line - 1 : line] and text.splitlines()[line - 1][column - 1 : column] == "\t":
        return FeedProblem(source, line, column, "", "a tab stands where YAML wants spaces")
    story = ", ".join(filter(None, [error.context, error.problem]))
    return FeedProblem(source, line, column, "", f"this is not YAML: {story}")


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


class _Reader:
    """Turns nodes into plain values and notes their places."""

    def __init__(self, source: str) -> None:
        self.places: dict[Loc, Place] = {}
        self.problems: list[FeedProblem] = []
        self._source = source
        self._open: set[int] = set()

    def read(self, node: yaml.Node, loc: Loc, key: tuple[int, int]) -> Any:
        self.places[loc] = Place(_place(node), key)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        if id(node) in self._open or len(self.places) > MAX_VALUES:
            self._report(node, loc, "an alias repeats its content without end")
            return None
        self._open.add(id(node))
        value = self._mapping(node, loc) if isinstance(node, yaml.MappingNode) else self._sequence(node, loc)
        self._open.remove(id(node))
        return value

    def _sequence(self, node: yaml.SequenceNode, loc: Loc) -> list[Any]:
        return [self.read(item, (*loc, index), _place(item)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, loc, "a key must be a text")
            elif key in values:
                first = self.places[(*loc, key)].key[0]
                self._report(key_node, loc, f"the key {key!r} stands here twice, first in line {first}")
            else:
                values[key] = self.read(value_node, (*loc, key), _place(key_node))
        return values

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind not in ("str", "null", "bool", "int", "float"):
            self._report(node, loc, f"the tag {node.tag!r} is not part of the feed language")
        if "\0" in text:
            self._report(node, loc, "the text holds a NUL character, which PostgreSQL cannot store")
        try:
            return _SCALARS.get(kind, str)(text)
        except ValueError:
            self._report(node, loc, f"{text[:60]!r} is not a number")
            return None

    def _report(self, node: yaml.Node, loc: Loc, message: str) -> None:
        self.problems.append(FeedProblem(self._source, *_place(node), spell(loc), message))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)),
    "float": float,
}
