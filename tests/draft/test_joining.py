"""Samples and an XSD as one tree: each fills the other's gaps, and what contradicts is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.draft.schemas import write, xsd

from sluice.draft.joining import Joining, join
from sluice.draft.pruning import prune_unseen
from sluice.draft.samples import Samples, read_samples
from sluice.draft.schema import read_schema
from sluice.draft.shape import Shape
from sluice.errors import PermanentError

ORDERS = (
    '<xs:element name="orders"><xs:complexType><xs:sequence><xs:element name="order" maxOccurs="unbounded">'
    '<xs:complexType><xs:sequence><xs:element name="id" type="xs:int"/><xs:element name="total" type="Money"/>'
    '<xs:element name="state" type="State"/><xs:element name="note" type="xs:string" minOccurs="0"/></xs:sequence>'
    '<xs:attribute name="ccy" use="required"/></xs:complexType></xs:element></xs:sequence></xs:complexType>'
    "</xs:element>"
    '<xs:simpleType name="Money"><xs:restriction base="xs:decimal"><xs:totalDigits value="6"/><xs:fractionDigits '
    'value="2"/></xs:restriction></xs:simpleType><xs:simpleType name="State"><xs:restriction base="xs:string">'
    '<xs:enumeration value="open"/><xs:enumeration value="paid"/></xs:restriction></xs:simpleType>'
)


def seen(folder: Path, *documents: str) -> Samples:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.xml" for number in range(len(documents))]
    for path, text in zip(paths, documents, strict=True):
        path.write_text(text)
    return read_samples(paths)


def joined(folder: Path, body: str, *documents: str, root: str | None = None) -> Joining:
    samples = seen(folder / "samples", *documents)
    return join(read_schema(write(folder / "xsd", main=xsd(body))), samples.roots, samples.namespaces, root)


def at(joining: Joining, path: str) -> Shape:
    shape = joining.roots[0]
    for name in path.split("/"):
        shape = next(child for child in shape.children.values() if child.local == name)
    return shape


def order(inside: str, attributes: str = ' ccy="EUR"') -> str:
    return f"<order{attributes}>{inside}</order>"


GOOD = order("<id>1</id><total>9.50</total><state>paid</state>")


def test_both_know_their_part(tmp_path: Path) -> None:
    joining = joined(tmp_path, ORDERS, f"<orders>{GOOD}{GOOD}</orders>")
    total, note = at(joining, "order/total"), at(joining, "order/note")
    assert joining.notes == []
    assert total.count == 2
    assert total.declared is not None
    assert total.declared.simple is not None
    assert total.declared.simple.fraction_digits == 2
    assert note.declared is not None  # never seen, and declared
    assert note.count == 0
    assert list(at(joining, "order").children) == ["id", "total", "state", "note"]


@pytest.mark.parametrize(
    ("record", "note"),
    [
        (
            order("<id>1</id><total>9.505</total><state>paid</state>"),
            "/orders/order/total: up to 3 digits after the point, and the XSD allows 2",
        ),
        (
            order("<id>1</id><total>1234567</total><state>paid</state>"),
            "/orders/order/total: up to 7 digits before the point, and the XSD allows 6 in all",
        ),
        (order("<id>A1</id><total>1</total><state>paid</state>"), "/orders/order/id: 1 of 2 texts are no xs:int"),
        (order("<id>1</id><total>1</total><state>lost</state>"), "/orders/order/state: the XSD does not list 'lost'"),
        (order("<id>1</id><total>1</total>"), "/orders/order/state: the XSD requires it, and it is absent in 1 of 2"),
        (
            order("<id>1</id><id>2</id><total>1</total><state>paid</state>"),
            "/orders/order/id: up to 2 in one parent, and the XSD allows 1",
        ),
        (
            order("<id>1</id><total>1</total><state>paid</state>", ""),
            "/orders/order/@ccy: the XSD requires it, and it is absent in 1 of 2",
        ),
        (
            order("<id>1</id><total>1</total><state>paid</state>", ' ccy="EUR" by="me"'),
            "/orders/order/@by: 1 time, and the XSD does not declare it",
        ),
    ],
)
def test_what_contradicts_is_told(record: str, note: str, tmp_path: Path) -> None:
    assert joined(tmp_path, ORDERS, f"<orders>{GOOD}{record}</orders>").notes == [note]


def test_the_wider_of_the_two_counts(tmp_path: Path) -> None:
    record = order("<id>x</id><id>y</id><total>1234567.125</total><state>lost</state><extra>1</extra>", "")
    joining = joined(tmp_path, ORDERS, f"<orders>{GOOD}{record}</orders>")
    declared = {name: at(joining, f"order/{name}").declared for name in ("id", "total", "state", "extra")}
    assert declared["extra"] is None
    assert at(joining, "order/extra").count == 1
    identifier, total, state = declared["id"], declared["total"], declared["state"]
    assert identifier is not None
    assert total is not None
    assert state is not None
    assert identifier.max_occurs == 2
    assert identifier.simple is not None
    assert identifier.simple.base == "string"
    assert total.simple is not None
    assert total.simple.fraction_digits == 3
    assert total.simple.total_digits is not None
    assert total.simple.total_digits >= 10
    assert state.simple is not None
    assert state.simple.enumeration == ()
    currency = at(joining, "order").attributes["ccy"].declared
    assert currency is not None
    assert currency.min_occurs == 0


def test_a_document_that_the_schema_does_not_know_stays_as_it_was_seen(tmp_path: Path) -> None:
    joining = joined(tmp_path, ORDERS, "<invoices><invoice><no>1</no></invoice></invoices>")
    assert joining.notes == ["the XSD declares no root element invoices in ''"]
    assert at(joining, "invoice/no").declared is None


def test_versions_of_a_standard_are_one_tree(tmp_path: Path) -> None:
    """What only one version has may be absent; types are as wide as both."""
    version = (
        '<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="both" type="{type}"/>'
        '<xs:element name="{own}"/></xs:sequence></xs:complexType></xs:element>'
    )
    paths = write(
        tmp_path,
        v1=xsd(version.format(type="xs:int", own="old"), "urn:std:1"),
        v2=xsd(version.format(type="xs:int", own="new"), "urn:std:2"),
    )
    samples = Samples()
    joining = join(read_schema(paths), (), samples.namespaces)
    assert joining.names == ["{urn:std:1}r", "{urn:std:2}r"]
    assert [*samples.namespaces.uris.values()] == [["urn:std:1", "urn:std:2"]]
    told = {child.local: child.declared and child.declared.min_occurs for child in joining.roots[0].children.values()}
    assert told == {"both": 1, "old": 0, "new": 0}


def test_numbered_namespaces_of_one_schema_are_no_versions(tmp_path: Path) -> None:
    main, _ = write(
        tmp_path,
        main=xsd(
            '<xs:import namespace="urn:part:2" schemaLocation="part.xsd"/><xs:element name="r"><xs:complexType>'
            '<xs:sequence><xs:element name="a"/><xs:element ref="p:a"/></xs:sequence></xs:complexType></xs:element>',
            "urn:part:1",
            'xmlns:p="urn:part:2"',
        ),
        part=xsd('<xs:element name="a"/>', "urn:part:2"),
    )
    joining = join(read_schema([main]), (), Samples().namespaces)
    assert list(joining.roots[0].children) == ["{urn:part:1}a", "{urn:part:2}a"]


RECURSIVE = (
    '<xs:element name="r"><xs:complexType><xs:sequence><xs:element ref="part" minOccurs="0"/></xs:sequence>'
    '</xs:complexType></xs:element><xs:element name="part"><xs:complexType><xs:sequence><xs:element name="name"/>'
    '<xs:element name="inner" '
    'minOccurs="0"><xs:complexType><xs:sequence><xs:element ref="part"/></xs:sequence></xs:complexType></xs:element>'
    "</xs:sequence></xs:complexType></xs:element>"
)


def test_samples_say_how_deep_a_recursive_schema_goes(tmp_path: Path) -> None:
    """What they have is there with its counts; what they never have folds."""
    document = "<r><part><name>a</name><inner><part><name>b</name></part></inner></part></r>"
    joining = joined(tmp_path / "a", RECURSIVE, document)
    deep = at(joining, "part/inner/part")
    assert joining.notes == []
    assert deep.count == 1
    assert deep.folds_into in (None, at(joining, "part"))
    alone = joined(tmp_path / "b", RECURSIVE, root="r")
    assert at(alone, "part/inner/part").folds_into is at(alone, "part")


def test_much_that_no_sample_has_is_left_out_and_told(tmp_path: Path) -> None:
    many = "".join(f'<xs:element name="e{n}" type="xs:int" minOccurs="0"/>' for n in range(300))
    body = f'<xs:element name="r"><xs:complexType><xs:sequence>{many}</xs:sequence><xs:attribute name="a"/></xs:complexType></xs:element>'  # noqa: E501
    (root,) = joined(tmp_path, body, "<r><e7>1</e7></r>").roots
    notes = prune_unseen(root)
    assert list(root.children) == ["e7"]
    assert not root.attributes
    assert "300 elements and attributes that the XSD declares are in no sample" in notes[0]
    assert notes[-1] == "and 240 more"
    few = joined(tmp_path / "few", ORDERS, f"<orders>{GOOD}</orders>").roots[0]
    assert prune_unseen(few) == []


def test_several_roots_need_a_choice_only_without_samples(tmp_path: Path) -> None:
    two = ORDERS + ORDERS.partition("<xs:simpleType")[0].replace('name="orders"', 'name="offers"')
    with pytest.raises(PermanentError, match="choose one with --root: offers, orders"):
        joined(tmp_path, two)
    assert joined(tmp_path, two, root="offers").roots[0].name == "offers"
    assert joined(tmp_path, two, f"<orders>{GOOD}</orders>").roots[0].name == "orders"
