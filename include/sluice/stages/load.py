"""load: the accepted rows of a batch, its quarantine entries and its ledger rows, in ONE transaction.

Reads:  parse's Parquet, rejects and outcomes; validate's verdict and rejects.
Writes: the feed's tables, the quarantine, the ledger.
Raises: ``WarehouseUnavailable``, ``WorkFilesUnavailable`` (try again; nothing has been written).
Rerun:  no-op once the ledger has the parts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sluice import accounts, ledger, quarantine, warehouse
from sluice.batches import read_batch
from sluice.merge import FamilyMerge
from sluice.records import Batch, LoadCounts, Part, PartOutcome, Reject, Run, Totals
from sluice.staging import COPY_ROWS, Staging
from sluice.tools import Tools


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """``parts_known`` were in the ledger already, so that nothing was done for them. All else counts records."""

    number: int
    parts: int
    parts_known: int
    found: int
    quarantined: int
    held: int
    counts: LoadCounts
    seconds: float
    dry_run: bool

    def line(self) -> str:
        c = self.counts
        known = f", {self.parts_known} of {self.parts} parts were loaded before" if self.parts_known else ""
        dry = " (dry run: nothing was written)" if self.dry_run else ""
        return (
            f"load: batch {self.number}: {c.loaded:,} loaded ({c.inserted:,} new, {c.updated:,} updated, "
            f"{c.unchanged:,} unchanged, {c.superseded:,} superseded), {self.quarantined:,} quarantined, "
            f"{self.held:,} held in {self.seconds:.1f} s{known}{dry}"
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What parse and validate have decided about a batch."""

    outcomes: dict[int, PartOutcome]
    rejected: frozenset[int]
    held_parts: frozenset[int]
    reason: str
    reject_paths: tuple[str, ...]


class _DryRun(Exception):
    """Rolls the transaction back after everything has been tried."""


def load(tools: Tools, run_id: int, number: int) -> LoadSummary:
    """Load one batch."""
    started = time.monotonic()
    with warehouse.connect(tools.dsn) as connection:
        run = ledger.read_run(connection, run_id)
        known = [part.part_id for part in ledger.read_batch_parts(connection, run_id, number)]
        if known and ledger.all_loaded(connection, run, known):
            # Nothing is needed of the work files, which may be gone.
            return LoadSummary(
                number, len(known), len(known), 0, 0, 0, LoadCounts(), time.monotonic() - started, run.dry_run
            )
        loader = _BatchLoader(tools, run, read_batch(tools, run_id, number), _read_verdict(tools, run_id, number))
        if run.dry_run:
            _roll_back(connection, loader.load_into_new_tables)
            accounts.store_trial(connection, run_id, number, loader.trial())
        else:
            warehouse.transact(connection, loader.load)
    return replace(loader.summary, seconds=time.monotonic() - started)


def _roll_back(connection: psycopg.Connection, work: Callable[[psycopg.Connection], Any]) -> None:
    def undone(conn: psycopg.Connection) -> None:
        work(conn)
        raise _DryRun

    try:
        warehouse.transact(connection, undone)
    except _DryRun:
        return


def _read_verdict(tools: Tools, run_id: int, number: int) -> _Verdict:
    feed, work = tools.feed.feed, tools.work
    outcomes = [PartOutcome(**item) for item in work.read_json(work.outcomes(feed, run_id, number))["outcomes"]]
    verdict = work.read_json(work.verdict(feed, run_id, number))
    return _Verdict(
        {outcome.part_id: outcome for outcome in outcomes},
        frozenset(verdict["rejected"]),
        frozenset(verdict["held_parts"]),
        verdict["reason"] or "the gate is shut",
        (work.rejects(feed, run_id, number), work.gate_rejects(feed, run_id, number)),
    )


class _BatchLoader:
    """One try of the transaction; ``load`` may be called again after a roll-back."""

    def __init__(self, tools: Tools, run: Run, batch: Batch, verdict: _Verdict) -> None:
        self._tools, self._feed = tools, tools.feed
        self._run, self._batch, self._verdict = run, batch, verdict
        self._parts: dict[int, Part] = {part.part_id: part for part in batch.parts}
        self.summary = LoadSummary(batch.number, len(batch.parts), 0, 0, 0, 0, LoadCounts(), 0.0, run.dry_run)

    def load_into_new_tables(self, conn: psycopg.Connection) -> None:
        """``load`` for a dry run: the tables may not be in step yet, and will not be afterwards."""
        warehouse.step_tables(conn, self._feed)
        self.load(conn)

    def load(self, conn: psycopg.Connection) -> None:
        outcomes, held = self._verdict.outcomes, self._verdict.held_parts
        states = {
            part: "quarantined" if outcomes[part].failed else "loaded" for part in self._parts if part not in held
        }
        ledger.lock_parts(conn, self._parts)
        claimed = ledger.claim_parts(conn, self._run, states)
        before = ledger.find_loads_before(conn, self._run, claimed)
        outdated = {part for part, generation in before.items() if generation > self._run.generation}
        mine = frozenset(claimed) - outdated
        quarantine.clear_parts(conn, mine & before.keys())
        counts = self._merge(conn, mine, mine & before.keys())
        # A re-load under a later mapping came first: what it made of these records stands.
        counts |= {part: LoadCounts(superseded=outcomes[part].found) for part in outdated}
        quarantine.store_rejects(conn, self._run, self._parts, self._rejects(mine))
        quarantined = self._quarantined(mine)
        ledger.store_counts(
            conn,
            self._run,
            [
                (
                    part,
                    outcomes[part].found,
                    quarantined.get(part, 0),
                    counts.get(part, LoadCounts()),
                    outcomes[part].bytes_read,
                    outcomes[part].sha256,
                )
                for part in claimed
            ],
        )
        held_found = {part: outcomes[part].found for part in held}
        ledger.hold_parts(conn, self._run, held_found, self._verdict.reason)
        self.summary = replace(
            self.summary,
            parts_known=len(states) - len(claimed),
            found=sum(outcomes[part].found for part in claimed),
            quarantined=sum(quarantined.values()),
            held=sum(held_found.values()),
            counts=sum(counts.values(), LoadCounts()),
        )

    def trial(self) -> Totals:
        """What ``load`` has found out, for the books of a dry run."""
        summary, outcomes = self.summary, self._verdict.outcomes.values()
        entries = (reject for reject in self._rejects(frozenset(self._parts)) if reject.ordinal is None)
        whole = {(self._parts[entry.part_id].file.file_id, entry.member) for entry in entries}
        return Totals(
            files_quarantined=len(whole),
            found=summary.found + summary.held,
            loaded=summary.counts.loaded,
            quarantined=summary.quarantined,
            held=summary.held,
            counts=summary.counts,
            bytes_read=sum(outcome.bytes_read for outcome in outcomes),
        )

    def _quarantined(self, claimed: frozenset[int]) -> dict[int, int]:
        """Records of each part that went into the quarantine: all of them where the part failed."""
        outcomes = self._verdict.outcomes
        counts = {part: outcomes[part].found if outcomes[part].failed else 0 for part in claimed}
        for reject in self._rejects(claimed):
            if not outcomes[reject.part_id].failed:
                counts[reject.part_id] += reject.records
        return counts

    def _rejects(self, claimed: frozenset[int]) -> Iterator[Reject]:
        """The rejects of these parts, read anew each time: with their raw bytes they may be many times the rest."""
        for path in self._verdict.reject_paths:
            with self._tools.work.open_read(path) as file:
                for line in file:
                    reject = quarantine.read_reject(json.loads(line))
                    if reject.part_id in claimed:
                        yield reject

    def _merge(self, conn: psycopg.Connection, parts: Set[int], again: Set[int]) -> dict[int, LoadCounts]:
        """Merge what these parts give; of them, ``again`` were loaded before."""
        if not parts:
            return {}
        failed = {part for part in parts if self._verdict.outcomes[part].failed}
        staging = Staging(conn, self._feed)
        staging.create(parts, again, failed)
        wanted = pa.array(sorted(parts - failed), pa.int64())
        for name in self._feed.tables:
            staging.copy(name, self._accepted_rows(name, wanted))
        totals: dict[int, LoadCounts] = {}
        for root in self._feed.roots:
            for part, counts in FamilyMerge(conn, self._feed, root, self._run).merge().items():
                totals[part] = totals.get(part, LoadCounts()) + counts
        return totals

    def _accepted_rows(self, name: str, wanted: pa.Array) -> Iterator[pa.Table]:
        """The rows of a table that neither parse nor the gate rejected, of the parts that are to be loaded."""
        work, rejected = self._tools.work, pa.array(sorted(self._verdict.rejected), pa.int64())
        with work.open_read(work.table(self._feed.feed, self._run.run_id, self._batch.number, name)) as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=COPY_ROWS):
                table = pa.Table.from_batches([batch])
                keep = pc.is_in(table["_part"], wanted)
                if len(rejected):
                    keep = pc.and_not(keep, pc.is_in(table["_rec"], rejected))
                yield table if pc.all(keep, min_count=0).as_py() else table.filter(keep)
