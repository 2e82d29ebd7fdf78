"""The subcommands about the quarantine: look into it, replay it, dismiss entries, release what is held."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sluice.errors import REJECT_CODES, PermanentError
from sluice.wording import counted

if TYPE_CHECKING:
    import psycopg

    from sluice.quarantine import Entry, Hold
    from sluice.records import Selection
    from sluice.stages.reconcile import RunSummary
    from sluice.tools import Tools

STATES = ("open", "held", "replayed", "dismissed")
RAW_SHOWN = 2000
SHOWN = 20
MINUTE = "%Y-%m-%d %H:%M"


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
    """Print the entries of a feed's quarantine: how many of each code, then the newest, then what is held."""
    from sluice import quarantine

    feed, selection = chosen.feed, selection_of(chosen)
    states = [chosen.state] if chosen.state else STATES if chosen.entry else ["open", "held"]
    with _warehouse(feed) as connection:
        counts = quarantine.count_by_code(connection, feed, selection, states)
        entries = quarantine.list_entries(connection, feed, selection, states, chosen.limit)
        holds = quarantine.list_holds(connection, feed, selection) if "held" in states else []
    if chosen.json:
        print(json.dumps([_plain(entry) for entry in entries], indent=2))
        return 0
    if not counts and not holds:
        print(f"nothing of {feed} is in the quarantine{_spell(selection, ' with ')}")
        return 0
    for code, number, records, _ in counts:
        print(f"{number:>9,}  {code:<20} {REJECT_CODES.get(code, '')} ({_records(records)})")
    for entry in entries:
        print("\n" + "\n".join(map(_printable, _describe(entry, chosen.raw))))
    hidden = sum(number for _, number, _, _ in counts) - len(entries)
    if hidden:
        print(f"\n… and {hidden:,} older ones (--limit)")
    _print_some((_describe_hold(hold, feed) for hold in holds), len(holds), chosen.limit, "\n")
    return 0


def _print_some(lines: Iterable[str], total: int, limit: int, before: str = "    ") -> None:
    for _, line in zip(range(limit), lines, strict=False):
        print(f"{before}{_printable(line)}")
    if total > limit:
        print(f"{before}… and {total - limit:,} more")


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
    what = f"record {entry.ordinal:,}" if entry.ordinal else f"all of it ({_records(entry.records)})"
    line = f", line {entry.line:,}" if entry.line else ""
    place = f", bytes {entry.start_byte:,} to {entry.end_byte:,}" if entry.ordinal and entry.end_byte else ""
    yield f"{entry.entry_id}  {entry.name}: {what}{line}{place}"
    yield f"    {_spell_state(entry)}, mapping {entry.generation}"
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
    elif with_raw:
        kept = (
            "the retention has cleared its bytes away" if entry.ordinal else "of what is rejected whole nothing is kept"
        )
        yield f"    ({kept}: look into the file)"


def _printable(text: str) -> str:
    """``text`` with its control characters spelled out: what a sender has written must not command the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _spell_state(entry: Entry) -> str:
    if entry.closed_at is None or entry.state in ("open", "held"):
        return f"{entry.state} since {entry.created_at:{MINUTE}}, run {entry.run_id}"
    same_day = entry.closed_at.date() == entry.created_at.date()
    rejected = f"{entry.created_at:%H:%M}" if same_day else f"{entry.created_at:{MINUTE}}"
    return f"{entry.state} {entry.closed_at:{MINUTE}}; rejected {rejected} by run {entry.run_id}"


def _records(number: int) -> str:
    """A file that could not be read may have no records counted."""
    return counted(number, "record") if number else "records not counted"


def _describe_hold(hold: Hold, feed: str) -> str:
    if hold.is_released:
        state = f"released, the next {'re-load' if hold.was_loaded else 'run'} of {feed} loads it; held"
    else:
        state = "re-load held, the rows of the load before stand;" if hold.was_loaded else "held"
    since = f"{state} since {hold.held_at:{MINUTE}}, run {hold.run_id}"
    return f"{since}: {hold.name} ({counted(hold.found, 'record')}): {hold.reason}"


def _plain(entry: Entry) -> dict[str, Any]:
    from dataclasses import asdict

    raw = None if entry.raw is None else entry.raw.decode(errors="replace")
    closed_at = entry.closed_at and entry.closed_at.isoformat()
    return {**asdict(entry), "raw": raw, "created_at": entry.created_at.isoformat(), "closed_at": closed_at}


# -- acting -----------------------------------------------------------------------------------------------------------


def replay(chosen: argparse.Namespace) -> int:
    """Run a replay in this process."""
    from dataclasses import replace

    from sluice.dates import DagRunFacts, replay_request
    from sluice.pipeline import run_feed

    selection = selection_of(chosen)
    with _warehouse(chosen.feed) as connection:
        # A dismissed entry that is named is opened again, but a dry run leaves everything as it is.
        states = ["open", "dismissed"] if chosen.entry and not chosen.dry_run else ["open"]
        _require_entries(connection, chosen.feed, selection, states)
    tools = tools_of(chosen.feed)
    now = dt.datetime.now(dt.UTC)
    facts = DagRunFacts(f"cli__replay__{now.isoformat()}", "manual", now)
    request = replay_request(tools.feed, facts, {"dry_run": chosen.dry_run})
    _print_outcomes(run_feed(tools, replace(request, selection=selection), print))
    return 0


def _require_entries(connection: psycopg.Connection, feed: str, selection: Selection, states: Sequence[str]) -> None:
    """Raises ``PermanentError`` where the selection has no entry in one of these states."""
    from sluice import quarantine

    if quarantine.count_by_code(connection, feed, selection, states):
        return
    others = {entry.state for entry in quarantine.list_entries(connection, feed, selection, STATES, SHOWN)}
    known = f" (what fits is {' or '.join(sorted(others))})" if others else ""
    raise PermanentError(f"nothing open in the quarantine of {feed} matches{_spell(selection, ' ')}{known}")


def _print_outcomes(summary: RunSummary) -> None:
    """What came of the entries, not of their records: that is what waits, or no longer."""
    passed = [entry for entry, outcome in summary.outcomes.items() if outcome == "loaded"]
    closed = [entry for entry, outcome in summary.outcomes.items() if outcome == "closed"]
    stays = [entry for entry, outcome in summary.outcomes.items() if outcome not in ("loaded", "closed")]
    told = f"{len(passed):,} of {counted(len(summary.outcomes), 'entry', 'entries')}"
    records = counted(summary.totals.loaded, "record")
    elsewhere = f"; {len(closed):,} had been dealt with meanwhile" if closed else ""
    if summary.dry_run:
        print(f"{told} would pass ({records}){_ids(passed)}{elsewhere}")
        if stays:
            print(f"{len(stays):,} would stay{_ids(stays)}")
        return
    see = f"sluice quarantine {summary.feed} --run {summary.run_id}"
    if stays:
        left = f"; {counted(len(stays), 'stays', 'stay')}: {see}"
    else:
        left = f"; of their records {summary.totals.quarantined:,} did not: {see}" if summary.totals.quarantined else ""
    print(f"{told} passed ({records}){left}{elsewhere}")


def _ids(entries: Sequence[int]) -> str:
    shown = ", ".join(map(str, entries[:SHOWN]))
    more = f" and {len(entries) - SHOWN:,} more" if len(entries) > SHOWN else ""
    return f": {shown}{more}" if shown else ""


def dismiss(chosen: argparse.Namespace) -> int:
    """Close entries with a note."""
    from sluice import quarantine

    selection = selection_of(chosen)
    if not _spell(selection):
        raise PermanentError("say which entries: --entry, --code, --file, --run, --since or --until")
    with _warehouse(chosen.feed) as connection:
        _require_entries(connection, chosen.feed, selection, ["open"])
        entries = quarantine.list_entries(connection, chosen.feed, selection, ["open"], SHOWN)
        closed = quarantine.dismiss(connection, chosen.feed, selection, chosen.note)
    print(f"{counted(closed, 'entry', 'entries')} dismissed; what is dismissed still counts as quarantined")
    _print_some((f"{next(iter(_describe(entry, False)))}: {entry.code}" for entry in entries), closed, SHOWN)
    return 0


def release(chosen: argparse.Namespace) -> int:
    """Let what a gate or a refused run holds pass."""
    from sluice import ledger, quarantine
    from sluice.records import Selection

    feed, selection = chosen.feed, Selection(file=chosen.file)
    with _warehouse(feed) as connection:
        holds = quarantine.list_holds(connection, feed, selection)
        held = [hold for hold in holds if not hold.is_released]
        if not held:
            known = f" ({len(holds):,} released before wait for the next run)" if holds else ""
            raise PermanentError(f"nothing that is held of {feed} matches{_spell(selection, ' ')}{known}")
        released = ledger.release(connection, feed, quarantine.like(chosen.file) if chosen.file else None, chosen.note)
    print(f"{counted(released, 'part')} released")
    again, new = [hold for hold in held if hold.was_loaded], [hold for hold in held if not hold.was_loaded]
    if new:
        print(f"the next run of {feed} without a date or pattern of its own loads:")
        _print_some((hold.name for hold in new), len(new), SHOWN)
    if again:
        print("loaded before, so not the next run takes it, but one of its date with *Load again* (--reload):")
        _print_some((hold.name for hold in again), len(again), SHOWN)
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


def _spell(selection: Selection, before: str = "") -> str:
    """What is selected, as the options that a person gave; empty where it is everything."""
    given = [(option, getattr(selection, name)) for option, name in _OPTIONS.items()]
    words = [f"{option} {value}" for option, value in given if value]
    words += [f"--entry {entry}" for entry in selection.entries]
    return before + " ".join(words) if words else ""


_OPTIONS = {"--code": "code", "--file": "file", "--since": "since", "--until": "until", "--run": "run_id"}


class _Once(argparse.Action):
    """An option that may be given once: a second one would take the first one's place without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given = namespace.__dict__.setdefault("given", set())
        if self.dest in given:
            parser.error(f"{option} may be given once only")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


def _note(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say something: it is all that will be known of it later")
    return text.strip()


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return int(text)


def declare_show(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument(
        "--state",
        action=_Once,
        choices=STATES,
        help="entries in this state; by default those open and held, with --entry any",
    )
    parser.add_argument(
        "--raw", action="store_true", help="show values and bytes, too; of whole files no bytes are kept"
    )
    parser.add_argument("--json", action="store_true", help="print the entries as JSON, with values and bytes")
    parser.add_argument("--limit", type=_limit, default=SHOWN, help=f"how many entries to show; {SHOWN} by default")


def declare_replay(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument("--dry-run", action="store_true", help="try and count, but leave everything as it is")


def declare_dismiss(parser: argparse.ArgumentParser) -> None:
    declare_selection(parser)
    parser.add_argument("--note", action=_Once, type=_note, required=True, help="why nobody needs to replay them")


def declare_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of the feed")
    parser.add_argument("--file", action=_Once, help=f"only these files: {PATTERN}")
    parser.add_argument("--note", action=_Once, type=_note, required=True, help="why they may pass")


PATTERN = "a part of their name (URI, or URI!member), or a pattern with * and ? for all of it, such as */amount*"


def declare_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", metavar="FEED", help="name of the feed")
    parser.add_argument(
        "--code", action=_Once, choices=sorted(REJECT_CODES), metavar="CODE", help="entries that have this reason"
    )
    parser.add_argument("--file", action=_Once, help=f"entries of these files: {PATTERN}")
    parser.add_argument(
        "--since", action=_Once, help="entries made since this day or moment (UTC), such as 2026-03-31T06:00"
    )
    parser.add_argument("--until", action=_Once, help="entries made before this day or moment")
    parser.add_argument(
        "--run", action=_Once, type=int, dest="run_id", metavar="RUN", help="entries that this run rejected last"
    )
    parser.add_argument("--entry", type=int, action="append", metavar="ID", help="this entry; may be repeated")
