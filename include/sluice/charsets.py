"""The encodings of files: how they are told, and their bytes as UTF-8, which is all that scanner and parser see."""

from __future__ import annotations

import codecs
import io
import re
from functools import lru_cache
from typing import BinaryIO

from sluice.errors import MalformedXML

_DECLARED_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAME_AS_UTF8 = {"utf-8", "ascii"}
# Python's own, that no XML is in; some decode to other things than text, or take long.
_NOT_FOR_XML = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
_SNIFF_BYTES = 1024
# How much white space may stand before a document: behind it may be a declaration.
MAX_LEAD_BYTES = 1 << 20
_WHITE = b" \t\r\n"
# All bytes but those that are control characters in ISO 8859 (which are in no text), and quotes and dashes in Windows.
_NO_CONTROLS = bytes([*range(0x80), *range(0xA0, 0x100)])


class Utf8Stream:
    """A stream of XML as UTF-8, whatever it is encoded in; ``is_identity`` tells that the bytes are those of the
    source.

    ``assured`` is an encoding that the feed vouches for; only a byte order mark speaks against it. Without it a
    declaration is doubted where the bytes show that it is wrong.

    ``read(n)`` returns n bytes or more unless the stream ends or breaks; what it breaks with is raised by the read
    after the one that gave the last good bytes. Raises ``MalformedXML``: encoding, wrong_encoding, truncated,
    too_large, and what ``raw`` raises.
    """

    def __init__(self, raw: BinaryIO, assured: str | None = None) -> None:
        self._raw = raw
        self._fault: MalformedXML | None = None
        self._head = b""
        self._head = self._sniff()
        self.encoding = detect_encoding(self._head, assured)
        self.is_identity = self.encoding in _SAME_AS_UTF8
        self.is_assured = assured is not None
        self._decoder = None if self.is_identity else codecs.getincrementaldecoder(self.encoding)()
        self._doubt = None if self.is_identity or assured else _Doubt(self.encoding)
        self._consumed = 0
        self._line = 1

    def read(self, size: int) -> bytes:
        data = self._take(size)
        if self._decoder is None:
            return data
        # A multi-byte character may need the next read; an empty answer would look like the end.
        while data and not (text := self._decode(data)):
            data = self._take(size)
        if data:
            return text.encode()
        rest = self._decode(b"").encode()
        if self._doubt:
            self._doubt.judge_whole()
        return rest

    def _sniff(self) -> bytes:
        """The first bytes, and as many behind white space. Raises ``MalformedXML`` where there is too much of that."""
        head = self._take(_SNIFF_BYTES)
        while len(head) < (wanted := len(head) - len(head.lstrip(_WHITE)) + _SNIFF_BYTES):
            if wanted > MAX_LEAD_BYTES + _SNIFF_BYTES:
                message = f"more than {MAX_LEAD_BYTES:,} bytes of white space stand before the document"
                raise MalformedXML("too_large", message, offset=0, line=1)
            self._head, size = head, len(head)
            head = self._take(2 * wanted)
            if len(head) == size:
                break
        return head

    def _take(self, size: int) -> bytes:
        """As many bytes as wanted, unless the stream ends: short reads must not decide where pieces are cut."""
        chunks, total = [self._head], len(self._head)
        self._head = b""
        try:
            while total < size and not self._fault and (chunk := self._raw.read(size - total)):
                chunks.append(chunk)
                total += len(chunk)
        except MalformedXML as fault:
            self._fault = fault
        if self._fault and not total:
            raise self._fault
        return b"".join(chunks)

    def _decode(self, data: bytes) -> str:
        """The characters of the next bytes; no bytes mean the end of the stream."""
        assert self._decoder is not None
        if self._doubt:
            self._doubt.look_at(data, self._consumed, self._line)
        before = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            if not data:
                message = "the file ends within a character"
                raise MalformedXML("truncated", message, offset=self._consumed, line=self._line) from error
            waiting = len(before[0])
            self._decoder.setstate(before)
            text = self._decoder.decode(data[: max(error.start - waiting, 0)])
            offset = self._consumed - waiting + error.start
            message = f"byte {offset} of the file does not fit the encoding {self.encoding}"
            line = self._line + text.count("\n")
            self._fault = MalformedXML("encoding", message, offset=offset, line=line)
            if not text:
                raise self._fault from error
        if self._consumed == 0:
            text = text.removeprefix("\ufeff")
        self._consumed += len(data)
        self._line += text.count("\n")
        return text


class Utf8Text(io.BytesIO):
    """A stream of XML as UTF-8 all of whose bytes are at hand; ``encoding`` and ``is_assured`` are those of the
    ``Utf8Stream`` that it stands for.
    """

    def __init__(self, data: bytes, encoding: str, *, is_assured: bool) -> None:
        super().__init__(data)
        self.encoding, self.is_assured = encoding, is_assured

    @classmethod
    def of(cls, data: bytes, assured: str | None) -> Utf8Text | None:
        """The bytes of a file, if they are a document in UTF-8 by their looks: nothing compressed, no archive, and not
        in an encoding of several bytes. ``assured`` as of ``Utf8Stream``. Raises ``MalformedXML`` as that does.
        """
        head = data[:_SNIFF_BYTES]
        if not head.startswith(b"<") or b"\0" in head:
            return None
        encoding = detect_encoding(head, assured)
        return cls(data, encoding, is_assured=assured is not None) if encoding in _SAME_AS_UTF8 else None


class _Doubt:
    """Holds a declared encoding against the bytes of a whole stream. Raises ``MalformedXML``: wrong_encoding.

    Two mistakes can be told, and they are the usual ones: Windows-1252 declared as ISO 8859-1 has bytes that mean
    control characters there; UTF-8 declared as anything else is UTF-8 from its first byte to its last, which no text in
    another encoding is but by a rare chance.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._has_controls = encoding.startswith("iso8859")
        self._utf8 = None if encoding.startswith(("utf-16", "utf-32")) else codecs.getincrementaldecoder("utf-8")()
        self._seen = False

    def look_at(self, data: bytes, offset: int, line: int) -> None:
        """Raises for a control character; ``offset`` and ``line`` are the place of ``data``."""
        if self._has_controls and (controls := data.translate(None, _NO_CONTROLS)):
            index = data.index(controls[:1])
            place = {"offset": offset + index, "line": line + data.count(b"\n", 0, index)}
            found = f"byte {offset + index} of the file, 0x{controls[0]:02x}, is no character of {self._encoding}"
            raise MalformedXML("wrong_encoding", f"{found}; {_SAY_SO.format('windows-1252')}", **place)
        if self._utf8 is None:
            return
        try:
            self._utf8.decode(data, final=not data)
        except UnicodeDecodeError:
            self._utf8 = None
        else:
            self._seen = self._seen or not data.isascii()

    def judge_whole(self) -> None:
        """To be called once, at the end of the stream."""
        if self._utf8 is not None and self._seen:
            found = f"the file is declared as {self._encoding}, but all of it is UTF-8"
            raise MalformedXML("wrong_encoding", f"{found}; {_SAY_SO.format('utf-8')}", offset=0, line=1)


_SAY_SO = "if it is really in another encoding, say so with `encoding: {}` in the feed"


def detect_encoding(head: bytes, assured: str | None = None) -> str:
    """The encoding of a document by its byte order mark, what the feed says, its first bytes, or its declaration.

    Follows appendix F of the XML recommendation. A declaration that the bytes themselves contradict (UTF-16 in a file
    of single bytes) is taken for UTF-8, which then proves itself or fails. Raises ``MalformedXML``.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    if assured is not None:
        return codecs.lookup(assured).name
    if head.startswith((b"<\0?\0", b"<\0")):
        return "utf-16-le"
    if head.startswith(b"\0<\0"):
        return "utf-16-be"
    match = _DECLARED_ENCODING.match(head)
    return "utf-8" if match is None else _declared_encoding(match.group(1).decode())


@lru_cache(64)
def _declared_encoding(declared: str) -> str:
    """The encoding that a document is in by its declaration, and by being read that far as single bytes."""
    codec = find_codec(declared)
    if codec is None:
        raise MalformedXML("encoding", f"the declared encoding {declared!r} is not known", offset=0, line=1)
    return "utf-8" if codec.startswith(("utf-16", "utf-32", "utf-8")) else codec


def find_codec(name: str) -> str | None:
    """Python's name of an encoding that XML may be in; None where there is no such encoding."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = getattr(codec, "_is_text_encoding", True) and codec.incrementaldecoder is not None
    return codec.name if is_text and codec.name not in _NOT_FOR_XML else None


def check_same_encoding(stream: object, prolog: bytes) -> None:
    """Refuse a further document of a stream that declares another encoding than the stream is in.

    Bytes of another encoding could be mistaken for characters. Raises ``MalformedXML``.
    """
    encoding = getattr(stream, "encoding", "utf-16")
    if getattr(stream, "is_assured", False):
        return
    declared = detect_encoding(prolog)
    if encoding != declared and {encoding, declared} != _SAME_AS_UTF8 and not encoding.startswith(("utf-16", "utf-32")):
        message = f"a further document in the file is declared as {declared}; the first one is in {encoding}"
        raise MalformedXML("encoding", message)
