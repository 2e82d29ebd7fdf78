"""reconcile: does everything add up, and may the run count as a success?

Reads:  manifest and ledger (never XCom), so it gives the same answer whoever loaded the parts; parse's outcomes for
        what was not mapped.
Writes: the run's totals and state; removes the run's work files once nothing is left to be done with them.
Raises: ``RunFailed`` where a part is unaccounted or held, counts differ, a limit is passed or a run's expectation
        fails; its message is the last line that a person reads.
Rerun:  same answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from sluice import accounts, ledger, runrules, warehouse
from sluice.errors import RunFailed
from sluice.feed.model import RejectLimits
from sluice.records import Run, Totals
from sluice.tools import Tools

SHOWN = 3


@dataclass(frozen=True, slots=True)
class RunSummary:
    run_id: int
    feed: str
    totals: Totals
    dry_run: bool
    unmapped: dict[str, int]

    def line(self) -> str:
        t, c = self.totals, self.totals.counts
        dry = " (dry run: nothing was written)" if self.dry_run else ""
        elsewhere = f", {t.files_elsewhere:,} more were loaded by another run" if t.files_elsewhere else ""
        return (
            f"reconcile: run {self.run_id}: {t.files:,} files ({t.files_quarantined} quarantined{elsewhere}), "
            f"{t.found:,} records found = {t.loaded:,} loaded + {t.quarantined:,} quarantined + {t.held:,} held; "
            f"{c.inserted:,} new, {c.updated:,} updated, {c.unchanged:,} unchanged, {c.superseded:,} superseded{dry}"
        )


def reconcile(tools: Tools, run_id: int) -> RunSummary:
    """Close the books on a run."""
    with warehouse.connect(tools.dsn) as connection:
        run = ledger.read_run(connection, run_id)
        totals = accounts.read_trial(connection, run) if run.dry_run else accounts.read_totals(connection, run)
        error = "; ".join(_find_problems(tools, connection, run, totals)) or None
        unmapped = accounts.finish_run(connection, run, totals, error, _read_unmapped(tools, connection, run_id))
    # Unaccounted parts may be tried again by clearing their tasks, which then find their work files.
    if not totals.unaccounted_parts:
        tools.work.remove_run(tools.feed.feed, run_id)
    if error:
        raise RunFailed(f"feed {run.feed}, run {run_id}: {error}")
    return RunSummary(run_id, run.feed, totals, run.dry_run, unmapped)


def _read_unmapped(tools: Tools, connection: psycopg.Connection, run_id: int) -> dict[str, int] | None:
    """How often each element was met that no column reads; None where parse's outcomes are gone."""
    total: Counter[str] = Counter()
    is_known = False
    for number, _, _ in ledger.read_batches(connection, run_id):
        path = tools.work.outcomes(tools.feed.feed, run_id, number)
        if tools.work.exists(path):
            total.update(tools.work.read_json(path)["unmapped"])
            is_known = True
    return dict(total.most_common(200)) if is_known else None


def _find_problems(tools: Tools, connection: psycopg.Connection, run: Run, totals: Totals) -> Iterator[str]:
    if totals.unaccounted_parts:
        files = _some(accounts.find_unaccounted(connection, run), totals.unaccounted_parts)
        yield f"{totals.unaccounted_parts} parts were not loaded{files}; see the failed tasks, then clear them"
    if totals.held:
        held = accounts.find_held(connection, run)
        yield (
            f"{totals.held:,} records are held by the gate ({held[0][0]}: {held[0][1]})"
            if held
            else f"{totals.held:,} records are held"
        )
    for uri, found, loaded, quarantined in accounts.find_miscounted(connection, run):
        yield f"{uri}: {found} records found, but {loaded} loaded + {quarantined} quarantined"
    yield from limit_problems(tools.feed.rejects, totals, lambda: accounts.find_quarantined_files(connection, run))
    if not run.dry_run:
        yield from runrules.judge(connection, tools.feed, run)


def limit_problems(limits: RejectLimits, totals: Totals, find_files: Any) -> Iterator[str]:
    """The feed's limits on rejects that this run has passed."""
    if limits.max_files is not None and totals.files_quarantined > limits.max_files:
        shown = [f"{uri}: {code}: {message}" for uri, code, message in find_files()[:SHOWN]]
        yield f"{totals.files_quarantined} files quarantined{_some(shown, totals.files_quarantined)}"
    if limits.max_records is not None and totals.quarantined > limits.max_records:
        yield f"{totals.quarantined:,} records quarantined, {limits.max_records:,} allowed"
    if limits.max_share is not None and totals.quarantined > limits.max_share * totals.found:
        share = totals.quarantined / totals.found
        yield f"{share:.2%} of the records quarantined, {limits.max_share:.2%} allowed"


def _some(items: list[str], total: int) -> str:
    """The first items in brackets; nothing where none is known (a dry run leaves no trace: parse's log names them)."""
    shown = "; ".join(items[:SHOWN])
    more = f"; and {total - SHOWN} more" if total > SHOWN and len(items) >= SHOWN else ""
    return f" ({shown}{more})" if shown else ""
