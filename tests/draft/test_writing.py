"""Drafts as YAML: every text comes back as it was, in values and beside comments."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.draft.documents import drafted

from sluice.draft.writing import flow, scalar

TEXTS = [
    ".5", ".inf", ".NaN", ".", "./a", "a.5", "1.5", "y", "No", "null", "~", "a: b", "a:", "a #b", "[x]", "{x}",
    "${HOME}", "\x80", "\u2028", "", " a", "'a'", '"', "x/y[@z='1']", "*", "&a", "2026-01-01", "1_000", "0x1", "=",
    "<<",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_the_same_text_in_yaml(text: str) -> None:
    assert yaml.safe_load(f"a: {scalar(text)}") == {"a": text}
    assert yaml.safe_load(flow({"a": [text]})) == {"a": [text]}


def test_values_that_are_told_in_comments_may_hold_any_character(tmp_path: Path) -> None:
    rows = "".join(f"<Row id='r{n}'><Size>{n * 37}</Size></Row>" for n in range(40))
    feed = drafted(tmp_path, f"<Rows>{rows}<Row id='x'><Size>12\x80a</Size></Row></Rows>")
    assert str(feed.tables["rows"].columns["size"].column_type) == "text"


def test_a_value_that_looks_like_a_number_is_expected_as_text(tmp_path: Path) -> None:
    rows = "".join(f"<Row id='r{n}'><RateCode>{('.5', '.7')[n % 2]}</RateCode></Row>" for n in range(60))
    feed = drafted(tmp_path, f"<Rows>{rows}</Rows>")
    assert [rule.arguments["value_set"] for rule in feed.tables["rows"].expectations] == [[".5", ".7"]]
