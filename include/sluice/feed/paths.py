"""The path language of a feed: a small, exact subset of XPath.

A path walks child elements by name and ends at an element, an attribute, or the context itself::

    Amt                         the child element Amt
    Amt/@Ccy                    its attribute
    .                           the context element itself
    ../../GrpHdr/MsgId          an ancestor's content (before the first record only)
    ArticleId[@IdType='doi']    the children whose attribute has this value
    Bal[Tp/CdOrPrtry/Cd='OPBD'] the children below which an element has this text
    /Document/Stmt              from the document's root (record paths only)

Prefixes are those of the feed's ``namespaces``; a name without one is in the namespaces of ``default`` if the feed
declares it, else in none. Attributes without a prefix are in no namespace, as XML has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"[A-Za-z_\u00B7-\uFFFD][\w.\-\u00B7]*"
_QNAME = re.compile(rf"(?:({_NAME}):)?({_NAME})")
_STRING = re.compile(r"""\s*=\s*(?:'([^']*)'|"([^"]*)")\s*\]""")


class PathError(ValueError):
    """A path that does not parse; the message says where."""


@dataclass(frozen=True, slots=True)
class Name:
    prefix: str
    local: str

    def __str__(self) -> str:
        return f"{self.prefix}:{self.local}" if self.prefix else self.local


@dataclass(frozen=True, slots=True)
class Predicate:
    """``[@attribute='value']`` (``steps`` empty), ``[a/b='value']`` (``attribute`` None) or ``[a/@b='value']``."""

    steps: tuple[Name, ...]
    attribute: Name | None
    value: str


@dataclass(frozen=True, slots=True)
class Step:
    name: Name
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path: go ``up`` that many parents, walk ``steps``, then take ``attribute`` (None: the element)."""

    text: str
    is_absolute: bool
    up: int
    steps: tuple[Step, ...]
    attribute: Name | None

    def __str__(self) -> str:
        return self.text


def parse_path(text: str) -> Path:
    """Parse ``text``; raises ``PathError``."""
    source = text.strip()
    if not source:
        raise PathError("the path is empty")
    is_absolute = source.startswith("/")
    position = 1 if is_absolute else 0
    up, steps, attribute = 0, [], None
    if source == ".":
        return Path(source, False, 0, (), None)
    while True:
        if source.startswith("..", position) and not steps and not is_absolute:
            up, position = up + 1, position + 2
        elif source.startswith("@", position):
            attribute, position = _parse_name(source, position + 1)
        elif source.startswith("./", position) and not steps:
            position += 2
            continue
        else:
            step, position = _parse_step(source, position)
            steps.append(step)
        if position == len(source):
            return Path(source, is_absolute, up, tuple(steps), attribute)
        if source[position] != "/" or attribute is not None:
            raise PathError(f"unexpected {source[position:]!r} at position {position + 1} of {source!r}")
        position += 1


def _parse_name(source: str, position: int) -> tuple[Name, int]:
    match = _QNAME.match(source, position)
    if match is None:
        rest = source[position:]
        hint = "; '//' and '*' are not part of the path language" if rest[:1] in ("/", "*") else ""
        raise PathError(f"expected a name at position {position + 1} of {source!r}{hint}")
    return Name(match.group(1) or "", match.group(2)), match.end()


def _parse_step(source: str, position: int) -> tuple[Step, int]:
    name, position = _parse_name(source, position)
    predicates = []
    while source.startswith("[", position):
        predicate, position = _parse_predicate(source, position + 1)
        predicates.append(predicate)
    return Step(name, tuple(predicates)), position


def _parse_predicate(source: str, position: int) -> tuple[Predicate, int]:
    steps, attribute = [], None
    while attribute is None:
        if source.startswith("@", position):
            attribute, position = _parse_name(source, position + 1)
            break
        name, position = _parse_name(source, position)
        steps.append(name)
        if not source.startswith("/", position):
            break
        position += 1
    match = _STRING.match(source, position)
    if match is None:
        raise PathError(f"expected ='value'] at position {position + 1} of {source!r}")
    value = match.group(1) if match.group(1) is not None else match.group(2)
    return Predicate(tuple(steps), attribute, value), match.end()


class Namespaces:
    """Prefix to URIs, as a feed declares them; turns names into the Clark names (``{uri}local``) that they match."""

    def __init__(self, declared: dict[str, tuple[str, ...]]) -> None:
        self._declared = declared

    def element_names(self, name: Name) -> tuple[str, ...]:
        """All Clark names that an element of this name may have; raises ``PathError`` for an unknown prefix."""
        if not name.prefix:
            uris = self._declared.get("default", ("",))
        else:
            uris = self._uris(name)
        return tuple(f"{{{uri}}}{name.local}" if uri else name.local for uri in uris)

    def attribute_names(self, name: Name) -> tuple[str, ...]:
        if not name.prefix:
            return (name.local,)
        return tuple(f"{{{uri}}}{name.local}" for uri in self._uris(name))

    def _uris(self, name: Name) -> tuple[str, ...]:
        if name.prefix == "xml":
            return ("http://www.w3.org/XML/1998/namespace",)
        if name.prefix == "xsi":
            return ("http://www.w3.org/2001/XMLSchema-instance",)
        if name.prefix not in self._declared:
            raise PathError(f"the prefix {name.prefix!r} is not declared under 'namespaces'")
        return self._declared[name.prefix]
