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
from functools import lru_cache

# names as XML 1.0 (fifth edition) has them, without the colon
_START = (
    r"A-Z_a-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C-\u200D\u2070-\u218F\u2C00-\u2FEF"
    r"\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
)
NAME = rf"[{_START}][{_START}\-.0-9\u00B7\u0300-\u036F\u203F-\u2040]*"
_QNAME = re.compile(rf"(?:({NAME}):)?({NAME})")
_STRING = re.compile(r"""\s*=\s*(?:'([^']*)'|"([^"]*)")\s*\]""")

# Far more than any document has levels on the way to a value.
MAX_STEPS = 200

BUILT_IN_PREFIXES = {
    "xml": "http://www.w3.org/XML/1998/namespace",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}


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

    @property
    def prefixes(self) -> frozenset[str]:
        """The namespace prefixes that the path uses."""
        predicates = [predicate for step in self.steps for predicate in step.predicates]
        names = [step.name for step in self.steps]
        names += [name for predicate in predicates for name in (*predicate.steps, predicate.attribute) if name]
        names += [self.attribute] if self.attribute else []
        return frozenset(name.prefix for name in names if name.prefix)


@lru_cache(maxsize=4096)  # the checks of a feed ask for each of its paths three times and more
def parse_path(text: str) -> Path:
    """Parse ``text``; raises ``PathError``."""
    source = text.strip()
    if not source:
        raise PathError("the path is empty")
    is_absolute = source.startswith("/")
    position = 1 if is_absolute else 0
    up, attribute = 0, None
    steps: list[Step] = []
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
        if max(up, len(steps)) > MAX_STEPS:
            raise PathError(f"the path has more than {MAX_STEPS} steps")
        if position == len(source):
            return Path(source, is_absolute, up, tuple(steps), attribute)
        if source[position] != "/" or attribute is not None:
            raise _misread(source, position, f"unexpected {source[position:]!r}")
        position += 1


_HINTS = {
    "/": "`//` is not part of the path language: name each element on the way",
    "*": "`*` is not part of the path language: name the element",
    "(": "functions are not part of the path language: a path to an element takes its text",
    "..": "`..` stands at the start of a path only",
    "@": "an attribute ends the path",
}


def _misread(source: str, position: int, what: str) -> PathError:
    """The error at ``position`` (from 0) of a path, with a hint where the author thought of full XPath."""
    rest = source[position:]
    hint = next((f"; {text}" for start, text in _HINTS.items() if rest.startswith(start)), "")
    if rest[:1].isdigit() and source[position - 1 : position] == "[":
        hint = "; positions are not part of the path language, a predicate compares: [@Type='x']"
    place = f"at position {position + 1} of {source!r}" if rest else f"at the end of {source!r}"
    return PathError(f"{what} {place}{hint}")


def _parse_name(source: str, position: int) -> tuple[Name, int]:
    match = _QNAME.match(source, position)
    if match is None:
        raise _misread(source, position, "expected a name")
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
        raise _misread(source, position, "expected ='value']")
    value = match.group(1) if match.group(1) is not None else match.group(2)
    return Predicate(tuple(steps), attribute, value), match.end()


class Namespaces:
    """Prefix to URIs, as a feed declares them; turns names into the Clark names (``{uri}local``) that they match.

    The URI '' stands for "in no namespace". Both methods raise ``PathError`` for an unknown prefix.
    """

    def __init__(self, declared: dict[str, tuple[str, ...]]) -> None:
        self._declared = declared

    def element_names(self, name: Name) -> tuple[str, ...]:
        """All Clark names that an element of this name may have."""
        uris = self._uris(name) if name.prefix else self._declared.get("default", ("",))
        return tuple(_clark(uri, name.local) for uri in uris)

    def attribute_names(self, name: Name) -> tuple[str, ...]:
        """All Clark names that an attribute of this name may have; without a prefix it is in no namespace."""
        return tuple(_clark(uri, name.local) for uri in self._uris(name)) if name.prefix else (name.local,)

    def _uris(self, name: Name) -> tuple[str, ...]:
        if name.prefix in BUILT_IN_PREFIXES:
            return (BUILT_IN_PREFIXES[name.prefix],)
        if name.prefix not in self._declared:
            raise PathError(f"the prefix {name.prefix!r} is not declared under `namespaces`")
        return self._declared[name.prefix]

    @property
    def uris(self) -> frozenset[str]:
        """All namespaces that the feed lists, with '' where it reads names in none; and those that all XML has."""
        listed = {uri for uris in self._declared.values() for uri in uris}
        return frozenset({*listed, *BUILT_IN_PREFIXES.values(), *([] if "default" in self._declared else [""])})

    def spell_element(self, clark: str) -> str:
        """A Clark name as a path of the feed would have it; ``{uri}local`` where the feed does not list the URI."""
        uri, local = _split(clark)
        return local if uri in self._declared.get("default", ("",)) else self._spell(uri, local)

    def spell_attribute(self, clark: str) -> str:
        """``spell_element`` for an attribute, without its @."""
        uri, local = _split(clark)
        return self._spell(uri, local) if uri else local

    def _spell(self, uri: str, local: str) -> str:
        declared = {prefix: uris for prefix, uris in self._declared.items() if prefix != "default"}
        prefixes = {prefix: (known,) for prefix, known in BUILT_IN_PREFIXES.items()} | declared
        prefix = next((prefix for prefix, uris in prefixes.items() if uri in uris), None)
        return f"{{{uri}}}{local}" if prefix is None else f"{prefix}:{local}"


def _split(clark: str) -> tuple[str, str]:
    uri, _, local = clark.rpartition("}")
    return uri[1:], local


def _clark(uri: str, local: str) -> str:
    return f"{{{uri}}}{local}" if uri else local
