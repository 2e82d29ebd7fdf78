"""load: the accepted rows of a batch, its quarantine entries and its ledger rows, in ONE transaction.

Reads:  parse's rows, rejects and outcomes; validate's verdict and rejects.
Writes: the feed's tables, the quarantine, the ledger. Nothing where the feed says ``publish: run``: then reconcile
        publishes all batches of the run together.
Raises: ``WarehouseUnavailable``, ``WorkFilesUnavailable`` (try again; nothing has been written).
Rerun:  no-op once the ledger has the parts.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

import psycopg

from sluice import accounts, ledger, replay, warehouse
from sluice.publishing import Published, open_batch, roll_back, tell_taken_back
from sluice.records import Run, Totals
from sluice.tools import Tools


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What became of one batch; ``is_left`` tells that it waits for the rest of its run."""

    number: int
    parts: int
    done: Published = field(default_factory=Published)
    seconds: float = 0.0
    dry_run: bool = False
    is_left: bool = False

    def line(self) -> str:
        if self.is_left:
            return f"load: batch {self.number}: left to reconcile, which publishes the run as one"
        done, c = self.done, self.done.counts
        known = f", {done.parts_known} of {self.parts} parts were loaded before" if done.parts_known else ""
        taken = f", {tell_taken_back(done.taken_back)}" if done.taken_back else ""
        dry = " (dry run: nothing was written)" if self.dry_run else ""
        return (
            f"load: batch {self.number}: {c.loaded:,} loaded ({c}), {done.quarantined:,} quarantined, "
            f"{done.held:,} held in {self.seconds:.1f} s{known}{taken}{dry}"
        )


def load(tools: Tools, run_id: int, number: int) -> LoadSummary:
    """Load one batch."""
    started = time.monotonic()
    with warehouse.connect(tools.dsn, f"load {tools.feed.feed} run {run_id}") as connection:
        warehouse.catch_up_ledger(connection)
        run = ledger.read_run(connection, run_id)
        if tools.feed.publish == "run" and not run.dry_run:
            return LoadSummary(number, 0, is_left=True)
        summary = _load(connection, tools, run, number)
    return replace(summary, seconds=time.monotonic() - started, dry_run=run.dry_run)


def _load(connection: psycopg.Connection, tools: Tools, run: Run, number: int) -> LoadSummary:
    known = ledger.read_batch_part_ids(connection, run.run_id, number)
    if ledger.is_published(connection, run, number, known):
        # Nothing is needed of the work files, which may be gone.
        return LoadSummary(number, len(known), Published(parts_known=len(known)))
    batch = open_batch(tools, run, number)
    done, released = Published(), Totals()
    outcomes: dict[int, str | None] = {}

    def publish(conn: psycopg.Connection) -> None:
        nonlocal done, released, outcomes
        done = batch.publish_into_new_tables(conn) if run.dry_run else batch.publish(conn)
        if run.dry_run:
            released = accounts.read_released(conn, run)
            outcomes = replay.read_outcomes(conn, run.run_id) if run.is_replay else {}
        elif run.is_replay:
            accounts.store_batch_totals(conn, run.run_id, number, batch.totals(done))

    if run.dry_run:
        roll_back(connection, publish)
        accounts.store_batch_totals(connection, run.run_id, number, batch.totals(done) + released)
        replay.store_outcomes(connection, run.run_id, outcomes)
    else:
        warehouse.transact(connection, publish)
        with suppress(psycopg.Error):  # what is committed stays so, whether its moment is known or not
            ledger.note_commit(connection, run.run_id, number)
    return LoadSummary(number, len(known), done)
