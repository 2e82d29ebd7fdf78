"""The mapping at work on one record: which texts of it become which cells of which rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from tests.parsed import write_feed

from sluice import plan as plan_module
from sluice import sightings, xmlio
from sluice.plan import Plan
from sluice.walk import NIL, Rows

XSI = "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'"

Extract = Callable[..., Any]


class Extracted:
    """What the records of one document give: cells by column name, in rows by table."""

    def __init__(self, plan: Plan, document: str) -> None:
        self.plan = plan
        self._rows = {name: Rows() for name in plan.tables}
        self.several: list[tuple[str, str, str]] = []
        root = xmlio.parse_document(document.encode())
        for number, element in enumerate(plan.find_candidates(root)):
            table = plan.table_of(element)
            if table is not None:
                found = plan.extract(element, table, number, self._rows).several
                self.several += [(item.table, item.column, item.path) for item in found]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows with, for a column of several paths, the first value that is present."""
        columns = self.plan.tables[table].columns
        return [
            {name: next((row[i] for i in cells if row[i] is not None), None) for name, cells in columns}
            for row in self._rows[table].cells
        ]

    def positions(self, table: str) -> list[tuple[int, tuple[int, ...]]]:
        return list(zip(self._rows[table].records, self._rows[table].positions, strict=True))


@pytest.fixture
def extract(tmp_path: Path) -> Extract:
    """Extracts by the columns of one table of records at /r/rec, or by whole tables."""

    def extract(document: str, columns: str = "", *, tables: str = "", namespaces: str = "") -> Any:
        tables = tables or f"things: {{record: /r/rec, columns: {{{columns}}}}}"
        feed = write_feed(tmp_path, f"{namespaces}\ntables:\n  {tables}")
        extracted = Extracted(Plan(feed), document)
        return extracted if columns == "" else extracted.rows("things")

    return extract


def one(rows: list[dict[str, Any]]) -> Any:
    (row,) = rows
    (value,) = row.values()
    return value


# -- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "path", "value"),
    [
        ("<a>x</a>", "a", "x"),
        ("<a><b>x</b></a>", "a/b", "x"),
        ("<a b='x'/>", "a/@b", "x"),
        ("<a/>", "a", ""),
        ("<b/>", "a", None),
        ("<a/>", "a/@b", None),
        ("<a><a>x</a></a>", "a/a", "x"),
        ("<b><a>x</a></b>", "a", None),
        ("<a>1<b>2<c>3</c>4</b>5<!-- 6 --><![CDATA[7]]></a>", "a", "123457"),
        ("<a>1<!-- -->2<?p?>3</a>", "a", "123"),
        ("<a>&lt;&#10;&amp;</a>", "a", "<\n&"),
        ("x<a>y</a>z", ".", "xyz"),
        ("", ".", ""),
        ("", "@id", "7"),
        ("<a>x</a>", "./a", "x"),
        ("<a t='1'>x</a><a t='2'>y</a>", "a[@t='2']", "y"),
        ("<a t='1'>x</a><a t='2'>y</a>", 'a[@t="3"]', None),
        ("<a><k>1</k><v>x</v></a><a><k>2</k><v>y</v></a>", "a[k='2']/v", "y"),
        ("<a><k><l>1</l></k><v>x</v></a><a><k>2</k><v>y</v></a>", "a[k/l='1']/v", "x"),
        ("<a><k c='1'/><v>x</v></a><a c='1'><v>y</v></a>", "a[k/@c='1']/v", "x"),
        ("<a t='1' u='1'>x</a><a t='1' u='2'>y</a>", "a[@t='1'][@u='2']", "y"),
        ("<a><k>1</k><k>2</k><v>x</v></a>", "a[k='2']/v", "x"),
        ("<a><k>1<b/>2</k><v>x</v></a>", "a[k='12']/v", "x"),
        ("<a><k> 1</k><v>x</v></a>", "a[k='1']/v", None),
        ("<a><b t='1'><c>x</c></b></a>", "a/b[@t='1']/c", "x"),
    ],
)
def test_a_path_takes_a_text(content: str, path: str, value: str | None, extract: Extract) -> None:
    """Elements by name, attributes, the record itself; mixed content in full; predicates that must hold as they are."""
    quoted = path.replace('"', '\\"')
    assert one(extract(f"<r><rec id='7'>{content}</rec></r>", f'c: "{quoted}"')) == value


def test_several_elements_are_too_many_for_one_value(extract: Extract) -> None:
    """Unless the first is asked for, or all; the row stands, and who asked is told what was found twice."""
    document = "<r><rec><a>1</a><b/><a>2</a><a>3</a></rec></r>"
    extracted = extract(document, tables="things: {record: /r/rec, columns: {c: a}}")
    assert extracted.several == [("things", "c", "a")] * 2
    assert extract(document, "c: {path: a, first: true}") == [{"c": "1"}]
    assert extract(document, 'c: {path: a, type: "text[]"}') == [{"c": ["1", "2", "3"]}]
    assert extract("<r><rec/></r>", 'c: {path: a, type: "text[]"}') == [{"c": None}]


def test_of_several_paths_the_first_that_is_present_wins(extract: Extract) -> None:
    """Present is present: also where it is empty or nil."""
    columns = "c: {path: [a, b/@x, b]}"
    for content, value in (
        ("<b x='2'>3</b><a>1</a>", "1"),
        ("<b x='2'>3</b>", "2"),
        ("<b>3</b>", "3"),
        ("<a/><b x='2'/>", ""),
        ("<a xsi:nil='true'/><b x='2'/>", NIL),
        ("", None),
    ):
        assert extract(f"<r {XSI}><rec>{content}</rec></r>", columns) == [{"c": value}]


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("<a xsi:nil='true'/>", NIL),
        ("<a xsi:nil='1'></a>", NIL),
        ("<a xsi:nil='true'><!-- --></a>", NIL),
        ("<a xsi:nil='false'/>", ""),
        ("<a nil='true'/>", ""),
        ("<a xsi:nil='true'>x</a>", "x"),
        ("<a xsi:nil='true'><b/></a>", ""),
    ],
)
def test_nil_is_an_empty_element_that_says_so(element: str, value: Any, extract: Extract) -> None:
    assert one(extract(f"<r {XSI}><rec>{element}</rec></r>", "c: a")) == value


def test_xml_is_the_fragment_with_its_namespaces(extract: Extract) -> None:
    document = "<r xmlns:p='urn:p'><rec><a p:x='1'>t<b/>u</a>tail</rec></r>"
    assert one(extract(document, "c: {path: a, type: xml}")) == '<a xmlns:p="urn:p" p:x="1">t<b/>u</a>'


def test_an_element_may_serve_several_columns(extract: Extract) -> None:
    columns = "a: a, b: \"a[@t='1']\", c: a/@t, d: a/e, x: {path: a, type: xml}"
    assert extract("<r><rec><a t='1'>x<e>y</e></a></rec></r>", columns) == [
        {"a": "xy", "b": "xy", "c": "1", "d": "y", "x": '<a t="1">x<e>y</e></a>'}
    ]


# -- namespaces -------------------------------------------------------------------------------------------------------

TWO = "namespaces: {default: [urn:1, urn:2], p: urn:p, old: urn:1, none: ''}"


def test_names_are_matched_by_uri_and_never_by_prefix(extract: Extract) -> None:
    """Prefixes may be swapped; a default namespace may be any of several; an unprefixed attribute is in none."""
    columns = 'a: a, p: "p:a", x: "a/@x", px: "a/@p:x", n: "none:a"'
    expected = [{"a": "1", "p": "2", "x": "3", "px": "4", "n": "5"}]
    content = "<{0}a x='3' {1}:x='4'>1</{0}a><{1}:a>2</{1}:a><a xmlns=''>5</a>"
    for uri in ("urn:1", "urn:2"):
        document = f"<r xmlns='{uri}' xmlns:p='urn:p'><rec>{content.format('', 'p')}</rec></r>"
        assert extract(document, columns, namespaces=TWO) == expected
        swapped = f"<p:r xmlns:p='{uri}' xmlns:q='urn:p'><p:rec>{content.format('p:', 'q')}</p:rec></p:r>"
        assert extract(swapped, columns, namespaces=TWO) == expected
    assert extract("<r xmlns='urn:3'><rec><a>1</a></rec></r>", "a: a", namespaces=TWO) == []


@pytest.mark.parametrize("columns", ['d: a, o: "old:a"', 'o: "old:a", d: a'])
def test_prefixes_that_share_a_namespace_are_told_apart(columns: str, extract: Extract) -> None:
    """Whichever column comes first: each reads the namespaces of its own prefix, all of them and no others."""
    document = "<r xmlns='{0}'><rec><a>x</a></rec></r>"
    assert extract(document.format("urn:1"), columns, namespaces=TWO) == [{"d": "x", "o": "x"}]
    assert extract(document.format("urn:2"), columns, namespaces=TWO) == [{"d": "x", "o": None}]


def test_predicates_know_namespaces(extract: Extract) -> None:
    document = "<r xmlns='urn:2' xmlns:q='urn:p'><rec><a q:t='1'>x</a><a t='1'>y</a><a><q:k>1</q:k>z</a></rec></r>"
    assert extract(document, "c: \"a[@p:t='1']\"", namespaces=TWO) == [{"c": "x"}]
    assert extract(document, "c: \"a[@t='1']\"", namespaces=TWO) == [{"c": "y"}]
    assert extract(document, "c: \"a[p:k='1']\"", namespaces=TWO) == [{"c": "1z"}]


def test_a_record_is_one_only_in_its_namespace(extract: Extract) -> None:
    """Candidates are found by local names, as the scanner does it; the table is chosen by namespace."""
    tables = """
  one: {record: /r/rec, columns: {c: .}}
  two: {record: "/p:r/p:rec", columns: {c: .}}
"""
    extracted = extract("<p:r xmlns:p='urn:p'><p:rec>1</p:rec><rec>2</rec></p:r>", tables=tables, namespaces=TWO)
    assert (extracted.rows("one"), extracted.rows("two")) == ([], [{"c": "1"}])
    extracted = extract("<r xmlns='urn:2'><rec>1</rec><rec xmlns='urn:1'>2</rec></r>", tables=tables, namespaces=TWO)
    assert (extracted.rows("one"), extracted.rows("two")) == ([{"c": "1"}, {"c": "2"}], [])


def test_built_in_prefixes_need_no_declaration(extract: Extract) -> None:
    document = f"<r {XSI}><rec xml:lang='de' xsi:type='t'/></r>"
    assert extract(document, 'l: "@xml:lang", t: "@xsi:type"') == [{"l": "de", "t": "t"}]


# -- ancestors --------------------------------------------------------------------------------------------------------

GROUPS = """
  things:
    record: /r/g/rec
    columns: {c: "%s"}
"""


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("../@n", ["1", "1", "2"]),
        ("../../@v", ["0", "0", "0"]),
        ("../h", ["a", "a", None]),
        ("../h/@x", ["y", "y", None]),
        ("../late", [None, None, None]),
        ("../../head/id", ["b", "b", "b"]),
        ("../../foot", [None, None, None]),
        ("../../head[@k='1']/id", ["b", "b", "b"]),
        ("../../head[@k='2']/id", [None, None, None]),
    ],
)
def test_above_the_record_only_what_precedes_the_first_record_is_seen(
    path: str, values: list[str | None], extract: Extract
) -> None:
    """The rest may lie in another part of the file, or may not have come yet."""
    document = (
        "<r v='0'><head k='1'><id>b</id></head><g n='1'><h x='y'>a</h><rec/><late>x</late><rec/></g>"
        "<foot>x</foot><g n='2'><rec/><h>z</h></g></r>"
    )
    extracted = extract(document, tables=GROUPS % path)
    assert [row["c"] for row in extracted.rows("things")] == values


def test_within_the_record_all_is_seen(extract: Extract) -> None:
    """From a child row up to the record, whatever stands before or after."""
    tables = """
  things: {record: /r/rec, columns: {id: "@id"}}
  lines:
    parent: things
    rows: lines/line
    columns:
      {note: ../../note, id: ../../@id, n: ../@n, all: {path: .., type: xml}, head: ../../../head, r: ../../../@v}
"""
    document = (
        "<r v='1'><head>h</head><rec id='7'><lines n='2'><line/><line/></lines><note>x</note></rec><rec id='8'>"
        "<lines><line/></lines></rec></r>"
    )
    extracted = extract(document, tables=tables)
    full = {"note": "x", "id": "7", "n": "2", "all": '<lines n="2"><line/><line/></lines>', "head": "h", "r": "1"}
    rest = {"note": None, "id": "8", "n": None, "all": "<lines><line/></lines>", "head": "h", "r": "1"}
    assert extracted.rows("lines") == [full, full, rest]


def test_whether_ancestors_are_read(tmp_path: Path) -> None:
    """Only elements above the record make the pieces carry their content."""
    for path, reads in {"../@n": False, "../h": True, "../h/@x": True, "a": False}.items():
        assert Plan(write_feed(tmp_path, "tables:" + GROUPS % path)).reads_ancestor_content is reads


# -- child tables -----------------------------------------------------------------------------------------------------

DEEP = """
  things: {record: /r/rec, columns: {id: "@id"}}
  as: {parent: things, rows: x/a, columns: {n: "@n", up: ../../@id}}
  bs: {parent: as, rows: b, columns: {t: ., up: ../../../@id}}
  cs: {parent: bs, rows: c, columns: {n: "@n", up: ../../../../@id}}
"""


def test_child_rows_have_positions_among_their_siblings(extract: Extract) -> None:
    """At each depth, by table, under the same parent row, in document order."""
    document = (
        "<r><rec id='1'><x><a n='1'><b>p<c n='1'/><c n='2'/></b><b/></a></x><y/>"
        "<x><a n='2'><b><c n='3'/></b></a></x></rec><rec id='2'><x><a/></x></rec><rec/></r>"
    )
    extracted = extract(document, tables=DEEP)
    assert extracted.positions("things") == [(0, ()), (1, ()), (2, ())]
    assert extracted.positions("as") == [(0, (1,)), (0, (2,)), (1, (1,))]
    assert extracted.positions("bs") == [(0, (1, 1)), (0, (1, 2)), (0, (2, 1))]
    assert extracted.positions("cs") == [(0, (1, 1, 1)), (0, (1, 1, 2)), (0, (2, 1, 1))]
    assert [row["t"] for row in extracted.rows("bs")] == ["p", "", ""]
    assert [row["n"] for row in extracted.rows("cs")] == ["1", "2", "3"]
    assert {row["up"] for table in ("as", "bs", "cs") for row in extracted.rows(table)[:2]} == {"1"}


def test_tables_may_be_declared_in_any_order(extract: Extract) -> None:
    tables = """
  cs: {parent: bs, rows: c, columns: {n: "@n"}}
  bs: {parent: things, rows: b, columns: {n: "@n"}}
  things: {record: /r/rec, columns: {n: "@n"}}
"""
    extracted = extract("<r><rec n='1'><b n='2'><c n='3'/></b></rec></r>", tables=tables)
    assert [extracted.rows(name) for name in ("things", "bs", "cs")] == [[{"n": "1"}], [{"n": "2"}], [{"n": "3"}]]


def test_an_element_may_be_a_row_of_several_tables_and_a_value(extract: Extract) -> None:
    """Rows by predicate, each table counting its own."""
    tables = """
  things: {record: /r/rec, columns: {all: {path: a, type: "text[]"}, first: {path: "a[@t='1']", first: true}}}
  ones: {parent: things, rows: "a[@t='1']", columns: {c: .}}
  others: {parent: things, rows: "a[@t='2']", columns: {c: .}}
  every: {parent: things, rows: a, columns: {c: .}}
"""
    extracted = extract("<r><rec><a t='1'>x</a><a t='2'>y</a><a t='1'>z</a></rec></r>", tables=tables)
    assert extracted.rows("things") == [{"all": ["x", "y", "z"], "first": "x"}]
    assert extracted.positions("ones") == [(0, (1,)), (0, (2,))]
    assert extracted.positions("others") == [(0, (1,))]
    assert [row["c"] for row in extracted.rows("every")] == ["x", "y", "z"]


def test_elements_of_one_name_nest(extract: Extract) -> None:
    """A path says at which depth its elements stand; deeper ones of the same name are others."""
    tables = """
  things: {record: /a/a/a, columns: {n: "@n", below: a/@n}}
  inner: {parent: things, rows: a/a, columns: {n: "@n"}}
"""
    document = "<a><a><a n='1'><a n='2'><a n='3'><a n='4'/></a></a></a><b><a/></b></a><a/></a>"
    extracted = extract(document, tables=tables)
    assert extracted.rows("things") == [{"n": "1", "below": "2"}]
    assert extracted.rows("inner") == [{"n": "3"}]


def unread(extracted: Any) -> dict[str, int]:
    return {found.path: found.count for found in extracted.plan.sightings}


# -- what no column reads ---------------------------------------------------------------------------------------------


def test_unknown_elements_are_counted_by_path(extract: Extract) -> None:
    """From the record element; namespaces that the feed does not list are spelled out, and counted by themselves."""
    document = "<r xmlns:p='urn:p'><rec><a><k/><l/></a><new/><new/><!-- --><p:new/></rec><rec><a><l/></a></rec></r>"
    extracted = extract(document, tables="things: {record: /r/rec, columns: {c: a/k, d: '@x'}}")
    assert unread(extracted) == {"rec/new": 2, "rec/{urn:p}new": 1, "rec/a/l": 2, "urn:p": 1}


def test_no_more_names_are_remembered_than_a_hostile_file_is_worth(
    extract: Extract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "MAX_NAMES", 10)
    monkeypatch.setattr(sightings, "MAX_NAMES", 10)
    names = "".join(f"<n{number}/><again/>" for number in range(100))
    extracted = extract(f"<r>{names}<rec>{names}<a>x</a></rec></r>", tables="things: {record: /r/rec, columns: {c: a}}")
    assert extracted.rows("things") == [{"c": "x"}]
    assert len(unread(extracted)) == 10
    assert unread(extracted)["rec/again"] == 100


def test_a_record_is_isolated_with_its_header(tmp_path: Path) -> None:
    """A document of its own: the ancestors, the elements before their records as empty ones, and this one record.

    Of the ancestors' attributes only those that choose a type: no other has a part in what an XSD says of the record.
    """
    plan = Plan(write_feed(tmp_path, "tables:" + GROUPS % "@c"))
    root = xmlio.parse_document(
        b"<r a='1' xmlns:p='urn:p' xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:type='p:t'>"
        b"t<h>1</h>u<g><i/><rec c='1'/></g><o/>"
        b"<g b='2'><p:i>2</p:i><rec c='2'/>x<rec c='3'/></g></r>"
    )
    _, second, third = plan.find_candidates(root)
    start = b'<r xmlns:p="urn:p" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="p:t"><h/><g><p:i/>'
    assert etree.tostring(plan.isolate(second).getroottree()) == start + b'<rec c="2"/></g></r>'
    assert etree.tostring(plan.isolate(third).getroottree()) == start + b'<rec c="3"/></g></r>'
    assert len(plan.find_candidates(root)) == 3, "the tree itself is as it was"
