"""Documents of any size, told as they are read, without a tree."""

from __future__ import annotations

from typing import Any, Protocol
from xml.parsers import expat

from sluice.errors import MalformedXML

_FEED_BYTES = 64 << 10


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
