"""Drift: what a sender has changed without telling.

Parse counts, batch by batch, what the mapping does not know and how many values are empty (``describe_batch``).
Reconcile adds the batches up, compares them with the feed's past and keeps what it found: the details of the run in
``sluice.runs.drift``, all that was ever seen in ``sluice.drift`` (``settle_run``). Both commit together, so that a run
counts once, however often it is reconciled. No value of a record is ever kept here.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from sluice import ledger, warehouse
from sluice.feed.model import Drift
from sluice.records import Batch, Run
from sluice.sightings import ATTRIBUTE, ELEMENT, NAMESPACE, Sightings
from sluice.tools import Tools

log = logging.getLogger(__name__)

MAX_FINDINGS = 1_000
SHOWN = 5
EMPTY_COLUMN = "empty_column"
# Among so many runs those are sought that had enough rows to be compared with.
RUNS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One change. ``count`` is how often the run met it; ``share`` and ``past`` are the shares of empty values of a
    column, else None; ``uri`` is '' where there is no single place.
    """

    kind: str
    path: str
    count: int
    uri: str = ""
    member: str = ""
    record: int | None = None
    line: int | None = None
    share: float | None = None
    past: float | None = None
    since: int | None = None  # the first of the runs that it was compared with

    def text(self) -> str:
        if self.kind == EMPTY_COLUMN:
            return f"{self.path} empty in {self.share or 0:.0%} (past: {self.past or 0:.0%})"
        name = f"namespace {self.path}" if self.kind == NAMESPACE else self.path
        file = f"{self.uri}!{self.member}" if self.member else self.uri
        times = "once, in" if self.count == 1 else f"{self.count:,} times, first in"
        return f"{name} ({times} {file}:{self.line})"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What a run found; ``new`` is what no run before has reported, ``is_first`` that there was nothing before."""

    findings: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()
    is_first: bool = False

    @property
    def unmapped(self) -> dict[str, int]:
        return {found.path: found.count for found in self.findings if found.kind in (ELEMENT, ATTRIBUTE)}

    def line(self) -> str:
        """One line for a person; '' where nothing is new."""
        parts = []
        if self.new:
            more = f"; and {len(self.new) - SHOWN} more" if len(self.new) > SHOWN else ""
            parts.append(f"{len(self.new)} new: {', '.join(found.text() for found in self.new[:SHOWN])}{more}")
        if self.is_first and self.unmapped:
            parts.append(f"{len(self.unmapped)} elements and attributes are read by no column, as noted for later runs")
        return f"drift: {'; '.join(parts)}" if parts else ""


# -- parse ------------------------------------------------------------------------------------------------------------


def describe_batch(
    settings: Drift, batch: Batch, sightings: Sightings, emptiness: Mapping[str, tuple[int, Mapping[str, int]]]
) -> dict[str, Any]:
    """What parse leaves of a batch for ``settle_run``, as plain JSON values."""
    uris = {part.part_id: part.file.uri for part in batch.parts}
    ignored = Ignored(settings)
    found = [sighting for sighting in sightings if sighting.count and not ignored.covers(sighting.path)]
    found.sort(key=lambda sighting: -sighting.count)
    return {
        "findings": [
            {
                "kind": seen.kind,
                "path": seen.path,
                "count": seen.count,
                "uri": uris.get(seen.place.part_id, ""),
                "member": seen.place.member,
                "record": seen.place.ordinal,
                "line": seen.place.line,
            }
            for seen in found[:MAX_FINDINGS]
        ],
        "tables": {table: {"rows": rows, "empty": dict(empty)} for table, (rows, empty) in emptiness.items() if rows},
    }


class Ignored:
    """The paths that a feed does not want to hear of."""

    def __init__(self, settings: Drift) -> None:
        self._patterns = [re.compile(_as_regex(pattern)) for pattern in settings.ignore]

    def covers(self, path: str) -> bool:
        """Patterns are meant from below the record element, as columns are, or with it."""
        below = path.partition("/")[2]
        return any(pattern.fullmatch(path) or pattern.fullmatch(below) for pattern in self._patterns)


def _as_regex(pattern: str) -> str:
    wild = {"/**": "(?:/.*)?", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    parts = re.findall(r"/\*\*$|\*\*/|\*\*|\*|[^*/]+|/", pattern.strip())
    return "".join(wild.get(part, re.escape(part)) for part in parts)


# -- reconcile --------------------------------------------------------------------------------------------------------


def settle_run(tools: Tools, connection: psycopg.Connection, run: Run) -> DriftReport:
    """Keep what the run's batches have met, and warn of what is new. Where the work files of an earlier try are gone,
    what that one kept stands. A replay counts nothing: what it reads again was counted when it was found.
    """
    if run.is_replay:
        return DriftReport()
    met = _add_up(tools, connection, run.run_id)

    def settle(conn: psycopg.Connection) -> DriftReport:
        conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice drift ' || %s, 0))", [run.feed])
        details = _read_details(conn, run.run_id) if met is None else _judge(conn, tools.feed.drift, run, met)
        if met is not None:
            _store(conn, run, details)
        findings = _findings_of(details)
        new = list_new(conn, run.run_id) if not run.dry_run else _unheard_of(conn, run, findings)
        return DriftReport(findings, tuple(new), _is_first(conn, run))

    report = warehouse.transact(connection, settle)
    if report.new:
        log.warning("feed %s, run %s: %s", run.feed, run.run_id, report.line())
    return report


def list_new(conn: psycopg.Connection, run_id: int) -> list[Finding]:
    """The drift that this run was the first to report: what an alert would tell of."""
    rows = conn.execute("SELECT kind, path FROM sluice.drift WHERE reported_in = %s", [run_id])
    reported = set(rows.fetchall())
    return [found for found in _findings_of(_read_details(conn, run_id)) if (found.kind, found.path) in reported]


def _add_up(tools: Tools, conn: psycopg.Connection, run_id: int) -> dict[str, Any] | None:
    """What all batches have met; None where parse's outcomes are gone, or none was parsed."""
    findings: dict[tuple[str, str], dict[str, Any]] = {}
    tables: dict[str, dict[str, Any]] = {}
    is_known = False
    for number, _, _ in ledger.read_batches(conn, run_id):
        path = tools.work.outcomes(tools.feed.feed, run_id, number)
        if not tools.work.exists(path):
            continue
        batch = tools.work.read_json(path).get("drift")
        if batch is None:
            continue  # parsed by an older release
        is_known = True
        for found in batch["findings"]:
            known = findings.setdefault((found["kind"], found["path"]), {**found, "count": 0})
            known["count"] += found["count"]
        for table, counts in batch["tables"].items():
            total = tables.setdefault(table, {"rows": 0, "empty": defaultdict(int)})
            total["rows"] += counts["rows"]
            for column, count in counts["empty"].items():
                total["empty"][column] += count
    most = sorted(findings.values(), key=lambda found: -found["count"])[:MAX_FINDINGS]
    return {"findings": most, "tables": tables} if is_known else None


def _judge(conn: psycopg.Connection, settings: Drift, run: Run, met: dict[str, Any]) -> dict[str, Any]:
    """``met`` with the columns whose share of empty values jumped."""
    if settings.empty_share_jump is None:
        return met
    past = conn.execute(
        """SELECT run_id, drift->'tables' FROM sluice.runs WHERE feed = %s AND run_id < %s AND state = 'succeeded'
               AND NOT dry_run AND drift IS NOT NULL ORDER BY run_id DESC LIMIT %s""",
        [run.feed, run.run_id, RUNS_LOOKED_AT],
    ).fetchall()
    ignored = Ignored(settings)
    jumps: list[dict[str, Any]] = []
    for table, counts in met["tables"].items():
        then = [(number, tables[table]) for number, tables in past if table in tables]
        jumps += [jump for jump in _find_jumps(settings, table, counts, then) if not ignored.covers(jump["path"])]
    return {**met, "findings": [*jumps, *met["findings"]]}


def _find_jumps(
    settings: Drift, table: str, counts: dict[str, Any], past: list[tuple[int, dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    enough = [(number, then) for number, then in past if then["rows"] >= settings.min_rows][: settings.past_runs]
    if counts["rows"] < settings.min_rows or not enough:
        return
    for column, count in counts["empty"].items():
        shares = [then["empty"][column] / then["rows"] for _, then in enough if column in then["empty"]]
        share = count / counts["rows"]
        if shares and share - median(shares) >= (settings.empty_share_jump or 1):
            yield {
                "kind": EMPTY_COLUMN,
                "path": f"{table}.{column}",
                "count": count,
                "share": round(share, 4),
                "past": round(median(shares), 4),
                "since": enough[-1][0],
            }


def _store(conn: psycopg.Connection, run: Run, details: dict[str, Any]) -> None:
    """Put the run's details in place of those of an earlier try, here and in what all runs have seen together."""
    before = _read_details(conn, run.run_id)["findings"]
    conn.execute("UPDATE sluice.runs SET drift = %s WHERE run_id = %s", [Jsonb(details), run.run_id])
    if run.dry_run:
        return
    columns = "kind text, path text, count bigint, uri text, member text, record bigint, line bigint, since bigint"
    conn.execute(
        f"""UPDATE sluice.drift d SET count = d.count - b.count, runs = d.runs - 1
            FROM jsonb_to_recordset(%s) AS b ({columns})
            WHERE d.feed = %s AND (d.kind, d.path) = (b.kind, b.path)""".encode(),
        [Jsonb(before), run.feed],
    )
    conn.execute(
        f"""INSERT INTO sluice.drift AS d (feed, kind, path, count, runs, first_run, first_seen_at, first_uri,
                first_member, first_record, first_line, last_run, last_seen_at, reported_in)
            SELECT r.feed, f.kind, f.path, f.count, 1, r.run_id, r.started_at, f.uri,
                f.member, f.record, f.line, r.run_id, r.started_at,
                CASE WHEN f.kind = '{NAMESPACE}' OR NOT %s THEN r.run_id END
            FROM sluice.runs r CROSS JOIN jsonb_to_recordset(%s) AS f ({columns}) WHERE r.run_id = %s
            ON CONFLICT (feed, kind, path) DO UPDATE SET count = d.count + excluded.count, runs = d.runs + 1,
                last_run = greatest(d.last_run, excluded.last_run),
                last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
                reported_in = CASE WHEN d.last_run < (
                    SELECT since FROM jsonb_to_recordset(%s) AS s ({columns}) WHERE (s.kind, s.path) = (d.kind, d.path))
                    THEN excluded.first_run ELSE d.reported_in END""".encode(),
        [_is_first(conn, run), Jsonb(details["findings"]), run.run_id, Jsonb(details["findings"])],
    )
    conn.execute("DELETE FROM sluice.drift WHERE feed = %s AND runs = 0", [run.feed])


def _is_first(conn: psycopg.Connection, run: Run) -> bool:
    """Whether there is nothing to compare with: what such a run meets is how the feed's files are."""
    row = conn.execute(
        """SELECT FROM sluice.runs
           WHERE feed = %s AND run_id < %s AND NOT dry_run AND drift->'tables' <> '{}' LIMIT 1""",
        [run.feed, run.run_id],
    ).fetchone()
    return row is None


def _unheard_of(conn: psycopg.Connection, run: Run, findings: tuple[Finding, ...]) -> list[Finding]:
    """What a dry run would be the first to report."""
    known = set(conn.execute("SELECT kind, path FROM sluice.drift WHERE feed = %s", [run.feed]).fetchall())
    is_first = _is_first(conn, run)
    unheard = [found for found in findings if (found.kind, found.path) not in known]
    return [found for found in unheard if found.kind == NAMESPACE or not is_first]


def _read_details(conn: psycopg.Connection, run_id: int) -> dict[str, Any]:
    row = conn.execute("SELECT drift FROM sluice.runs WHERE run_id = %s", [run_id]).fetchone()
    details: dict[str, Any] = (row[0] if row else None) or {"findings": [], "tables": {}}
    return details


def _findings_of(details: dict[str, Any]) -> tuple[Finding, ...]:
    return tuple(Finding(**found) for found in details["findings"])
