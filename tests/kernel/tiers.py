"""One input through both tiers of parse: what they leave must be the same, to the last place and count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.parsed import Parsed, ledger_file, parse_parts, tools_for

from sluice import tabulate
from sluice.feed.model import Feed
from sluice.records import Cut, Part


@contextmanager
def reference_only() -> Iterator[None]:
    """Parse with lxml alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabulate, "can_take", lambda *_: False)
        yield


def parse_by_both(feed: Feed, folder: Path, data: bytes) -> tuple[Parsed, Parsed]:
    """The bytes as one file through both tiers: (the fast one first, the reference tier alone)."""
    path = folder / "file.xml"
    path.write_bytes(data)
    parts = [Part(1, ledger_file(path), Cut())]
    fast = parse_parts(tools_for(feed, folder / "fast"), parts)
    with reference_only():
        return fast, parse_parts(tools_for(feed, folder / "reference"), parts)


def assert_same(fast: Parsed, reference: Parsed) -> None:
    """Rows with their types, rejects, outcomes, and what was seen of the unknown, first places included."""
    for name in (*fast.feed.tables, *(f"{name}.deletes" for name, t in fast.feed.roots.items() if t.deletes)):
        assert fast.rows(name) == reference.rows(name)
    assert sorted(fast.rejects, key=repr) == sorted(reference.rejects, key=repr)
    assert _told(fast) == _told(reference)


def _told(parsed: Parsed) -> dict[str, Any]:
    account = dict(parsed._account)
    account.pop("seconds")
    account["drift"]["findings"].sort(key=lambda found: (found["kind"], found["path"]))
    return account
