"""Which element is the record, and what becomes of what stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.draft.documents import sampled

from sluice.draft.drafted import TableDraft
from sluice.draft.drafting import RecordUnclear, choose, draft_feed
from sluice.draft.records import spell

LINE = "<Line no='{0}'><Item>x{0}</Item><Price>{0}.50</Price></Line>"
INVOICE = (
    "<Invoice><Number>1</Number><IssueDate>2026-03-01</IssueDate>{head}<Lines>"
    + LINE.format(1)
    + LINE.format(2)
    + "</Lines><Total>5.00</Total></Invoice>"
)
ORDERS = "<Orders><Header><Sender>me</Sender><At>2026-03-01</At></Header>{}</Orders>"


def tables_of(folder: Path, *documents: str, given: tuple[str, ...] = ()) -> list[TableDraft]:
    samples = sampled(folder, *documents)
    return list(draft_feed("x", samples.roots, samples, choose(samples.roots, samples.largest, given)).tables)


def paths_of(tables: list[TableDraft]) -> dict[str, str]:
    return {table.name: table.rows for table in tables}


def test_one_invoice_per_file_is_the_record_itself(tmp_path: Path) -> None:
    head = "".join(f"<F{n}>v</F{n}>" for n in range(25))
    tables = tables_of(tmp_path, INVOICE.format(head=head))
    assert paths_of(tables) == {"invoices": "/Invoice", "lines": "Lines/Line"}


def test_a_batch_has_what_repeats_as_records_and_its_header_as_columns(tmp_path: Path) -> None:
    orders = "".join(f"<Order><Id>{n}</Id><Who>x</Who></Order>" for n in range(20))
    (orders_table,) = tables_of(tmp_path, ORDERS.format(orders))
    assert orders_table.rows == "/Orders/Order"
    assert {c.name: c.path for c in orders_table.columns} == {
        "id": "Id", "who": "Who", "sender": "../Header/Sender", "at": "../Header/At",
    }  # fmt: skip


def test_what_stands_behind_the_records_is_a_record_of_its_own(tmp_path: Path) -> None:
    """No column could read it: records are read before it."""
    orders = "".join(f"<Order><Id>{n}</Id><Who>x</Who></Order>" for n in range(20))
    tables = tables_of(tmp_path, ORDERS.format(orders + "<Trailer><Count>20</Count><Sum>1.5</Sum></Trailer>"))
    assert paths_of(tables) == {"orders": "/Orders/Order", "trailers": "/Orders/Trailer"}


def test_a_header_with_lists_or_many_values_is_a_record_of_its_own(tmp_path: Path) -> None:
    header = "".join(f"<F{n}>v</F{n}>" for n in range(25))
    items = "".join(f"<Item><Id>{n}</Id><Who>x</Who></Item>" for n in range(20))
    tables = tables_of(tmp_path, f"<Items><Header>{header}</Header>{items}</Items>")
    assert paths_of(tables) == {"items": "/Items/Item", "headers": "/Items/Header"}


def test_several_kinds_in_one_file_are_several_tables(tmp_path: Path) -> None:
    one = "".join(f"<Customer><Id>{n}</Id><Name>x</Name></Customer>" for n in range(20))
    two = "".join(f"<Order><Id>{n}</Id><Who>x</Who></Order>" for n in range(30))
    tables = tables_of(tmp_path, f"<Export><Customers>{one}</Customers><Orders>{two}</Orders></Export>")
    assert sorted(paths_of(tables).values()) == ["/Export/Customers/Customer", "/Export/Orders/Order"]


def test_large_documents_are_batches(tmp_path: Path) -> None:
    """A record has 16 MiB at most, so that a document of more cannot be one."""
    head = "".join(f"<F{n}>v</F{n}>" for n in range(25))
    samples = sampled(tmp_path, INVOICE.format(head=head))
    (choice,) = choose(samples.roots, {"Invoice": 100 << 20})
    assert spell(choice.records[0]) == "/Invoice/Lines/Line"


def test_a_person_may_choose(tmp_path: Path) -> None:
    head = "".join(f"<F{n}>v</F{n}>" for n in range(25))
    tables = tables_of(tmp_path, INVOICE.format(head=head), given=("/Invoice/Lines/Line",))
    assert tables[0].rows == "/Invoice/Lines/Line"
    with pytest.raises(Exception, match="no element /Invoice/Row in the samples; candidates"):
        tables_of(tmp_path, INVOICE.format(head=head), given=("/Invoice/Row",))


def test_documents_of_too_many_kinds_are_no_feed(tmp_path: Path) -> None:
    with pytest.raises(RecordUnclear, match="5 kinds"):
        tables_of(tmp_path, *(f"<K{n}><A>1</A></K{n}>" for n in range(5)))


# -- tables -----------------------------------------------------------------------------------------------------------


def test_what_repeats_is_a_list_or_a_table(tmp_path: Path) -> None:
    record = (
        "<R id='{0}'><Tag>a</Tag><Tag>b</Tag><Amt ccy='EUR'>1.5</Amt><Note lang='en'>x</Note><Note lang='de'>y</Note>"
        "<Wrap><Row><A>1</A></Row><Row><A>2</A></Row></Wrap><Wrap><Row><A>3</A></Row></Wrap></R>"
    )
    tables = tables_of(tmp_path, f"<List>{''.join(record.format(n) for n in range(20))}</List>")
    assert paths_of(tables) == {"r": "/List/R", "notes": "Note", "wraps": "Wrap/Row"}
    root = {c.name: (c.path, c.type) for c in tables[0].columns}
    assert root["tag"] == ("Tag", "text[]")
    assert root["amt_ccy"] == ("Amt/@ccy", "text")
    assert root["amt"] == ("Amt", "numeric(18,4)")


def test_recursion_is_kept_as_xml(tmp_path: Path) -> None:
    part = "<Part no='{0}'><Name>a</Name><Part no='2'><Name>b</Name></Part></Part>"
    tables = tables_of(tmp_path, f"<Parts>{''.join(part.format(n) for n in range(20))}</Parts>")
    assert {c.name: c.type for c in tables[0].columns} == {"no": "text", "name": "text", "part": "markup"}


def test_mixed_content_is_text_and_xml(tmp_path: Path) -> None:
    doc = "<D id='{0}'><P>some <b>bold</b> text</P></D>"
    tables = tables_of(tmp_path, f"<Ds>{''.join(doc.format(n) for n in range(20))}</Ds>")
    assert {c.name: c.type for c in tables[0].columns} == {"id": "text", "p": "text"}


def test_derived_types_are_a_column(tmp_path: Path) -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    shape = "<Shape xsi:type='Circle'><R>1</R></Shape><Shape xsi:type='Square'><W>2</W></Shape>"
    (table,) = tables_of(tmp_path, f"<Shapes {xsi}>{shape * 10}</Shapes>")
    assert {c.name: c.path for c in table.columns} == {"xsi_type": "@xsi:type", "r": "R", "w": "W"}


def test_what_is_in_every_row_is_required(tmp_path: Path) -> None:
    rows = "".join(f"<R a='1'{' b=' + repr(str(n)) if n else ''}><C>{n or ''}</C><D>x</D></R>" for n in range(22))
    (table,) = tables_of(tmp_path, f"<Rows>{rows}</Rows>")
    assert {c.name for c in table.columns if c.required} == {"a", "d"}
    (tmp_path / "few").mkdir()
    (few,) = tables_of(tmp_path / "few", "<Rows><R a='1'/><R a='2'/></Rows>")
    assert not any(c.required for c in few.columns)


def test_what_repeats_in_one_place_may_in_another_of_the_same_name(tmp_path: Path) -> None:
    """All buyers have one address line, a seller has two: the lines of both are lists."""
    order = "<Order id='{0}'><Buyer><Address><Row>a</Row></Address></Buyer>"
    order += "<Seller><Address><Row>b</Row>{1}</Address></Seller></Order>"
    orders = "".join(order.format(n, "<Row>c</Row>" if n else "") for n in range(20))
    (table,) = tables_of(tmp_path, f"<Orders>{orders}</Orders>")
    assert {c.path: c.type for c in table.columns if c.path != "@id"} == {
        "Buyer/Address/Row": "text[]", "Seller/Address/Row": "text[]",
    }  # fmt: skip
