"""parse: records that delete. Their keys and versions go to a file of their own; nothing else of them is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parsed import Parsed, parse_cut, parse_data
from tests.parsed import write_feed as write
from tests.small_feeds import deleted, gone, item, items

from sluice.feed.model import Feed

XSI = "http://www.w3.org/2001/XMLSchema-instance"

FEED = """
tables:
  items:
    record: /Items/Item
    key: id
    version: rev
    deletes:
      column: status
      values: [D, "-"]
      record: /Items/Gone
      columns: {id: ["@id", Id], rev: "@rev"}
    columns:
      id: "@id"
      rev: {path: "@rev", type: integer}
      name: {path: Name, required: true}
      status: ["@status", Status]
    expectations:
      - expect_table_row_count_to_be_between: {min_value: 1}
  parts:
    parent: items
    rows: Part
    columns: {code: {path: "@code", required: true}}
"""


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return write(tmp_path, FEED)


def parse(feed: Feed, folder: Path, *records: str) -> Parsed:
    return parse_data(feed, folder, items(*records).encode())


def keys(parsed: Parsed) -> list[tuple[str, int]]:
    return [(row["id"], row["rev"]) for row in parsed.values("items.deletes")]


def test_both_forms(feed: Feed, tmp_path: Path) -> None:
    """Deletes stand apart from the rows, with their place in the file; each counts as a record that was found."""
    parsed = parse(feed, tmp_path, item("a"), gone("b", 2), deleted("c", 3), item("d", parts=[("x", [])]))
    assert [row["id"] for row in parsed.values()] == ["a", "d"]
    assert [row["code"] for row in parsed.values("parts")] == ["x"]
    assert keys(parsed) == [("b", 2), ("c", 3)]
    assert [(row["_rec"], row["_record"]) for row in parsed.rows("items.deletes")] == [(1, 2), (2, 3)]
    assert [row["_record"] for row in parsed.rows()] == [1, 4]
    assert (parsed.summary.records, parsed.codes) == (4, [])


@pytest.mark.parametrize(
    ("record", "is_delete"),
    [
        ('<Item id="a" rev="1" status="D"/>', True),
        ('<Item id="a" rev="1" status=" -\n"/>', True),
        ('<Item id="a" rev="1"><Status> D </Status></Item>', True),
        ('<Item id="a" rev="1"><Status><![CDATA[D]]></Status></Item>', True),
        ('<Item id="a" rev="1" status="d"><Name/></Item>', False),
        ('<Item id="a" rev="1" status="DD"><Name/></Item>', False),
        ('<Item id="a" rev="1" status="A"><Name/><Status>D</Status></Item>', False),
        ('<Item id="a" rev="1"><Name/></Item>', False),
        (f'<Item id="a" rev="1"><Name/><Status xmlns:x="{XSI}" x:nil="true"/></Item>', False),
    ],
)
def test_the_text_of_the_column_decides(feed: Feed, tmp_path: Path, record: str, is_delete: bool) -> None:
    """As it is in the file, trimmed; of several paths the first that is present."""
    parsed = parse(feed, tmp_path, record)
    assert (len(parsed.rows("items.deletes")), len(parsed.rows())) == (is_delete, not is_delete)
    assert parsed.codes == []


def test_nothing_but_key_and_version_is_looked_at(feed: Feed, tmp_path: Path) -> None:
    """Neither what is required nor what is in child tables, of a record that deletes."""
    parsed = parse(
        feed,
        tmp_path,
        '<Item id="a" rev="1" status="D"><Name/><Name/><Part/><Other/></Item>',
        '<Gone rev="2"><Id>b</Id><Part/><Other x="1"/></Gone>',
        '<Item id="c" rev="1"><Part code="y"/></Item>',
    )
    assert keys(parsed) == [("a", 1), ("b", 2)]
    assert (parsed.rows(), parsed.rows("parts"), parsed.codes) == ([], [], ["required_missing"])


@pytest.mark.parametrize(
    ("record", "code", "column"),
    [
        ('<Gone id="a" rev="x"/>', "not_a_number", "rev"),
        ('<Gone id="a"/>', "required_missing", "rev"),
        ('<Gone rev="1"/>', "required_missing", "id"),
        ('<Gone rev="1"><Id>a</Id><Id>b</Id></Gone>', "several_values", "id"),
        ('<Item id="a" rev="" status="D"/>', "empty_value", "rev"),
        ('<Item rev="1" status="D"/>', "required_missing", "id"),
        ('<Item id="a" rev="1"><Status>D</Status><Status>A</Status></Item>', "several_values", "status"),
    ],
)
def test_what_is_wrong_with_a_delete_costs_the_delete(
    feed: Feed, tmp_path: Path, record: str, code: str, column: str
) -> None:
    """It is rejected like any record, with the column of its table."""
    parsed = parse(feed, tmp_path, gone("x"), record, item("y"))
    assert (keys(parsed), [row["id"] for row in parsed.rows()]) == ([("x", 1)], ["y"])
    (reject,) = parsed.rejects
    reason = reject.reasons[0]
    assert (reject.ordinal, len(reject.reasons), reason.code, reason.table, reason.column) == (
        2, 1, code, "items", column,
    )  # fmt: skip
    assert reason.path is not None


def test_a_record_too_large_may_still_delete(tmp_path: Path) -> None:
    """What makes it too large lies where a delete is not looked at; one that does not delete is rejected whole."""
    feed = write(tmp_path, "quotas: {max_rows_per_record: 3}\n" + FEED)
    parts = '<Part code="x"/>' * 5
    large = f'<Item id="{{}}" rev="1"><Name/>{parts}<Status>{{}}</Status></Item>'
    parsed = parse(feed, tmp_path, large.format("a", "D"), large.format("b", "A"), item("c"))
    assert (keys(parsed), [row["id"] for row in parsed.rows()]) == ([("a", 1)], ["c"])
    assert (parsed.rows("parts"), parsed.codes) == ([], ["record_too_large"])


def test_a_delete_is_no_drift(feed: Feed, tmp_path: Path) -> None:
    """Nothing in a record that only deletes is unknown, and none of its absent values is empty."""
    parsed = parse(feed, tmp_path, gone("a"), item("b"), '<Item id="c" rev="1" status="D"/>')
    assert parsed.drift == {}
    assert parsed.emptiness() == {"rows": 1, "empty": {"id": 0, "rev": 0, "name": 0, "status": 1}}


def test_deletes_only(feed: Feed, tmp_path: Path) -> None:
    """A file that only deletes holds records."""
    parsed = parse(feed, tmp_path, gone("a"), gone("b"))
    assert ([outcome["failed"] for outcome in parsed.outcomes], keys(parsed)) == ([False], [("a", 1), ("b", 1)])
    assert parse(feed, tmp_path, "<Other/>").codes == ["no_records"]


def test_cut_anywhere(feed: Feed, tmp_path: Path) -> None:
    """Deletes are records for the one who cuts, too."""
    records = [one for number in range(40) for one in (item(f"i{number}"), gone(f"g{number}"), deleted(f"d{number}"))]
    path = tmp_path / "large.xml"
    path.write_text(items(*records))
    parsed = parse_cut(feed, path, 700)
    assert len(parsed.outcomes) > 5
    assert sorted(keys(parsed)) == sorted((f"{kind}{number}", 1) for number in range(40) for kind in "gd")
    ordinals = [row["_record"] for table in ("items", "items.deletes") for row in parsed.rows(table)]
    assert sorted(ordinals) == list(range(1, 121))


def test_a_record_that_deletes_must_be_valid(tmp_path: Path) -> None:
    """The XSD holds for deletes as for all records."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things/items.xsd").write_text(
        """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Items"><xs:complexType>
        <xs:choice maxOccurs="unbounded"><xs:element name="Item" type="xs:string"/><xs:element name="Gone">
        <xs:complexType><xs:attribute name="id"/><xs:attribute name="rev" type="xs:integer"/></xs:complexType>
        </xs:element></xs:choice></xs:complexType></xs:element></xs:schema>"""
    )
    feed = write(tmp_path, "xsd: {files: items.xsd}\n" + FEED)
    parsed = parse(feed, tmp_path, '<Gone id="a" rev="1"/>', '<Gone id="b" rev="2" why="x"/>')
    assert (keys(parsed), parsed.codes) == ([("a", 1)], ["xsd_invalid"])
