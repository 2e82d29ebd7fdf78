"""The only place where an XML parser is built: encodings, limits, error texts, and XSDs.

Every parser here refuses the network, external entities and external DTDs. Entities of an internal DTD are expanded
within libxml2's own amplification limit; documents without a DTD may be as large as they like.
"""

from __future__ import annotations

import codecs
import re
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from lxml import etree

from sluice.errors import MalformedXML, PermanentError
from sluice.pieces import Piece

_DECLARED_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAME_AS_UTF8 = {"utf-8", "ascii"}
_SNIFF_BYTES = 1024
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class Utf8Stream:
    """A stream of XML as UTF-8, whatever it is encoded in; ``is_identity`` tells that the bytes are those of the
    source.

    ``read(n)`` returns n bytes or more unless the stream ends. Raises ``MalformedXML`` (encoding).
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._head = _read_fully(raw, _SNIFF_BYTES)
        self.encoding = detect_encoding(self._head)
        self.is_identity = self.encoding in _SAME_AS_UTF8
        self._decoder = None if self.is_identity else codecs.getincrementaldecoder(self.encoding)()
        self._consumed = 0

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        data = head + _read_fully(self._raw, size - len(head)) if len(head) < size else head
        if self._decoder is None:
            return data
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            offset = self._consumed + error.start
            message = f"byte {offset} of the file does not fit the encoding {self.encoding}"
            raise MalformedXML("encoding", message, offset=offset) from error
        if self._consumed == 0:
            text = text.removeprefix("\ufeff")
        self._consumed += len(data)
        # A multi-byte character may need the next read; an empty answer would look like the end.
        return text.encode() if text or not data else self.read(size)


def _read_fully(raw: BinaryIO, size: int) -> bytes:
    """Read until ``size`` bytes are there or the stream ends: short reads must not decide where pieces are cut."""
    first = raw.read(size)
    if len(first) >= size or not first:
        return first
    chunks, total = [first], len(first)
    while total < size and (chunk := raw.read(size - total)):
        chunks.append(chunk)
        total += len(chunk)
    return b"".join(chunks)


def detect_encoding(head: bytes) -> str:
    """The encoding of a document by its byte order mark, its first bytes, or its declaration; raises ``MalformedXML``.

    Follows appendix F of the XML recommendation. A declaration that the bytes themselves contradict (UTF-16 in a file
    of single bytes) is taken for UTF-8, which then proves itself or fails.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    if head.startswith((b"<\0?\0", b"<\0")):
        return "utf-16-le"
    if head.startswith(b"\0<"):
        return "utf-16-be"
    match = _DECLARED_ENCODING.match(head)
    if match is None:
        return "utf-8"
    declared = match.group(1).decode()
    try:
        name = codecs.lookup(declared).name
    except LookupError as error:
        raise MalformedXML("encoding", f"the declared encoding {declared!r} is not known", offset=0, line=1) from error
    return "utf-8" if name.startswith(("utf-16", "utf-32")) else name


def new_parser(*, has_doctype: bool, keep_ids: bool = False) -> etree.XMLParser:
    """A parser for one piece, given as UTF-8 whatever its declaration says."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only booleans
        load_dtd=False,
        no_network=True,
        huge_tree=not has_doctype,
        remove_comments=True,
        remove_pis=True,
        collect_ids=keep_ids,
    )


def parse_piece(piece: Piece) -> etree._Element:
    """The root element of a piece; raises ``MalformedXML`` with the line in the file."""
    text = piece.text
    try:
        root = etree.fromstring(text, new_parser(has_doctype=_has_doctype(text)))
    except etree.XMLSyntaxError as error:
        lines_before = piece.context.count(b"\n") if piece.context else 0
        line = piece.first_line + max(error.position[0] - 1 - lines_before, 0)
        raise _malformed(error, piece.offset, line) from None
    if root is None:
        raise MalformedXML("malformed", "the document has no root element", offset=piece.offset, line=piece.first_line)
    return root


def parse_document(text: bytes) -> etree._Element:
    """The root element of a small document; raises ``MalformedXML``."""
    try:
        return etree.fromstring(text, new_parser(has_doctype=_has_doctype(text)))
    except etree.XMLSyntaxError as error:
        raise _malformed(error, 0, error.position[0]) from None


def has_unresolved_entity(element: etree._Element) -> bool:
    """Whether a reference to an undefined entity was left in the tree (only a document with a DTD can hold one)."""
    return next(element.iter(etree.Entity), None) is not None


def may_hold_entities(root: etree._Element) -> bool:
    return root.getroottree().docinfo.internalDTD is not None


def _has_doctype(text: bytes) -> bool:
    start = text.find(b"<!DOCTYPE")
    return start != -1


def _malformed(error: etree.XMLSyntaxError, offset: int, line: int) -> MalformedXML:
    message = (error.msg or "not well-formed").split("\n")[0]
    message = re.sub(r", line \d+, column \d+$", "", message)
    code = "malformed"
    for pattern, found in _CODES_BY_MESSAGE:
        if pattern.search(message):
            code = found
            break
    return MalformedXML(code, f"line {line}: {message}", offset=offset, line=line)


_CODES_BY_MESSAGE = (
    (re.compile(r"depth", re.I), "too_deep"),
    (re.compile(r"amplification|entity reference loop|entity.*loop|EntityRef loop", re.I), "refused_dtd"),
    (re.compile(r"Entity '.*' not defined"), "unresolved_entity"),
    (re.compile(r"encoding|UTF-8|Invalid bytes|Char 0x", re.I), "encoding"),
    (re.compile(r"Premature end|EOF|Document is empty|unexpected end", re.I), "truncated"),
    (re.compile(r"huge|too long|limit|maximum", re.I), "too_large"),
)


class Schemas:
    """The XSDs of a feed; which one applies is decided by the namespace of the document's root.

    Imports and includes are resolved among the XSD files of the feed's folder only: by file name, else by the namespace
    that they declare. Raises ``PermanentError`` where one is missing or a schema is wrong.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        self._files = [folder / name for name in files]

    @cached_property
    def _by_namespace(self) -> dict[str, etree.XMLSchema]:
        available = {path.name: path for file in self._files for path in sorted(file.parent.glob("*.xsd"))}
        documents = {name: _parse_schema_document(path) for name, path in available.items()}
        by_namespace = {document.get("targetNamespace", ""): name for name, document in documents.items()}
        with tempfile.TemporaryDirectory(prefix="sluice-xsd-") as local:
            for name, document in documents.items():
                _localise_references(name, document, by_namespace, documents.keys())
                (Path(local) / name).write_bytes(etree.tostring(document))
            return dict(_compile_schema(Path(local) / file.name) for file in self._files)

    def for_root(self, root: etree._Element) -> etree.XMLSchema | None:
        """The schema of this document; None where the feed has none for its namespace."""
        return self._by_namespace.get(etree.QName(root).namespace or "")


def _parse_schema_document(path: Path) -> etree._Element:
    try:
        return etree.parse(
            str(path), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        ).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise PermanentError(f"XSD {path.name}: {error}") from error


def _localise_references(
    name: str, document: etree._Element, by_namespace: dict[str, str], known: Iterable[str]
) -> None:
    namespace = "{http://www.w3.org/2001/XMLSchema}"
    for reference in document.iter(f"{namespace}import", f"{namespace}include", f"{namespace}redefine"):
        location = reference.get("schemaLocation")
        wanted = (location or "").rsplit("/", 1)[-1]
        found = wanted if wanted in known else by_namespace.get(reference.get("namespace", "\0"))
        if found is None and location is not None:
            raise PermanentError(f"XSD {name} refers to {location!r}, and there is no such file in the feed's folder")
        if found is not None:
            reference.set("schemaLocation", found)


def _compile_schema(path: Path) -> tuple[str, etree.XMLSchema]:
    document = _parse_schema_document(path)
    try:
        return document.get("targetNamespace", ""), etree.XMLSchema(etree.parse(str(path)))
    except etree.XMLSchemaParseError as error:
        raise PermanentError(f"XSD {path.name}: {error}") from error
