"""The subcommands about the quarantine: look into it, replay it, dismiss entries, release what is held."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sluice.cli.entries import SHOWN, as_json, describe, describe_hold, print_some, printable, spell_ids, spell_records
from sluice.cli.warehouse import open_warehouse, tools_of
from sluice.errors import REJECT_CODES, PermanentError
from sluice.wording import counted

if TYPE_CHECKING:
    import psycopg

    from sluice.records import Selection
    from sluice.stages.reconcile import RunSummary

STATES = ("open", "held", "replayed", "dismissed")


# -- looking ----------------------------------------------------------------------------------------------------------


def show(chosen: argparse.Namespace) -> int:
    """Print the entries of a feed's quarantine: how many of each code, then the newest, then what is held."""
    from sluice import holds, quarantine

    feed, selection = chosen.feed, selection_of(chosen)
    states = [chosen.state] if chosen.state else STATES if chosen.entry else ["open", "held"]
    with open_warehouse(feed) as connection:
        counts = quarantine.count_by_code(connection, feed, selection, states)
        entries = quarantine.list_entries(connection, feed, selection, states, chosen.limit)
        held = holds.list_holds(connection, feed, selection) if "held" in states else []
    if chosen.json:
        print(json.dumps([as_json(entry) for entry in entries], indent=2))
        return 0
    if not counts and not held:
        print(f"nothing of {feed} is in the quarantine{_spell(selection, ' with ')}")
        return 0
    for code, number, records, _ in counts:
        print(f"{number:>9,}  {code:<20} {REJECT_CODES.get(code, '')} ({spell_records(records)})")
    for entry in entries:
        print("\n" + "\n".join(map(printable, describe(entry, chosen.raw))))
    hidden = sum(number for _, number, _, _ in counts) - len(entries)
    if hidden:
        print(f"\n… and {hidden:,} older ones (--limit)")
    print_some((describe_hold(hold, feed) for hold in held), len(held), chosen.limit, "\n")
    return 0


# -- acting -----------------------------------------------------------------------------------------------------------


def replay(chosen: argparse.Namespace) -> int:
    """Run a replay in this process."""
    from dataclasses import replace

    from sluice.dates import DagRunFacts, replay_request
    from sluice.pipeline import run_feed

    selection = selection_of(chosen)
    with open_warehouse(chosen.feed) as connection:
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
        print(f"{told} would pass ({records}){spell_ids(passed)}{elsewhere}")
        if stays:
            print(f"{len(stays):,} would stay{spell_ids(stays)}")
        return
    see = f"sluice quarantine {summary.feed} --run {summary.run_id}"
    if stays:
        left = f"; {counted(len(stays), 'stays', 'stay')}: {see}"
    else:
        left = f"; of their records {summary.totals.quarantined:,} did not: {see}" if summary.totals.quarantined else ""
    print(f"{told} passed ({records}){left}{elsewhere}")


def dismiss(chosen: argparse.Namespace) -> int:
    """Close entries with a note."""
    from sluice import quarantine

    selection = selection_of(chosen)
    if not _spell(selection):
        raise PermanentError("say which entries: --entry, --code, --file, --run, --since or --until")
    with open_warehouse(chosen.feed) as connection:
        _require_entries(connection, chosen.feed, selection, ["open"])
        entries = quarantine.list_entries(connection, chosen.feed, selection, ["open"], SHOWN)
        closed = quarantine.dismiss(connection, chosen.feed, selection, chosen.note)
    print(f"{counted(closed, 'entry', 'entries')} dismissed; what is dismissed still counts as quarantined")
    print_some((f"{next(iter(describe(entry, False)))}: {entry.code}" for entry in entries), closed, SHOWN)
    return 0


def release(chosen: argparse.Namespace) -> int:
    """Let what a gate or a refused run holds pass."""
    from sluice import holds, quarantine
    from sluice.records import Selection

    feed, selection = chosen.feed, Selection(file=chosen.file)
    with open_warehouse(feed) as connection:
        known = holds.list_holds(connection, feed, selection)
        held = [hold for hold in known if not hold.is_released]
        if not held:
            before = f" ({len(known):,} released before wait for the next run)" if known else ""
            raise PermanentError(f"nothing that is held of {feed} matches{_spell(selection, ' ')}{before}")
        released = holds.release(connection, feed, quarantine.like(chosen.file) if chosen.file else None, chosen.note)
    print(f"{counted(released, 'part')} released")
    again, new = [hold for hold in held if hold.was_loaded], [hold for hold in held if not hold.was_loaded]
    if new:
        print(f"the next run of {feed} without a date or pattern of its own loads:")
        print_some((hold.name for hold in new), len(new), SHOWN)
    if again:
        print("loaded before, so not the next run takes it, but one of its date with *Load again* (--reload):")
        print_some((hold.name for hold in again), len(again), SHOWN)
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
