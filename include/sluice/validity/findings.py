"""What libxml2 found wrong in a tree of many records, by the records that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lxml import etree

from sluice import xmlio
from sluice.validity.errors import NOT_EXPECTED, is_of_constraint, reaches_beyond

# Bytes that libxml2 keeps of a name with its prefix where it spells a path.
_CUT_OFF = 99


class Findings:
    """What libxml2 found wrong in a tree of many records.

    ``wrong`` holds elements at the depths of records; ``is_partial`` tells that it did not look at everything.
    """

    def __init__(
        self,
        errors: Iterable[Any] | None,
        record_paths: Sequence[Sequence[str]],
        places: Places,
        schemas: xmlio.Schemas,
    ) -> None:
        depths = {len(path) for path in record_paths}
        self.is_partial = errors is None
        self.wrong: set[xmlio.Element] = set()
        for error in errors or ():
            if all(reaches_beyond(error, path[:-1], schemas) for path in record_paths):
                continue
            steps = (error.path or "").split("/")[1:]
            # libxml2 does not say where a reference is that finds no key.
            if not steps or (not is_of_constraint(error) and _hides_what_follows(error, len(steps), max(depths))):
                self.is_partial = True
            found = [places.find(steps[:depth]) for depth in depths if len(steps) >= depth]
            self.is_partial = self.is_partial or None in found
            self.wrong.update(element for element in found if element is not None)

    def makes_suspect(self, element: xmlio.Element) -> bool:
        """Whether a record must be judged alone; else it is valid side by side with the others."""
        return self.is_partial or element in self.wrong


class Places:
    """Finds elements by libxml2's paths, in one look at the children of each parent: to ask each element for its path
    takes a look at all its siblings.
    """

    def __init__(self, root: xmlio.Element) -> None:
        self._root = root
        self._children: dict[xmlio.Element, dict[str, list[xmlio.Element]]] = {}

    def find(self, steps: Sequence[str]) -> xmlio.Element | None:
        """None for a step that names no element: an attribute, or a name that libxml2 has cut off."""
        element: xmlio.Element | None = self._root
        for step in steps[1:]:
            name, _, number = step.rstrip("]").partition("[")
            same = self._by_name(element).get(name, ()) if element is not None else ()
            index = int(number or 1) - 1
            element = same[index] if index < len(same) and len(name.encode()) < _CUT_OFF else None
        return element

    def _by_name(self, parent: xmlio.Element) -> dict[str, list[xmlio.Element]]:
        """The children as libxml2 counts them: by prefix and name, those of a default namespace among all."""
        if parent not in self._children:
            by_name = self._children[parent] = {"*": list(parent)}
            for child in parent:
                if child.prefix or child.tag[0] != "{":
                    name = f"{child.prefix}:{etree.QName(child).localname}" if child.prefix else child.tag
                    by_name.setdefault(name, []).append(child)
        return self._children[parent]


def _hides_what_follows(error: Any, depth: int, deepest: int) -> bool:
    """Whether libxml2 may have passed over records because of this error: one of an ancestor, or a child of it that has
    no place there.
    """
    if depth < deepest:
        return "Missing child element" not in error.message
    return depth == deepest and NOT_EXPECTED in error.message
