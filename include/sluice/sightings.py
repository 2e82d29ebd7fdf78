"""What a mapping knows of the names in a record, and what is met there that it does not know.

A name that a column, a child table or a condition reads is known, and so is all that lies in an element which is taken
whole. Everything else is counted by its path, with the first place it was seen. Values are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sluice.feed.paths import BUILT_IN_PREFIXES, Namespaces

# A hostile document may invent a name for each of its elements; no more are remembered in a batch, nor longer ones.
MAX_NAMES = 10_000
MAX_NAME_CHARACTERS = 200
# How many combinations of attributes of one element are remembered, and of how many names; others are looked at anew.
MAX_COMBINATIONS = 1_000
MAX_COMBINED = 64
_XSI = f"{{{BUILT_IN_PREFIXES['xsi']}}}"
NO_NAMESPACE = "(none)"

ELEMENT, ATTRIBUTE, NAMESPACE = "element", "attribute", "namespace"


class Place(NamedTuple):
    """Where something was seen: ``ordinal`` and ``line`` are those of the record, ``ordinal`` None above records."""

    part_id: int
    member: str
    ordinal: int | None
    line: int


class HasPlace(Protocol):
    """Whatever tells its place in the same words."""

    @property
    def part_id(self) -> int: ...
    @property
    def member(self) -> str: ...
    @property
    def ordinal(self) -> int | None: ...
    @property
    def line(self) -> int: ...


@dataclass(slots=True)
class Sighting:
    """One unknown name, how often it was met, and where first; ``namespace`` is its own, if that is unknown too."""

    kind: str
    path: str
    place: Place
    namespace: Sighting | None = None
    count: int = 0

    def add(self, times: int) -> None:
        self.count += times
        if self.namespace is not None:
            self.namespace.count += times


@dataclass(slots=True, eq=False)
class Known:
    """What is known at one path: the names of elements and attributes, and what was met besides them.

    ``takes_text`` says that the text of all below is read, ``takes_all`` that the attributes are too (a column of type
    xml). ``by_attributes`` caches what a combination of attribute names holds that is not known.
    """

    path: str = ""
    parent: Known | None = None
    children: dict[str, Known] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    takes_text: bool = False
    takes_all: bool = False
    unknown: dict[str, Sighting] = field(default_factory=dict)
    by_attributes: dict[tuple[str, ...], tuple[Sighting, ...]] = field(default_factory=dict)

    def child(self, names: Sequence[str], spelled: str) -> Known:
        """What is known of the children of these names, which are one element of the feed's."""
        known = next((self.children[name] for name in names if name in self.children), None)
        known = known or Known(f"{self.path}/{spelled}", self)
        for name in names:
            self.children.setdefault(name, known)
        return known


class Sightings:
    """All that was met in a batch and is not known. ``place`` is that of the record, or part, that is being read."""

    def __init__(self, names: Namespaces) -> None:
        self._names = names
        self._listed = names.uris
        self._found: list[Sighting] = []
        self._namespaces: dict[str, Sighting] = {}
        self.place: HasPlace = Place(0, "", None, 1)

    def __iter__(self) -> Iterator[Sighting]:
        yield from self._found

    def note_element(self, known: Known, tag: Any) -> None:
        """Count a child that no path leads to; comments and processing instructions are none."""
        sighting = self.find_element(known, tag) if isinstance(tag, str) else None
        if sighting is not None:
            sighting.add(1)

    def find_element(self, known: Known, tag: str) -> Sighting | None:
        """The sighting of a child that no path leads to, at ``place`` if it is new; None where there are too many."""
        name = tag[:MAX_NAME_CHARACTERS]
        if name in known.unknown:
            return known.unknown[name]
        sighting = self._begin(ELEMENT, f"{known.path}/{self._names.spell_element(name)}", known.unknown, name)
        if sighting is not None:
            sighting.namespace = self._find_namespace(tag)
        return sighting

    def note_attributes(self, known: Known, names: Sequence[Any]) -> None:
        """Count those of an element's attributes that nothing reads."""
        combination = tuple(names)
        found = known.by_attributes.get(combination)
        if found is None:
            found = tuple(self._unknown_attributes(known, names))
            if len(known.by_attributes) < MAX_COMBINATIONS and _is_small(combination):
                known.by_attributes[combination] = found
        for sighting in found:
            sighting.count += 1

    def _unknown_attributes(self, known: Known, names: Sequence[Any]) -> Iterator[Sighting]:
        for full_name in names:
            sighting = self.find_attribute(known, full_name) if self.is_unknown_attribute(known, full_name) else None
            if sighting is not None:
                yield sighting

    @staticmethod
    def is_unknown_attribute(known: Known, full_name: str) -> bool:
        return not known.takes_all and full_name not in known.attributes and not full_name.startswith(_XSI)

    def find_attribute(self, known: Known, full_name: str) -> Sighting | None:
        """The sighting of an attribute that is unknown, at ``place`` if it is new; None where there are too many."""
        name = "@" + full_name[:MAX_NAME_CHARACTERS]
        if name in known.unknown:
            return known.unknown[name]
        spelled = self._names.spell_attribute(name[1:])
        return self._begin(ATTRIBUTE, f"{known.path}/@{spelled}", known.unknown, name)

    def note_namespace(self, *tags: str) -> None:
        """Count the namespace of the first of these elements whose namespace the feed does not list."""
        for tag in tags:
            sighting = self._find_namespace(tag)
            if sighting is not None:
                sighting.count += 1
                return

    def _find_namespace(self, tag: str) -> Sighting | None:
        uri = tag[1:].rpartition("}")[0] if tag[0] == "{" else ""
        if uri in self._listed:
            return None
        name = (uri or NO_NAMESPACE)[:MAX_NAME_CHARACTERS]
        return self._namespaces.get(name) or self._begin(NAMESPACE, name, self._namespaces, name)

    def _begin(self, kind: str, path: str, shelf: dict[str, Sighting], name: str) -> Sighting | None:
        if len(self._found) >= MAX_NAMES:
            return None
        place = Place(self.place.part_id, self.place.member, self.place.ordinal, self.place.line)
        sighting = shelf[name] = Sighting(kind, path[-2 * MAX_NAME_CHARACTERS :], place)
        self._found.append(sighting)
        return sighting


def _is_small(names: tuple[str, ...]) -> bool:
    return len(names) <= MAX_COMBINED and sum(map(len, names)) < MAX_NAME_CHARACTERS * len(names)
