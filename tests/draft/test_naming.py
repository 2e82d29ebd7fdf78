"""Names that are good SQL and keep their meaning."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.draft.naming import plural, snake, unique_names
from sluice.feed.fields import IDENTIFIER


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BkToCstmrStmt", "bk_to_cstmr_stmt"),
        ("LEIRecord", "lei_record"),
        ("{urn:x}IBAN", "iban"),
        ("us-patent-grant", "us_patent_grant"),
        ("addressLine2Txt", "address_line2_txt"),
        ("Größe", "groesse"),
        ("Сумма", "summa"),
        ("_rec", "rec"),
        ("naïve", "naive"),
    ],
)
def test_words_are_kept(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_what_tells_two_apart_comes_before_them() -> None:
    chains = [("buyer", "party", "address", "city"), ("seller", "party", "address", "city"), ("city",), ("rate",)]
    assert unique_names(chains) == ["buyer_city", "seller_city", "city", "rate"]


def test_bare_names_say_what_they_are_of() -> None:
    assert unique_names([("account", "id"), ("amount", "ccy")]) == ["account_id", "ccy"]


def test_parts_do_not_repeat_each_other() -> None:
    assert unique_names([("a", "legal_address", "address_line"), ("b", "x", "address_line")], least=[3, 3]) == [
        "a_legal_address_line",
        "b_x_address_line",
    ]


@given(st.lists(st.lists(st.text(max_size=80), min_size=1, max_size=5), max_size=8))
def test_any_names_become_different_identifiers(chains: list[list[str]]) -> None:
    names = unique_names([[snake(part) or "value" for part in chain] for chain in chains], taken=["id"])
    assert len(set(names)) == len(names)
    assert "id" not in names
    assert all(re.fullmatch(IDENTIFIER, name) for name in names)


def test_plurals() -> None:
    assert [*map(plural, ["entry", "order_line", "address", "stmt", "news", "box"])] == [
        "entries", "order_lines", "addresses", "stmt", "news", "boxes",
    ]  # fmt: skip
