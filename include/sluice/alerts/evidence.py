"""What the warehouse knows of a run: what it has rejected and held, with places and reasons, and without any value."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import psycopg

from sluice import drift
from sluice.alerts.alert import DRIFT, HELD, LIMITS, OF_RUNS, TOTALS, Alert, Cause, some
from sluice.alerts.causes import UNACCOUNTED, Evidence, Found, RunLinks
from sluice.quarantine import name_of
from sluice.totals.books import is_told_in

SHOWN = 6
# Of a run that failed its DAG processor has told by then, if it ever does.
UNTOLD_AFTER = dt.timedelta(minutes=5)
UNTOLD_UNTIL = dt.timedelta(days=1)

DRIFT_ADVICE = (
    "Add a column for what is new and trigger with `Load again: changed`, list it under `drift: ignore`, or ask the"
    " sender. A new namespace goes under `namespaces`, with its XSD; then replay what is in quarantine."
)


@dataclass(frozen=True, slots=True)
class UntoldRun:
    """A run that failed, of which nobody has told."""

    run_key: str
    is_replay: bool
    dates: tuple[str, str]

    @property
    def dag_run_id(self) -> str:
        return self.run_key.rpartition("#")[0]


def find_untold(conn: psycopg.Connection, feed: str) -> list[UntoldRun]:
    """The runs of a feed that failed some minutes ago, and within a day, since when no alert of its runs was met: the
    DAG processor has died before it could tell. Of a run at a terminal its user knows.
    """
    rows = conn.execute(
        """SELECT run_key, reload = 'replay', request->>'date_from', request->>'date_to' FROM sluice.runs r
           WHERE feed = %(feed)s AND state = 'failed' AND NOT dry_run AND NOT starts_with(run_key, 'cli__')
               AND finished_at BETWEEN now() - %(until)s AND now() - %(after)s
               AND NOT EXISTS (SELECT FROM sluice.alerts a WHERE a.feed = r.feed AND a.kind = ANY (%(kinds)s)
                   AND a.last_seen_at >= r.finished_at)
           ORDER BY run_id""",
        {"feed": feed, "until": UNTOLD_UNTIL, "after": UNTOLD_AFTER, "kinds": list(OF_RUNS)},
    ).fetchall()
    return [UntoldRun(key, is_replay, (first, last)) for key, is_replay, first, last in rows]


def read_evidence(conn: psycopg.Connection, feed: str, run_key: str) -> Evidence:
    """The evidence of the run of that key; that of no run where there is none yet."""
    row = conn.execute(
        "SELECT run_id, error, unaccounted_parts, held FROM sluice.runs WHERE feed = %s AND run_key = %s",
        [feed, run_key],
    ).fetchone()
    if row is None:
        return Evidence()
    run_id, error, unaccounted, held_records = row
    kind = UNACCOUNTED if unaccounted else HELD if held_records else TOTALS if is_told_in(error or "") else LIMITS
    codes = conn.execute(
        """SELECT code, count(*) FROM sluice.quarantine WHERE run_id = %s AND state IN ('open', 'held')
           GROUP BY code ORDER BY 2 DESC, 1""",
        [run_id],
    ).fetchall()
    # whole files first
    rejected = conn.execute(
        f"""SELECT f.uri, q.member, q.ordinal, q.line, q.code, q.message
            FROM sluice.quarantine q JOIN sluice.files f USING (file_id)
            WHERE q.run_id = %s AND q.state IN ('open', 'held')
            ORDER BY (q.ordinal IS NOT NULL), q.entry_id LIMIT {SHOWN}""".encode(),
        [run_id],
    ).fetchall()
    held = conn.execute(
        f"""SELECT f.uri, p.member, h.reason FROM sluice.holds h JOIN sluice.parts p USING (part_id)
            JOIN sluice.files f USING (file_id) WHERE h.run_id = %s AND NOT h.is_released
            ORDER BY h.part_id LIMIT {SHOWN}""".encode(),
        [run_id],
    ).fetchall()
    return Evidence(
        run_id,
        tuple(
            Found(name_of(uri, member), spell_place(ordinal, line), code, message)
            for uri, member, ordinal, line, code, message in rejected
        ),
        tuple(codes),
        tuple(Found(name_of(uri, member), "", "", reason) for uri, member, reason in held),
        (kind, error) if error else None,
    )


def drift_of(feed: str, run_id: int, new: list[drift.Finding], links: RunLinks, dates: str, log: str) -> Alert:
    first = new[0]
    more = f" and {len(new) - 1:,} more" if len(new) > 1 else ""
    return Alert(
        cause=Cause(feed, DRIFT, f"run {run_id}"),
        headline=f"{feed} has changed: {first.path}{more}",
        run=links.dag_run_id,
        dates=dates,
        file=name_of(first.uri, first.member) if first.uri else "",
        record=spell_place(first.record, first.line),
        reason=first.text(),
        also=some([found.text() for found in new[1:]]),
        advice=DRIFT_ADVICE,
        log=log,
        page=links.page,
        sql="SELECT kind, path, count, first_uri, first_record, first_line FROM sluice.drift"
        f" WHERE reported_in = {run_id};",
    )


def spell_place(ordinal: int | None, line: int | None) -> str:
    """The place of a record; '' for all of a file."""
    if ordinal is None:
        return ""
    return f"record {ordinal:,}, line {line:,}" if line is not None else f"record {ordinal:,}"
