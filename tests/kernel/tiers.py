"""One input through both tiers of parse: what they leave must be the same, to the last place and count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parsed import Parsed, ledger_file, parse_parts, tools_for

from sluice import batch_parser, piece_reader, reading, tabulate
from sluice.feed.model import Feed
from sluice.kernel.tier import FastTier
from sluice.records import Cut, Part


@contextmanager
def reference_only() -> Iterator[None]:
    """Parse with lxml alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabulate, "can_take", lambda *_: False)
        yield


@contextmanager
def small_pieces(piece_bytes: int, read_bytes: int) -> Iterator[None]:
    """Cut pieces of a few records, so that short documents have many, and leaps lead into them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_parser, "PIECE_BYTES", piece_bytes)
        patch.setattr(piece_reader, "READ_BYTES", read_bytes)
        patch.setattr(reading, "SHORT_BYTES", read_bytes)
        yield


@contextmanager
def counted_leaps() -> Iterator[list[int]]:
    """How many leaps were taken."""
    count, leap = [0], FastTier.leap

    def counting(tier: FastTier, *arguments: Any) -> Any:
        taken = leap(tier, *arguments)
        count[0] += taken is not None
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastTier, "leap", counting)
        yield count


def parse_by_both(feed: Feed, folder: Path, data: bytes) -> tuple[Parsed, Parsed]:
    """The bytes as one file through both tiers: (the fast one first, the reference tier alone)."""
    path = folder / "file.xml"
    path.write_bytes(data)
    parts = [Part(1, ledger_file(path), Cut())]
    fast = parse_parts(tools_for(feed, folder / "fast"), parts)
    with reference_only():
        return fast, parse_parts(tools_for(feed, folder / "reference"), parts)


def assert_same(fast: Parsed, reference: Parsed) -> None:
    """Rows with their types, rejects, outcomes, and what was seen of the unknown, first places included.

    Of a part that failed, only the fault counts: how much of it was read before depends on where pieces were cut.
    """
    failed = {outcome["part_id"] for outcome in fast.outcomes if outcome["failed"]}
    assert failed == {outcome["part_id"] for outcome in reference.outcomes if outcome["failed"]}
    for name in (*fast.feed.tables, *(f"{name}.deletes" for name, t in fast.feed.roots.items() if t.deletes)):
        assert [row for row in fast.rows(name) if row["_part"] not in failed] == [
            row for row in reference.rows(name) if row["_part"] not in failed
        ]
    assert _told_of_rejects(fast, failed) == _told_of_rejects(reference, failed)
    if not failed:
        is_whole = all(reject.ordinal is not None for reject in fast.rejects)
        assert _told(fast, is_whole) == _told(reference, is_whole)


def _told_of_rejects(parsed: Parsed, failed: set[int]) -> list[str]:
    rejects = [replace(reject, records=0) if reject.part_id in failed else reject for reject in parsed.rejects]
    return sorted(map(repr, rejects))


def _told(parsed: Parsed, is_whole: bool) -> dict[str, Any]:
    account = dict(parsed._account)
    account.pop("seconds")
    if not is_whole:  # of a document that ends early, more or less has been read by then
        account.pop("bytes")
        account["outcomes"] = [{**outcome, "bytes_read": 0} for outcome in account["outcomes"]]
    account["drift"]["findings"].sort(key=lambda found: (found["kind"], found["path"]))
    return account
