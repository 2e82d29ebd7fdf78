"""Parse in memory: the bytes of a file to typed Arrow columns with every check and every place, nothing written."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from benchmarks.workers.sluice_run import FEEDS, RECORD_ENDS

from sluice.charsets import Utf8Stream
from sluice.feed.loading import load_feed
from sluice.kernel.tier import FastTier
from sluice.piece_reader import PieceReader
from sluice.pieces import Piece
from sluice.places import PiecePlaces
from sluice.plan import Plan
from sluice.scanner import PathTable
from sluice.tablefiles import TableWriter
from sluice.validity import RootCheck


def measure(feed: str, path: str, warm_path: str) -> dict[str, Any]:
    """CPU and wall seconds of one pass over ``path``, after one over ``warm_path``.

    Raises RuntimeError if anything was declined, or a record of the bytes is not among the rows.
    """
    _read(feed, warm_path)
    cpu, wall = time.process_time(), time.perf_counter()
    records, values = _read(feed, path)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    data = Path(path).read_bytes()
    if records != data.count(RECORD_ENDS[feed]):
        raise RuntimeError(f"{records} records in the columns, {data.count(RECORD_ENDS[feed])} in the bytes")
    return {"mb": len(data) / 1e6, "records": records, "values": values, "cpu": cpu, "wall": wall}


def _read(name: str, path: str) -> tuple[int, int]:
    """How many records and values came out."""
    feed = load_feed(FEEDS / name)
    plan = Plan(feed)
    tier = FastTier(feed, plan, {name: TableWriter(feed, table, io.BytesIO()) for name, table in plan.tables.items()})
    records = values = 0

    def leap(piece: Piece) -> int:
        nonlocal records, values
        places = tier.leap(piece, lambda found: PiecePlaces(1, "", found, needs_leads=False))
        if places is None:
            return 0
        records += len(places.lines)
        if tier.is_full:
            values += _drain(tier)
        return len(places)

    with Path(path).open("rb", buffering=0) as file:
        stream = Utf8Stream(file)  # type: ignore[arg-type]
        for piece in PieceReader(stream, PathTable(plan.local_paths), RootCheck(plan), leaper=leap):
            places = PiecePlaces(1, "", piece, needs_leads=False) if isinstance(piece, Piece) else None
            if places is None or not tier.take(piece, places):
                raise RuntimeError(f"the fast tier declined a piece of {path}")
            records += len(places.lines)
            if tier.is_full:
                values += _drain(tier)
    return records, values + _drain(tier)


def _drain(tier: FastTier) -> int:
    found = tier.drain()
    if any(table.reasons for table in found):
        raise RuntimeError("a value did not fit its column")
    return sum(len(array) for table in found for array in table.arrays)
