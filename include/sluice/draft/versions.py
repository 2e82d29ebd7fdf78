"""Namespaces that are versions of one standard: their URIs differ in the last number or date only.

An element that a standard has in several versions is one element for a feed, and one ``Shape``: the least URI of them
stands for all.
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
    """The namespaces of the samples: which URI stands for which, and the prefixes that documents have for them.

    URIs of a family that is ``apart`` are no versions of each other: some document has two of them. Which families are
    so is known when all is read, as ``together``; samples that have such are read again.
    """

    apart: frozenset[str] = frozenset()
    together: set[str] = field(default_factory=set)
    uris: dict[str, list[str]] = field(default_factory=dict)  # URI that stands for its family, to all of the family
    prefixes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _known: dict[str, str] = field(default_factory=dict)
    _families: dict[str, str] = field(default_factory=dict)
    _family_of: dict[str, str] = field(default_factory=dict)
    _in_document: dict[str, str] = field(default_factory=dict)  # by family

    def begin_document(self) -> None:
        self._in_document.clear()

    def declare(self, prefix: str | None, uri: str) -> None:
        """A document binds a prefix. Two URIs of a family in one document are no versions of each other."""
        canonical = self.canonical(uri)
        family = self._family_of[uri]
        if self._in_document.setdefault(family, uri) != uri:
            self.together.add(family)
        self.prefixes[canonical][prefix or ""] += 1

    def canonical(self, uri: str) -> str:
        """The URI that stands for this one."""
        known = self._known.get(uri)
        if known is not None:
            return known
        family = self._family_of[uri] = family_of(uri)
        first = uri if family in self.apart else self._families.setdefault(family, uri)
        self._known[uri] = first
        self.uris.setdefault(first, []).append(uri)
        return first

    def settle(self) -> dict[str, str]:
        """Let the least URI stand for each family, whichever came first; answers what stands for what stood before."""
        least = {first: min(uris) for first, uris in self.uris.items()}
        self.uris = {least[first]: uris for first, uris in self.uris.items()}
        prefixes = [(least[first], counts) for first, counts in self.prefixes.items()]
        self.prefixes.clear()
        self.prefixes.update(prefixes)
        self._known = {uri: least[first] for uri, first in self._known.items()}
        self._families = {family: least[first] for family, first in self._families.items()}
        return least

    def clark(self, name: str) -> str:
        """The Clark name of a name as expat writes it (``uri}local``), with the URI that stands for its family."""
        uri, _, local = name.rpartition("}")
        return f"{{{self.canonical(uri)}}}{local}" if uri else local
