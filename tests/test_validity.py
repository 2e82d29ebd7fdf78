"""XSDs: each record is judged as a document of its own, or the document as a whole; the wrong document is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parsed import write_feed

from sluice import xmlio
from sluice.errors import MalformedXML, PermanentError
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.plan import Plan
from sluice.records import Reason
from sluice.scanner import PathTable
from sluice.validity import RecordValidity, RootCheck, Unjudged, tell_error
from sluice.validity.alone import MAX_XSD_REASONS

Judge = Callable[..., list[list[Reason]]]

# A header, records of a local element in groups, and a trailer that must be there.
SCHEMA = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t"
  elementFormDefault="qualified">
<xs:element name="r"><xs:complexType><xs:sequence>
  <xs:element name="h" type="xs:date"/>
  <xs:element name="rec" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element name="n" type="xs:int" maxOccurs="unbounded"/>
    <xs:element name="d" type="xs:date" minOccurs="0"/></xs:sequence>
    <xs:attribute name="id" use="required"/><xs:attribute name="i" type="xs:ID"/></xs:complexType></xs:element>
  <xs:element name="gone" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element name="n" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="t" type="xs:int"/>
</xs:sequence></xs:complexType>
<xs:unique name="by_id"><xs:selector xpath="t:rec" xmlns:t="urn:t"/><xs:field xpath="@id"/></xs:unique>
</xs:element></xs:schema>"""

FEED = """
namespaces: {default: urn:t}
xsd: {files: main.xsd, scope: %s}
tables:
  recs: {record: /r/rec, columns: {id: "@id"}}
  gone: {record: /r/gone, columns: {n: n}}
"""


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """The reasons against each record of a document, read in pieces of ``piece_bytes``."""

    def judge(
        document: str, *, schema: str = SCHEMA, feed: str = FEED % "record", piece_bytes: int = 1 << 20
    ) -> list[list[Reason]]:
        (tmp_path / "things").mkdir(exist_ok=True)
        (tmp_path / "things" / "main.xsd").write_text(schema)
        declared = write_feed(tmp_path, feed)
        plan = Plan(declared)
        judged = RecordValidity(declared, plan)
        found = []
        stream = io.BytesIO(document.encode())
        for piece in PieceReader(stream, PathTable(plan.local_paths), keep_leads=True, piece_bytes=piece_bytes):
            assert isinstance(piece, Piece)
            if not piece.is_remnant:
                root = xmlio.parse_piece(piece)
                records = plan.find_candidates(root)
                judged.look_at(root, piece)
                found += [judged.reasons(record, Unjudged()) for record in records]
        return found

    return judge


def document(*records: str, header: str = "<h>2024-01-01</h>", trailer: str = "<t>1</t>") -> str:
    return f"<r xmlns='urn:t'>{header}{''.join(records)}{trailer}</r>"


def rec(content: str = "<n>1</n>", attributes: str = "id='1'") -> str:
    return f"<rec {attributes}>{content}</rec>\n"


PIECES = pytest.mark.parametrize("piece_bytes", [1 << 20, 1, 150])


@PIECES
def test_valid_records_have_no_reasons(judge: Judge, piece_bytes: int) -> None:
    """Also those in a piece that lacks the trailer that its schema wants."""
    assert judge(document(*[rec(attributes=f"id='{n}'") for n in range(9)]), piece_bytes=piece_bytes) == [[]] * 9


@PIECES
@pytest.mark.parametrize("wrong", range(5))
def test_one_wrong_record_is_one_wrong_record(judge: Judge, piece_bytes: int, wrong: int) -> None:
    """Wherever it stands among the others, and wherever the file is cut."""
    records = [rec("<n>x</n>" if n == wrong else "<n>1</n>", f"id='{n}'") for n in range(5)]
    found = judge(document(*records), piece_bytes=piece_bytes)
    assert [bool(reasons) for reasons in found] == [n == wrong for n in range(5)]
    (reason,) = found[wrong]
    assert reason.code == "xsd_invalid"
    assert reason.message == "Element 'n': the value is not a valid value of the atomic type 'xs:int'."


@PIECES
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (rec(""), "Missing child element(s)"),
        (rec("<n>1</n><x/>"), "This element is not expected"),
        (rec(attributes=""), "The attribute 'id' is required"),
        (rec(attributes="id='1' z='1'"), "The attribute 'z' is not allowed"),
        (rec("<n>1</n><d>2024-02-30</d>"), "xs:date"),
        (rec("<n xmlns='urn:x'>1</n>"), "This element is not expected"),
    ],
)
def test_what_is_wrong_is_said(judge: Judge, piece_bytes: int, bad: str, message: str) -> None:
    """By the record it is in; the others are not harmed."""
    found = judge(document(rec(attributes="id='a'"), bad, rec(attributes="id='b'")), piece_bytes=piece_bytes)
    assert [len(reasons) for reasons in found] == [0, 1, 0]
    assert message in found[1][0].message
    assert "urn:" not in found[1][0].message, "names are readable without their namespaces"


@PIECES
@pytest.mark.parametrize(
    ("header", "trailer"),
    [
        ("", "<t>1</t>"),
        ("<h>x</h>", "<t>1</t>"),
        ("<h>2024-01-01</h>", ""),
        ("<h>2024-01-01</h>", "<t>x</t>"),
        ("<h>2024-01-01</h>", "<t>1</t><z/>"),
        ("<z/><h>2024-01-01</h>", "<t>1</t>"),
    ],
)
def test_what_is_wrong_around_the_records_is_not_theirs(
    judge: Judge, piece_bytes: int, header: str, trailer: str
) -> None:
    """But what is wrong in a record is found all the same: nothing around it hides it."""
    records = [rec(attributes="id='1'"), rec("<n>x</n>", "id='2'"), rec(attributes="id='3'")]
    found = judge(document(*records, header=header, trailer=trailer), piece_bytes=piece_bytes)
    assert [bool(reasons) for reasons in found] == [False, True, False]


@PIECES
def test_records_may_need_others_before_them(judge: Judge, piece_bytes: int) -> None:
    """The schema wants a <rec> before any <gone>, and it may be in another piece, or in another part of the file."""
    gone = ["<gone><n>1</n></gone>", "<gone><n>x</n></gone>", "<gone><n>2</n></gone>"]
    found = judge(document(rec(), rec("<n>x</n>", "id='2'"), *gone), piece_bytes=piece_bytes)
    assert [bool(reasons) for reasons in found] == [False, True, False, True, False]
    found = judge(document(*gone), piece_bytes=piece_bytes)
    assert [bool(reasons) for reasons in found] == [False, True, False]


@PIECES
def test_an_intruder_between_records_hides_nothing(judge: Judge, piece_bytes: int) -> None:
    """libxml2 looks at nothing after an element that has no place."""
    records = [rec(attributes="id='1'"), "<z/>", rec("<n>x</n>", "id='2'"), rec(attributes="id='3'")]
    found = judge(document(*records), piece_bytes=piece_bytes)
    assert [bool(reasons) for reasons in found] == [False, True, False]


@PIECES
def test_rules_beyond_one_record_are_not_for_records(judge: Judge, piece_bytes: int) -> None:
    """Keys and IDs that are there twice are found only where the whole document is judged."""
    twice = [rec(attributes="id='1' i='a'"), rec(attributes="id='1' i='a'"), rec("<n>x</n>", "id='1'")]
    found = judge(document(*twice), piece_bytes=piece_bytes)
    assert [len(reasons) for reasons in found] == [0, 0, 1]


# Constraints above the records, of the record, and within it; what they select lies in the record each time.
CONSTRAINED = """
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t" xmlns:t="urn:t"
  elementFormDefault="qualified">
<xs:element name="rec"><xs:complexType><xs:sequence>
  <xs:element name="n" type="xs:int" minOccurs="0" maxOccurs="unbounded"/>
  <xs:element name="b" minOccurs="0"><xs:complexType><xs:sequence>
    <xs:element name="o" type="xs:string" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
    <xs:unique name="once_in_b"><xs:selector xpath="t:o"/><xs:field xpath="."/></xs:unique></xs:element>
  </xs:sequence><xs:attribute name="id" use="required"/><xs:attribute name="ref"/><xs:attribute name="of"
  type="xs:int"/></xs:complexType>
  <xs:key name="ns"><xs:selector xpath="t:n"/><xs:field xpath="."/></xs:key>
  <xs:keyref name="of_n" refer="ns"><xs:selector xpath="."/><xs:field xpath="@of"/></xs:keyref></xs:element>
<xs:element name="r"><xs:complexType><xs:sequence>
  <xs:element name="h" type="xs:date"/>
  <xs:element name="g" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element ref="rec" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
    <xs:unique name="in_group"><xs:selector xpath="t:rec/t:n"/><xs:field xpath="."/></xs:unique></xs:element>
  <xs:element name="t" type="xs:int"/>
</xs:sequence></xs:complexType>
<xs:key name="by_id"><xs:selector xpath="t:g/t:rec"/><xs:field xpath="@id"/></xs:key>
<xs:keyref name="by_ref" refer="by_id"><xs:selector xpath="t:g/t:rec"/><xs:field xpath="@ref"/></xs:keyref>
</xs:element></xs:schema>"""
CONSTRAINED_FEED = (FEED % "record").partition("  gone:")[0].replace("/r/rec", "/r/g/rec")
CONSTRAINED_RECORDS = {
    rec(""): "",
    rec("<n>1</n>", "id='1' ref='2'"): "",
    rec("<n>1</n><n>2</n>", "id='2' of='2'"): "",
    rec("<n>1</n><n>2</n>", "id='2' of='3'"): "keyref 'of_n'",
    rec("<n>1</n><n>1</n>"): "key identity-constraint 'ns'",
    rec("<b><o>1</o><o>2</o></b>"): "",
    rec("<b><o>1</o><o>1</o></b>"): "unique identity-constraint 'once_in_b'",
    rec("<b><o>identity-constraint 'by_id'</o><o>identity-constraint 'by_id'</o></b>"): "'once_in_b'",
    rec("<n>x</n>"): "xs:int",
    rec("<z/>"): "not expected",
    rec("", "ref='1'"): "'id' is required",
}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    beside=st.lists(
        st.sampled_from([*CONSTRAINED_RECORDS, *CONSTRAINED_RECORDS, "</g><g>", "<z/>", "</g><z/><g>", "y"]), max_size=9
    ),
    header=st.sampled_from(["<h>2024-01-01</h>", "<h>x</h>", ""]),
    trailer=st.sampled_from(["<t>1</t>", "<t>x</t>", ""]),
    piece_bytes=st.sampled_from([1, 60, 150, 1 << 20]),
)
def test_a_verdict_is_the_same_however_the_file_is_cut_and_whatever_stands_beside_the_record(
    judge: Judge, beside: list[str], header: str, trailer: str, piece_bytes: int
) -> None:
    """It is that of the record alone: constraints that are declared above it, as keys of all records, are not asked."""
    text = document("<g>", *beside, "</g>", header=header, trailer=trailer)
    found = judge(text, schema=CONSTRAINED, feed=CONSTRAINED_FEED, piece_bytes=piece_bytes)
    records = [record for record in beside if record in CONSTRAINED_RECORDS]
    for reasons, record in zip(found, records, strict=True):
        alone = judge(document("<g>", record, "</g>"), schema=CONSTRAINED, feed=CONSTRAINED_FEED)
        assert [reasons] == alone
        assert bool(reasons) == bool(CONSTRAINED_RECORDS[record])
        assert not reasons or CONSTRAINED_RECORDS[record] in reasons[0].message


@pytest.mark.parametrize("prefix", ["", "p:", "q" * 120 + ":"])
def test_a_wrong_record_is_found_under_any_prefix_among_others(judge: Judge, prefix: str) -> None:
    """libxml2 names it by its prefix and its number among those of the same name, or among all."""
    spelled = [prefix, "", "z:", prefix] * 3
    named = [f"<{p}rec id='{n}'><{p}n>{'x' if n % 3 == 1 else 1}</{p}n></{p}rec>" for n, p in enumerate(spelled)]
    declared = f" xmlns:{prefix[:-1]}='urn:t'" if prefix else ""
    text = document(*named).replace("<r ", f"<r xmlns:z='urn:t'{declared} ")
    assert [bool(reasons) for reasons in judge(text)] == [n % 3 == 1 for n in range(12)]


@PIECES
@pytest.mark.parametrize(("version", "is_valid"), [("short", [True, False]), ("long", [False, True])])
def test_an_ancestors_attributes_matter_only_where_they_choose_its_type(
    judge: Judge, piece_bytes: int, version: str, is_valid: list[bool]
) -> None:
    """With those of it that are wrong or missing, its records are what they are."""
    types = "".join(
        f'<xs:complexType name="{name}"><xs:complexContent><xs:extension base="any"><xs:sequence>'
        f'<xs:element name="rec" maxOccurs="unbounded"><xs:simpleType><xs:restriction base="xs:string">'
        f'<xs:length value="{length}"/></xs:restriction></xs:simpleType></xs:element></xs:sequence>'
        '<xs:attribute name="must" type="xs:int" use="required"/></xs:extension></xs:complexContent></xs:complexType>'
        for name, length in (("short", 1), ("long", 3))
    )
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns="urn:t"'
        ' elementFormDefault="qualified"><xs:complexType name="any" abstract="true"/>' + types + '<xs:element name="r">'
        '<xs:complexType><xs:sequence><xs:element name="g" type="any" maxOccurs="unbounded"/></xs:sequence>'
        "</xs:complexType></xs:element></xs:schema>"
    )
    feed = (FEED % "record").replace("/r/rec", "/r/g/rec")
    for attributes in ("must='1'", "must='x'", "", "must='1' z='1'"):
        group = f"<g xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:type='{version}' {attributes}>"
        text = f"<r xmlns='urn:t'>{group}<rec>x</rec><rec>xxx</rec></g></r>"
        assert [not reasons for reasons in judge(text, schema=schema, feed=feed, piece_bytes=piece_bytes)] == is_valid


def test_reasons_have_a_path_below_the_record_and_are_few(judge: Judge) -> None:
    many = "".join(f"<n>x{number}</n>" for number in range(20))
    ((*reasons,),) = judge(document(rec("<n>1</n>" + many)))
    assert len(reasons) == MAX_XSD_REASONS
    assert [reason.path for reason in reasons][:2] == ["*[2]", "*[3]"]
    ((reason,),) = judge(document(rec(attributes="")))
    assert reason.path == "."


def test_the_schema_is_that_of_the_roots_namespace(judge: Judge) -> None:
    """A record of a version that the feed has no XSD for is not let through unseen."""
    feed = (FEED % "record").replace("default: urn:t", "default: [urn:t, urn:t2]")
    ((reason,),) = judge(document(rec()).replace("urn:t", "urn:t2"), feed=feed)
    assert reason.code == "xsd_invalid"
    assert reason.message == "the feed has no XSD for <r> in namespace 'urn:t2'"


def test_several_namespaces_in_one_document(judge: Judge, tmp_path: Path) -> None:
    """The root's schema imports the others, as any validator has it."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "other.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o" elementFormDefault="qualified">'
        '<xs:element name="e" type="xs:int"/></xs:schema>'
    )
    schema = """
        <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t" xmlns:o="urn:o"
          elementFormDefault="qualified">
        <xs:import namespace="urn:o" schemaLocation="http://example.invalid/other.xsd"/>
        <xs:element name="r"><xs:complexType><xs:sequence>
          <xs:element name="rec" maxOccurs="unbounded"><xs:complexType><xs:sequence>
            <xs:element ref="o:e"/>
          </xs:sequence></xs:complexType></xs:element>
        </xs:sequence></xs:complexType></xs:element></xs:schema>"""
    text = "<r xmlns='urn:t' xmlns:q='urn:o'><rec><q:e>1</q:e></rec><rec><q:e>x</q:e></rec><rec><e>1</e></rec></r>"
    found = judge(text, schema=schema)
    assert [bool(reasons) for reasons in found] == [False, True, True]


# -- whole documents --------------------------------------------------------------------------------------------------


def fault_of(judge: Judge, text: str, **options: object) -> MalformedXML:
    with pytest.raises(MalformedXML) as caught:
        judge(text, feed=FEED % "file", **options)
    return caught.value


def test_a_valid_document_is_taken_whole(judge: Judge) -> None:
    assert judge(document(rec(), rec(attributes="id='2'")), feed=FEED % "file") == [[], []]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (document(rec(), rec("<n>x</n>", "id='2'")), "the value is not a valid value", 2),
        (document(rec(), rec()), "Duplicate key-sequence in unique identity-constraint 'by_id'", 2),
        (document(rec(attributes="id='1' i='a'"), rec(attributes="id='2' i='a'")), "xs:ID", 2),
        (document(rec(), trailer=""), "Missing child element(s). Expected is one of ( rec, gone, t )", 1),
        (document(rec(), header=""), "This element is not expected. Expected is ( h )", 1),
        (document(rec()).replace("urn:t", "urn:none"), "the feed has no XSD for <r> in namespace 'urn:none'", 1),
    ],
)
def test_an_invalid_document_is_refused_whole(judge: Judge, text: str, message: str, line: int) -> None:
    """With the place of what is wrong: between documents lines go on."""
    fault = fault_of(judge, text)
    assert (fault.code, fault.line) == ("xsd_invalid", line)
    assert message in fault.message
    assert fault.offset is not None
    first = "\n\n" + document(rec()) + "\n"
    second = fault_of(judge, first + text)
    assert second.line == line + first.count("\n")
    assert second.offset == len(first) + fault.offset


def test_a_document_that_is_too_large_to_be_judged_whole_says_what_to_do(judge: Judge) -> None:
    """A piece of it is never taken for it."""
    fault = fault_of(judge, document(*[rec(attributes=f"id='{n}'") for n in range(9)]), piece_bytes=100)
    assert fault.code == "too_large"
    assert "scope: record" in fault.message


# -- declarations and roots -------------------------------------------------------------------------------------------


def test_without_an_xsd_nothing_is_judged(judge: Judge) -> None:
    feed = "namespaces: {default: urn:t}\ntables: {recs: {record: /r/rec, columns: {id: '@id'}}}"
    assert judge(document(rec("<n>x</n>")), feed=feed) == [[]]


def test_a_schema_that_is_wrong_ends_the_task(judge: Judge) -> None:
    """It is the feed's fault, not the file's."""
    with pytest.raises(PermanentError, match=r"main\.xsd"):
        judge(document(rec()), schema=SCHEMA.replace("xs:int", "xs:nothing"))


@pytest.mark.parametrize(
    ("root", "refused"),
    [
        ("<r xmlns='urn:1'>", None),
        ("<p:r xmlns:p='urn:2'>", None),
        ("<s xmlns='urn:1'>", None),
        ("<r>", "the root element is <r> in no namespace"),
        ("<r xmlns='urn:3'>", "the root element is <r> in namespace 'urn:3'"),
        ("<html>", "the root element is <html> in no namespace"),
    ],
)
def test_the_root_must_be_one_that_the_feed_reads(root: str, refused: str | None, tmp_path: Path) -> None:
    feed = write_feed(
        tmp_path,
        "namespaces: {default: [urn:1, urn:2]}\n"
        "tables: {a: {record: /r/x, columns: {c: .}}, b: {record: /s/y, columns: {c: .}}}",
    )
    check = RootCheck(Plan(feed))
    text = f"{root}</{root[1:].split(' ')[0].rstrip('>')}>".encode()
    if refused is None:
        check(text)
        return
    with pytest.raises(MalformedXML, match="this feed reads") as caught:
        check(text)
    assert caught.value.code == "wrong_document"
    assert caught.value.message.startswith(refused)


@pytest.mark.parametrize(
    ("said", "told", "value"),
    [
        ("Element '{urn:a}iban': 'DE89' is not a valid value of the atomic type '{urn:a}Iban'.",
         "Element 'iban': the value is not a valid value of the atomic type 'Iban'.", "DE89"),
        ("Element '{urn:a}c': [facet 'pattern'] The value 'e\'s' is not accepted by the pattern '[A-Z]{2}[0-9]+'.",
         "Element 'c': [facet 'pattern'] The value is not accepted by the pattern '[A-Z]{2}[0-9]+'.", "e's"),
        ("Element 'c': [facet 'enumeration'] The value 'x' is not an element of the set {'A', 'B'}.",
         "Element 'c': [facet 'enumeration'] The value is not an element of the set {'A', 'B'}.", "x"),
        ("Element 'c': Duplicate key-sequence ['s', 't'] in unique identity-constraint 'k'.",
         "Element 'c': Duplicate key-sequence in unique identity-constraint 'k'.", "['s', 't']"),
        ("Element '{http://a/b}x': This element is not expected. Expected is ( {http://a/b}y ).",
         "Element 'x': This element is not expected. Expected is ( y ).", None),
    ],
)  # fmt: skip
def test_a_message_names_no_value_and_keeps_patterns_whole(said: str, told: str, value: str | None) -> None:
    """Messages go into logs and alerts; the value is kept beside them, in the quarantine only."""
    assert tell_error(said) == (told, value)
