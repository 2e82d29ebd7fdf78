"""Pieces and small documents, parsed by libxml2 into trees; and what is spelled of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from lxml import etree

from sluice.errors import MalformedXML
from sluice.pieces import Piece, closing

# What of a DTD can make a document larger than it is: entities, and attributes with defaults.
_GROWING = (b"<!ENTITY", b"<!ATTLIST")
_ROOT_WITHOUT_DOCTYPE = re.compile(rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<[^!?]", re.DOTALL)
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


Element = etree._Element


class NothingOutside(etree.Resolver):
    """Answers for every external DTD: it is empty. Without an answer libxml2 would open it, as it must not keep IDs."""

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]  # wrong stubs
        return self.resolve_string("", context, base_url=None)


def new_parser(*, has_doctype: bool, may_grow: bool) -> etree.XMLParser:
    """A parser for one piece, given as UTF-8 whatever its declaration says. ``may_grow`` keeps libxml2's limits."""
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only booleans
        load_dtd=False,
        no_network=True,
        huge_tree=not may_grow,
        remove_comments=True,
        remove_pis=True,
        # IDs that are there twice are no matter of well-formedness.
        collect_ids=False,
    )
    if has_doctype:
        parser.resolvers.add(NothingOutside())
    return parser


def parse_piece(piece: Piece) -> Element:
    """The root element of a piece; raises ``MalformedXML`` with the place in the file."""
    try:
        return _parse(piece.text)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        offset, line = piece.place_of(line or 1, column or 1)
        raise _malformed(error, offset, line) from None


def parse_sound_head(piece: Piece) -> tuple[Piece, Element] | None:
    """Of a piece that is malformed, the stretch with the whole records before the fault, parsed; None without any."""
    found, low, high = None, 0, len(piece.starts)
    while low < high:
        count = (low + high + 1) // 2
        head = piece.head(count)
        try:
            found, low = (head, parse_piece(head)), count
        except MalformedXML:
            high = count - 1
    return found


def lead_counts(piece: Piece) -> tuple[int, ...]:
    """How many children each ancestor that is open where the piece begins has in the context, the next ancestor not
    counted. What follows them stands among the records.
    """
    return _lead_counts(piece.context + closing(piece.chain), len(piece.chain))


@lru_cache(4)
def _lead_counts(lead: bytes, depth: int) -> tuple[int, ...]:
    if not depth:
        return ()
    element = parse_document(lead)
    counts = []
    for _ in range(depth - 1):
        counts.append(len(element) - 1)
        element = element[-1]
    return (*counts, len(element))


def parse_document(text: bytes) -> Element:
    """The root element of a small document; raises ``MalformedXML`` without a place."""
    try:
        return _parse(text)
    except etree.XMLSyntaxError as error:
        raise _malformed(error, None, None) from None


def open_names(context: bytes) -> list[bytes]:
    """The names, as they are written, of the elements that are open at the end of ``context``."""
    parser = etree.XMLPullParser(("start", "end"), resolve_entities=False, no_network=True, huge_tree=True)
    parser.feed(context + b"<_/>")  # the parser keeps back what the next byte may belong to
    names: list[bytes] = []
    for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
        if event == "start":
            local = etree.QName(element).localname
            names.append((f"{element.prefix}:{local}" if element.prefix else local).encode())
        else:
            names.pop()
    return names


def _parse(text: bytes) -> Element:
    has_doctype = _has_doctype(text)
    may_grow = has_doctype and any(declaration in text for declaration in _GROWING)
    return etree.fromstring(text, new_parser(has_doctype=has_doctype, may_grow=may_grow))


def _has_doctype(text: bytes) -> bool:
    """False only where it is sure: the limits of documents with a DTD, which can hold bombs, do not fit all others."""
    return b"<!DOCTYPE" in text and not _ROOT_WITHOUT_DOCTYPE.match(text)


def _malformed(error: etree.XMLSyntaxError, offset: int | None, line: int | None) -> MalformedXML:
    message = (error.msg or "not well-formed").split("\n")[0]
    # The parser counts lines from the begin of the piece, so that its numbers would mislead.
    message = re.sub(r", line \d+, column \d+$| line \d+", "", message)
    code = _code_of(message)
    where = "" if line is None else f"line {line}: "
    return MalformedXML(code, where + message, offset=offset, line=line)


def _code_of(message: str) -> str:
    return next((code for pattern, code in _CODES_BY_MESSAGE if pattern.search(message)), "malformed")


_CODES_BY_MESSAGE = (
    (re.compile(r"depth", re.I), "too_deep"),
    (re.compile(r"amplification|entity reference loop|entity.*loop|EntityRef loop", re.I), "refused_dtd"),
    (re.compile(r"Entity '.*' not defined"), "unresolved_entity"),
    (re.compile(r"encoding|UTF-8|Invalid bytes|Char 0x", re.I), "encoding"),
    (re.compile(r"Premature end|EOF|Document is empty|unexpected end", re.I), "truncated"),
    (re.compile(r"huge|too long|limit|maximum", re.I), "too_large"),
)


def spell_text(element: Element) -> str:
    """All text in the element, that of its descendants too: ten times as fast as joining ``itertext``."""
    return etree.tostring(element, method="text", encoding="unicode", with_tail=False)


def spell_document(root: Element) -> bytes:
    """The document of this root, in UTF-8."""
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def find_fault_in_fragment(text: str) -> tuple[str, str] | None:
    """What keeps a text from being a fragment of XML that PostgreSQL takes (its parser is this one, with its limits):
    a reject code and why. None where it is one.
    """
    try:
        etree.fromstring(f"<_>{text}</_>", etree.XMLParser(resolve_entities=False, no_network=True, collect_ids=False))
    except etree.XMLSyntaxError as error:
        code = _code_of(error.msg or "")
        return (code, _FRAGMENT_LIMITS[code]) if code in _FRAGMENT_LIMITS else ("malformed", str(error))
    except ValueError as error:
        return "malformed", str(error)
    return None


_FRAGMENT_LIMITS = {
    "too_deep": "the fragment is nested deeper than 255 levels, which PostgreSQL's xml does not take",
    "too_large": "a text, value or name in the fragment is longer than PostgreSQL's xml takes (10 million bytes)",
}
