"""Namespaces that are versions of one standard: their URIs differ in the last number or date only.

An element that a standard has in several versions is one element for a feed, and one ``Shape``: the first URI seen
stands for all of its family.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

_VERSION = r"v\d+(?:[._]\d+)*|\d+(?:[._]\d+)+|(?:19|20)\d\d(?:-\d\d?){0,2}|\d{1,2}"
_VERSION_SEGMENT = re.compile(rf"(?<=[/:#])(?:{_VERSION})(?=[/:#]|$)", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_LAST_SEGMENT = re.compile(r"[^/:#]*[#/]?$")


def family_of(uri: str) -> str:
    """The URI without what tells its version: segments that are versions, years or dates, and the last number in the
    last segment.
    """
    last = _LAST_SEGMENT.search(uri)
    cut = last.start() if last else len(uri)
    tail = uri[cut:]
    return _VERSION_SEGMENT.sub(
        "#", uri[:cut] + (_LAST_NUMBER.sub("#", tail) if re.search("[a-z]", tail, re.I) else tail)
    )


@dataclass(slots=True)
class Namespaces:
    """The namespaces of the samples: which URI stands for which, and the prefixes that documents have for them."""

    uris: dict[str, list[str]] = field(default_factory=dict)  # URI that stands for its family, to all of the family
    prefixes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _known: dict[str, str] = field(default_factory=dict)
    _families: dict[str, str] = field(default_factory=dict)
    _in_document: set[str] = field(default_factory=set)

    def begin_document(self) -> None:
        self._in_document.clear()

    def declare(self, prefix: str | None, uri: str) -> None:
        """A document binds a prefix. Two URIs of a family in one document are no versions of each other."""
        self._in_document.add(uri)
        self.prefixes[self.canonical(uri)][prefix or ""] += 1

    def canonical(self, uri: str) -> str:
        """The URI that stands for this one."""
        known = self._known.get(uri)
        if known is not None:
            return known
        first = self._families.get(family := family_of(uri))
        if first is None or first in self._in_document:
            first = uri
            self._families.setdefault(family, uri)
        self._known[uri] = first
        self.uris.setdefault(first, []).append(uri)
        return first

    def clark(self, name: str) -> str:
        """The Clark name of a name as expat writes it (``uri}local``), with the URI that stands for its family."""
        uri, _, local = name.rpartition("}")
        return f"{{{self.canonical(uri)}}}{local}" if uri else local
