"""XML as it really comes: a test for each row of the tables in docs/xml.md, from the file to the rows in PostgreSQL.

Where no value matters, the file is only parsed.
"""

from __future__ import annotations

import ast
import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.parsed import Parsed, parse_data, write_feed
from tests.small_feeds import Ground

from sluice import charsets

THINGS = """
tables:
  things:
    record: /r/rec
    columns: {id: "@id", v: v}
"""
LINES = "  lines: {parent: things, rows: line, columns: {t: .}}\n"
DECLARED = '<?xml version="1.0" encoding="{}"?>\n'
MILLION = 1_000_000


def rows(ground: Ground, table: str, columns: str = "id, v") -> list[tuple[Any, ...]]:
    keys = {"things": "_record", "lines": "_record, _n1"}
    return ground.sql(f"SELECT {columns} FROM items.{table} ORDER BY _file, {keys.get(table, '_record')}")


def load(ground: Ground, data: str | bytes, feed: str = THINGS) -> list[tuple[Any, ...]]:
    """The file through the whole chain, which must go well: id and v of each record, in the order of the file."""
    ground.put("file.xml", data)
    assert ground.run(ground.feed(feed)) is None
    return rows(ground, "things")


def refuse(ground: Ground, data: str | bytes, feed: str = THINGS) -> tuple[str, str]:
    """The file through the whole chain, which must refuse it whole: the reject's code and message."""
    ground.put("file.xml", data)
    assert "file.xml" in (ground.run(ground.feed(feed)) or "")
    assert rows(ground, "things") == []
    ((reasons,),) = ground.sql("SELECT reasons FROM sluice.quarantine")
    return reasons[0]["code"], reasons[0]["message"]


def value(text: str) -> str:
    return f"<r><rec id='1'><v>{text}</v></rec></r>"


def parse(folder: Path, data: bytes | str, feed: str = THINGS) -> Parsed:
    parsed = parse_data(write_feed(folder, feed), folder, data.encode() if isinstance(data, str) else data)
    assert parsed.is_conserved()
    return parsed


# -- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_byte_order_marks(encoding: str, ground: Ground) -> None:
    """The mark decides, whatever is declared, and is part of no value."""
    for text in (value("é€"), DECLARED.format("ISO-8859-1") + value("é€")):
        assert load(ground, ("\ufeff" + text).encode(encoding)) == [("1", "é€")]
        ground.clear_database()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(encoding: str, ground: Ground) -> None:
    assert load(ground, (DECLARED.format("UTF-16") + value("é€😀")).encode(encoding)) == [("1", "é€😀")]


def test_utf_16_declared_but_not_used(ground: Ground) -> None:
    """Whoever copied the file has made UTF-8 of it and left the declaration."""
    assert load(ground, (DECLARED.format("UTF-16") + value("é€")).encode()) == [("1", "é€")]


@pytest.mark.parametrize(
    ("name", "text"),
    [("ISO-8859-1", "Zürich"), ("iso-8859-15", "5 €"), ("windows-1252", "„5 €“"), ("windows-1251", "Ёж"),
     ("Shift_JIS", "東京"), ("GB18030", "东京"), ("US-ASCII", "plain")],
)  # fmt: skip
def test_declared_encodings(name: str, text: str, ground: Ground) -> None:
    assert load(ground, (DECLARED.format(name) + value(text)).encode(name)) == [("1", text)]


def test_an_unknown_encoding(ground: Ground) -> None:
    code, message = refuse(ground, DECLARED.format("x-sap-4102") + value("x"))
    assert (code, "'x-sap-4102' is not known" in message) == ("encoding", True)


@pytest.mark.parametrize("declaration", ["", DECLARED.format("UTF-8"), DECLARED.format("US-ASCII")])
def test_bytes_that_are_no_utf_8(declaration: str, ground: Ground) -> None:
    """Latin-1 without a declaration, or with a wrong one, is never guessed; the feed may say what it is."""
    data = declaration.encode() + value("Zürich").encode("latin-1")
    assert refuse(ground, data)[0] == "encoding"
    ground.clear_database()
    assert load(ground, data, "encoding: iso-8859-1" + THINGS) == [("1", "Zürich")]


def test_windows_1252_declared_as_latin_1(ground: Ground) -> None:
    """Its quotes and dashes would be control characters, which are in no text."""
    data = DECLARED.format("ISO-8859-1").encode() + value("\n„5 €“").encode("cp1252")
    code, message = refuse(ground, data)
    assert code == "wrong_encoding"
    assert f"byte {data.index(0x84)} of the file, 0x84, is no character of iso8859-1" in message
    assert "`encoding: windows-1252`" in message
    assert ground.sql("SELECT line FROM sluice.quarantine") == [(3,)]
    ground.clear_database()
    assert load(ground, data, "encoding: windows-1252" + THINGS) == [("1", "\n„5 €“")]


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1252", "GB18030"])
def test_utf_8_declared_as_something_else(declared: str, ground: Ground) -> None:
    """All of it is UTF-8, which no other text is; loading it would give ZÃ¼rich."""
    data = (DECLARED.format(declared) + value("Zürich")).encode()
    code, message = refuse(ground, data)
    assert (code, "but all of it is UTF-8" in message) == ("wrong_encoding", True)
    ground.clear_database()
    assert load(ground, data, "encoding: utf-8" + THINGS) == [("1", "Zürich")]
    ground.clear_database()
    assert load(ground, data, f"encoding: {declared}" + THINGS)[0][1] != "Zürich", "the feed's word is taken"


def test_a_wrong_encoding_keeps_no_records(tmp_path: Path) -> None:
    """Where a feed keeps what stands before a fault, too: all of it was read wrongly."""
    data = (DECLARED.format("ISO-8859-1") + value("Zürich")).encode()
    parsed = parse(tmp_path, data, "malformed: keep_records" + THINGS)
    assert (parsed.codes, parsed.outcomes[0]["failed"]) == (["wrong_encoding"], True)


# -- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["\n", " \t\r\n\n", "\ufeff\n", "\n\ufeff"])
def test_white_space_before_the_declaration(space: str, ground: Ground) -> None:
    """Not well-formed, and harmless; the lines of records count it."""
    assert load(ground, space + DECLARED.format("UTF-8") + value("é")) == [("1", "é")]


def test_white_space_before_a_declared_encoding(ground: Ground) -> None:
    for space in ("\n ", " " * 1023, " \n" * 600, " " * 1_000_000):
        assert load(ground, (space + DECLARED.format("ISO-8859-1") + value("é")).encode("latin-1")) == [("1", "é")]
        ground.clear_database()


def test_too_much_white_space_before_a_declaration(tmp_path: Path) -> None:
    """It could name an encoding that is not seen."""
    data = b" " * (charsets.MAX_LEAD_BYTES + 1) + (DECLARED.format("ISO-8859-1") + value("é")).encode("latin-1")
    assert parse(tmp_path, data).codes == ["too_large"]


def test_concatenated_documents(ground: Ground) -> None:
    """All records of all documents; ordinals go on. Each may have its own declaration, DOCTYPE and byte order mark."""
    documents = [
        "<r><rec id='1'/><rec id='2'/></r>",
        DECLARED.format("UTF-8") + "<!DOCTYPE r [<!ENTITY e 'x'>]><r><rec id='3'><v>&e;</v></rec></r><!-- end -->",
        "\n\ufeff<?xml version='1.0'?><r/>",
        "<p:r xmlns:p='urn:p'><p:rec id='4'/></p:r>\n",
    ]
    feed = "namespaces: {default: ['', 'urn:p']}" + THINGS
    assert load(ground, "".join(documents), feed) == [("1", None), ("2", None), ("3", "x"), ("4", None)]
    assert rows(ground, "things", "_record") == [(1,), (2,), (3,), (4,)]


def test_one_bad_document_among_several(ground: Ground) -> None:
    """A file loads whole or not at all."""
    assert refuse(ground, value("x") + "<r><rec></r>")[0] == "malformed"
    ground.clear_database()
    assert refuse(ground, value("x") + "<other/>")[0] == "wrong_document"


def test_documents_of_different_encodings(ground: Ground) -> None:
    first, second = DECLARED.format("ISO-8859-1") + value("ü"), DECLARED.format("UTF-8") + value("ü")
    code, message = refuse(ground, first.encode("latin-1") + second.encode())
    assert (code, "a further document in the file is declared as utf-8" in message) == ("encoding", True)


XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="r"><xs:complexType><xs:sequence>
<xs:element name="rec" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="v" type="xs:int"
minOccurs="0"/></xs:sequence><xs:attribute name="id" type="xs:ID"/></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


def test_documents_of_a_file_that_is_judged_whole(tmp_path: Path) -> None:
    """With ``scope: file`` each of its documents is judged by itself: the same ID may stand in two of them."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "r.xsd").write_text(XSD)
    feed = "xsd: {files: r.xsd, scope: file}" + THINGS
    good, bad = "<r><rec id='a'><v>1</v></rec><rec id='b'/></r>\n", "<r><rec id='a'/><rec id='a'/></r>"
    assert parse(tmp_path, good * 3, feed).codes == []
    parsed = parse(tmp_path, good * 2 + bad, feed)
    assert (parsed.codes, parsed.rejects[0].line, parsed.rejects[0].records) == (["xsd_invalid"], 3, 6)


def test_several_record_kinds(ground: Ground) -> None:
    """Each record goes to its table, and ordinals count over all kinds."""
    feed = THINGS + "  others: {record: /r/group/other, columns: {id: '@id'}}\n"
    load(ground, "<r><rec id='1'/><group><other id='2'/><rec id='no'/></group><rec id='3'/></r>", feed)
    assert rows(ground, "things", "id, _record") == [("1", 1), ("3", 3)]
    assert rows(ground, "others", "id, _record") == [("2", 2)]


def test_an_empty_file(ground: Ground) -> None:
    for data in (b"", b" \n", codecs.BOM_UTF8):
        assert refuse(ground, data)[0] == "empty_file"
        ground.clear_database()


def test_a_document_without_records(ground: Ground) -> None:
    assert refuse(ground, "<r/>")[0] == "no_records"
    ground.clear_database()
    assert load(ground, "<r/>", "allow_empty: true" + THINGS) == []


# -- values -----------------------------------------------------------------------------------------------------------


def test_one_child_or_many(ground: Ground) -> None:
    """A child table has as many rows as there are elements; a list column as many items; else several are a reject."""
    feed = THINGS.replace("v: v", "v: {path: v, first: true}, all: {path: v, type: 'text[]'}") + LINES
    one, many = "<line>a</line><v>x</v>", "<line>b</line><v>y</v><line/><v/>"
    data = f"<r><rec id='0'/><rec id='1'>{one}</rec><rec id='2'>{many}</rec></r>"
    assert load(ground, data, feed) == [("0", None), ("1", "x"), ("2", "y")]
    assert rows(ground, "things", '"all"') == [(None,), (["x"],), (["y", ""],)]
    assert rows(ground, "lines", "_record, _n1, t") == [(2, 1, "a"), (3, 1, "b"), (3, 2, "")]


def test_several_values_for_one(tmp_path: Path) -> None:
    parsed = parse(tmp_path, "<r><rec id='1'><v>a</v><v>b</v></rec><rec id='2'><v>c</v></rec></r>")
    assert (parsed.codes, parsed.values()) == (["several_values"], [{"id": "2", "v": "c"}])


def test_empty_against_absent(ground: Ground) -> None:
    """Empty is '' in text, absent is NULL or the default, white space is white space."""
    data = "<r><rec id=''><v/></rec><rec><v></v></rec><rec id=' '><v> </v></rec><rec id='4'/></r>"
    assert load(ground, data) == [("", ""), (None, ""), (" ", " "), ("4", None)]
    ground.clear_database()
    assert load(ground, data, THINGS.replace("v: v", "v: {path: v, default: none}"))[-1] == ("4", "none")


def test_empty_where_no_text_is_wanted(tmp_path: Path) -> None:
    """An empty element is no number, unless '' is one of the texts that mean NULL."""
    number = THINGS.replace("v: v", "v: {path: v, type: integer}")
    assert parse(tmp_path, "<r><rec id='1'><v/></rec><rec id='2'/></r>", number).codes == ["empty_value"]
    null = THINGS.replace("v: v", "v: {path: v, type: integer, 'null': ''}")
    assert parse(tmp_path, "<r><rec id='1'><v/></rec></r>", null).values() == [{"id": "1", "v": None}]


def test_xsi_nil(ground: Ground) -> None:
    """NULL, for which no default stands in; of an element with content, or nil='false', the content counts."""
    xsi = "xmlns:any='http://www.w3.org/2001/XMLSchema-instance'"
    forms = ("any:nil='true'/>", "any:nil='1'></v>", "any:nil='false'/>", "any:nil='true'>x</v>", "nil='true'/>")
    data = f"<r {xsi}>" + "".join(f"<rec><v {form}</rec>" for form in forms) + "</r>"
    feed = THINGS.replace("v: v", "v: {path: v, default: none}")
    assert [v for _, v in load(ground, data, feed)] == [None, None, "", "x", ""]


def test_cdata(ground: Ground) -> None:
    """Text like any other, beside other text too."""
    assert load(ground, value("<![CDATA[<rec id='9'/>&amp;]]>")) == [("1", "<rec id='9'/>&amp;")]
    ground.clear_database()
    assert load(ground, value("a&lt;<![CDATA[<b>]]><![CDATA[]]>c]]&gt;")) == [("1", "a<<b>c]]>")]


def test_comments_and_instructions_in_values(ground: Ground) -> None:
    """They are left out, and what stands around them is one value."""
    assert load(ground, value("a<!-- <rec/> -->b<?pi </v>?>c<!---->")) == [("1", "abc")]


def test_records_in_comments_and_the_like(ground: Ground) -> None:
    hidden = "<!--<rec id='9'/>--><?pi <rec id='9'/>?>"
    inside = hidden + "<![CDATA[<rec id='9'/></r>]]>"
    assert load(ground, f"{hidden}<r>{inside}<rec id='1'>{inside}</rec>{inside}</r>{hidden}") == [("1", None)]


def test_line_ends(ground: Ground) -> None:
    """Any of the three is a line feed in a value, as XML says; white space in attributes becomes spaces."""
    assert load(ground, "<r><rec id='a\r\nb\tc'><v>1\r\n2\r3\n4&#13;</v></rec></r>") == [("a b c", "1\n2\n3\n4\r")]


def test_mixed_content(ground: Ground, tmp_path: Path) -> None:
    """A text column takes all text below its element, a column of type ``xml`` or ``markup`` the fragment."""
    text = "a <b>bold <i>and</i></b> word<!-- not this --> &amp; <br/>end"
    assert load(ground, value(text)) == [("1", "a bold and word & end")]
    fragment = "<v>a <b>bold <i>and</i></b> word &amp; <br/>end</v>"
    (row,) = parse(tmp_path, value(text), THINGS.replace("v: v", "v: {path: v, type: xml}")).values()
    assert row["v"] == fragment
    ground.clear_database()
    markup = THINGS.replace("v: v", "v: {path: v, type: markup}")
    assert load(ground, value(text), markup) == [("1", fragment)]
    ground.clear_database()
    assert load(
        ground, "<r><rec id=' '><v/></rec><rec id='2'/></r>", markup.replace('"@id"', '{path: "@id", type: "markup[]"}')
    ) == [([" "], "<v/>"), (["2"], None)]


def test_xml_1_1(ground: Ground, tmp_path: Path) -> None:
    """Read as 1.0: a control character is no character, NEL is no line end."""
    declaration = "<?xml version='1.1'?>"
    assert load(ground, declaration + value("a\x85b")) == [("1", "a\x85b")]
    assert parse(tmp_path, declaration + value("&#1;")).codes == ["malformed"]


def test_fragments_with_their_namespaces(tmp_path: Path) -> None:
    """Those of the elements above that it does not use are left out; a value may use one, too."""
    namespaces = "xmlns:p='urn:p' xmlns:q='urn:q' xmlns:z='urn:z'"
    document = f"<r {namespaces}><rec id='1'><v p:t='q:T'><b xmlns='urn:d'/></v></rec></r>"
    feed = THINGS.replace("v: v", "v: {path: v, type: xml}")
    expected = '<v xmlns:p="urn:p" xmlns:q="urn:q" p:t="q:T"><b xmlns="urn:d"/></v>'
    assert [row["v"] for row in parse(tmp_path, document, feed).values()] == [expected]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("<a>" * 255 + "</a>" * 255, "too_deep"),
        ("x" * 10_000_001, "too_large"),
        (f"<a b='{'x' * 10_000_001}'/>", "too_large"),
    ],
    ids=["depth", "text", "attribute"],
)
def test_fragments_beyond_postgresql(content: str, code: str, tmp_path: Path) -> None:
    """What its type xml refuses; as text it takes all."""
    (as_text := tmp_path / "text").mkdir()
    markup = parse(as_text, value(content), THINGS.replace("v: v", "v: {path: v, type: markup}"))
    assert [row["v"] for row in markup.values()] == [f"<v>{content}</v>".replace("'", '"')]
    parsed = parse(tmp_path, value(content), THINGS.replace("v: v", "v: {path: v, type: xml}"))
    assert parsed.codes == [code]
    assert "PostgreSQL" in parsed.rejects[0].reasons[0].message


# -- DTDs -------------------------------------------------------------------------------------------------------------


def test_entities_of_an_internal_dtd(ground: Ground) -> None:
    """Expanded, in text and attributes, also where they hold elements."""
    dtd = "<!DOCTYPE r [<!ENTITY a 'é&#38;amp;'><!ENTITY b '<v>&a;&a;</v>'><!ATTLIST rec id CDATA 'by default'>]>"
    assert load(ground, dtd + "<r><rec>&b;</rec><rec id='&a;'/></r>") == [("by default", "é&é&"), ("é&", None)]


def test_entities_that_explode(ground: Ground) -> None:
    """libxml2 lets a document grow fivefold (and by a megabyte in any case)."""
    dtd = "<!DOCTYPE r [<!ENTITY a0 'aaaaaaaaaa'>"
    dtd += "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 9)) + "]>"
    assert refuse(ground, dtd + value("&a8;"))[0] == "refused_dtd"
    ground.clear_database()
    assert load(ground, dtd + value("&a2;")) == [("1", "a" * 1000)]


def test_defaults_that_explode(tmp_path: Path) -> None:
    """An attribute's default may be long, and its element there a thousand times."""
    dtd = f"<!DOCTYPE r [<!ATTLIST rec v CDATA '{'x' * 100_000}'>]>"
    assert parse(tmp_path, dtd + "<r>" + "<rec/>" * 1000 + "</r>").codes == ["refused_dtd"]


def test_records_from_entities(ground: Ground) -> None:
    """What the bytes do not show cannot be counted in them."""
    assert refuse(ground, "<!DOCTYPE r [<!ENTITY e '<rec id=\"1\"/>'>]><r>&e;</r>")[0] == "refused_dtd"


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/r.dtd", "missing.dtd", "file:///dev/zero"])
def test_an_external_dtd(name: str, ground: Ground) -> None:
    """Never fetched, and not missed."""
    assert load(ground, f"<!DOCTYPE r SYSTEM '{name}'>" + value("x")) == [("1", "x")]
    ground.clear_database()
    assert load(ground, f"<!DOCTYPE r PUBLIC '-//X//Y' '{name}' [<!ENTITY e 'x'>]>" + value("&e;")) == [("1", "x")]


@pytest.mark.parametrize("dtd", ["", "<!DOCTYPE r SYSTEM 'r.dtd'>", "<!DOCTYPE r [<!ENTITY e SYSTEM '/etc/passwd'>]>"])
def test_entities_from_elsewhere(dtd: str, ground: Ground) -> None:
    """Neither read nor left out: a value that lacks something is not loaded."""
    assert refuse(ground, dtd + value("a&e;b"))[0] == "unresolved_entity"


# -- namespaces and names ---------------------------------------------------------------------------------------------

SPACED = "namespaces: {default: urn:a, b: urn:b}" + THINGS.replace("v: v", "v: 'b:v'")


def test_prefixes_swapped(ground: Ground) -> None:
    """Names are matched by namespace, whatever prefix the sender gives it today."""
    data = "<a:r xmlns:a='urn:a' xmlns:b='urn:b'><a:rec id='1'><b:v>x</b:v><a:v>no</a:v></a:rec></a:r>"
    assert load(ground, data, SPACED) == [("1", "x")]
    ground.clear_database()
    swapped = data.translate(str.maketrans("ab", "ba")).replace("urn:b'", "urn:_'").replace("urn:a'", "urn:b'")
    assert load(ground, swapped.replace("urn:_'", "urn:a'"), SPACED) == [("1", "x")]


def test_namespaces_redeclared_halfway(ground: Ground) -> None:
    """A prefix means what it means where it stands."""
    data = (
        "<p:r xmlns:p='urn:a'><p:rec id='1'><p:v xmlns:p='urn:b'>x</p:v></p:rec>"
        "<p:rec id='2'><v xmlns='urn:b'>y</v></p:rec><rec xmlns='urn:a' xmlns:p='urn:b' id='3'><p:v>z</p:v></rec></p:r>"
    )
    assert load(ground, data, SPACED) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_a_default_namespace_undeclared(tmp_path: Path) -> None:
    """``xmlns=""`` puts an element into no namespace, where the feed does not look; a record there is rejected."""
    records = "<rec id='1'><v xmlns='urn:b'>x</v></rec><rec id='2'><v xmlns=''>y</v></rec><rec xmlns='' id='3'/>"
    data = f"<r xmlns='urn:a'>{records}</r>"
    parsed = parse(tmp_path, data, SPACED)
    assert parsed.values() == [{"id": "1", "v": "x"}, {"id": "2", "v": None}]
    assert parsed.codes == ["wrong_document"]
    both = SPACED.replace("{default: urn:a, b: urn:b}", "{default: [urn:a, ''], b: [urn:b, '']}")
    assert parse(tmp_path, data, both).values()[1:] == [{"id": "2", "v": "y"}, {"id": "3", "v": None}]


def test_a_prefix_that_is_not_declared(ground: Ground) -> None:
    assert refuse(ground, "<r><rec id='1'><q:v>x</q:v></rec></r>")[0] == "malformed"


def test_attributes_with_a_namespace(ground: Ground) -> None:
    """An attribute without a prefix is in no namespace, whatever that of its element."""
    feed = SPACED.replace("v: 'b:v'", "v: '@b:v'")
    data = "<r xmlns='urn:a' xmlns:q='urn:b'><rec id='1' v='no' q:v='x'/><rec q:id='no' v='no'/></r>"
    assert load(ground, data, feed) == [("1", "x"), (None, None)]


def test_one_name_at_several_depths(ground: Ground) -> None:
    """A path says where; the same name elsewhere is another element."""
    data = "<r><v>no</v><rec id='1'><o><v>no</v><rec id='no'/></o><v>x</v></rec><o><rec id='no'/></o></r>"
    assert load(ground, data) == [("1", "x")]


def test_recursion(ground: Ground) -> None:
    """A record in a record is part of it. Each level that a mapping names is read."""
    feed = """
tables:
  things: {record: /rec/rec, columns: {id: "@id", v: rec/rec/@id}}
  lines: {parent: things, rows: rec, columns: {t: "@id"}}
"""
    data = "<rec><rec id='1'><rec id='2'><rec id='3'><rec id='4'/></rec></rec><rec id='5'/></rec></rec>"
    assert load(ground, data, feed) == [("1", "3")]
    assert rows(ground, "lines", "t") == [("2",), ("5",)]


def test_names_of_any_script(ground: Ground) -> None:
    feed = THINGS.replace("v: v", "v: 価格/@größe")
    assert load(ground, "<r><rec id='1'><価格 größe='5'/></rec></r>", feed) == [("1", "5")]


# -- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prolog", ["", "<!DOCTYPE r SYSTEM 'r.dtd'>"])
def test_a_text_of_10_mb(prolog: str, ground: Ground) -> None:
    """Loaded whole, up to ``max_record_bytes``."""
    ((_, text), last) = load(ground, f"{prolog}<r><rec id='1'><v>{'é' * 5 * MILLION}x</v></rec><rec id='2'/></r>")
    assert (len(text), text[-2:], last) == (5 * MILLION + 1, "éx", ("2", None))


def test_a_text_of_10_mb_beside_entities(tmp_path: Path) -> None:
    """A DTD that could make more of the document keeps libxml2's limits: 10 MB for a text. It costs the file."""
    for declaration in ("<!ENTITY e 'x'>", "<!ATTLIST rec id CDATA 'x'>"):
        parsed = parse(tmp_path, f"<!DOCTYPE r [{declaration}]>{value('x' * 10 * MILLION + '1')}")
        assert (parsed.codes, parsed.outcomes[0]["failed"]) == (["too_large"], True)


def test_a_record_beyond_the_limit(ground: Ground) -> None:
    """It is rejected by itself, and the others load."""
    feed = "rejects: {max_records: 1}\nmax_record_bytes: 100000" + THINGS
    assert load(ground, f"<r><rec id='1'/><rec id='2'><v>{'x' * MILLION}</v></rec><rec id='3'/></r>", feed) == [
        ("1", None), ("3", None),
    ]  # fmt: skip
    assert ground.sql("SELECT ordinal, reasons->0->>'code' FROM sluice.quarantine") == [(2, "record_too_large")]


@pytest.mark.parametrize("size", [100_000, 9 * MILLION])
def test_an_attribute_of_100_kb(size: int, ground: Ground) -> None:
    """Or of megabytes."""
    assert len(load(ground, f"<r><rec id='{'x' * size}'/></r>")[0][0]) == size


def test_an_attribute_beyond_the_limit(tmp_path: Path) -> None:
    """A tag is read as one thing: one that is longer than a record and its header may be costs the file."""
    feed = "max_record_bytes: 100000" + THINGS
    parsed = parse(tmp_path, f"<r><rec id='1'/><rec id='{'x' * 3 * MILLION}'/></r>", feed)
    assert (parsed.codes, parsed.outcomes[0]["failed"]) == (["too_large"], True)
    assert "max_record_bytes (100000)" in parsed.rejects[0].reasons[0].message


def test_10_000_attributes(ground: Ground) -> None:
    attributes = "".join(f" a{number}='{number}'" for number in range(10_000))
    assert load(ground, f"<r><rec{attributes} id='1'/></r>", THINGS.replace("v: v", "v: '@a9999'")) == [("1", "9999")]


def test_depth_10_000(ground: Ground) -> None:
    """No parser goes that deep: the record is rejected by itself."""
    deep = "<rec id='2'>" + "<a>" * 10_000 + "</a>" * 10_000 + "</rec>"
    feed = "rejects: {max_records: 1}" + THINGS
    assert load(ground, f"<r><rec id='1'/>{deep}<rec id='3'/></r>", feed) == [("1", None), ("3", None)]
    assert ground.sql("SELECT ordinal, reasons->0->>'code' FROM sluice.quarantine") == [(2, "too_deep")]


def test_depth_within_the_limit(tmp_path: Path) -> None:
    """2,048 levels by default and at most, or as many as the feed says."""
    for limit, feed in ((2048, THINGS), (100, "quotas: {max_depth: 100}" + THINGS)):
        for levels, codes in ((limit - 3, []), (limit - 2, ["too_deep"])):
            data = "<r><rec id='1'><v>" + "<a>" * levels + "x" + "</a>" * levels + "</v></rec><rec id='2'/></r>"
            parsed = parse(tmp_path, data, feed)
            assert parsed.codes == codes
            assert [row["id"] for row in parsed.values()] == (["2"] if codes else ["1", "2"])
            assert all(f"quotas.max_depth ({limit})" in reject.reasons[0].message for reject in parsed.rejects)


def test_depth_outside_records(tmp_path: Path) -> None:
    """It costs the file."""
    parsed = parse(tmp_path, "<r><rec id='1'/>" + "<a>" * 3000 + "</a>" * 3000 + "</r>")
    assert (parsed.codes, parsed.outcomes[0]["failed"]) == (["too_deep"], True)


def test_depth_beside_entities(tmp_path: Path) -> None:
    """With a DTD that could make more of the document, 256 levels are the most, and more cost the file."""
    deep = "<r><rec id='1'><v>" + "<a>" * 300 + "</a>" * 300 + "</v></rec></r>"
    assert parse(tmp_path, "<!DOCTYPE r [<!ENTITY e 'x'>]>" + deep).codes == ["too_deep"]
    assert parse(tmp_path, "<!DOCTYPE r SYSTEM 'r.dtd'>" + deep).codes == []


# -- the table --------------------------------------------------------------------------------------------------------


def rows_of_the_page() -> Iterable[str]:
    page = (Path(__file__).parent.parent / "docs/xml.md").read_text()
    return re.findall(r"^\|.*\| `(\w+)` \|$", page.split("## Hostile files")[0], re.MULTILINE)


def test_the_page_has_a_row_for_each_test() -> None:
    """And a test for each row, in the same order."""
    tree = ast.parse(Path(__file__).read_text())
    tests = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert list(rows_of_the_page()) == [name.removeprefix("test_") for name in tests[:-1]]
