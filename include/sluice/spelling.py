"""An element as text, for columns of type ``xml``: with the namespaces that it uses, whatever others are in scope."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from lxml import etree

from sluice.xmlio import Element

# lxml writes every declaration in scope, and compares each with each. Beyond so many of them, or characters in them, a
# copy is written, which has those that it uses; unless the copy would be large.
MAX_WRITTEN_NAMESPACES, MAX_WRITTEN_CHARACTERS = 64, 8 << 10
MAX_COPIED_ELEMENTS = 50_000
# So many are written for a large element; with more of them it is refused.
MAX_NAMESPACES = 1_000
MAX_REMEMBERED = 1_000

_NAME = re.compile(r"<[^\s/>]+")
_DECLARATION = re.compile(r""" xmlns(?::([^\s=]+))?=(?:"[^"]*"|'[^']*')""")
# A prefix before a colon, to be looked for in a text that was turned round: the other way it would take the square of
# the text's length.
_PREFIX_TURNED_ROUND = re.compile(r":([^\x00-,/:-@\[-^`{-\x7f]+)")


class TooManyNamespaces(Exception):
    """A large element stands where too many namespaces are declared."""


class Scope(NamedTuple):
    """The namespaces that are declared above an element: by prefix ('' for the default), the innermost first."""

    declared: tuple[dict[str, str], ...] = ()
    total: int = 0
    size: int = 0

    def uri_of(self, prefix: str) -> str:
        """Empty where there is none."""
        return next((declared[prefix] for declared in self.declared if prefix in declared), "")

    def within(self, declared: dict[str, str]) -> Scope:
        size = sum(len(prefix) + len(uri) for prefix, uri in declared.items())
        return Scope((declared, *self.declared), self.total + len(declared), self.size + size)


class Speller:
    """Writes elements of one tree at a time; to be told (``forget``) when the next one comes."""

    def __init__(self) -> None:
        self._scopes: dict[Element, Scope] = {}

    def forget(self) -> None:
        self._scopes.clear()

    def spell(self, element: Element) -> str:
        """The element without what follows it. Raises ``TooManyNamespaces``.

        It declares the default namespace, and of the others above it those whose prefix stands before a colon, be it in
        a name, a value or a text: it may be that of a type.
        """
        scope = self._scope_above(element)
        if not scope.total:
            return _write(element)
        if scope.total <= MAX_WRITTEN_NAMESPACES and scope.size <= MAX_WRITTEN_CHARACTERS:
            return _write_and_strip(element, scope)
        if next(islice(element.iter(), MAX_COPIED_ELEMENTS, None), None) is None:
            return _write_copy(element, scope)
        if scope.total > MAX_NAMESPACES:
            raise TooManyNamespaces(
                f"<{etree.QName(element).localname}> holds more than {MAX_COPIED_ELEMENTS:,} elements, below more than"
                f" {MAX_NAMESPACES:,} declarations of namespaces"
            )
        return _write_and_strip(element, scope)

    def _scope_above(self, element: Element) -> Scope:
        """Only elements that declare something are remembered: there may be very many others."""
        parent = element.getparent()
        if parent is None:
            return Scope()
        scope = self._scopes.get(parent)
        if scope is None:
            scope = self._scope_above(parent)
            declared = _declared_at(parent)
            if declared:
                scope = scope.within(declared)
                if len(self._scopes) >= MAX_REMEMBERED:
                    self._scopes.clear()
                self._scopes[parent] = scope
        return scope


def _declared_at(element: Element) -> dict[str, str]:
    """The namespaces that the element itself declares."""
    declared = {}
    for event, found in etree.iterwalk(element, events=("start-ns", "start")):
        if event == "start":
            break
        prefix, uri = found
        declared[prefix or ""] = uri or ""
    return declared


def _write(element: Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _write_and_strip(element: Element, scope: Scope) -> str:
    """Written with all declarations, of which those go that are neither used nor the element's own."""
    text = _write(element)
    name = _NAME.match(text)
    start = end = name.end() if name else 0
    found = []
    while declaration := _DECLARATION.match(text, end):
        found.append(declaration)
        end = declaration.end()
    rest = text[end:]
    kept = {*_declared_at(element), *_prefixes_in(text[:start] + rest, scope), None}
    return text[:start] + "".join(declaration[0] for declaration in found if declaration[1] in kept) + rest


def _write_copy(element: Element, scope: Scope) -> str:
    """A copy has its own declarations and those that names in it use; what else is needed is written into its tag."""
    duplicate = copy.deepcopy(element)
    text = _write(duplicate)
    declared = _declared_at(duplicate)
    more = ""
    for prefix in dict.fromkeys(["", *_prefixes_in(text, scope)]):
        uri = scope.uri_of(prefix)
        if uri and prefix not in declared:
            more += f" xmlns{':' if prefix else ''}{prefix}={quoteattr(uri)}"
    name = _NAME.match(text)
    start = name.end() if name else 0
    return text[:start] + more + text[start:]


def _prefixes_in(text: str, scope: Scope) -> Iterator[str]:
    """Those of the scope's prefixes that stand before a colon."""
    for match in _PREFIX_TURNED_ROUND.finditer(text[::-1]):
        prefix = match[1][::-1]
        if any(prefix in declared for declared in scope.declared):
            yield prefix
