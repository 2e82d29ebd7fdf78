"""parse: a batch's bytes become typed rows.

Reads:  the batch that split wrote; the bytes of its parts, from the source or from spooled pieces; the feed and its
        XSDs.
Writes: one file of rows per table, the rejects, and the outcome of each part, as work files.
Raises: ``SourceUnavailable``, ``WorkFilesUnavailable`` (try again), ``PermanentError`` for an XSD that is wrong. Never
        for what is in a file: that becomes a reject.
Rerun:  overwrites its own output.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sluice.attempts import Attempts
from sluice.batch_parser import BatchParser
from sluice.batches import read_batch
from sluice.drift import describe_batch
from sluice.plan import Plan
from sluice.records import to_json
from sluice.rejects import RejectLog
from sluice.tabulate import BatchTables
from sluice.tools import Tools
from sluice.totals.books import part_totals
from sluice.workfiles import open_scratch


@dataclass(frozen=True, slots=True)
class ParseSummary:
    """``rejected`` counts records, ``failed_parts`` parts of which nothing is kept; ``first_fault`` is the first's.

    Of ``pieces``, the fast tier took ``fast_pieces``.
    """

    number: int
    files: int
    records: int
    rejected: int
    failed_parts: int
    bytes_read: int
    seconds: float
    first_fault: str | None = None
    pieces: int = 0
    fast_pieces: int = 0

    def line(self) -> str:
        failed = f", {self.failed_parts} unreadable" if self.failed_parts else ""
        failed += f" ({self.first_fault})" if self.first_fault else ""
        megabytes = self.bytes_read / 1e6
        rate = megabytes / self.seconds if self.seconds else 0.0
        slow = self.pieces - self.fast_pieces
        slowly = f", {slow:,} of {self.pieces:,} pieces by the slow way" if slow else ""
        return (
            f"parse: batch {self.number}: {self.files} files{failed}, {self.records:,} records, "
            f"{self.rejected:,} rejected, {megabytes:,.1f} MB in {self.seconds:,.1f} s ({rate:,.1f} MB/s){slowly}"
        )


def parse(tools: Tools, run_id: int, number: int) -> ParseSummary:
    """Parse one batch."""
    with _few_collections():
        return _parse(tools, run_id, number)


def _parse(tools: Tools, run_id: int, number: int) -> ParseSummary:
    started = time.monotonic()
    feed, work = tools.feed, tools.work
    batch = read_batch(tools, run_id, number)
    plan = Plan(feed)
    with open_scratch() as scratch:
        rejects = RejectLog(scratch)
        with BatchTables(feed, plan, work, run_id, number, rejects) as tables:
            parser = BatchParser(feed, plan, tables, rejects)
            with Attempts(work, work.attempts(feed.feed, run_id, number)) as attempts:
                outcomes = parser.run(tools, batch, attempts)
        with work.open_write(work.rejects(feed.feed, run_id, number)) as file:
            file.writelines(rejects.settle({o.part_id: o.found for o in outcomes if o.failed}))
    # In a part that failed the rejected records are quarantined with it.
    outcomes = [replace(o, rejected=0 if o.failed else rejects.counts[o.part_id]) for o in outcomes]
    seconds = time.monotonic() - started
    summary = ParseSummary(
        number,
        batch.file_count,
        sum(o.found for o in outcomes),
        sum(o.found if o.failed else o.rejected for o in outcomes),
        sum(o.failed for o in outcomes),
        sum(o.bytes_read for o in outcomes),
        seconds,
        parser.first_fault,
        parser.pieces,
        tables.fast_pieces,
    )
    work.write_json(
        work.outcomes(feed.feed, run_id, number),
        {
            "outcomes": [to_json(outcome) for outcome in outcomes],
            "totals": [to_json(total) for total in part_totals(feed, parser.stated, tables.found, outcomes)],
            "records": summary.records,
            "bytes": summary.bytes_read,
            "seconds": seconds,
            "drift": describe_batch(feed.drift, batch, plan.sightings, tables.count_emptiness()),
        },
    )
    return summary


@contextmanager
def _few_collections() -> Iterator[None]:
    """Let the garbage collector look rarely: rows are made by the thousand, kept for a while, and hold no cycles. With
    small records it would take more time than all the rest.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
