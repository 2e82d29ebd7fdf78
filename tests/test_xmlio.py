"""Encodings, the parser's limits, what its errors become, and where XSDs come from."""

from __future__ import annotations

import codecs
import encodings.aliases
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from sluice import xmlio
from sluice.charsets import Utf8Stream
from sluice.errors import MalformedXML, PermanentError
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.scanner import PathTable

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-1", "windows-1252", "shift_jis", "gb18030",
    "euc-jp", "koi8-r", "ascii",
)  # fmt: skip
SAMPLE = {"iso-8859-1": "Zürich", "windows-1252": "€ „Zürich“", "koi8-r": "Ёж", "ascii": "plain",
          "shift_jis": "東京", "euc-jp": "東京"}  # fmt: skip


def document(encoding: str, text: str, *, mark: bool = True) -> bytes:
    """A document that declares its encoding; with a byte order mark where Python's codec writes one."""
    name = encoding.removesuffix("-le").removesuffix("-be").upper()
    xml = f'<?xml version="1.0" encoding="{name}"?>\n<r>{text}</r>'
    data = xml.encode(encoding)
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    return marks.get(encoding, b"") + data if mark else data


def read_all(stream: Utf8Stream, size: int = 1 << 20) -> str:
    return b"".join(iter(lambda: stream.read(size), b"")).decode()


def read_until_fault(stream: Utf8Stream, size: int) -> tuple[bytes, MalformedXML]:
    data = b""
    try:
        while chunk := stream.read(size):
            data += chunk
    except MalformedXML as fault:
        return data, fault
    raise AssertionError("no fault")


def outcome_of(data: bytes) -> str:
    """The code of the fault, or what was read."""
    try:
        return read_all(Utf8Stream(io.BytesIO(data)))
    except MalformedXML as fault:
        return fault.code


class Breaking(io.BytesIO):
    """Raises where other streams end."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise MalformedXML("archive_broken", "broken")
        return data


# -- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_streams_are_utf_8_whatever_they_were(encoding: str, size: int) -> None:
    """Characters may be split over reads at any byte; a byte order mark goes, with what it was encoded in."""
    text = SAMPLE.get(encoding, "é€😀東") * 700
    stream = Utf8Stream(io.BytesIO(document(encoding, text)))
    read = read_all(stream, size)
    assert read.endswith(f"<r>{text}</r>")
    assert read.startswith("<?xml")
    assert stream.is_identity == (encoding in ("utf-8", "ascii"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_without_a_byte_order_mark(encoding: str) -> None:
    assert read_all(Utf8Stream(io.BytesIO(document(encoding, "x", mark=False)))).endswith("<r>x</r>")


def test_a_byte_order_mark_wins_over_the_declaration() -> None:
    data = codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="ISO-8859-1"?><r>\xc3\xa9</r>'
    assert read_all(Utf8Stream(io.BytesIO(data))).endswith("<r>é</r>")


@pytest.mark.parametrize("declared", ["UTF-16", "utf-32", "UTF8", "utf_8_sig"])
def test_a_declaration_that_the_bytes_belie_is_passed_over(declared: str) -> None:
    """Files are often declared as UTF-16 and stored as UTF-8 by whoever copied them."""
    data = f'<?xml version="1.0" encoding="{declared}"?><r>é</r>'.encode()
    assert read_all(Utf8Stream(io.BytesIO(data))).endswith("<r>é</r>")


def test_no_declared_encoding_ends_the_task() -> None:
    """Whatever codecs Python has (compressors, escapes, names of hosts): text, or a reject that says what is wrong."""
    names = {*encodings.aliases.aliases, *encodings.aliases.aliases.values(), "idna", "punycode", "undefined"}
    names |= {"unicode_escape", "raw_unicode_escape", "utf-7", "mbcs", "oem", "x-unknown", "cp037", "none"}
    outcomes: dict[str, str] = {}
    for name in sorted(names):
        outcomes[name] = outcome_of(f'<?xml version="1.0" encoding="{name}"?><r>plain</r>'.encode())[-12:]
    for name in (
        "zlib",
        "bz2",
        "hex",
        "base64",
        "rot13",
        "quopri_codec",
        "idna",
        "undefined",
        "unicode_escape",
        "utf-7",
    ):
        assert outcomes[name] == "encoding"
    for name in ("latin_1", "cp1252", "shift_jis", "iso2022_jp", "big5", "utf8", "ascii"):
        assert outcomes[name] == "<r>plain</r>"


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_bytes_that_do_not_fit_are_told_with_their_place(size: int) -> None:
    """And what came before them is not lost."""
    data = '<?xml version="1.0" encoding="windows-1252"?>\n<r>\n'.encode("cp1252") + b"x\x81y</r>"
    read, fault = read_until_fault(Utf8Stream(io.BytesIO(data)), size)
    assert read == data[: data.index(b"\x81")]
    assert (fault.code, fault.offset, fault.line) == ("encoding", data.index(b"\x81"), 3)


def test_a_file_that_ends_within_a_character_is_cut_off() -> None:
    data = document("utf-16", "éé")
    for end in (len(data) - 1, len(data) - 3):
        stream = Utf8Stream(io.BytesIO(data[:end]))
        with pytest.raises(MalformedXML) as caught:
            read_all(stream)
        assert (caught.value.code, caught.value.offset, caught.value.line) == ("truncated", end, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
@pytest.mark.parametrize("size", [1, 50, 1 << 20])
def test_a_fault_of_the_source_comes_after_the_last_good_byte(encoding: str, size: int) -> None:
    data = document(encoding, "x" * 3000)
    read, fault = read_until_fault(Utf8Stream(Breaking(data)), size)
    assert read.decode().endswith("xxx</r>")
    assert fault.code == "archive_broken"


def test_further_documents_are_in_the_same_encoding() -> None:
    """What is declared as another one could be taken for characters that it does not hold."""

    def read(first: str, second: str, encoding: str) -> None:
        data = (first + "<r/>").encode(encoding) + (second + "<r/>").encode(encoding)
        list(PieceReader(Utf8Stream(io.BytesIO(data)), PathTable([("r",)])))

    latin, utf8, ascii_only = (f'<?xml version="1.0" encoding="{name}"?>' for name in ("ISO-8859-1", "UTF-8", "ASCII"))
    read(latin, latin, "latin-1")
    read(utf8, ascii_only, "utf-8")
    read("", utf8, "utf-8")
    read("\ufeff" + utf8, "\ufeff" + latin, "utf-16-le")
    for first, second in ((latin, utf8), (latin, ""), (utf8, latin), ("", latin)):
        with pytest.raises(MalformedXML, match="a further document") as caught:
            read(first, second, "latin-1")
        assert (caught.value.code, caught.value.line) == ("encoding", 1)


# -- parsing ----------------------------------------------------------------------------------------------------------


def piece(body: bytes, context: bytes = b"", tail: bytes = b"", offset: int = 0, line: int = 1) -> Piece:
    """A piece without known records."""
    import numpy as np

    none = np.array([], np.int64)
    return Piece(context, body, tail, offset, none, none, 1, line)


def fault_of(text: bytes) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        xmlio.parse_piece(piece(text))
    assert isinstance(caught.value.offset, int)
    assert 0 <= caught.value.offset <= len(text)
    assert caught.value.line == 1 + text.count(b"\n", 0, caught.value.offset)
    return caught.value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"<r><a></b></r>", "malformed"),
        (b"<r>\n<a x='1' x='2'/></r>", "malformed"),
        (b"<r a=1/>", "malformed"),
        (b"<r><p:a/></r>", "malformed"),
        (b"<r>]]></r>", "malformed"),
        (b"<r>a & b</r>", "malformed"),
        (b"<r a='<'/>", "malformed"),
        (b"<r>\x01</r>", "malformed"),
        (b"<r>&#0;</r>", "malformed"),
        (b"<r/><r/>", "malformed"),
        (b"<r>\n\xff</r>", "encoding"),
        (b"<r>\xed\xa0\x80</r>", "encoding"),
        (b"<r a='\xc0\x80'/>", "encoding"),
        (b"<r><!--\xf8--></r>", "encoding"),
        (b"<r><\xff/></r>", "encoding"),
        (b"<r>\n<a>", "truncated"),
        (b"", "truncated"),
        (b"<r>&nbsp;</r>", "unresolved_entity"),
        (b"<!DOCTYPE r SYSTEM 'r.dtd'><r>&e;</r>", "unresolved_entity"),
        (b"<!DOCTYPE r SYSTEM 'r.dtd'><r a='&e;'/>", "unresolved_entity"),
        (b"<!DOCTYPE r [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><r>&a;</r>", "refused_dtd"),
        (b"<r>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</r>", "too_deep"),
        (b"<!DOCTYPE r [<!ENTITY e ''>]><r>" + b"x" * 11_000_000 + b"</r>", "too_large"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else value,
)
def test_what_the_parser_refuses_becomes_a_code(text: bytes, code: str) -> None:
    assert fault_of(text).code == code


def test_errors_have_their_place_in_the_file() -> None:
    """Not in the piece: its context is not counted, nor are lines of it named."""
    body = b"<a>\n</b></r>"
    with pytest.raises(MalformedXML) as caught:
        xmlio.parse_piece(piece(body, b"<?xml version='1.0'?>\n\n<r>", offset=1000, line=40))
    assert caught.value.message == "line 41: Opening and ending tag mismatch: a and b"
    assert 1004 <= (caught.value.offset or 0) <= 1008
    assert caught.value.line == 41


def test_only_documents_that_may_grow_have_small_limits() -> None:
    """A text of 11 MB is fine, unless a DTD could make more of it: one that declares entities or defaults. A DOCTYPE in
    a CDATA section is none.
    """
    text = b"x" * 11_000_000
    html = b"<![CDATA[<!DOCTYPE html [<!ENTITY e ''>]><html>]]>"
    comments = b"<?xml version='1.0'?><!-- <!DOCTYPE r> --><?p <!DOCTYPE ?>\n"
    external = b"<!DOCTYPE r SYSTEM 'r.dtd' [<!ELEMENT r ANY><!NOTATION n SYSTEM ''>]>"
    for prolog in (b"", comments, b"<!DOCTYPE r>", external):
        html = html if b"DOCTYPE" not in prolog or prolog is comments else b"x" * 38
        root = xmlio.parse_piece(piece(prolog + b"<r>" + html + text + b"</r>"))
        assert len(root.text or "") == len(text) + 38
    for before in (b"<!-- -->", b"<?p?>\n"):
        for declaration in (b"<!ENTITY e ''>", b"<!ENTITY % e ''>", b"<!ATTLIST r a CDATA ''>"):
            doctype = before + b"<!DOCTYPE r [" + declaration + b"]>"
            assert fault_of(doctype + b"<r>" + text + b"</r>").code == "too_large"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"<!--", b"-->", b"<?", b"?>", b"<!DOCTYPE r>", b"<r>", b" ", b"x", b"<!", b"'"]), max_size=8
    )
)
def test_a_doctype_that_counts_is_never_overlooked(parts: list[bytes]) -> None:
    """Whatever comes before it: without the limits of a DTD, an entity could fill the memory."""
    text = b"".join(parts) + b"<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(8)
    )  # fmt: skip
    for rest in (b"]><r>&i;</r>", b"]><r>"):
        try:
            root = xmlio.parse_piece(piece(text + rest))
        except MalformedXML:
            continue
        assert sum(len(t) for t in root.itertext()) < 10_000_000


def test_entities_of_the_document_itself_are_expanded() -> None:
    root = xmlio.parse_document(b"<!DOCTYPE r [<!ENTITY a 'x&#38;#38;'><!ENTITY b '<i>&a;</i>'>]><r q='&a;'>&b;</r>")
    assert (root.get("q"), root[0].text) == ("x&", "x&")


def text_or_code(document: bytes) -> str:
    try:
        root = xmlio.parse_document(document)
    except MalformedXML as fault:
        return fault.code
    return "".join([*root.itertext(), *(value for name, value in root.attrib.items() if name == "a")])


@pytest.mark.parametrize("kind", ["file", "http"])
def test_nothing_outside_the_document_is_read(kind: str, tmp_path: Path, listener: Listener) -> None:
    """Neither external DTDs nor external entities nor parameter entities, whether used or only declared."""
    secret = tmp_path / "secret.dtd"
    os.mkfifo(tmp_path / "waits-for-ever.dtd")
    secret.write_text("<!ENTITY e 'secret'><!ATTLIST r a CDATA 'secret'>")
    uri = secret.as_uri() if kind == "file" else f"http://127.0.0.1:{listener.port}/secret.dtd"
    for text in (
        f"<!DOCTYPE r SYSTEM '{uri}'><r>&e;</r>",
        f"<!DOCTYPE r SYSTEM '{uri}'><r/>",
        f"<!DOCTYPE r PUBLIC '-//x//y' '{uri}'><r>x</r>",
        f"<!DOCTYPE r SYSTEM '{uri}' [<!ENTITY a 'b'>]><r>&a;</r>",
        f"<!DOCTYPE r SYSTEM '{secret}'><r>&e;</r>",
        f"<!DOCTYPE r SYSTEM '{tmp_path.as_uri()}/waits-for-ever.dtd'><r>x</r>",
        f"<!DOCTYPE r SYSTEM '{tmp_path}/waits-for-ever.dtd'><r>x</r>",
        "<!DOCTYPE r SYSTEM 'file:///dev/zero'><r>x</r>",
        f"<!DOCTYPE r [<!ENTITY x SYSTEM '{uri}'>]><r>&x;</r>",
        f"<!DOCTYPE r [<!ENTITY x SYSTEM '{uri}'>]><r a='&x;'/>",
        f"<!DOCTYPE r [<!ENTITY % x SYSTEM '{uri}'>%x;]><r>&e;</r>",
        f"<!DOCTYPE r [<!ENTITY % x SYSTEM '{uri}'>%x;]><r/>",
        f"<r xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='{uri}'/></r>",
        f"<?xml-stylesheet href='{uri}'?><r/>",
    ):
        assert text_or_code(text.encode()) in ("", "x", "b", "unresolved_entity")
    assert listener.calls == 0


def test_ids_may_be_there_twice() -> None:
    """That is a matter of validity. With a DTD or without."""
    for text in (
        "<r xml:id='1 2'><a xml:id='x'/><a xml:id='x'/></r>",
        "<!DOCTYPE r [<!ATTLIST r i ID #IMPLIED>]><r i='x'><r i='x'/></r>",
    ):
        xmlio.parse_document(text.encode())


def test_the_sound_head_of_a_malformed_piece_ends_before_the_fault() -> None:
    """However many records come before it."""
    paths = PathTable([("r", "rec")])
    for faulty in range(9):
        records = b"".join(b"<rec><bad></rec></bad>" if n == faulty else b"<rec>%d</rec>" % n for n in range(9))
        data = b"<r>" + records + b"</r>"
        (whole, *_) = (item for item in PieceReader(io.BytesIO(data), paths) if isinstance(item, Piece))
        found = xmlio.parse_sound_head(whole)
        if faulty == 0:
            assert found is None
        else:
            assert found is not None
            assert [element.text for element in found[1]] == [str(n) for n in range(faulty)]
            assert len(found[0].starts) == faulty


# -- XSDs -------------------------------------------------------------------------------------------------------------


class Listener:
    """A server that counts who calls."""

    def __init__(self) -> None:
        self.calls = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def schema(body: str, target: str = "", extra: str = "") -> str:
    namespace = f' targetNamespace="{target}" xmlns="{target}" elementFormDefault="qualified"' if target else ""
    return f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"{namespace}{extra}>{body}</xs:schema>'


def valid(schemas: xmlio.Schemas, text: str) -> bool | None:
    root = xmlio.parse_document(text.encode())
    found = schemas.for_root(root)
    return None if found is None else found.validate(root)


def test_the_namespace_of_the_root_chooses_the_xsd(tmp_path: Path) -> None:
    (tmp_path / "v1.xsd").write_text(schema('<xs:element name="r" type="xs:int"/>', "urn:1"))
    (tmp_path / "v2.xsd").write_text(schema('<xs:element name="r" type="xs:date"/>', "urn:2"))
    (tmp_path / "none.xsd").write_text(schema('<xs:element name="r" type="xs:boolean"/>'))
    schemas = xmlio.Schemas(tmp_path, ["v1.xsd", "v2.xsd", "none.xsd"])
    assert valid(schemas, "<r xmlns='urn:1'>1</r>") is True
    assert valid(schemas, "<r xmlns='urn:2'>1</r>") is False
    assert valid(schemas, "<p:r xmlns:p='urn:2'>2020-01-01</p:r>") is True
    assert valid(schemas, "<r>true</r>") is True
    assert valid(schemas, "<r xmlns='urn:3'/>") is None


def test_imports_and_includes_are_found_in_the_folder(tmp_path: Path, listener: Listener) -> None:
    """By the last part of their address, else by their namespace; the web is never asked."""
    web = f"http://127.0.0.1:{listener.port}/schemas"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "main.xsd").write_text(
        schema(
            f'<xs:import namespace="urn:a" schemaLocation="{web}/deep/renamed.xsd"/>'
            f'<xs:import namespace="urn:b" schemaLocation="{web}/b.xsd"/>'
            '<xs:import namespace="urn:c"/><xs:include schemaLocation="../elsewhere/part.xsd"/>'
            '<xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="a:e"/><xs:element ref="b:e"/>'
            '<xs:element name="p" type="part"/></xs:sequence></xs:complexType></xs:element>',
            "urn:m",
            ' xmlns:a="urn:a" xmlns:b="urn:b"',
        )
    )
    (tmp_path / "sub" / "by-namespace.xsd").write_text(schema('<xs:element name="e" type="xs:int"/>', "urn:a"))
    (tmp_path / "sub" / "b.xsd").write_text(schema('<xs:element name="e" type="xs:int"/>', "urn:b"))
    (tmp_path / "sub" / "part.xsd").write_text(
        schema('<xs:simpleType name="part"><xs:restriction base="xs:int"/></xs:simpleType>', "urn:m")
    )
    schemas = xmlio.Schemas(tmp_path, ["sub/main.xsd"])
    text = "<r xmlns='urn:m'><e xmlns='urn:a'>1</e><e xmlns='urn:b'>2</e><p>{}</p></r>"
    assert valid(schemas, text.format(3)) is True
    assert valid(schemas, text.format("x")) is False
    assert listener.calls == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<xs:import namespace="urn:x" schemaLocation="{web}/x.xsd"/>', "x.xsd"),
        ('<xs:include schemaLocation="{web}/x.xsd"/>', "x.xsd"),
        ('<xs:redefine schemaLocation="{web}/x.xsd"/>', "x.xsd"),
        ('<xs:import namespace="urn:x"/><xs:element name="r" type="x:t" xmlns:x="urn:x"/>', "main.xsd"),
        ('<xs:element name="r" type="nowhere"/>', "main.xsd"),
        ("<xs:element", "main.xsd"),
        ('<xs:element name="r" type="xs:int" typo="1"/>', "main.xsd"),
    ],
)
def test_a_schema_that_is_wrong_or_not_there_says_so(
    body: str, message: str, tmp_path: Path, listener: Listener
) -> None:
    """Nothing is fetched, nothing is guessed: the task ends, and its message names the file."""
    (tmp_path / "main.xsd").write_text(schema(body.format(web=f"http://127.0.0.1:{listener.port}")))
    schemas = xmlio.Schemas(tmp_path, ["main.xsd"])
    with pytest.raises(PermanentError, match=message):
        schemas.for_root(xmlio.parse_document(b"<r/>"))
    assert listener.calls == 0


def test_a_schema_reads_no_entities(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    uri = (tmp_path / "secret.txt").as_uri()
    (tmp_path / "main.xsd").write_text(
        f"<!DOCTYPE s [<!ENTITY e SYSTEM '{uri}'><!ENTITY w SYSTEM 'http://127.0.0.1:{listener.port}'>]>"
        + schema('<xs:annotation><xs:documentation>&e;&w;</xs:documentation></xs:annotation><xs:element name="r"/>')
    )
    with pytest.raises(PermanentError, match=r"main\.xsd"):
        xmlio.Schemas(tmp_path, ["main.xsd"]).for_root(xmlio.parse_document(b"<r/>"))
    assert listener.calls == 0


def test_hints_in_a_document_load_no_schema(tmp_path: Path, listener: Listener) -> None:
    """``xsi:schemaLocation`` is the sender's; what is valid is the feed's to say."""
    (tmp_path / "main.xsd").write_text(schema('<xs:element name="r" type="xs:anyType"/>'))
    (tmp_path / "evil.xsd").write_text(schema('<xs:element name="e" type="xs:int"/>', "urn:e"))
    evil, web = (tmp_path / "evil.xsd").as_uri(), f"http://127.0.0.1:{listener.port}/evil.xsd"
    for uri in (evil, web):
        text = (
            f"<r xmlns:s='http://www.w3.org/2001/XMLSchema-instance' s:schemaLocation='urn:e {uri}'>"
            "<e xmlns='urn:e'>no number</e></r>"
        )
        assert valid(xmlio.Schemas(tmp_path, ["main.xsd"]), text) is True
    assert listener.calls == 0


@pytest.mark.parametrize(
    "text",
    [
        "<r>a<b>b</b>c<b/> <b> <c>d\r\n</c></b>\u0085\u2028&amp;&lt;&#13;&#x1F600;</r>",
        "<r xml:space='default'>  <a> x </a>\t</r>",
        "<!DOCTYPE r [<!ENTITY e 'in <i>an</i> entity'><!ENTITY f '&e;, &e;'>]><r>a&f;b<a>&e;</a></r>",
        "<r>a<!-- b -->c<?p d?>e<![CDATA[<f>&g;]]>h<a><!-- --></a></r>",
        "<r>" + "<a>x" * 2000 + "</a>y" * 2000 + "</r>",
        "<r/>",
    ],
)
def test_the_text_of_an_element_is_all_text_in_it(text: str) -> None:
    """Of the element alone, without what follows it."""
    root = etree.fromstring(text.encode(), xmlio.new_parser(has_doctype=False, may_grow=False))
    for element in root.iter():
        assert xmlio.spell_text(element) == "".join(element.itertext())
