"""Columns that read what stands above their record cost by records and by texts, not by one times the other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.kernel.tiers import assert_same, parse_by_both
from tests.parsed import write_feed

from sluice.kernel.block import Block

TABLES = "tables: {t: {record: /r/p/a, columns: {x: ., of: ../@n, head: ../../h}}}"
HEAD = "what all of them have above them " * 10


@pytest.mark.parametrize("parents", [1, 300])
def test_a_piece_is_looked_through_once_however_many_parents_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parents: int
) -> None:
    """And each text is written once, though every record has it."""
    done: Counter[str] = Counter()
    look, write = Block.records_since, Block._make_room

    def counting_look(block: Block, *arguments: Any) -> Any:
        done["looks"] += 1
        return look(block, *arguments)

    def noting_place(block: Block, size: int) -> None:
        done["bytes"] = max(done["bytes"], size)
        write(block, size)

    monkeypatch.setattr(Block, "records_since", counting_look)
    monkeypatch.setattr(Block, "_make_room", noting_place)
    feed = write_feed(tmp_path, TABLES)
    body = "".join(f"<p n='{number}'><a>{number}</a></p>" for number in range(parents))
    data = f"<r><h>{HEAD}</h>{body}</r>".encode()
    fast, reference = parse_by_both(feed, tmp_path, data)
    assert_same(fast, reference)
    assert fast.summary.fast_pieces == fast.summary.pieces == 1
    assert [row["head"] for row in fast.values()] == [HEAD] * parents
    assert done["looks"] == 1
    assert done["bytes"] < 3 * len(data) + 1000
