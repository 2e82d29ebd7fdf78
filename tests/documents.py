"""XML documents to test with: Hypothesis makes them, and two other parsers (expat and lxml) say what is in them.

A stream is what a file holds: one document or several. What expat and lxml find in each whole document is the truth
that Sluice's pieces and cuts are held against.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.parsers import expat

from hypothesis import strategies as st
from lxml import etree

RecordPath = tuple[str, ...]

# Record paths: flat, below groups, one name at every depth, the root itself, two kinds, groups in groups.
SHAPES: tuple[tuple[RecordPath, ...], ...] = (
    (("root", "rec"),),
    (("root", "group", "rec"),),
    (("a", "a", "a"),),
    (("rec",),),
    (("root", "rec"), ("root", "group", "deleted")),
    (("root", "group", "rec"), ("root", "group", "group", "rec")),
)
_TEXTS = ("", "x", " ", "\n", "\n  ", "é€😀", "&lt;rec/&gt;", "&#10;", "]]", "a > b", "'\"", "&amp;", "1\n2\n3")
_HIDDEN = (
    "<!--<rec>-->", "<!---->", "<!-- </rec> ' \" ]]> -->", "<![CDATA[<rec/></rec>]]>", "<![CDATA[]]>",
    "<![CDATA[]] >]]]>", "<![CDATA[<!-- ]]>", "<?pi <rec> ?>", "<?pi?>", "<?p ??>", "<!--\n-->",
)  # fmt: skip
_ATTRIBUTES = (
    "", " x='1'", ' x="/>"', " x='/rec>'", ' x=">\n"', " x='\"'", ' y = "é"\n', " xml:lang='de'", ' p:x="1" x="2"',
    " xmlns:q='urn:q' q:y='/'", " x='&lt;rec>'",
)  # fmt: skip
_OTHER_NAMES = ("o", "records", "re", "rec.", "q-rec", "p:o", "ünö", "group2")
_DOCTYPES = (
    "<!DOCTYPE {0}>",
    "<!DOCTYPE {0} [<!ELEMENT rec ANY> <!-- ]> <rec> ' -->\n<?pi ]> \" ?> <!ENTITY e '<o>&#38;amp; ]]</o>'>]>",
    '<!DOCTYPE {0} [ <!ENTITY e "t\'>]"> <!ATTLIST rec z CDATA \'default\'> <!NOTATION n SYSTEM "]>"> ] >',
)

_EMPTY_TAG = re.compile(rb"""<[^\s/>]+(?:\s+[^\s=]+\s*=\s*(?:'[^']*'|"[^"]*"))*\s*/>""")


@dataclass(frozen=True)
class Stream:
    """``text`` is the stream as characters; ``documents`` are (start, end) in its UTF-8 bytes, of the XML proper."""

    paths: tuple[RecordPath, ...]
    text: str
    documents: tuple[tuple[int, int], ...]

    @property
    def data(self) -> bytes:
        return self.text.encode()


@dataclass(frozen=True)
class Record:
    """A record as it should be found: its bytes in the stream, the line on which it begins, its canonical XML."""

    start: int
    end: int
    line: int
    canonical: bytes


class _Writer:
    """Writes one document. ``pick`` chooses among alternatives, the simplest first."""

    def __init__(self, paths: Sequence[RecordPath], pick: random.Random) -> None:
        self._paths = paths
        self._random = pick
        self._has_entity = False
        self._default_namespace = False

    def document(self) -> str:
        root = self._qualify(self._paths[0][0])
        prolog = "".join(self._some(("<!-- <root> -->", "<?pi x?>", "\n", " "), 2))
        if self._chance(0.25):
            doctype = self._random.choice(_DOCTYPES)
            self._has_entity = "ENTITY e" in doctype
            prolog += doctype.format(root) + "\n"
        namespaces = " xmlns:p='urn:p'" + (" xmlns='urn:d'" if self._chance(0.3) else "")
        return prolog + self._element(root, (self._paths[0][0],), namespaces)

    def _element(self, name: str, path: RecordPath, attributes: str = "") -> str:
        attributes += self._random.choice(_ATTRIBUTES) if self._chance(0.4) else ""
        content = self._content(path)
        if not content and self._chance(0.7):
            return f"<{name}{attributes}{self._random.choice(('', ' ', chr(10)))}/>"
        return f"<{name}{attributes}>{content}</{name}{self._random.choice(('', '', ' ', chr(10)))}>"

    def _content(self, path: RecordPath) -> str:
        return "".join(self._item(path) for _ in range(self._random.randint(0, max(5 - len(path), 0))))

    def _item(self, path: RecordPath) -> str:
        kind = self._random.random()
        if kind < 0.2:
            return self._random.choice(_TEXTS)
        if kind < 0.35:
            return self._random.choice(_HIDDEN)
        if kind < 0.4 and self._has_entity:
            return "&e;"
        on_path = [p[len(path)] for p in self._paths if p[: len(path)] == path and len(p) > len(path)]
        names = on_path * 4 + [name for p in self._paths for name in p] + [self._random.choice(_OTHER_NAMES)]
        name = self._random.choice(names)
        return self._element(self._qualify(name), (*path, name))

    def _qualify(self, name: str) -> str:
        return f"p:{name}" if ":" not in name and self._chance(0.15) else name

    def _some(self, alternatives: Sequence[str], most: int) -> list[str]:
        return [self._random.choice(alternatives) for _ in range(self._random.randint(0, most))]

    def _chance(self, share: float) -> bool:
        return self._random.random() < share


def make_stream(seed: int, document_count: int, shape: int) -> Stream:
    """The stream of these numbers, always the same one."""
    pick = random.Random(seed)
    paths = SHAPES[shape]
    text, documents = "", []
    for number in range(document_count):
        text += pick.choice(("", "", " ", "\n\n", "\r\n"))
        if number == 0 and not text:
            text += pick.choice(("", "", "\ufeff", "\ufeff\n"))
        declaration = pick.choice(("", "<?xml version='1.0'?>", '<?xml version="1.0" encoding="UTF-8"\n?>\n'))
        # Comments after one document are part of the next one, unless that begins with a declaration.
        gap = pick.choice(("", "", "<!-- <rec/> -->\n", "<?end?>")) if number and declaration else ""
        text += gap
        body = declaration + _Writer(paths, pick).document()
        if pick.random() < 0.3:
            body = body.replace("\n", "\r\n")
        start = len(text.encode())
        text += body
        documents.append((start, len(text.encode())))
    text += pick.choice(("", "", "\n", "<!-- end -->\n", " <?end?>"))
    return Stream(paths, text, tuple(documents))


def streams(most_documents: int = 3) -> st.SearchStrategy[Stream]:
    return st.builds(
        make_stream, st.integers(0, 1 << 32), st.integers(1, most_documents), st.integers(0, len(SHAPES) - 1)
    )


def records_of(stream: Stream) -> list[Record]:
    """What expat (places) and lxml (content) find in the documents of the stream, each parsed whole."""
    found = []
    for start, end in stream.documents:
        text = stream.data[start:end]
        places = _Places(stream.paths)
        places.read(text)
        elements = elements_at(text, stream.paths)
        assert len(elements) == len(places.found)
        for (first, last), element in zip(places.found, elements, strict=True):
            line = 1 + stream.data.count(b"\n", 0, start + first)
            found.append(Record(start + first, start + last, line, canonical(element)))
    return found


def documents_in(data: bytes) -> list[bytes] | None:
    """The documents that follow each other in these bytes, by expat; None where it does not see where one ends."""
    found = []
    # A byte order mark at the end, of a document that has nothing more, is none that expat would pass over.
    data = re.sub(rb"(?:\xef\xbb\xbf|[ \t\r\n])+\Z", b"", data)
    while data := data.lstrip(b" \t\r\n").removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n"):
        parser = expat.ParserCreate("utf-8")
        try:
            parser.Parse(data, True)
            end = len(data)
        except expat.ExpatError as error:
            # Comments after the last document, which a byte order mark keeps from being part of it.
            if error.code == 3 and found and is_well_formed_document(b"<_>" + data + b"</_>"):
                return found
            # junk after the root, or a declaration there
            if error.code not in (9, 30) or not parser.ErrorByteIndex:
                return [*found, data] if found or not re.search(rb"<\w", data) else None
            end = parser.ErrorByteIndex
        found.append(data[:end])
        data = data[end:]
    return found


def is_well_formed(data: bytes) -> bool:
    """Whether lxml takes each of the documents; what comes after the last one may be comments."""
    documents = documents_in(data)
    return bool(documents) and all(map(is_well_formed_document, documents or ()))


def is_well_formed_document(text: bytes) -> bool:
    may_grow = b"<!ENTITY" in text or b"<!ATTLIST" in text
    parser = etree.XMLParser(
        encoding="utf-8",
        no_network=True,
        load_dtd=False,
        resolve_entities="internal",  # type: ignore[arg-type]  # the stubs know only booleans
        huge_tree=not may_grow,
        collect_ids=False,
    )
    try:
        etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        return False
    return True


def canonical(element: etree._Element) -> bytes:
    """The element as canonical XML (version 2.0: lxml's own of version 1 errs on parts of a tree)."""
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    return etree.canonicalize(text).encode()  # type: ignore[attr-defined]  # missing in the stubs


def elements_at(text: bytes, paths: Sequence[RecordPath]) -> list[etree._Element]:
    """The record elements of a document by their paths, in its order."""
    parser = etree.XMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    root = etree.fromstring(text, parser)
    found: list[etree._Element] = []

    def walk(element: etree._Element, path: RecordPath) -> None:
        path = (*path, etree.QName(element).localname)
        if path in paths:
            found.append(element)
        else:
            for child in element:
                walk(child, path)

    walk(root, ())
    return found


class _Places:
    """Byte ranges of the records of a document, by expat."""

    def __init__(self, paths: Sequence[RecordPath]) -> None:
        self.found: list[tuple[int, int]] = []
        self._paths = paths
        self._path: list[str] = []
        self._inside = 0
        self._start = 0

    def read(self, text: bytes) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = lambda name, _: self._begin(name, parser.CurrentByteIndex)
        parser.EndElementHandler = lambda _: self._end(parser.CurrentByteIndex, text)
        parser.Parse(text, True)

    def _begin(self, name: str, index: int) -> None:
        self._path.append(name.rpartition(":")[2])
        if not self._inside and tuple(self._path) in self._paths:
            self._inside, self._start = len(self._path), index

    def _end(self, index: int, text: bytes) -> None:
        if len(self._path) == self._inside:
            empty = _EMPTY_TAG.match(text, self._start)
            # For an empty-element tag, expat says where it ends.
            self.found.append((self._start, index if empty and empty.end() == index else text.index(b">", index) + 1))
            self._inside = 0
        self._path.pop()
