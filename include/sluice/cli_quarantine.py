"""The subcommands about the quarantine: look into it, replay it, dismiss entries, release what is held."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sluice.errors import REJECT_CODES, PermanentError

if TYPE_CHECKING:
    import psycopg

    from sluice.quarantine import Entry
    from sluice.records import Selection
    from sluice.tools import Tools

STATES = ("open", "held", "replayed", "dismissed")
RAW_SHOWN = 2000
SHOWN = 20


def tools_of(feed: str) -> Tools:
    """A feed with its warehouse: that of ``$SLUICE_WAREHOUSE``, else that of the stack that runs on this machine."""
    from sluice.feed.loading import folder_of, load_feed
    from sluice.sources import Clients
    from sluice.tools import Tools
    from sluice.workfiles import WorkFiles

    dsn = _find_warehouse()
    return Tools(load_feed(folder_of(feed)), dsn, WorkFiles(os.environ.get("SLUICE_WORK", ".sluice/work")), Clients())


def _env_of_stack() -> dict[str, str]:
    from sluice.stack.home import Home, StackError
    from sluice.stack.running import Stack

    try:
        return Stack.running(Home.find()).airflow.env()
    except StackError as error:
        message = "set SLUICE_WAREHOUSE to the warehouse, such as postgresql://user@host/database"
        raise PermanentError(f"{error}; or {message}") from None


# -- looking ----------------------------------------------------------------------------------------------------------


def show(chosen: argparse.Namespace) -> int:
    """Print the entries of a feed's quarantine: how many of each code, then the newest."""
    from sluice import quarantine

    feed, selection = chosen.feed, selection_of(chosen)
    states = [chosen.state] if chosen.state else STATES if chosen.entry else ["open", "held"]
    with _warehouse(feed) as connection:
        counts = quarantine.count_by_code(connection, feed, selection, states)
        entries = quarantine.list_entries(connection, feed, selection, states, chosen.limit)
    if chosen.json:
        print(json.dumps([_plain(entry) for entry in entries], indent=2))
        return 0
    if not counts:
        print(f"nothing of {feed} is in the quarantine{_spell(selection)}")
        return 0
    for code, number, records, _ in counts:
        print(f"{number:>9,}  {code:<20} {REJECT_CODES.get(code, '')} ({records:,} records)")
    for entry in entries:
        print("\n" + "\n".join(map(_printable, _describe(entry, chosen.raw))))
    hidden = sum(number for _, number, _, _ in counts) - len(entries)
    if hidden:
        print(f"\n… and {hidden:,} older ones (--limit)")
    return 0


@contextmanager
def _warehouse(feed: str) -> Iterator[psycopg.Connection]:
    """A connection to the warehouse; raises ``PermanentError`` where Sluice has never run on it, and where neither it
    nor the folder of feeds knows ``feed``.
    """
    from sluice import ledger
    from sluice.warehouse import connect

    with connect(_find_warehouse()) as connection:
        if not ledger.exists(connection):
            raise PermanentError("this warehouse has no ledger of this release: let a feed run first")
        _check_name(connection, feed)
        yield connection


def _check_name(connection: psycopg.Connection, feed: str) -> None:
    """A feed that is declared no more may still have something in the quarantine."""
    from sluice.feed.faults import nearest
    from sluice.feed.loading import feed_names, feeds_root

    known = {*feed_names(feeds_root()), *(name for (name,) in connection.execute("SELECT feed FROM sluice.mappings"))}
    if feed not in known:
        meant = nearest(feed, sorted(known))
        hint = f"; did you mean {meant!r}?" if meant else f"; there are {', '.join(sorted(known))}" if known else ""
        raise PermanentError(f"there is no feed {feed!r}{hint}")


def _find_warehouse() -> str:
    if not os.environ.get("SLUICE_WAREHOUSE"):
        os.environ.update(_env_of_stack())
    return os.environ["SLUICE_WAREHOUSE"]


def _describe(entry: Entry, with_raw: bool) -> Iterable[str]:
    name = f"{entry.uri}!{entry.member}" if entry.member else entry.uri
    what = f"record {entry.ordinal:,}" if entry.ordinal else f"all of it ({entry.records:,} records)"
    line = f", line {entry.line:,}" if entry.line else ""
    place = f", bytes {entry.start_byte:,} to {entry.end_byte:,}" if entry.ordinal and entry.end_byte else ""
    yield f"{entry.entry_id}  {name}: {what}{line}{place}"
    yield f"    {entry.state} since {entry.created_at:%Y-%m-%d %H:%M}, run {entry.run_id}, mapping {entry.generation}"
    if entry.note:
        yield f"    note: {entry.note}"
    for reason in entry.reasons:
        column = f"{reason['table']}.{reason['column']}" if reason.get("column") else ""
        path = reason.get("path") or ""
        where = f"{column} ({path}): " if column and path else f"{column or path}: " if column or path else ""
        value = f"; the value is {reason['value']!r}" if with_raw and reason.get("value") is not None else ""
        yield f"    {reason['code']}: {where}{reason['message']}{value}"
    if with_raw and entry.raw is not None:
        text = entry.raw.decode(errors="replace")
        cut = " …" if len(text) > RAW_SHOWN or not entry.raw_is_whole else ""
        yield from (f"    | {part}" for part in (text[:RAW_SHOWN] + cut).replace("\r\n", "\n").split("\n"))


def _printable(text: str) -> str:
    """``text`` with its control characters spelled out: what a sender has written must not command the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _plain(entry: Entry) -> dict[str, Any]:
    from dataclasses import asdict

    raw = None if entry.raw is None else entry.raw.decode(errors="replace")
    return {**asdict(entry), "raw": raw, "created_at": entry.created_at.isoformat()}


# -- acting -----------------------------------------------------------------------------------------------------------


def replay(chosen: argparse.Namespace) -> int:
    """Run a replay in this process."""
    from dataclasses import replace

    from sluice.dates import DagRunFacts, replay_request
    from sluice.pipeline import run_feed

    tools = tools_of(chosen.feed)
    now = dt.datetime.now(dt.UTC)
    facts = DagRunFacts(f"cli__replay__{now.isoformat()}", "manual", now)
    request = replay_request(tools.feed, facts, {"dry_run": chosen.dry_run})
    summary = run_feed(tools, replace(request, selection=selection_of(chosen)), print)
    stays = f"; {summary.totals.quarantined:,} stay, see `sluice quarantine {chosen.feed}`"
    print(f"{summary.totals.loaded:,} of {summary.totals.found:,} passed{stays if summary.totals.quarantined else ''}")
    return 0


def dismiss(chosen: argparse.Namespace) -> int:
    """Close entries with a note."""
    from sluice import quarantine

    selection = selection_of(chosen)
    if not _spell(selection):
        raise PermanentError("say which entries: --entry, --code, --file, --run, --since or --until")
    with _warehouse(chosen.feed) as connection:
        closed = quarantine.dismiss(connection, chosen.feed, selection, chosen.note)
    entries = "1 entry" if closed == 1 else f"{closed:,} entries"
    print(f"{entries} dismissed; what is dismissed still counts as quarantined")
    return 0


def release(chosen: argparse.Namespace) -> int:
    """Let what a gate or a refused run holds pass."""
    from sluice import ledger
    from sluice.quarantine import like

    with _warehouse(chosen.feed) as connection:
        released = ledger.release(connection, chosen.feed, like(chosen.file) if chosen.file else None, chosen.note)
    parts = "1 part" if released == 1 else f"{released:,} parts"
    print(f"{parts} released; the next run of {chosen.feed} loads {'it' if released == 1 else 'them'}")
    return 0


# -- arguments --------------------------------------------------------------------------------------------------------


def selection_of(chosen: argparse.Namespace) -> Selection:
    from sluice.dates import moment_of
    from sluice.records import Selection

    return Selection(
        code=chosen.code,
        file=chosen.file,
        since=moment_of(chosen.since, "--since"),
        until=moment_of(chosen.until, "--until"),
        run_id=chosen.run_id,
        entries=tuple(chosen.entry or ()),
    )


def _spell(selection: Selection) -> str:
    """What is selected, for a sentence; empty where it is everything."""
    from dataclasses import asdict

    given = {name: value for name, value in asdict(selection).items() if value}
    return f" with {', '.join(f'{name} {value}' for name, value in given.items())}" if given else ""


def declare_show(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument(
        "--state", choices=STATES, help="entries in this state; by default those open and held, with --entry any"
    )
    parser.add_argument("--raw", action="store_true", help="show values and bytes, too")
    parser.add_argument("--json", action="store_true", help="print the entries as JSON, with values and bytes")
    parser.add_argument("--limit", type=int, default=SHOWN, help=f"how many entries to show; {SHOWN} by default")


def declare_replay(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument("--dry-run", action="store_true", help="try and count, but leave everything as it is")


def declare_dismiss(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument("--note", required=True, help="why nobody needs to replay them")


def declare_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of the feed")
    parser.add_argument("--file", help="only these files: a part of their URI, or a pattern with * and ?")
    parser.add_argument("--note", required=True, help="why they may pass")


def declare_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of the feed")
    parser.add_argument("--code", choices=sorted(REJECT_CODES), metavar="CODE", help="entries that have this reason")
    parser.add_argument("--file", help="entries of these files: a part of their URI, or a pattern with * and ?")
    parser.add_argument("--since", help="entries made since this day or moment (UTC), such as 2026-03-31T06:00")
    parser.add_argument("--until", help="entries made before this day or moment")
    parser.add_argument("--run", type=int, dest="run_id", metavar="RUN", help="entries that this run rejected last")
    parser.add_argument("--entry", type=int, action="append", metavar="ID", help="this entry; may be repeated")
