"""Names, namespaces and prologs as XML has them: what the tokenizer asks once for each that it meets."""

from __future__ import annotations

import re

from sluice.feed.paths import BUILT_IN_PREFIXES, NAME
from sluice.kernel.interning import Full

_QNAME = re.compile(rf"(?:({NAME}):)?({NAME})")
_DECLARATION = re.compile(rb"""xmlns(?::([^\s=:]+))?[ \t\r\n]*=[ \t\r\n]*(?:"([^"<&\t\r\n]*)"|'([^'<&\t\r\n]*)')""")
_PLAIN = r"[A-Za-z0-9/._~:@!$'()*+,;=-]*"
_PLAIN_URI = re.compile(
    rf"|[A-Za-z][A-Za-z0-9+.-]*:(?:(?!//){_PLAIN}|//[A-Za-z0-9._~-]*(?:/{_PLAIN})?)(?:#[A-Za-z0-9/._~:@-]*)?"
)
_WHITE = rb"[ \t\r\n]"
_XML_DECLARATION = re.compile(
    rb"""<\?xml[ \t\r\n]+version[ ]?=[ ]?(?:"1\.0"|'1\.0')"""
    rb"""(?:[ \t\r\n]+encoding[ ]?=[ ]?(?:"[A-Za-z][A-Za-z0-9._-]*"|'[A-Za-z][A-Za-z0-9._-]*'))?"""
    rb"""(?:[ \t\r\n]+standalone[ ]?=[ ]?(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>"""
)
_PUBLIC = rb"""(?:"[a-zA-Z0-9 ()+,./:=?;!*#@$_%'-]*"|'[a-zA-Z0-9 ()+,./:=?;!*#@$_%-]*')"""
_SYSTEM = rb"""(?:"[^"<>&#\x00-\x1f\x80-\xff]*"|'[^'<>&#\x00-\x1f\x80-\xff]*')"""
_DOCTYPE = re.compile(
    rb"<!DOCTYPE[ \t\r\n]+[A-Za-z_][A-Za-z0-9._-]*"
    rb"(?:[ \t\r\n]+(?:SYSTEM[ \t\r\n]+"
    + _SYSTEM
    + rb"|PUBLIC[ \t\r\n]+"
    + _PUBLIC
    + rb"[ \t\r\n]+"
    + _SYSTEM
    + rb"))?"
    rb"[ \t\r\n]*>"
)
_XMLNS_URI = "http://www.w3.org/2000/xmlns/"
# What of the attributes with the prefix xml has no other effect than a value.
_PLAIN_XML = ("lang", "base")


def read_name(raw: bytes) -> tuple[str, str] | None:
    """(Prefix, local name) of a name; None if it is none."""
    try:
        match = _QNAME.fullmatch(raw.decode())
    except UnicodeDecodeError:
        return None
    return (match[1] or "", match[2]) if match else None


def read_declaration(raw: bytes) -> tuple[str, str] | None:
    """(Prefix, URI) of a declaration such as ``xmlns:a="urn:a"``; None where it is not as plain as that."""
    match = _DECLARATION.fullmatch(raw)
    if match is None:
        return None
    try:
        prefix, uri = (match[1] or b"").decode(), (match[2] if match[2] is not None else match[3]).decode()
    except UnicodeDecodeError:
        return None
    reserved = prefix in ("xml", "xmlns") or uri in (BUILT_IN_PREFIXES["xml"], _XMLNS_URI)
    # libxml2 looks at what the URI is made of
    is_plain = _PLAIN_URI.fullmatch(uri)
    return None if reserved or (prefix and not uri) or not is_plain else (prefix, uri)


def measure_declaration(text: bytes) -> int:
    """How long the XML declaration at the begin of ``text`` is: 0 where there is none, -1 where it is odd."""
    if not text.startswith(b"<?xml") or text[5:6] not in (b" ", b"\t", b"\r", b"\n"):
        return 0
    match = _XML_DECLARATION.match(text)
    return match.end() if match else -1


def measure_doctype(text: bytes) -> int:
    """How long the document type declaration at the begin of ``text`` is, if it declares nothing itself; else -1."""
    match = _DOCTYPE.match(text)
    return match.end() if match else -1


class Environments:
    """Which prefixes are bound to which URIs, as numbers; 0 is what every document begins with."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bindings: list[dict[str, str]] = [{"xml": BUILT_IN_PREFIXES["xml"]}]
        self._numbers: dict[frozenset[tuple[str, str]], int] = {frozenset(self._bindings[0].items()): 0}

    def add(self, environment: int, raw: bytes) -> int:
        """What is in scope where ``raw`` is declared in an environment."""
        declared = read_declaration(raw)
        assert declared is not None
        prefix, uri = declared
        bindings = {**self._bindings[environment], prefix: uri}
        number = self._numbers.setdefault(frozenset(bindings.items()), len(self._bindings))
        if number == len(self._bindings):
            if number >= self._most:
                raise Full
            self._bindings.append(bindings)
        return number

    def resolve(self, environment: int, name: tuple[str, str], *, is_attribute: bool) -> str | None:
        """The Clark name; None where the prefix is not bound, or one that has effects of its own."""
        prefix, local = name
        if prefix == "xmlns" or (prefix == "xml" and not (is_attribute and local in _PLAIN_XML)):
            return None
        uri = "" if is_attribute and not prefix else self._bindings[environment].get(prefix, None if prefix else "")
        return None if uri is None else f"{{{uri}}}{local}" if uri else local
