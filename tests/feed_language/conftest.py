"""A sound feed to start from, and the way to spoil it in one place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.errors import FeedInvalid, FeedProblem
from sluice.feed.loading import load_feed
from sluice.feed.model import Feed

WriteFeed = Callable[..., Path]
HERE = "¦"  # stands in a spoilt feed where the mistake must be reported

ORDERS = """\
feed: orders
description: The orders of all shops.
tags: [shop, daily]
source:
  uri: s3://bucket/orders/{date:%Y/%m/%d}/*.xml
  settle_seconds: 60
schedule:
  cron: "30 5 * * mon-fri"
  timezone: Europe/Zurich
  start: 2024-01-01
target:
  schema: sales
namespaces:
  default: [urn:shop:1, urn:shop:2]
  ext: urn:shop:ext
tables:
  orders:
    record: /Orders/Order
    description: One order.
    key: id
    version: [changed, revision]
    columns:
      id: "@id"
      changed: {path: ../@ext:changed, type: timestamptz, timezone: UTC}
      revision: {path: Revision, type: integer, null: ["", n/a]}
      total: {path: [Total, "Sum/@ext:amount"], type: "numeric(18, 2)", description: What the buyer's bank pays.}
      ordered_on: {path: Date, type: date, formats: "%d.%m.%Y"}
      codes: {path: Code, type: "text[]"}
    indexes: [total, [ordered_on, total]]
    expectations:
      - expect_column_values_to_be_between: {column: total, min_value: 0}
        severity: warning
      - expect_column_values_to_not_be_null: {column: ordered_on}
  lines:
    parent: orders
    rows: Lines/Line
    columns:
      sku: Sku
      name: [Name, Label]
  notes:
    parent: lines
    rows: Note
    columns:
      author: {path: ../../../Author, required: true, trim: true}
      text: .
rejects: {max_share: 0.1, max_files: null}
run:
  expectations:
    orders:
      - expect_table_row_count_to_be_between: {min_value: 1}
"""


def problems_of(folder: Path) -> list[FeedProblem]:
    with pytest.raises(FeedInvalid) as raised:
        load_feed(folder)
    return raised.value.problems


def assert_one_mistake(
    write_feed: WriteFeed, feed: str, old: str, new: str, message: str, suggestion: str | None
) -> None:
    """``new`` in place of ``old`` is one problem: its place (where ``new`` marks it), what is wrong, what was meant."""
    assert feed.count(old) == 1, f"{old!r} must stand once in the feed"
    before, mark, after = feed.replace(old, new).partition(HERE)
    found = problems_of(write_feed(before + after))
    assert [message in problem.message for problem in found] == [True], list(map(str, found))
    assert found[0].suggestion == suggestion
    if mark:
        assert (found[0].line, found[0].column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))


@pytest.fixture
def write_feed(tmp_path: Path) -> Callable[..., Path]:
    """Writes a feed file into a folder named like the feed; returns the folder."""

    def write(text: str = ORDERS, name: str = "orders") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "feed.yaml").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def change_feed(write_feed: Callable[..., Path]) -> Callable[..., Feed]:
    """Loads the sound feed, with texts in it replaced: pairs of old and new."""

    def change(*changes: tuple[str, str]) -> Feed:
        text = ORDERS
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} must stand once in the feed"
            text = text.replace(old, new)
        return load_feed(write_feed(text))

    return change
