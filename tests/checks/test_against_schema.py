"""A feed against its XSD: what can never match, and what is narrower than a sender may send."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.draft.schemas import XS, group_bomb, write_crowd
from tests.parsed import write_feed

from sluice.checks.against_schema import check_against_xsd
from sluice.checks.narrow import type_faults
from sluice.checks.report import check_feed
from sluice.draft.shape import SimpleType
from sluice.errors import PermanentError
from sluice.feed.types import parse_type
from sluice.findings import FINDING_CODES, Finding

SCHEMA = f"""
<xs:schema {XS} targetNamespace="urn:shop" xmlns="urn:shop" elementFormDefault="qualified">
  <xs:element name="Orders"><xs:complexType><xs:sequence>
    <xs:element name="Header"><xs:complexType><xs:sequence><xs:element name="Sender"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Order" maxOccurs="unbounded"><xs:complexType>
      <xs:sequence>
        <xs:element name="Customer"><xs:complexType><xs:sequence><xs:element name="Name"/></xs:sequence></xs:complexType></xs:element>
        <xs:element name="Total"><xs:complexType><xs:simpleContent><xs:extension base="Money">
          <xs:attribute name="currency" use="required"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
        <xs:element name="Pieces" type="xs:nonNegativeInteger"/>
        <xs:element name="State" type="State"/>
        <xs:choice><xs:element name="Paid" type="xs:date"/><xs:element name="Due" type="xs:dateTime"/></xs:choice>
        <xs:element name="Tag" type="xs:token" minOccurs="0" maxOccurs="5"/>
        <xs:element name="Lines"><xs:complexType><xs:sequence>
          <xs:element name="Line" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="Article"/></xs:sequence>
            <xs:attribute name="kind"/></xs:complexType></xs:element>
        </xs:sequence></xs:complexType></xs:element>
        <xs:element name="Extra"><xs:complexType><xs:sequence><xs:any processContents="skip" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
      </xs:sequence>
      <xs:attribute name="id" use="required"/><xs:attribute name="old"/>
    </xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
  <xs:simpleType name="Money"><xs:restriction base="xs:decimal"><xs:totalDigits value="12"/><xs:fractionDigits value="3"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="State"><xs:restriction base="xs:string"><xs:enumeration value="open"/><xs:enumeration value="paid"/><xs:enumeration value="lost"/></xs:restriction></xs:simpleType>
</xs:schema>
"""  # noqa: E501
FEED = """
namespaces: {{default: urn:shop}}
xsd: {{files: shop.xsd}}
tables:
  orders:
    record: /Orders/Order
    key: id
    version: file_date
    columns:
{columns}
    expectations:
{expectations}
  lines:
    parent: orders
    rows: {rows}
    columns:
      article: {{path: Article, required: true}}
"""
GOOD = 'total: {path: Total, type: "numeric(15,3)", required: true}'
SET = "expect_column_values_to_be_in_set: {column: state, value_set: [open, paid, lost]}"


def findings(
    folder: Path, *columns: str, rows: str = "Lines/Line", expectation: str = SET, schema: str = SCHEMA
) -> list[Finding]:
    told = ['id: "@id"', "state: State", GOOD, *columns]
    by_name = {line.partition(":")[0]: line for line in told}
    text = FEED.format(
        columns="\n".join(f"      {line}" for line in by_name.values()),
        expectations=f"      - {expectation}",
        rows=rows,
    )
    (folder / "orders").mkdir()
    (folder / "orders" / "shop.xsd").write_text(schema)
    return list(check_against_xsd(write_feed(folder, text, "orders")))


def test_a_feed_that_fits_its_xsd(tmp_path: Path) -> None:
    assert findings(
        tmp_path,
        "customer: {path: Customer/Name, required: true}",
        "currency: {path: Total/@currency, required: true}",
        "pieces: {path: Pieces, type: bigint}",
        "paid: {path: Paid, type: date}",
        "due: {path: Due, type: timestamptz, timezone: UTC}",
        'tags: {path: Tag, type: "text[]"}',
        "first_tag: {path: Tag, first: true}",
        "sender: {path: ../Header/Sender, required: true}",
        "kind: {path: \"Lines/Line[@kind='x']/Article\"}",
        "whatever: Extra/Anything/At/All",
        'nil: "State/@xsi:nil"',
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("column", "message", "meant"),
    [
        ("total: Totl", "the XSD has no Totl in Order", "Total"),
        ("customer: Name", "the XSD has no Name in Order", "Customer/Name"),
        ("currency: Total/@curency", "the XSD has no @curency in Total", "Total/@currency"),
        ("currency: Total/currency", "the XSD has no currency in Total", "Total/@currency"),
        ('id: "@number"', "the XSD has no @number in Order", None),
        ("sender: ../Header/Sendr", "the XSD has no Sendr in Header", "../Header/Sender"),
        ("name: Custmer/Name", "the XSD has no Custmer in Order", "Customer/Name"),
        ("deep: State/Code", "the XSD has no Code in State", None),
    ],
)
def test_a_path_that_can_never_match_is_an_error(column: str, message: str, meant: str | None, tmp_path: Path) -> None:
    name = column.partition(":")[0]
    (finding,) = (one for one in findings(tmp_path, column) if one.code == "xsd_path_impossible")
    assert (finding.severity, finding.message, finding.suggestion) == ("error", message, meant)
    assert (finding.table, finding.column) == ("orders", name)
    assert finding.spot is not None
    line = (tmp_path / "orders/feed.yaml").read_text().splitlines()[(finding.spot.line or 0) - 1]
    assert line.strip().startswith(f"{name}:")


def test_one_choice_of_several_only_warns(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "paid: {path: [Paid, PaidOn], type: date}")
    assert (finding.severity, finding.path, finding.suggestion) == ("warning", "PaidOn", "Paid")


def test_rows_that_can_never_be_there_are_told_once(tmp_path: Path) -> None:
    """Not for each column of the table besides."""
    (finding,) = findings(tmp_path, rows="Line")
    assert (finding.severity, finding.table, finding.column) == ("error", "lines", None)
    assert (finding.message, finding.suggestion) == ("the XSD has no Line in Order", "Lines/Line")


def test_a_root_that_the_xsd_does_not_have(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, schema=SCHEMA.replace('element name="Orders"', 'element name="OrderList"'))
    assert finding.message == "the XSD has no document that begins with Orders; there is OrderList"


@pytest.mark.parametrize(
    ("column", "code", "message"),
    [
        (
            'total: {path: Total, type: "numeric(15,2)"}',
            "xsd_wider",
            "the XSD allows 3 digits after the point, and numeric(15,2) takes 2",
        ),
        (
            'total: {path: Total, type: "numeric(12,3)"}',
            "xsd_wider",
            "the XSD allows 12 digits before the point, and numeric(12,3) takes 9",
        ),
        (
            "pieces: {path: Pieces, type: integer}",
            "xsd_wider",
            "the type is integer, and the XSD allows numbers of any size (xs:nonNegativeInteger)",
        ),
        ("due: {path: Due, type: date}", "xsd_wider", "the type is date, and the XSD says xs:dateTime"),
        (
            "paid: {path: Paid, type: date, required: true}",
            "xsd_optional",
            "the column is required, and the XSD lets Paid be absent",
        ),
        ('id: "@old"', "xsd_optional", "the column is part of the key or version, and the XSD lets @old be absent"),
        ("tag: Tag", "xsd_repeats", "the XSD lets Tag be there several times, and such a record is rejected"),
        (
            "article: Lines/Line/Article",
            "xsd_repeats",
            "the XSD lets Line be there several times, and such a record is rejected",
        ),
    ],
)
def test_what_the_feed_would_reject_is_a_warning(column: str, code: str, message: str, tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, column)
    assert (finding.severity, finding.code) == ("warning", code)
    assert finding.message.startswith(message)
    assert finding.column == column.partition(":")[0]


def test_a_default_fills_what_may_be_absent(tmp_path: Path) -> None:
    assert findings(tmp_path, "paid: {path: Paid, type: date, required: true, default: '2020-01-01'}") == []


def test_a_value_set_that_lacks_values(tmp_path: Path) -> None:
    lacking, strange = findings(
        tmp_path, expectation="expect_column_values_to_be_in_set: {column: state, value_set: [open, payd]}"
    )
    assert (lacking.severity, lacking.message) == ("warning", "the XSD allows 'paid', 'lost' too")
    assert strange.code == "xsd_value_impossible"
    assert (strange.severity, strange.message, strange.suggestion) == ("note", "the XSD does not allow 'payd'", "paid")


@pytest.mark.parametrize(
    ("column", "simple", "is_narrow"),
    [
        ("integer", SimpleType("int"), False),
        ("integer", SimpleType("long"), True),
        ("integer", SimpleType("integer", total_digits=9), False),
        ("integer", SimpleType("integer", minimum="0", maximum="2147483648"), True),
        ("integer", SimpleType("integer", minimum="0", maximum="99"), False),
        ("integer", SimpleType("positiveInteger", maximum="99"), False),
        ("bigint", SimpleType("integer"), False),
        ("bigint", SimpleType("integer", total_digits=19), True),
        ("bigint", SimpleType("decimal"), True),
        ("bigint", SimpleType("decimal", total_digits=18, fraction_digits=0), False),
        ("integer", SimpleType("double"), True),
        ("numeric(10,2)", SimpleType("decimal"), False),
        ("numeric(10,2)", SimpleType("decimal", fraction_digits=2), False),
        ("numeric(10,2)", SimpleType("decimal", total_digits=9, fraction_digits=2), True),
        ("text", SimpleType("decimal"), False),
        ("numeric(1,0)", SimpleType("string", members=(SimpleType("decimal", total_digits=5),)), False),
    ],
)
def test_types(column: str, simple: SimpleType, is_narrow: bool) -> None:
    assert bool(list(type_faults(parse_type(column), simple))) is is_narrow


def test_a_large_schema_is_opened_only_where_paths_lead(tmp_path: Path) -> None:
    """A hundred files with a tree without end, and a column far down in it."""
    folder = tmp_path / "things"
    first = write_crowd(folder, files=100, types=10)
    text = f"""
namespaces: {{a: urn:n0, b: urn:n1}}
xsd: {{files: {first.name}}}
tables:
  things: {{record: /a:g1, columns: {{deep: {{path: "b:g5/b:e1", first: true}}, none: "b:g5/b:e9", id: "@id"}}}}
"""
    (finding,) = check_against_xsd(write_feed(tmp_path, text, "things"))
    assert (finding.column, finding.message) == ("none", "the XSD has no b:e9 in b:g5")


def test_check_tells_all_with_the_rest(tmp_path: Path) -> None:
    """`sluice check` takes the findings in, and an XSD that cannot be read is an error of the feed."""
    findings(tmp_path, "customer: Name")
    report = check_feed(tmp_path / "orders", ())
    assert [(one.severity, one.code) for one in report.findings] == [("error", "xsd_path_impossible")]
    assert {one.code for one in report.findings} <= FINDING_CODES.keys()
    (tmp_path / "orders" / "shop.xsd").write_text("<xs:schema")
    (broken,) = check_feed(tmp_path / "orders", ()).findings
    assert (broken.severity, broken.code) == ("error", "feed_invalid")
    assert "shop.xsd" in broken.message


def test_a_bomb_of_groups_is_no_matter(tmp_path: Path) -> None:
    bomb = f"<xs:schema {XS}>{group_bomb(9, 10)}</xs:schema>"
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "bomb.xsd").write_text(bomb)
    text = "xsd: {files: bomb.xsd}\ntables: {things: {record: /r, columns: {x: x, y: y}}}"
    told = list(check_against_xsd(write_feed(tmp_path, text, "things")))
    assert [(one.column, one.code) for one in told] == [("x", "xsd_repeats"), ("y", "xsd_path_impossible")]


def test_a_feed_without_an_xsd_has_nothing_to_find(tmp_path: Path) -> None:
    text = "tables: {things: {record: /r, columns: {x: x}}}"
    assert list(check_against_xsd(write_feed(tmp_path, text, "things"))) == []
    with pytest.raises(PermanentError, match="nested deeper"):
        findings(
            tmp_path,
            schema=SCHEMA.replace("<xs:choice>", "<xs:choice>" * 120).replace("</xs:choice>", "</xs:choice>" * 120),
        )
