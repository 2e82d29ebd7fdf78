"""Hears the totals that a sender states, while the bytes go by on their way to the parser.

They stand before, between or after the records, so in no row. The scanner finds them by their own paths, at about a
gigabyte a second, and only these few elements are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from sluice import scanner, xmlio
from sluice.errors import MalformedXML
from sluice.feed.model import Feed
from sluice.feed.paths import Namespaces, parse_path
from sluice.nodes import WHITE, Test, compile_test
from sluice.reading import Section
from sluice.scanner import PathTable
from sluice.totals.exact import add
from sluice.values import to_decimal

# How long an element may be that states a total.
MAX_BYTES = 64 << 10
# How many bytes are parsed for each that is heard: a total is parsed with the start tags above it, and a hostile file
# may have many totals below long tags.
PARSED_FACTOR = 64
PARSED_AT_LEAST = 1 << 20
_EVENTS = 256
# Makes an element of the path one that the scanner tells of as soon as it begins: no element has such a name.
_ATTRIBUTE = "@"
_NAME = re.compile(rb"<((?:[^\s/>:]*:)?([^\s/>]+))")


@dataclass(slots=True)
class Stated:
    """What one stream states of one total: all values at its path, added up; None where there is none.

    ``unreadable`` counts what stands there and is no number.
    """

    value: Decimal | None = None
    unreadable: int = 0

    def take(self, text: str) -> None:
        if text == "":
            return
        value = to_decimal(text)
        if value is None:
            self.unreadable += 1
        else:
            self.value = value if self.value is None else add(self.value, value)


@dataclass(frozen=True, slots=True)
class _Statement:
    """The path of a total, compiled: by step the Clark names and tests, then the names of the attribute, if it is one.

    ``number`` is the place of the total in the feed.
    """

    number: int
    steps: tuple[tuple[frozenset[str], tuple[Test, ...]], ...]
    attributes: tuple[str, ...]

    def read(self, chain: Sequence[xmlio.Element]) -> str:
        """What the innermost of these elements states; '' for nothing, or where the path leads elsewhere."""
        for (names, tests), element in zip(self.steps, chain, strict=True):
            if element.tag not in names or not all(test.holds(element) for test in tests):
                return ""
        element = chain[-1]
        if self.attributes:
            return next((element.get(name, "") for name in self.attributes if name in element.attrib), "").strip(WHITE)
        is_nil = element.get(xmlio.XSI_NIL, "").strip() in ("true", "1")
        return "" if is_nil else xmlio.spell_text(element).strip(WHITE)


class StatedTotals:
    """Listens to the streams of a batch; ``heard`` has for each part and member what it states, total by total."""

    def __init__(self, feed: Feed) -> None:
        self._statements = [_compile(number, total.path, feed.names) for number, total in enumerate(feed.totals)]
        self.heard: dict[tuple[int, str], list[Stated]] = {}
        if not self._statements:
            return
        self._by_path: dict[tuple[str, ...], list[_Statement]] = {}
        paths = []
        for statement, total in zip(self._statements, feed.totals, strict=True):
            path = tuple(step.name.local for step in parse_path(total.path).steps)
            self._by_path.setdefault(path, []).append(statement)
            paths.append((*path, _ATTRIBUTE) if statement.attributes else path)
        self._paths = PathTable(paths)
        self._events = np.empty((_EVENTS, 4), np.int64)

    def listen(self, section: Section) -> Section:
        """The section, to be read in place of the one that is given."""
        if not self._statements or section.part.wanted is not None:
            return section
        heard = self.heard.setdefault((section.part.part_id, section.member), [Stated() for _ in self._statements])
        ear = _Ear(self._paths, self._events, self._by_path, heard)
        # What stands in the context was heard in the part that it is of.
        ear.hear(section.context, is_repeated=True)
        return replace(section, stream=_Overheard(section.stream, ear))


def _compile(number: int, text: str, names: Namespaces) -> _Statement:
    path = parse_path(text)
    steps = tuple(
        (
            frozenset(names.element_names(step.name)),
            tuple(compile_test(predicate, names) for predicate in step.predicates),
        )
        for step in path.steps
    )
    return _Statement(number, steps, names.attribute_names(path.attribute) if path.attribute else ())


class _Overheard:
    """A stream that somebody listens to; in all else it is the stream."""

    def __init__(self, stream: Any, ear: _Ear) -> None:
        self._stream, self._ear = stream, ear

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._ear.hear(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Ear:
    """Takes the bytes of one stream. What is wrong with them is for others to say: it just hears no more then."""

    def __init__(
        self,
        paths: PathTable,
        events: np.ndarray,
        by_path: dict[tuple[str, ...], list[_Statement]],
        heard: list[Stated],
    ) -> None:
        self._paths, self._events, self._by_path, self._heard = paths, events, by_path, heard
        self._state, self._stack = paths.new_state()
        self._buffer = b""
        self._scanned = 0
        self._above: list[bytes] = []  # the start tags of the open elements on the paths
        self._may_parse = PARSED_AT_LEAST  # bytes
        self._begun: int | None = None  # where in the buffer an element began whose text is a total

    def hear(self, data: bytes, *, is_repeated: bool = False) -> None:
        if not data or self._state[scanner.ERROR]:
            return
        self._buffer += data
        self._may_parse += PARSED_FACTOR * len(data)
        count = -1
        while count:
            view = np.frombuffer(self._buffer, np.uint8)
            self._scanned, count = scanner.scan(
                self._paths, view, self._scanned, self._state, self._stack, self._events
            )
            for kind, start, end, _ in self._events[:count].tolist():
                self._follow(kind, start, end, is_repeated)
        self._let_go()

    def _let_go(self) -> None:
        """Keep only what is not done with: an element that has begun, or a token that is not whole."""
        if self._begun is not None and len(self._buffer) - self._begun > MAX_BYTES:
            self._note(self._buffer[self._begun : self._begun + MAX_BYTES], None)
            self._begun = None
        kept = self._scanned if self._begun is None else min(self._begun, self._scanned)
        self._buffer, self._scanned = self._buffer[kept:], self._scanned - kept
        self._begun = None if self._begun is None else self._begun - kept
        if self._state[scanner.ERROR]:
            self._buffer = b""

    def _follow(self, kind: int, start: int, end: int, is_repeated: bool) -> None:
        if kind == scanner.ANCESTOR_START:
            tag = self._buffer[start:end]
            if not is_repeated:
                self._note(tag, tag, is_open=not tag.endswith(b"/>"))
            self._above.append(tag)
        elif kind == scanner.ANCESTOR_END:
            self._above.pop()
        elif kind == scanner.RECORD_START:
            self._begun = start
        elif kind == scanner.RECORD_END and self._begun is not None:
            if not is_repeated:
                element = self._buffer[self._begun : end]
                self._note(element, element if len(element) <= MAX_BYTES else None)
            self._begun = None

    def _note(self, begin: bytes, element: bytes | None, *, is_open: bool = False) -> None:
        """Take what an element states: ``begin`` is how it begins, ``element`` its bytes, None where they are too many.
        Of one that ``is_open`` they are the start tag.
        """
        names = [match for tag in (*self._above, begin) if (match := _NAME.match(tag))]
        statements = self._by_path.get(tuple(name[2].decode(errors="replace") for name in names), ())
        chain = None
        if statements and element is not None:
            chain = self._parse([name[1] for name in names], element, is_open)
        for statement in statements:
            if chain is None:
                self._heard[statement.number].unreadable += 1
            else:
                self._heard[statement.number].take(statement.read(chain))

    def _parse(self, names: Sequence[bytes], element: bytes, is_open: bool) -> list[xmlio.Element] | None:
        """The element below those that are open, from the root down; None where it cannot be parsed by itself, or too
        much has been.
        """
        closed = names if is_open else names[:-1]
        tail = b"".join(b"</" + name + b">" for name in reversed(closed))
        document = b"".join(self._above) + element + tail
        self._may_parse -= len(document)
        if self._may_parse < 0:
            return None
        try:
            chain = [xmlio.parse_document(document)]
        except MalformedXML:
            return None
        while len(chain) < len(names):
            chain.append(chain[-1][0])
        return chain
