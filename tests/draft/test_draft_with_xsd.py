"""``sluice draft`` with XSDs: alone, and beside samples."""

from __future__ import annotations

import shutil
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest
import yaml
from tests.draft.schemas import write, write_crowd, xsd

from sluice import cli
from sluice.checks.report import check_feed
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed
from sluice.xmlio import Schemas, parse_document

DATA = Path(__file__).parents[3] / "shared" / "data"
BY_MESSAGE = groupby(sorted((DATA / "iso20022" / "xsd").glob("*.xsd")), key=lambda path: path.name.split(".00")[0])
# Of each message the oldest and the newest version: those between differ little from one or the other.
REAL = [path for _, versions in BY_MESSAGE for path in itemgetter(0, -1)(list(versions))]
REAL += sorted((DATA / "gleif" / "xsd").glob("20*.xsd"))

SHOP = (
    '<xs:element name="Orders"><xs:complexType><xs:sequence><xs:element name="Order" maxOccurs="unbounded">'
    "<xs:annotation><xs:documentation>One order. It has lines.</xs:documentation></xs:annotation><xs:complexType>"
    '<xs:sequence><xs:element name="Number" type="xs:token"/><xs:element name="Total" type="Money"/>'
    '<xs:element name="State" type="State"/><xs:element name="Paid" type="xs:date" minOccurs="0"/>'
    '<xs:element name="Line" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="Article"/>'
    '<xs:element name="Pieces" type="xs:int"/></xs:sequence></xs:complexType></xs:element>'
    '<xs:element name="Extra"><xs:complexType><xs:sequence><xs:any processContents="skip"/></xs:sequence>'
    '</xs:complexType></xs:element></xs:sequence><xs:attribute name="id" use="required" type="xs:ID"/><xs:attribute '
    'name="by"/>'
    "</xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>"
    '<xs:simpleType name="Money"><xs:restriction base="xs:decimal"><xs:totalDigits value="12"/><xs:fractionDigits '
    'value="3"/></xs:restriction></xs:simpleType><xs:simpleType name="State"><xs:restriction base="xs:string">'
    '<xs:enumeration value="open"/><xs:enumeration value="paid"/></xs:restriction></xs:simpleType>'
)
ORDER = (
    '<Order id="{id}"><Number>N{id}</Number><Total>1.250</Total><State>open</State><Line><Article>a</Article><Pieces>2'
    "</Pieces></Line><Extra><x/></Extra></Order>"
)


def draft(folder: Path, *arguments: str | Path) -> Feed:
    assert cli.main(["draft", folder.name, *map(str, arguments), "--out", str(folder)]) == 0
    return load_feed(folder)


def notes(feed: Feed) -> str:
    return (feed.folder / "NOTES.md").read_text()


def shop(folder: Path) -> Path:
    return write(folder, shop=xsd(SHOP))[0]


def columns(feed: Feed, table: str) -> dict[str, tuple[str, bool]]:
    return {name: (column.type, column.required) for name, column in feed.tables[table].columns.items()}


def test_from_an_xsd_alone(tmp_path: Path) -> None:
    """Types, what is required, what repeats, values, words; and the feed fits the XSD that lies beside it."""
    feed = draft(tmp_path / "shop", "--xsd", shop(tmp_path))
    (root, child) = feed.tables
    assert feed.tables[root].record == "/Orders/Order"
    assert feed.tables[child].rows == "Line"
    told = columns(feed, root)
    assert {name: told[name] for name in ("number", "total", "state", "paid")} == {
        "number": ("text", True),
        "total": ("numeric(15,3)", True),
        "state": ("text", True),
        "paid": ("date", False),
    }
    assert {kind for kind, _ in told.values()} == {"text", "numeric(15,3)", "date", "markup"}
    assert columns(feed, child)["pieces"] == ("integer", True)
    assert feed.tables[root].description == "One order."
    (values,) = [
        each.arguments["value_set"] for each in feed.tables[root].expectations if "value_set" in each.arguments
    ]
    assert values == ["open", "paid"]
    assert feed.xsd is not None
    assert feed.xsd.files == ("xsd/shop.xsd",)
    assert "The XSD says that @id is an ID" in notes(feed)
    assert [one for one in check_feed(feed.folder, ()).findings if one.code != "no_samples"] == []


def test_from_samples_and_an_xsd(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<Orders>" + "".join(ORDER.format(id=f"o{n}") for n in range(12)) + "</Orders>")
    feed = draft(tmp_path / "shop", tmp_path / "a.xml", "--xsd", shop(tmp_path))
    root = next(iter(feed.tables))
    told = columns(feed, root)
    assert told["total"] == ("numeric(15,3)", True)
    assert told["paid"] == ("date", False)
    assert [name for name in told if name.endswith("by")]
    report = check_feed(feed.folder, [str(tmp_path / "a.xml")])
    assert report.counts is not None
    assert (report.counts.found, report.counts.accepted) == (12, 12)
    assert {one.severity for one in report.findings} <= {"note"}


def test_what_contradicts_is_in_the_notes_and_fits_the_draft(tmp_path: Path) -> None:
    odd = ORDER.format(id="odd").replace("1.250", "1.2505").replace("open", "lost")
    (tmp_path / "a.xml").write_text(f"<Orders>{ORDER.format(id='o1')}{odd}</Orders>")
    feed = draft(tmp_path / "shop", tmp_path / "a.xml", "--xsd", shop(tmp_path))
    root = next(iter(feed.tables))
    assert columns(feed, root)["total"][0] == "numeric(16,4)"
    assert "up to 4 digits after the point, and the XSD allows 3" in notes(feed)
    assert "the XSD does not list 'lost'" in notes(feed)
    assert not any("value_set" in each.arguments for each in feed.tables[root].expectations)


def test_an_xsd_of_several_roots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = SHOP.partition("<xs:simpleType")[0].replace('name="Orders"', 'name="Offers"')
    (path,) = write(tmp_path, shop=xsd(SHOP + second))
    assert cli.main(["draft", "shop", "--xsd", str(path), "--out", str(tmp_path / "shop")]) == 1
    assert "choose one with --root: Offers, Orders" in capsys.readouterr().err
    feed = draft(tmp_path / "shop", "--xsd", path, "--root", "Offers")
    assert next(iter(feed.tables.values())).record == "/Offers/Order"


def test_files_with_one_name_get_others_in_the_feed(tmp_path: Path) -> None:
    """The feed looks for XSDs by file name, in one folder."""
    types = '<xs:simpleType name="{}"><xs:restriction base="xs:{}"/></xs:simpleType>'
    (main,) = write(
        tmp_path / "in",
        main=xsd(
            '<xs:include schemaLocation="a/types.xsd"/><xs:include schemaLocation="b/types.xsd"/>'
            '<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="a" type="A"/><xs:element name="b" '
            'type="B"/>'
            "</xs:sequence></xs:complexType></xs:element>"
        ),
    )
    write(tmp_path / "in/a", types=xsd(types.format("A", "int")))
    write(tmp_path / "in/b", types=xsd(types.format("B", "date")))
    feed = draft(tmp_path / "r", "--xsd", main)
    assert sorted(path.name for path in (feed.folder / "xsd").iterdir()) == ["main.xsd", "types-2.xsd", "types.xsd"]
    assert feed.xsd is not None
    document = parse_document(b"<r><a>1</a><b>2020-01-01</b></r>")
    validator = Schemas(feed.folder, feed.xsd.files).for_root(document)
    assert validator is not None
    assert validator.validate(document)
    assert "several XSD files have one name" in notes(feed)


def test_an_xsd_with_missing_files_is_read_and_not_checked_against(tmp_path: Path) -> None:
    (main,) = write(tmp_path, main=xsd('<xs:include schemaLocation="none.xsd"/>' + SHOP))
    feed = draft(tmp_path / "shop", "--xsd", main)
    assert feed.xsd is None
    assert "none.xsd: no such file" in notes(feed)
    assert "does not check records against the XSD" in notes(feed)


def test_attributes_of_xml_itself_need_no_file(tmp_path: Path) -> None:
    """Sluice's own copy lies in the feed then, so that the feed's XSD is whole."""
    (main,) = write(
        tmp_path,
        main=xsd(
            '<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://127.0.0.1:9/xml.xsd"/>'
            '<xs:element name="r"><xs:complexType><xs:sequence><xs:element name="a"/></xs:sequence><xs:attribute '
            'ref="xml:lang"/></xs:complexType></xs:element>'
        ),
    )
    feed = draft(tmp_path / "r", "--xsd", main)
    assert feed.xsd is not None
    document = parse_document(b"<r xml:lang='en'><a/></r>")
    validator = Schemas(feed.folder, feed.xsd.files).for_root(document)
    assert validator is not None
    assert validator.validate(document)


def test_a_schema_of_hundreds_of_files(tmp_path: Path) -> None:
    """A draft that loads, with all that it leaves out in its notes."""
    feed = draft(tmp_path / "crowd", "--xsd", write_crowd(tmp_path / "in", files=200, types=5), "--root", "g1")
    assert feed.xsd is not None
    assert len(list((feed.folder / "xsd").iterdir())) == 200
    assert "the XSD describes more than 5,000 elements" in notes(feed)
    assert "not told: what lies in" in notes(feed)
    assert "deep in it, are kept with their markup" in notes(feed)
    assert len(feed.tables) <= 101
    assert [one for one in check_feed(feed.folder, ()).findings if one.severity != "note"] == []


PARTIES = (
    '<xs:element name="Deal"><xs:complexType><xs:sequence><xs:element name="buyer" type="Party"/><xs:element '
    'name="paid" '
    'type="xs:boolean" nillable="true"/></xs:sequence></xs:complexType></xs:element>'
    '<xs:complexType name="Party"{abstract}><xs:sequence><xs:element name="id"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Firm"><xs:complexContent><xs:extension base="Party"><xs:sequence><xs:element name="lei"/>'
    "</xs:sequence></xs:extension></xs:complexContent></xs:complexType>"
)


@pytest.mark.parametrize("is_abstract", [True, False])
def test_what_other_types_bring_has_columns_where_one_of_them_must_stand(is_abstract: bool, tmp_path: Path) -> None:
    """Else only a note: schemas extend types more often than senders use xsi:type."""
    (path,) = write(tmp_path, deal=xsd(PARTIES.format(abstract=' abstract="true"' if is_abstract else "")))
    feed = draft(tmp_path / "deal", "--xsd", path)
    paths = {column.path[0]: column.required for column in next(iter(feed.tables.values())).columns.values()}
    brought = {"buyer/@xsi:type": False, "buyer/lei": False} if is_abstract else {}
    assert paths == {"buyer/id": True, "paid": False} | brought
    assert ("other types may stand for its own by xsi:type" in notes(feed)) is not is_abstract


def test_what_has_no_type_in_the_xsd_has_that_of_the_samples(tmp_path: Path) -> None:
    attributes = '<xs:attribute name="size"/><xs:attribute name="text" type="xs:string"/>'
    body = f'<xs:element name="r"><xs:complexType>{attributes}'
    (path,) = write(tmp_path, main=xsd(body + "</xs:complexType></xs:element>"))
    (tmp_path / "a.xml").write_text('<r size="1250" text="1250"/>')
    both = columns(draft(tmp_path / "r", tmp_path / "a.xml", "--xsd", path), "r")
    assert both == {"size": ("bigint", False), "text": ("text", False)}


def test_a_draft_never_writes_over_another_xsd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop" / "xsd").mkdir(parents=True)
    (tmp_path / "shop" / "xsd" / "shop.xsd").write_text("mine")
    assert cli.main(["draft", "shop", "--xsd", str(shop(tmp_path)), "--out", str(tmp_path / "shop")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "shop" / "xsd" / "shop.xsd").read_text() == "mine"
    assert not (tmp_path / "shop" / "feed.yaml").exists()


@pytest.mark.skipif(not REAL, reason=f"{DATA} is not on this machine")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_xsds_alone_give_feeds_that_fit_them(path: Path, tmp_path: Path) -> None:
    feed = draft(tmp_path / "real", "--xsd", path)
    assert yaml.safe_load((feed.folder / "feed.yaml").read_text())["xsd"]
    findings = [one for one in check_feed(feed.folder, ()).findings if one.severity != "note"]
    assert findings == []


@pytest.mark.skipif(not REAL, reason=f"{DATA} is not on this machine")
def test_real_samples_and_their_xsd(tmp_path: Path) -> None:
    """All records of the register load under the draft, the XSD included; its versions of bank statements are one."""
    (sample,) = (DATA / "gleif").glob("*.xml")
    feed = draft(tmp_path / "lei", sample, "--xsd", DATA / "gleif/xsd/2017-03-21_lei-cdf-v2-1.xsd")
    report = check_feed(feed.folder, [str(sample)])
    assert report.counts is not None
    assert report.counts.rejected == 0
    assert report.counts.accepted == report.counts.found > 10
    statements = sorted((DATA / "iso20022" / "genkgo").glob("camt053*.xml"))
    shutil.copytree(DATA / "iso20022" / "xsd", tmp_path / "xsds")
    record = "/Document/BkToCstmrStmt/Stmt"
    feed = draft(tmp_path / "bank", *statements, "--xsd", tmp_path / "xsds", "--record", record)
    assert len(feed.namespaces["default"]) == 4
