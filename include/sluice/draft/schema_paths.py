"""Where paths lead in a schema. Only what the paths touch is expanded, so that its size is no matter."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice.draft.schema import Schema
from sluice.draft.shape import Attribute, Shape
from sluice.feed.paths import Name, Namespaces, Step

MAX_LOOKED_AT = 2_000
MAX_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Way:
    """One way that a path may go: the shapes from the document's root on, and the attribute at its end."""

    shapes: tuple[Shape, ...]
    attribute: Attribute | None = None

    @property
    def end(self) -> Shape | Attribute:
        return self.shapes[-1] if self.attribute is None else self.attribute


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads. ``is_open``: it may also lead to what the schema leaves open. Without ways and not open,
    ``matched`` steps led somewhere, ``stopped`` are the shapes there.
    """

    ways: tuple[Way, ...]
    is_open: bool = False
    matched: int = 0
    stopped: tuple[Shape, ...] = ()

    @property
    def is_impossible(self) -> bool:
        return not self.ways and not self.is_open


class SchemaPaths:
    """Looks up paths in a schema, under the namespaces of a feed."""

    def __init__(self, schema: Schema, names: Namespaces) -> None:
        self._schema, self._names = schema, names
        self._roots: dict[str, Shape] = {}

    def find(self, steps: Sequence[Step], attribute: Name | None) -> Found:
        """All ways from the document's root; the values in predicates are not looked at."""
        if not steps:
            return Found((), is_open=True)
        ways: list[tuple[Shape, ...]] = [(root,) for root in self._roots_called(steps[0].name)]
        is_open = False
        for number, step in enumerate(steps):
            if number:
                stopped = tuple(way[-1] for way in ways)
                is_open |= any(_is_open(shape) for shape in stopped)
                ways = [(*way, child) for way in ways for child in self._children(way[-1], step.name)]
                if not ways:
                    return Found((), is_open, number, stopped)
            elif not ways:
                return Found(())
        if attribute is None:
            return Found(tuple(map(Way, ways)), is_open, len(steps))
        return self._attributes(ways, attribute, is_open)

    def _attributes(self, ways: list[tuple[Shape, ...]], attribute: Name, is_open: bool) -> Found:
        names = self._names.attribute_names(attribute)
        found = [Way(way, each) for way in ways if (each := _attribute(way[-1], names)) is not None]
        is_open |= any(way[-1].declared is not None and way[-1].declared.has_any_attribute for way in ways)
        is_open |= any(name.startswith("{http://www.w3.org/2001/XMLSchema-instance}") for name in names)
        return Found(tuple(found), is_open, len(ways[0]), tuple(way[-1] for way in ways))

    def _roots_called(self, name: Name) -> list[Shape]:
        found = []
        for clark in self._names.element_names(name):
            if clark in self._schema.element_names:
                if clark not in self._roots:
                    self._roots[clark] = self._schema.root(clark)
                found.append(self._roots[clark])
        return found

    def _children(self, shape: Shape, name: Name) -> Iterator[Shape]:
        self._schema.expand(shape)
        names = self._names.element_names(name)
        return (child for clark, child in shape.children.items() if clark in names)

    # -- what may have been meant -------------------------------------------------------------------------------------

    def nearest(self, found: Found, wanted: Name, *, is_attribute: bool) -> str | None:
        """What stands nearby and is called alike, as a path from where the way stopped."""
        for shape in found.stopped:
            self._schema.expand(shape)
        attributes = [self._names.spell_attribute(name) for shape in found.stopped for name in shape.attributes]
        children = [self._names.spell_element(name) for shape in found.stopped for name in shape.children]
        known = [*(f"@{name}" for name in attributes), *children]
        other = str(wanted) if is_attribute else f"@{wanted}"
        if other in known:
            return other
        if not is_attribute and (deeper := next(self._deeper(found.stopped, wanted), None)):
            return deeper
        return next(iter(difflib.get_close_matches(f"@{wanted}" if is_attribute else str(wanted), known, n=1)), None)

    def _deeper(self, start: Sequence[Shape], wanted: Name) -> Iterator[str]:
        """Elements of this name further below, the nearest first."""
        names = set(self._names.element_names(wanted))
        waiting: deque[tuple[Shape, tuple[str, ...]]] = deque((shape, ()) for shape in start)
        looked = 0
        while waiting and looked < MAX_LOOKED_AT:
            shape, way = waiting.popleft()
            self._schema.expand(shape)
            for name, child in shape.children.items():
                looked += 1
                below = (*way, self._names.spell_element(name))
                if name in names:
                    yield "/".join(below)
                if len(below) < MAX_LEVELS:
                    waiting.append((child, below))

    def root_names(self) -> list[str]:
        return [self._names.spell_element(name) for name in self._schema.roots]


def _attribute(shape: Shape, names: Sequence[str]) -> Attribute | None:
    return next((shape.attributes[name] for name in names if name in shape.attributes), None)


def _is_open(shape: Shape) -> bool:
    return shape.declared is not None and shape.declared.is_wildcard_parent
