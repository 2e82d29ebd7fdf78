"""The only place where an XML parser is built: its limits, its error texts, and XSDs.

Every parser here refuses the network, external entities and external DTDs. Entities of an internal DTD are expanded
within libxml2's own amplification limit; documents whose DTD declares nothing that could make more of them may be as
large as they like.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol, cast
from xml.parsers import expat

from lxml import etree

from sluice.errors import MalformedXML, PermanentError
from sluice.pieces import Piece, closing

_FEED_BYTES = 64 << 10
# What of a DTD can make a document larger than it is: entities, and attributes with defaults.
_GROWING = (b"<!ENTITY", b"<!ATTLIST")
_ROOT_WITHOUT_DOCTYPE = re.compile(rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<[^!?]", re.DOTALL)
XS = "{http://www.w3.org/2001/XMLSchema}"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


Element = etree._Element


class _NothingOutside(etree.Resolver):
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
        parser.resolvers.add(_NothingOutside())
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


def count_faults(document: bytes, schema: etree.XMLSchema, most: int) -> int:
    """How many faults a schema finds in a well-formed document; it stops counting soon after ``most``."""
    parser = etree.XMLParser(schema=schema, huge_tree=True, no_network=True, resolve_entities=False)
    for start in range(0, len(document), _FEED_BYTES):
        parser.feed(document[start : start + _FEED_BYTES])
        if len(parser.feed_error_log) > most:
            break
    return len(parser.feed_error_log)


class Schemas:
    """The XSDs of a feed; which one applies is decided by the namespace of the document's root.

    Imports and includes are resolved among the XSD files of the feed's folder only: by file name, else by the namespace
    that they declare. Raises ``PermanentError`` where one is missing or a schema is wrong.
    """

    def __init__(self, folder: Path, files: Iterable[str]) -> None:
        self._files = [folder / name for name in files]

    @cached_property
    def _documents(self) -> dict[str, Element]:
        """By file name, all that may be referred to."""
        available = {path.name: path for file in self._files for path in sorted(file.parent.glob("*.xsd"))}
        return {name: _parse_schema_document(path) for name, path in available.items()}

    @cached_property
    def constraints(self) -> dict[str, frozenset[str]]:
        """The identity constraints by their local name: those of the elements that declare them."""
        found: dict[str, set[str]] = {}
        for document in self._documents.values():
            for constraint in document.iter(*(f"{XS}{kind}" for kind in ("key", "keyref", "unique"))):
                declaring = constraint.getparent()
                if declaring is not None:
                    found.setdefault(constraint.get("name", "").strip(), set()).add(declaring.get("name", "").strip())
        return {name: frozenset(elements) for name, elements in found.items()}

    @cached_property
    def _by_namespace(self) -> dict[str, etree.XMLSchema]:
        documents = self._documents
        by_namespace = {document.get("targetNamespace", ""): name for name, document in documents.items()}
        with tempfile.TemporaryDirectory(prefix="sluice-xsd-") as local:
            for name, document in documents.items():
                _localise_references(name, document, by_namespace, documents.keys())
                (Path(local) / name).write_bytes(etree.tostring(document))
            return dict(_compile_schema(Path(local) / file.name) for file in self._files)

    def for_root(self, root: etree._Element) -> etree.XMLSchema | None:
        """The schema of this document; None where the feed has none for its namespace."""
        return self._by_namespace.get(etree.QName(root).namespace or "")


def _parse_schema_document(path: Path) -> Element:
    try:
        return etree.parse(
            str(path), etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        ).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise PermanentError(f"XSD {path.name}: {error}") from error


def parse_schema_file(path: Path) -> Element:
    """The root of an XSD file that nobody vouches for; raises ``PermanentError``.

    Entities of its own DTD are expanded within libxml2's limit, as some standards have them; external ones are refused.
    """
    parser = etree.XMLParser(
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only booleans
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    parser.resolvers.add(_NothingOutside())
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except (OSError, etree.XMLSyntaxError) as error:
        raise PermanentError(f"XSD {path.name}: {getattr(error, 'strerror', None) or error}") from error
    if root.tag != f"{XS}schema":
        raise PermanentError(f"XSD {path.name}: the root element is {root.tag}, not xs:schema")
    return root


def peek_schema_namespace(path: Path) -> str | None:
    """The target namespace of an XSD file, of which no more than the begin is read; None where it is no XSD."""
    parser = etree.XMLPullParser(("start",), resolve_entities=False, no_network=True, load_dtd=False)
    try:
        with path.open("rb") as file:
            while block := file.read(_FEED_BYTES):
                parser.feed(block)
                for _, root in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                    return root.get("targetNamespace", "") if root.tag == f"{XS}schema" else None
    except (OSError, etree.XMLSyntaxError):
        pass
    return None


def _localise_references(name: str, document: Element, by_namespace: dict[str, str], known: Iterable[str]) -> None:
    for reference in document.iter(f"{XS}import", f"{XS}include", f"{XS}redefine"):
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


class Listener(Protocol):
    """Who is told what stands in a document, while it is read. Names are as expat writes them: ``uri}local``."""

    def begin_document(self, parser: expat.XMLParserType) -> None: ...
    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def data(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...
    def declare(self, prefix: str | None, uri: str | None) -> None: ...


def _new_streaming_parser(listener: Listener) -> expat.XMLParserType:
    """A parser of a stream (UTF-8, whatever it declares) that makes no tree. It opens nothing: external entities and
    DTDs are passed over, and those of an internal DTD are expanded within expat's own amplification limit.
    """
    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True
    parser.buffer_size = _FEED_BYTES
    parser.StartElementHandler = listener.start
    parser.EndElementHandler = listener.end
    parser.CharacterDataHandler = listener.data
    parser.StartNamespaceDeclHandler = listener.declare
    listener.begin_document(parser)
    return parser


def listen(stream: Any, listener: Listener) -> None:
    """Read a stream of one or several documents, in memory that does not depend on its size.

    Raises ``MalformedXML`` with the place; what stood before it was told by then.
    """
    parser = _new_streaming_parser(listener)
    base, line = 0, 1  # where the present document begins in the stream
    fed, before = 0, b""
    while True:
        chunk = stream.read(4 * _FEED_BYTES)
        try:
            parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            if error.code not in _NEXT_DOCUMENT or parser.ErrorByteIndex <= 0:
                message = expat.ErrorString(error.code) or "not well-formed"
                code = _EXPAT_CODES.get(message, "malformed")
                place = line + error.lineno - 1
                offset = base + parser.ErrorByteIndex
                raise MalformedXML(code, f"line {place}: {message}", offset=offset, line=place) from None
            rest = (before + chunk)[len(before) + parser.ErrorByteIndex - fed :]
            base, line = base + parser.ErrorByteIndex, line + error.lineno - 1
            parser, fed, before = _new_streaming_parser(listener), 0, b""
            stream = _Resumed(rest, stream)
            continue
        if not chunk:
            return
        fed, before = fed + len(chunk), chunk


class _Resumed:
    """A stream with what was taken from it too early in front."""

    def __init__(self, head: bytes, stream: Any) -> None:
        self._head = head
        self._stream: Any = stream._stream if isinstance(stream, _Resumed) and not stream._head else stream

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(size)


# What expat says where one document has ended and something else begins.
_NEXT_DOCUMENT = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],
        expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
    }
)
_EXPAT_CODES = {
    expat.errors.XML_ERROR_NO_ELEMENTS: "truncated",
    expat.errors.XML_ERROR_UNCLOSED_TOKEN: "truncated",
    expat.errors.XML_ERROR_PARTIAL_CHAR: "truncated",
    expat.errors.XML_ERROR_INVALID_TOKEN: "malformed",
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: "unresolved_entity",
}
