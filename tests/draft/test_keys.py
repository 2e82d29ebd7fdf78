"""Keys, versions and deletes of drafts: what is sure enough, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.draft.documents import drafted

from sluice.feed.loading import load_feed
from sluice.feed.model import Table

Draft = Callable[..., Table]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """The first table of what is drafted from these documents."""

    def made(*documents: str) -> Table:
        return next(iter(drafted(tmp_path, *documents).tables.values()))

    return made


def batch(*records: str) -> str:
    return f"<Orders>{''.join(records)}</Orders>"


def order(key: object, more: str = "", price: object = 1) -> str:
    return f"<Order><OrderId>{key}</OrderId>{more}<Price>{price}.50</Price><Who>x</Who></Order>"


def test_an_identifier_that_differs_in_all_records_is_the_key(draft: Draft) -> None:
    table = draft(batch(*(order(n) for n in range(20))))
    assert (table.key, table.version) == (("order_id",), ("file_date",))
    assert table.columns["order_id"].required


def test_a_value_that_only_happens_to_differ_is_none(draft: Draft) -> None:
    """A price, a name or a time may differ in all samples, and be the same tomorrow."""
    rows = "".join(
        f"<Row><Name>n{n}</Name><Price>{n}.5</Price><At>2026-03-01T00:00:{n:02}Z</At></Row>" for n in range(20)
    )
    assert draft(f"<Rows>{rows}</Rows>").key == ()


def test_one_record_says_nothing(draft: Draft) -> None:
    assert draft("<Order><Id>1</Id><Who>x</Who><At>2026-03-01</At></Order>").key == ()


def test_later_documents_may_tell_of_a_key_again(draft: Draft) -> None:
    """With a time of change that tells which is newer, though no other identifier is the same in all."""
    first = batch(*(order(n, "<Updated>2026-03-01T00:00:00Z</Updated>") for n in range(20)))
    second = batch(*(order(n, "<Updated>2026-03-02T00:00:00Z</Updated>", 2) for n in range(5, 12)))
    table = draft(first, second)
    assert (table.key, table.version) == (("order_id",), ("updated",))


def test_a_key_that_is_twice_in_one_document_is_none(draft: Draft) -> None:
    assert draft(batch(*(order(n % 10, price=n) for n in range(20)))).key == ()


@pytest.mark.parametrize("step", [1, 10])
def test_a_number_that_begins_anew_in_each_document_is_none(draft: Draft, step: int) -> None:
    """As a key it would let the rows of one document replace those of the other."""
    documents = [batch(*(order(n * step, f"<Name>{day}.{n}</Name>") for n in range(1, 21))) for day in range(3)]
    assert draft(*documents).key == ()


def test_a_mere_number_of_the_rows_of_one_document_is_none(draft: Draft) -> None:
    rows = "".join(f"<Row nr='{n}'><Name>n{n}</Name></Row>" for n in range(1, 21))
    assert draft(f"<Rows>{rows}</Rows>").key == ()


def test_the_number_of_records_that_came_again_as_they_were_is_the_key(draft: Draft) -> None:
    """Of two whole extracts of one table most rows are the same."""
    first = [order(n, f"<Name>{n}</Name>") for n in range(1, 21)]
    assert draft(batch(*first), batch(*first[:15], *(order(n) for n in range(16, 24)))).key == ("order_id",)


def test_a_delivery_may_come_again(draft: Draft) -> None:
    same = "<Order><Id>{0}</Id><Who>x</Who><Issued>2026-03-01</Issued></Order>"
    documents = [same.format(n) for n in range(15)]
    table = draft(*documents, documents[3])
    assert table.key == ("id",)


def test_a_number_of_each_sender_is_a_key_with_its_sender(draft: Draft) -> None:
    """Two senders number their invoices alike: the number alone would let one replace the other."""
    invoices = [
        f"<Invoice><Id>{n}</Id><IssueDate>2026-03-{n % 28 + 1:02}</IssueDate><SupplierId>{sender}</SupplierId>"
        f"<Total>{n}.5</Total></Invoice>"
        for sender, numbers in (("A1", range(12)), ("B2", range(3)))
        for n in numbers
    ]
    assert draft(*invoices).key == ("supplier_id", "id")


def test_several_columns_are_a_key_where_one_is_not(draft: Draft) -> None:
    rates = "".join(
        f"<Rate><Day>2026-03-{day:02}</Day><CurrencyNo>{c}</CurrencyNo><Value>{day}.{c}</Value></Rate>"
        for day in range(1, 8)
        for c in range(100, 105)
    )
    assert set(draft(f"<Rates>{rates}</Rates>").key) == {"day", "currency_no"}


def test_records_that_delete_are_deletes(draft: Draft) -> None:
    gone = "<Removed><OrderId>77</OrderId></Removed><Removed><OrderId>78</OrderId></Removed>"
    table = draft(batch(*(order(n) for n in range(20)), gone))
    assert table.deletes is not None
    assert (table.deletes.record, table.deletes.columns) == ("/Orders/Removed", {"order_id": ("OrderId",)})


def test_child_tables_do_not_have_the_key_twice(draft: Draft, tmp_path: Path) -> None:
    lines = "<Line><OrderId>x</OrderId><Qty>1</Qty></Line><Line><OrderId>y</OrderId><Qty>2</Qty></Line>"
    draft(batch(*(order(n, lines) for n in range(20))))
    assert "line_order_id" in load_feed(tmp_path / "drafted").tables["lines"].columns


# -- expectations -----------------------------------------------------------------------------------------------------


def test_few_values_and_fixed_forms_are_expected_with_a_warning(draft: Draft) -> None:
    rows = "".join(
        f"<Row id='{n}'><Status>{'OPEN' if n % 3 else 'DONE'}</Status><Iso>{chr(65 + n % 26)}{chr(65 + n // 26)}Z</Iso>"
        f"<Name>{'a' if n % 2 else 'b'}</Name></Row>"
        for n in range(60)
    )
    expected = draft(f"<Rows>{rows}</Rows>").expectations
    assert {(e.type, e.arguments["column"], e.severity) for e in expected} == {
        ("expect_column_values_to_be_in_set", "status", "warning"),
        ("expect_column_values_to_match_regex", "iso", "warning"),
    }


def test_few_samples_promise_nothing(draft: Draft) -> None:
    rows = "".join(f"<Row id='{n}'><Status>{'OPEN' if n % 3 else 'DONE'}</Status></Row>" for n in range(30))
    assert draft(f"<Rows>{rows}</Rows>").expectations == ()


@pytest.mark.parametrize(("count", "is_uncertain"), [(2, True), (3, True), (9, True), (10, False)])
def test_a_key_of_few_records_is_called_uncertain(tmp_path: Path, count: int, is_uncertain: bool) -> None:
    """In the notes, and beside the key."""
    assert drafted(tmp_path, batch(*(order(n) for n in range(count)))).tables["orders"].key == ("order_id",)
    for name in ("feed.yaml", "NOTES.md"):
        assert ("Uncertain: in so few records" in (tmp_path / "drafted" / name).read_text()) == is_uncertain


@pytest.mark.parametrize(("names", "key"), [("the same", ("order_id",)), ("others", ())])
def test_large_documents_with_keys_that_come_again(draft: Draft, names: str, key: tuple[str, ...]) -> None:
    """Numbers of several senders meet by chance; then nothing else of the records is the same, but what most have."""
    documents = []
    for day in range(3):
        keys = [7 * n + n % 3 * 1000 for n in range(day * 10, day * 10 + 30)]
        told = [n if names == "the same" else f"{n}-{day}" for n in keys]
        documents.append(
            batch(
                *(
                    order(n, f"<Name>n {name}</Name><Kind>{'ab'[(n + day) % 2]}</Kind>", price=f"{day}{n}")
                    for n, name in zip(keys, told, strict=True)
                )
            )
        )
    assert draft(*documents).key == key
