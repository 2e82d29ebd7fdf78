"""``sluice status``: feeds, what waits, what is kept out, open alerts, and the last runs."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import TYPE_CHECKING

from sluice.cli import warehouse

if TYPE_CHECKING:
    from rich.console import Console

    from sluice.status import AlertLine, FeedStatus, RunLine

PLAIN_WIDTH = 160


def declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="how many of the last runs to show (10)")


def show(chosen: argparse.Namespace) -> int:
    from rich.console import Console

    from sluice.feed.loading import feeds_root, sound_feeds
    from sluice.status import read_alerts, read_feeds, read_runs

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    with warehouse.open_ledger() as connection:
        _print_feeds(console, read_feeds(connection, {feed.feed: feed for feed in sound_feeds(feeds_root())}))
        _print_alerts(console, read_alerts(connection))
        _print_runs(console, read_runs(connection, chosen.runs))
    return 0


def _print_feeds(console: Console, feeds: list[FeedStatus]) -> None:
    from rich.table import Table

    table = Table(title="Feeds", title_justify="left")
    for name in ("feed", "last run", "state"):
        table.add_column(name)
    for name in ("announced", "open files", "held files", "in quarantine"):
        table.add_column(name, justify="right")
    for feed in feeds:
        run = feed.last_run
        told = (_ago(run.started_at), run.state) if run else ("never", "")
        counts = (feed.announced, feed.open_files, feed.held_files, feed.quarantined)
        table.add_row(feed.feed, *told, *(f"{count:,}" for count in counts))
    console.print(table)


def _print_alerts(console: Console, alerts: list[AlertLine]) -> None:
    from rich.table import Table

    if not alerts:
        return
    table = Table(title="Open alerts", title_justify="left")
    for name in ("alert", "since", "last met", "times", "not sent by"):
        table.add_column(name)
    for alert in alerts:
        told = (_ago(alert.opened_at), _ago(alert.last_seen_at), f"{alert.times:,}", ", ".join(alert.unsent))
        table.add_row(alert.subject.removeprefix("Sluice: "), *told)
    console.print(table)


def _print_runs(console: Console, runs: list[RunLine]) -> None:
    from rich.table import Table

    table = Table(title="Last runs", title_justify="left", expand=True)
    for name in ("run", "feed", "began", "state"):
        table.add_column(name)
    for name in ("seconds", "files", "found", "loaded", "quarantined", "held"):
        table.add_column(name, justify="right")
    table.add_column("error", overflow="ellipsis", no_wrap=True, ratio=1)  # the width that the others leave
    for run in runs:
        seconds = f"{(run.finished_at - run.started_at).total_seconds():.1f}" if run.finished_at else ""
        counts = (run.files, run.found, run.loaded, run.quarantined, run.held)
        told = (str(run.run_id), run.feed, _ago(run.started_at), run.state, seconds)
        table.add_row(*told, *(f"{count:,}" for count in counts), run.error or "")
    console.print(table)


def _ago(moment: dt.datetime) -> str:
    """How long ago, in the unit that a person would take."""
    seconds = max(0, round((dt.datetime.now(dt.UTC) - moment).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
