"""reconcile: does everything add up, and may the run count as a success?

Reads:  manifest and ledger (never XCom), so it gives the same answer whoever loaded the parts; parse's outcomes for
        the drift.
Writes: the run's totals and state; removes the run's work files once nothing is left to be done with them. Where the
        feed says ``publish: run``, first all batches of the run in ONE transaction, or a hold on each part.
Raises: ``RunFailed`` where a part is unaccounted or held, counts differ, a limit is passed, a total that the sender
        states is another, or a run's expectation fails; its message is the last line that a person reads.
Rerun:  same answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from sluice import accounts, drift, ledger, replay, runrules, warehouse
from sluice.errors import MappingChanged, RunFailed
from sluice.feed.model import RejectLimits
from sluice.publishing import BatchPublisher, open_batch, tell_taken_back
from sluice.records import Run, Totals
from sluice.tools import Tools
from sluice.totals import books
from sluice.wording import counted

log = logging.getLogger(__name__)

SHOWN = 3
# The kinds of what may be wrong with a run.
UNACCOUNTED, HELD, LIMITS, TOTALS = "unaccounted", "held", "limits", "totals"

Breach = tuple[str, str]
"""What is wrong with a run: its kind, and the text that a person reads."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    run_id: int
    feed: str
    totals: Totals
    dry_run: bool
    drift: str = ""
    is_replay: bool = False
    outcomes: Mapping[int, str | None] = field(default_factory=dict)
    """Of a replay, what came of each entry; see ``replay.read_outcomes``."""

    def line(self) -> str:
        t, c = self.totals, self.totals.counts
        dry = " (dry run: nothing was written)" if self.dry_run else ""
        elsewhere = f", {t.files_elsewhere:,} more were loaded by another run" if t.files_elsewhere else ""
        passed = sum(outcome == "loaded" for outcome in self.outcomes.values())
        told = f"{passed:,} of {counted(len(self.outcomes), 'entry', 'entries')} "
        told += "would pass; " if self.dry_run else "passed; "
        return (
            f"reconcile: {'replay, ' if self.is_replay else ''}run {self.run_id}: {told if self.is_replay else ''}"
            f"{counted(t.files, 'file')} ({t.files_quarantined} quarantined{elsewhere}), "
            f"{t.found:,} records found = {t.loaded:,} loaded + {t.quarantined:,} quarantined + {t.held:,} held; "
            f"{c}{dry}{'; ' if self.drift else ''}{self.drift}"
        )


class _Refused(Exception):
    """Rolls back a run that may not be published; holds what is wrong with it."""


def reconcile(tools: Tools, run_id: int) -> RunSummary:
    """Close the books on a run."""
    with warehouse.connect(tools.dsn, f"reconcile {tools.feed.feed} run {run_id}") as connection:
        warehouse.catch_up_ledger(connection)
        run = ledger.read_run(connection, run_id)
        publishes = tools.feed.publish == "run" and not run.dry_run
        refused = _publish(connection, tools, run) if publishes else None
        totals = _read_totals(connection, run)
        breaches = ((HELD, refused),) if refused else tuple(_find_breaches(tools, connection, run, totals))
        error = _spell(breaches) or None
        if error and not run.dry_run and (totals.quarantined or totals.files_quarantined or totals.held):
            error += f"; see `sluice quarantine {run.feed} --run {run_id}`"
        report = drift.settle_run(tools, connection, run)
        accounts.finish_run(connection, run, totals, error)
        outcomes = replay.read_outcomes(connection, run_id) if run.is_replay else {}
    summary = RunSummary(run_id, run.feed, totals, run.dry_run, report.line(), run.is_replay, outcomes)
    # Unaccounted parts may be tried again by clearing their tasks, which then find their work files; a refused run by
    # clearing this one, once a limit has been raised.
    if not totals.unaccounted_parts and not refused:
        tools.work.remove_run(tools.feed.feed, run_id)
    if error:
        raise RunFailed(f"feed {run.feed}, run {run_id}: {error}", summary.line(), breaches)
    return summary


def _read_totals(connection: psycopg.Connection, run: Run) -> Totals:
    by_batch = run.dry_run or run.is_replay
    return accounts.read_batch_totals(connection, run) if by_batch else accounts.read_totals(connection, run)


def _publish(connection: psycopg.Connection, tools: Tools, run: Run) -> str | None:
    """Publish what the run has parsed, all of it or nothing; returns why not."""
    numbers = [number for number, _, _ in ledger.read_batches(connection, run.run_id)]
    if not all(_is_ready(tools, connection, run, number) for number in numbers):
        return None  # the parts of the batches that are not ready are unaccounted
    try:
        warehouse.transact(connection, lambda conn: _publish_or_refuse(conn, tools, run))
    except MappingChanged as changed:
        return f"nothing was published: {changed}"
    except _Refused as refused:
        reason = f"nothing was published: {refused}"
        warehouse.transact(connection, lambda conn: _hold_run(conn, tools, run, reason))
        return reason
    return None


def _is_ready(tools: Tools, connection: psycopg.Connection, run: Run, number: int) -> bool:
    return _is_published(connection, run, number) or tools.work.exists(
        tools.work.verdict(tools.feed.feed, run.run_id, number)
    )


def _is_published(connection: psycopg.Connection, run: Run, number: int) -> bool:
    parts = ledger.read_batch_part_ids(connection, run.run_id, number)
    return ledger.is_published(connection, run, number, parts)


def _publish_or_refuse(conn: psycopg.Connection, tools: Tools, run: Run) -> None:
    """Raises ``_Refused`` where the run, all of it published, breaks a rule."""
    ledger.lock_publication(conn, run.feed)
    taken_back = 0
    for batch in _unpublished(conn, tools, run):
        done = batch.publish(conn)
        taken_back += done.taken_back
        if run.is_replay:
            accounts.store_batch_totals(conn, run.run_id, batch.number, batch.totals(done))
    breaches = list(_find_breaches(tools, conn, run, _read_totals(conn, run)))
    if breaches:
        raise _Refused(_spell(breaches))
    if taken_back:
        log.info("reconcile: %s", tell_taken_back(taken_back))


def _hold_run(conn: psycopg.Connection, tools: Tools, run: Run, reason: str) -> None:
    for batch in _unpublished(conn, tools, run):
        batch.refuse(conn, reason)


def _unpublished(conn: psycopg.Connection, tools: Tools, run: Run) -> Iterator[BatchPublisher]:
    for number, _, _ in ledger.read_batches(conn, run.run_id):
        if not _is_published(conn, run, number):
            yield open_batch(tools, run, number)


def _spell(breaches: Iterable[Breach]) -> str:
    return "; ".join(text for _, text in breaches)


def _find_breaches(tools: Tools, connection: psycopg.Connection, run: Run, totals: Totals) -> Iterator[Breach]:
    if totals.unaccounted_parts:
        files = _some(accounts.find_unaccounted(connection, run), totals.unaccounted_parts)
        yield (
            UNACCOUNTED,
            f"{totals.unaccounted_parts} parts were not loaded{files}; see the failed tasks, then clear them",
        )
    if totals.held:
        held = accounts.find_held(connection, run)
        by = f" by the gate ({held[0][0]}: {held[0][1]})" if held else ""
        yield HELD, f"{totals.held:,} records are held{by}"
    if totals.found != totals.loaded + totals.quarantined + totals.held:
        told = f"{totals.loaded} loaded + {totals.quarantined} quarantined + {totals.held} held"
        yield UNACCOUNTED, f"{totals.found} records found, but {told}"
    if stated := _judge_totals(tools, connection, run):
        yield TOTALS, stated
    if run.is_replay:
        return  # what its records broke, they broke in the run that found them
    yield from _find_broken_rules(tools, connection, run, totals)


def _find_broken_rules(tools: Tools, connection: psycopg.Connection, run: Run, totals: Totals) -> Iterator[Breach]:
    for uri, found, loaded, quarantined in accounts.find_miscounted(connection, run):
        yield UNACCOUNTED, f"{uri}: {found} records found, but {loaded} loaded + {quarantined} quarantined"
    passed = limit_problems(tools.feed.rejects, totals, lambda: accounts.find_quarantined_files(connection, run))
    yield from ((LIMITS, text) for text in passed)
    if not run.dry_run:
        yield from ((LIMITS, text) for text in runrules.judge(connection, tools.feed, run))


def _judge_totals(tools: Tools, connection: psycopg.Connection, run: Run) -> str | None:
    """What is wrong with the sender's totals. A dry run leaves nothing in the ledger, so its work files are asked."""
    if not tools.feed.totals:
        return None
    if not run.dry_run or run.is_replay:
        return books.judge(connection, tools.feed, run)
    comparison = books.Comparison(tools.feed)
    comparison.take(*books.read_elsewhere(connection, run), {})
    for number, _, _ in ledger.read_batches(connection, run.run_id):
        path = tools.work.outcomes(tools.feed.feed, run.run_id, number)
        account = tools.work.read_json(path) if tools.work.exists(path) else {}
        parts = ledger.read_batch_parts(connection, run.run_id, number)
        comparison.take(parts, books.read_part_totals(account), {})
    differences = comparison.differences()
    return books.tell(differences, len(differences)) if differences else None


def limit_problems(limits: RejectLimits, totals: Totals, find_files: Any) -> Iterator[str]:
    """The feed's limits on rejects that this run has passed. What a person has released counts for none of them."""
    files = totals.files_quarantined - totals.released_files_quarantined
    found, quarantined = totals.found - totals.released_found, totals.quarantined - totals.released_quarantined
    if limits.max_files is not None and files > limits.max_files:
        shown = [f"{uri}: {code}: {message}" for uri, code, message in find_files()[:SHOWN]]
        members = totals.members_quarantined - totals.released_members_quarantined
        yield f"{_spell_files(files, members)} quarantined{_some(shown, files)}"
    if limits.max_records is not None and quarantined > limits.max_records:
        yield f"{quarantined:,} records quarantined, {limits.max_records:,} allowed"
    if limits.max_share is not None and quarantined > limits.max_share * found:
        yield f"{quarantined / found:.2%} of the records quarantined, {limits.max_share:.2%} allowed"


def _spell_files(number: int, members: int) -> str:
    """So many files, among which archive members are counted as such."""
    kinds = (counted(number - members, "file"), counted(members, "archive member"))
    return " and ".join(kind for kind in kinds if not kind.startswith("0 "))


def _some(items: list[str], total: int) -> str:
    """The first items in brackets; nothing where none is known (a dry run leaves no trace: parse's log names them)."""
    shown = "; ".join(items[:SHOWN])
    more = f"; and {total - SHOWN} more" if total > SHOWN and len(items) >= SHOWN else ""
    return f" ({shown}{more})" if shown else ""
