"""``make demo``: the sample feeds through the real stack, followed while they run, and what came of it."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from rich.console import Console
from rich.table import Table

from sluice.feed.loading import load_feeds
from sluice.feed.model import Feed
from sluice.sources.pattern import UriPattern
from sluice.stack.api import AirflowApi
from sluice.stack.emulator import BUCKET, Emulator
from sluice.stack.following import follow
from sluice.stack.home import Home, StackError
from sluice.stack.processes import wait_until
from sluice.stack.running import AIRFLOW_NAMES, Stack, up

Warehouse = psycopg.Connection[Any]
# per feed, the state of each run by its id
Followed = Mapping[str, Mapping[str, str]]

PARSE_SECONDS = 120
# enough to see it work, and the rest is there to try a backfill with
MAX_DATES = 5
PLAIN_WIDTH = 120

TOTALS = """
    SELECT coalesce(sum(files), 0)::bigint, coalesce(sum(found), 0)::bigint, coalesce(sum(loaded), 0)::bigint,
        coalesce(sum(quarantined), 0)::bigint, coalesce(sum(held), 0)::bigint,
        coalesce(extract(epoch FROM max(finished_at) - min(started_at)), 0)::float
    FROM sluice.runs WHERE feed = %(feed)s AND split_part(run_key, '#', 1) = ANY(%(runs)s)"""
REJECTS = """
    SELECT q.code, sum(q.records)::bigint FROM sluice.quarantine q JOIN sluice.runs r USING (run_id)
    WHERE r.feed = %(feed)s AND split_part(r.run_key, '#', 1) = ANY(%(runs)s) GROUP BY q.code ORDER BY q.code"""
ERRORS = """
    SELECT split_part(run_key, '#', 1), error FROM sluice.runs
    WHERE feed = %(feed)s AND split_part(run_key, '#', 1) = ANY(%(runs)s) AND error IS NOT NULL"""

EXAMPLES = {
    "What moved on the accounts": """\
SELECT account_id, currency, count(*) AS entries,
       sum(amount) FILTER (WHERE credit_debit = 'CRDT') AS credited,
       sum(amount) FILTER (WHERE credit_debit = 'DBIT') AS debited
FROM bank_statements.entries
GROUP BY account_id, currency ORDER BY entries DESC, account_id LIMIT 5""",
    "How far the euro moved": """\
SELECT currency, count(*) AS days, trim_scale(min(rate)) AS lowest, trim_scale(max(rate)) AS highest
FROM exchange_rates.rates WHERE currency IN ('USD', 'GBP', 'JPY', 'CHF')
GROUP BY currency ORDER BY currency""",
    "Which entities changed last, and which record of which file says so": """\
SELECT e.lei, e.legal_name, e.last_update_date::date AS changed, split_part(f.uri, '/', -1) AS file, e._record AS record
FROM legal_entities.entities e JOIN sluice.files f ON f.file_id = e._file
ORDER BY e.last_update_date DESC, e.lei LIMIT 5""",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample file, its key in the landing bucket, and the date that the feed's pattern reads in it."""

    path: Path
    key: str
    date: dt.date | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runs of one feed came to, in files and records; ``seconds`` from the first start to the last end."""

    files: int
    found: int
    loaded: int
    quarantined: int
    held: int
    seconds: float


def demo(home: Home) -> int:
    """Run the demo and leave the stack running. 0 if every run succeeded, else 1."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    stack = up(home, console.print)
    samples = {name: found for name, feed in load_feeds(home.feeds).items() if (found := _samples(home, feed))}
    _upload(stack.emulator, samples, console)
    _wait_for_dags(stack, samples)
    followed = follow(stack, _start_runs(stack.api, samples), console)
    with psycopg.connect(stack.warehouse_dsn) as warehouse:
        if warehouse.execute("SELECT to_regclass('sluice.runs')").fetchone() == (None,):
            raise StackError(f"no run got as far as the warehouse; see the logs of the tasks at {stack.airflow.url}")
        _report(warehouse, followed, console)
        failed = _report_failures(warehouse, stack.airflow.url, followed, console)
        for title, query in () if failed else EXAMPLES.items():
            _show_query(warehouse, title, query, console)
    _print_what_waits(samples, console)
    console.print(f"\n{stack.addresses()}", soft_wrap=True)
    console.print("A file that you put there loads by itself: make drop FEED=bank_statements FILE=statement.xml")
    console.print("All of it stays up; `sluice status` shows how the feeds are doing, `make down` stops it.")
    return 1 if failed else 0


def _samples(home: Home, feed: Feed) -> list[Sample]:
    """The feed's sample files, with the dates that a run must be asked for to take them."""
    folder = home.feeds / feed.feed / "samples"
    pattern = UriPattern(feed.source.uri, {"SLUICE_LANDING": f"s3://{BUCKET}"})
    found = []
    for path in sorted(folder.rglob("*")):
        key = f"{feed.feed}/{path.relative_to(folder).as_posix()}"
        if path.is_file() and pattern.matches(f"s3://{BUCKET}/{key}"):
            found.append(Sample(path, key, pattern.date_of(f"s3://{BUCKET}/{key}")))
    return found


def _upload(emulator: Emulator, samples: Mapping[str, Sequence[Sample]], console: Console) -> None:
    """As if the files had lain there before the queue was made: so the demo says which of them its runs take."""
    with emulator.silence():
        for feed, files in samples.items():
            new = sum(emulator.put(sample.path, sample.key) for sample in files)
            note = "" if new == len(files) else f", {len(files) - new} of them there already"
            console.print(f"s3://{BUCKET}/{feed}/: {len(files)} sample files{note}")


def _wait_for_dags(stack: Stack, samples: Mapping[str, Sequence[Sample]]) -> None:
    """Until the DAG processor has read the feeds; StackError with the reason if it could not."""
    api = stack.api

    def are_there() -> bool:
        missing = samples.keys() - api.dag_ids()
        if missing and (errors := api.import_errors()):
            reasons = "\n".join(f"{name}: {reason}" for name, reason in errors.items())
            raise StackError(f"Airflow could not read the DAGs:\n{reasons}")
        return not missing

    wait_until(stack.home, are_there, AIRFLOW_NAMES, "the DAGs of the sample feeds", PARSE_SECONDS)


def _start_runs(api: AirflowApi, samples: Mapping[str, Sequence[Sample]]) -> dict[str, list[str]]:
    """One run by hand for each of the newest dates; what the schedule asks for by itself comes on top."""
    now = dt.datetime.now(dt.UTC)
    started: dict[str, list[str]] = {}
    for feed, files in samples.items():
        api.unpause(feed)
        dates: list[dt.date | None] = [*_dates(files)[-MAX_DATES:]]
        for date in dates or [None]:
            run_id = f"demo__{date or 'all'}__{now:%Y-%m-%dT%H:%M:%S}"
            api.trigger(feed, run_id, {"date": date.isoformat()} if date else {})
            started.setdefault(feed, []).append(run_id)
    return started


def _print_what_waits(samples: Mapping[str, Sequence[Sample]], console: Console) -> None:
    """How to backfill the dates that the demo leaves."""
    for feed, files in samples.items():
        if waiting := _dates(files)[:-MAX_DATES]:
            console.print(f"\n{len(waiting)} earlier days of {feed} wait in the bucket for a backfill, in the UI or by")
            command = f"{Path(sys.executable).with_name('sluice')} airflow backfill create --dag-id {feed}"
            until = waiting[-1] + dt.timedelta(days=1)
            console.print(f"  {command} --from-date {waiting[0]} --to-date {until}", soft_wrap=True)


def _dates(files: Sequence[Sample]) -> list[dt.date]:
    return sorted({sample.date for sample in files if sample.date})


def _report(warehouse: Warehouse, followed: Followed, console: Console) -> None:
    """Print what came of the runs, feed by feed."""
    outcomes = {feed: _outcome(warehouse, feed, states) for feed, states in followed.items()}
    console.print("\n[bold]What the runs found and loaded[/bold]")
    table = Table()
    for name in ("feed", "runs", "files", "found", "loaded", "quarantined", "held", "seconds"):
        table.add_column(name, justify="left" if name == "feed" else "right")
    for feed, outcome in outcomes.items():
        counts = (outcome.files, outcome.found, outcome.loaded, outcome.quarantined, outcome.held)
        table.add_row(feed, str(len(followed[feed])), *(f"{count:,}" for count in counts), f"{outcome.seconds:.1f}")
    console.print(table)
    if not any(outcome.files for outcome in outcomes.values()):
        console.print("Nothing was loaded twice: the ledger knows every one of these files.")
    for feed, states in followed.items():
        for code, records in warehouse.execute(REJECTS, _runs(feed, states)):
            console.print(f"{feed}: {records:,} in quarantine as {code} (sluice quarantine {feed} --code {code})")


def _report_failures(warehouse: Warehouse, url: str, followed: Followed, console: Console) -> bool:
    """Print why runs failed, if any did; whether any did."""
    any_failed = False
    for feed, states in followed.items():
        errors = dict(warehouse.execute(ERRORS, _runs(feed, states)).fetchall())
        for run_id in (run_id for run_id, state in states.items() if state == "failed"):
            reason = errors.get(run_id, "a task failed before anything was counted")
            console.print(
                f"{feed}: FAILED, {reason} ({url}/dags/{feed}/runs/{quote(run_id)})", soft_wrap=True, markup=False
            )
            any_failed = True
    return any_failed


def _outcome(warehouse: Warehouse, feed: str, states: Mapping[str, str]) -> Outcome:
    row = warehouse.execute(TOTALS, _runs(feed, states)).fetchone()
    assert row is not None
    return Outcome(*row)


def _runs(feed: str, states: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of the queries above."""
    return {"feed": feed, "runs": list(states)}


def _show_query(warehouse: Warehouse, title: str, query: str, console: Console) -> None:
    """Print a query, and its rows with numbers to the right."""
    cursor = warehouse.execute(query)
    rows = cursor.fetchall()
    console.print(f"\n[bold]{title}[/bold]\n{query}", soft_wrap=True)
    table = Table()
    for index, column in enumerate(cursor.description or ()):
        is_number = any(isinstance(row[index], (int, Decimal)) for row in rows)
        table.add_column(column.name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(table)
