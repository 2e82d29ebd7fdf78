"""What `sluice check` finds in samples: each finding by its code, with its place and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.tryout.trying import LINE, ORDERS, check, codes, found, order, orders

from sluice.checks.report import check_feed
from sluice.errors import REJECT_CODES
from sluice.findings import FINDING_CODES, SEVERITIES
from sluice.plan import MAX_NAMES
from sluice.tryout import census as census_module

GOOD = {"a.xml": orders(order(1), order(2)), "b.zip": {"c.xml": orders(order(3))}}


def test_nothing_to_find(tmp_path: Path) -> None:
    """Samples that have all that the feed reads, and nothing else."""
    lines = "<Line><Article>named</Article><Property name='color'>red</Property></Line>"
    report = check(tmp_path, GOOD | {"d.xml": orders(order(4, lines=lines))})
    assert report.counts is not None
    assert (report.counts.files, report.counts.found, report.counts.accepted) == (3, 4, 4)
    assert report.findings == ()


# -- totals -----------------------------------------------------------------------------------------------------------

TOTALS = """
totals:
  - {path: /Orders/Trailer/Count, counts: orders}
  - {path: /Orders/Trailer/Sum, sums: orders.total}
"""


def stated(count: object, total: object, *records: str) -> str:
    trailer = f"<Trailer><Count>{count}</Count><Sum>{total}</Sum></Trailer>"
    return orders(*records).replace("</Orders>", f"{trailer}</Orders>")


def test_totals_that_are_right(tmp_path: Path) -> None:
    samples = {"a.xml": stated(2, "3", order(1), order(2)), "b.zip": {"c.xml": stated(1, "1.50", order(3))}}
    assert check(tmp_path, samples, ORDERS + TOTALS).findings == ()


def test_total_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finding for each total that differs, with its place. A sum is shown as a value is: it may be one record's."""
    monkeypatch.chdir(tmp_path)
    samples = {
        "a.xml": stated(3, "1.50", order(1), order(2, total="1,50")),
        "b.zip": {"c.xml": stated(2, "1.49", order(3)), "d.xml": stated(1, "1.5", order(4))},
    }
    report = check(tmp_path, samples, ORDERS + TOTALS)
    count, total = (finding for finding in report.findings if finding.code == "total_differs")
    assert (count.severity, count.where, count.path, count.count) == (
        "error",
        "totals[0]",
        "/Orders/Trailer/Count",
        2,
    )
    assert count.message == (
        "a run on these files would fail: orders/samples/a.xml: /Orders/Trailer/Count says 3, but the count of orders"
        " is 2 (of its records 1 was rejected); so in 1 more file"
    )
    assert [str(spot) for spot in count.examples] == ["orders/samples/a.xml", "orders/samples/b.zip!c.xml"]
    assert total.where == "totals[1]"
    assert total.message.endswith("c.xml: /Orders/Trailer/Sum is not the sum of orders.total")
    assert (count.value, total.value) == (None, "1.49 stated, 1.50 found")


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant", "where"),
    [
        ("total: {path: Totl, ", "Total", "tables.orders.columns.total.path"),
        ("total: {path: total, ", "Total", "tables.orders.columns.total.path"),
        ("customer: Name", "Customer/Name", "tables.orders.columns.customer"),
        ("customer: Buyer/Customer/Name", "Customer/Name", "tables.orders.columns.customer"),
        ("currency: Total/@curency", "Total/@currency", "tables.orders.columns.currency"),
        ("currency: Total/currency", "Total/@currency", "tables.orders.columns.currency"),
        ("sender: ../Header/Sendr", "../Header/Sender", "tables.orders.columns.sender"),
    ],
)
def test_path_unmatched(tmp_path: Path, written: str, meant: str, where: str) -> None:
    """A misspelt path is told with its place in the feed file, and what is in the samples and unread."""
    column = written.partition(":")[0]
    line = next(line for line in ORDERS.splitlines() if line.strip().startswith(f"{column}:"))
    rest = ' type: "numeric(9,2)"}' if column == "total" else ""
    text = ORDERS.replace(line, f"      {written}{rest}")
    finding = found(check(tmp_path, GOOD, text), "path_unmatched")
    assert (finding.severity, finding.suggestion, finding.where.removesuffix(".path")) == (
        "warning",
        meant,
        where.removesuffix(".path"),
    )
    assert (finding.table, finding.column, finding.count) == ("orders", column, 0)
    assert finding.spot is not None
    assert (
        (tmp_path / "orders" / "feed.yaml").read_text().splitlines()[finding.spot.line - 1].strip().startswith(column)
    )


def test_path_that_samples_do_not_have(tmp_path: Path) -> None:
    """Nothing like it is there: samples need not have all that a feed reads."""
    finding = found(
        check(tmp_path, GOOD, ORDERS.replace("sender: ../Header/Sender", "note: Remark/Text")), "path_unmatched"
    )
    assert (finding.severity, finding.suggestion) == ("note", None)


def test_path_whose_name_another_column_reads(tmp_path: Path) -> None:
    """What is read already is not what was meant."""
    text = ORDERS.replace("sender: ../Header/Sender", "totals: Totals")
    assert found(check(tmp_path, GOOD, text), "path_unmatched").suggestion is None


def test_condition_that_nothing_fits(tmp_path: Path) -> None:
    """The values that are there are named."""
    finding = found(check(tmp_path, GOOD, ORDERS.replace("='color'", "='colour'")), "path_unmatched")
    assert finding.severity == "warning"
    assert finding.message.endswith("it is in the files 3 times, but not under its conditions; there is 'color'")


def test_path_in_another_namespace(tmp_path: Path) -> None:
    text = ORDERS.replace("customer: Customer/Name", "customer: Customer/x:Name")
    finding = found(check(tmp_path, GOOD, text), "path_unmatched")
    assert (finding.severity, finding.suggestion) == ("warning", None)
    assert "<Name> is there in the namespace urn:orders" in finding.message


def test_choice_unmatched(tmp_path: Path) -> None:
    """One of several paths of a column that others make up for."""
    report = check(tmp_path, GOOD, ORDERS.replace("[Article/@number, Article]", "[Article/@nr, Article/@number]"))
    finding = found(report, "choice_unmatched")
    assert (finding.severity, finding.path, finding.where) == (
        "note",
        "Article/@nr",
        "tables.lines.columns.article.path[0]",
    )


def test_rows_unmatched(tmp_path: Path) -> None:
    """A child table without a row; its columns are not told one by one."""
    report = check(tmp_path, GOOD, ORDERS.replace("rows: Lines/Line", "rows: Lines/Lin"))
    finding = found(report, "rows_unmatched")
    assert (finding.severity, finding.table, finding.suggestion) == ("warning", "lines", "Lines/Line")
    assert not [one for one in report.findings if one.code == "path_unmatched"]


def test_record_unmatched(tmp_path: Path) -> None:
    """No record at all: each file is rejected, and the path is told with what is there."""
    report = check(tmp_path, GOOD, ORDERS.replace("record: /Orders/Order", "record: /Orders/Oder"))
    finding = found(report, "record_unmatched")
    assert (finding.severity, finding.suggestion) == ("warning", "/Orders/Order")
    assert ("error", "no_records") in codes(report)
    assert ("error", "limit_passed") in codes(report)


def test_element_and_attribute_unmapped(tmp_path: Path) -> None:
    """With counts, the first place, and without what the feed ignores."""
    more = "<Ext><Deep a='1'/></Ext><Note lang='en'>x</Note>"
    text = ORDERS + "drift: {ignore: [Ext/**, Ext]}\n"
    report = check(tmp_path, {"a.xml": orders(order(1, more=more), order(2), order(3, more=more))}, text)
    note = found(report, "element_unmapped")
    assert (note.severity, note.path, note.count) == ("note", "Order/Note", 2)
    assert str(note.spot).endswith("samples/a.xml:3")


def test_attribute_unmapped(tmp_path: Path) -> None:
    report = check(tmp_path, {"a.xml": orders(order(1).replace('id="1"', 'id="1" rush="yes"'))})
    assert (found(report, "attribute_unmapped").path, found(report, "attribute_unmapped").count) == ("Order/@rush", 1)


def test_namespace_unlisted(tmp_path: Path) -> None:
    report = check(tmp_path, GOOD | {"new.xml": orders(order(9)).replace("<Customer>", '<Customer xmlns="urn:new">')})
    finding = found(report, "namespace_unlisted")
    assert (finding.severity, finding.path) == ("warning", "urn:new")


def test_names_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "MAX_NAMES", 5)
    assert f"{MAX_NAMES:,}" in found(check(tmp_path, GOOD), "names_left_out").message


# -- records and files ------------------------------------------------------------------------------------------------


def test_conversion_failures(tmp_path: Path) -> None:
    """Counted by column and code, with the first place and value; the feed's limits allow them."""
    report = check(
        tmp_path, {"a.xml": orders(order(1), order(2, total="1,50"), order(3, total="n/a"), order(4, "soon"))}
    )
    finding = found(report, "not_a_number")
    assert (finding.severity, finding.table, finding.column, finding.path) == ("warning", "orders", "total", "Total")
    assert (finding.count, finding.value) == (2, "1,50")
    assert [str(spot).rpartition(":")[2] for spot in finding.examples] == ["4", "5"]
    assert found(report, "not_a_date").count == 1


def test_required_missing(tmp_path: Path) -> None:
    lines = "<Line><Article number='1'/></Line><Line/><Line/>"
    finding = found(check(tmp_path, {"a.xml": orders(order(1), order(2, lines=lines))}), "required_missing")
    assert (finding.table, finding.column, finding.count) == ("lines", "article", 1)  # one record


def test_limits(tmp_path: Path) -> None:
    """What would fail a run is an error."""
    files = {"a.xml": orders(order(1), order(2, total="x"))}
    report = check(tmp_path, files, ORDERS + "rejects: {max_records: 0}\n")
    assert found(report, "limit_passed").severity == "error"
    assert found(report, "limit_passed").where == "rejects"


def test_nothing_accepted(tmp_path: Path) -> None:
    """A column of the wrong type rejects all records: that is no matter of single records any more."""
    report = check(
        tmp_path, GOOD, ORDERS.replace("customer: Customer/Name", "customer: {path: Customer/Name, type: bigint}")
    )
    assert found(report, "nothing_accepted").severity == "error"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (orders(order(1))[:-12], "truncated"),
        (orders(order(1)).replace("</Changed>", "</Chan>"), "malformed"),
        ("", "empty_file"),
        ("hello", "not_xml"),
        (orders(order(1), namespace="urn:other"), "wrong_document"),
        ({"in.xml": orders(order(1))[:-12]}, "truncated"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, code: str) -> None:
    """A file that would be quarantined whole is an error, as long as the feed allows for none."""
    finding = found(check(tmp_path, GOOD | {"z.xml": content}), code)
    assert (finding.severity, finding.count) == ("error", 1)
    assert "samples/z.xml" in str(finding.spot)
    again = tmp_path / "again"
    again.mkdir()
    allowed = check(again, GOOD | {"z.xml": content}, ORDERS + "rejects: {max_files: 1}\n")
    assert found(allowed, code).severity == "warning"


XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:orders"
  elementFormDefault="qualified"><xs:element name="Orders"><xs:complexType><xs:sequence>
  <xs:any processContents="skip"/><xs:element name="Order" maxOccurs="unbounded"><xs:complexType><xs:sequence>
  <xs:any processContents="skip" maxOccurs="4"/></xs:sequence><xs:attribute name="id" type="xs:int"/>
  </xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"""


def test_xsd(tmp_path: Path) -> None:
    """Records that do not fit the feed's XSD; an XSD that is none ends nothing."""
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "orders.xsd").write_text(XSD)
    samples = {"a.xml": orders(order(1), order(2, more="<x:Fifth/>"))}
    finding = found(check(tmp_path, samples, ORDERS + "xsd: {files: orders.xsd}\n"), "xsd_invalid")
    assert (finding.severity, finding.count) == ("warning", 1)
    (tmp_path / "orders" / "orders.xsd").write_text(XSD.replace("xs:int", "xs:itn"))
    (finding,) = check(tmp_path, samples, ORDERS + "xsd: {files: orders.xsd}\n").findings
    assert (finding.severity, finding.code) == ("error", "feed_invalid")
    assert "orders.xsd" in finding.message


# -- keys -------------------------------------------------------------------------------------------------------------


def test_key_repeated(tmp_path: Path) -> None:
    """Versions of a key are told; the newest wins."""
    report = check(tmp_path, GOOD | {"d.xml": orders(order(1, "2026-03-02", "9.99"))})
    finding = found(report, "key_repeated")
    assert (finding.severity, finding.count, finding.table, finding.value) == ("note", 2, "orders", "order_id=1")
    assert [spot.record for spot in finding.examples] == [1, 1]


def test_key_version_tie(tmp_path: Path) -> None:
    """The same version with other content: only the files say which wins."""
    report = check(
        tmp_path, GOOD | {"d.xml": orders(order(9), order(1, total="9.99")), "e.xml": orders(order(1, "2026-03-02"))}
    )
    finding = found(report, "key_version_tie")
    assert (finding.severity, finding.count, finding.value) == ("warning", 2, "order_id=1")
    assert [str(spot).rpartition("/")[2] for spot in finding.examples] == ["a.xml:3", "d.xml:4"]


@pytest.mark.parametrize(
    ("lines", "is_tied"),
    [(LINE.format(article=1), False), (LINE.format(article=2), True), (LINE.format(article=1) * 2, True)],
)
def test_tie_of_equal_records(tmp_path: Path, lines: str, is_tied: bool) -> None:
    """A record that comes again as it was is no matter; what its child rows say counts, too."""
    report = check(tmp_path, {"a.xml": orders(order(1)), "b.xml": orders(order(1, lines=lines))})
    assert ("key_version_tie" in {one.code for one in report.findings}) == is_tied


def test_feed_without_a_key(tmp_path: Path) -> None:
    text = ORDERS.replace("    key: order_id\n    version: changed_at\n", "")
    assert check(tmp_path, {"a.xml": orders(order(1), order(1))}, text).findings == ()


def test_rejected_records_are_in_no_collision(tmp_path: Path) -> None:
    report = check(tmp_path, {"a.xml": orders(order(1), order(1, total="x"))})
    assert {one.code for one in report.findings} == {"not_a_number"}


# -- the gate ---------------------------------------------------------------------------------------------------------

EXPECTING = ORDERS.replace(
    "      sender: ../Header/Sender\n",
    """      sender: ../Header/Sender
    expectations:
      - expect_column_values_to_be_between: {column: total, max_value: 5}
      - expect_column_values_to_be_in_set: {column: currency, value_set: [USD]}
        severity: warning
      - expect_table_row_count_to_be_between: {max_value: 3}
""",
)


@pytest.mark.slow  # Great Expectations
def test_expectations(tmp_path: Path) -> None:
    """Row-level ones reject, those that only warn are told, those on a batch hold it."""
    few = check(tmp_path, {"a.xml": orders(order(1), order(2, total="9"))}, EXPECTING)
    assert found(few, "expectation_failed").count == 1
    warned = found(few, "expectation_warns")
    assert (warned.severity, warned.count, warned.where) == (
        "warning", 2, "tables.orders.expectations[1].expect_column_values_to_be_in_set",
    )  # fmt: skip
    assert few.counts is not None
    assert (few.counts.accepted, few.counts.rejected, few.counts.held) == (1, 1, 0)
    again = tmp_path / "again"
    again.mkdir()
    many = check(again, {"a.xml": orders(*map(order, range(9)))}, EXPECTING)
    stop = found(many, "expectation_stops")
    assert (stop.severity, stop.column) == ("error", None)
    assert "observed 9; the gate would hold" in stop.message
    assert many.counts is not None
    assert many.counts.held == 9


# -- as a whole -------------------------------------------------------------------------------------------------------


def test_without_samples(tmp_path: Path) -> None:
    assert codes(check(tmp_path, {})) == {("note", "no_samples")}


def test_mistakes_in_the_feed_file(tmp_path: Path) -> None:
    """They are told with their place, and then no sample is tried."""
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "feed.yaml").write_text("feed: orders\nsource: {uri: /landing/*}\ntabels: {}\n")
    report = check_feed(folder)
    assert report.counts is None
    assert {one.code for one in report.findings} == {"feed_invalid"}
    assert [one.suggestion for one in report.findings if one.where == "tabels"] == ["tables"]


@pytest.mark.slow  # Great Expectations
def test_mistakes_in_expectations(tmp_path: Path) -> None:
    text = EXPECTING.replace("expect_column_values_to_be_between", "expect_column_values_to_be_betwen")
    report = check(tmp_path, GOOD, text)
    assert [(one.code, one.suggestion) for one in report.findings] == [
        ("feed_invalid", "expect_column_values_to_be_between")
    ]


def test_errors_come_first(tmp_path: Path) -> None:
    report = check(tmp_path, GOOD | {"z.xml": "", "y.xml": orders(order(7, total="x", more="<New/>"))})
    order_of = [SEVERITIES.index(one.severity) for one in report.findings]
    assert order_of == sorted(order_of)
    assert set(order_of) == {0, 1, 2}


def test_every_code_is_known(tmp_path: Path) -> None:
    """A code of a finding is one of the list, or a reject code, never both."""
    assert not FINDING_CODES.keys() & REJECT_CODES.keys()
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [code for code in FINDING_CODES if f'"{code}"' not in text] == []
