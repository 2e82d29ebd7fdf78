"""The ``sluice`` command. Each subcommand is one entry of ``COMMANDS``; its imports wait until it is called."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sluice
from sluice.cli import diff, docs, draft, feed, preview, quarantine, status, warehouse
from sluice.errors import PermanentError, SluiceError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: ``declare`` adds its arguments, ``run`` does it and returns the exit code.

    With ``hands_on`` it gets all that follows its name, options too, as ``arguments``.
    """

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    declare: Callable[[argparse.ArgumentParser], object] = lambda parser: None
    hands_on: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Exit codes: 0 done, 1 a problem that the last line explains, 2 wrong usage."""
    chosen = _choose(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(chosen.run(chosen))
    except SluiceError as error:
        print(f"sluice {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _choose(arguments: Sequence[str]) -> argparse.Namespace:
    for command in COMMANDS:
        if command.hands_on and arguments[:1] == [command.name]:
            return argparse.Namespace(command=command.name, run=command.run, arguments=arguments[1:])
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sluice", description=sluice.__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.declare(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _up(_: argparse.Namespace) -> int:
    from sluice.stack.home import Home
    from sluice.stack.running import up

    print(up(Home.find(), print).addresses())
    return 0


def _down(chosen: argparse.Namespace) -> int:
    from sluice.stack.home import Home
    from sluice.stack.running import down

    down(Home.find(), print, remove_data=chosen.remove_data)
    return 0


def _demo(_: argparse.Namespace) -> int:
    from sluice.demo import demo
    from sluice.stack.home import Home

    return demo(Home.find())


def _drop(chosen: argparse.Namespace) -> int:
    from sluice.stack.home import Home
    from sluice.stack.running import drop

    drop(Home.find(), chosen.feed, chosen.files, _day(chosen.date), print)
    return 0


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise PermanentError(f"the date must be a day such as 2026-03-31, not {text!r}") from error


def _airflow(chosen: argparse.Namespace) -> int:
    from sluice.stack.components import airflow_command
    from sluice.stack.home import Home
    from sluice.stack.running import Stack

    return _become(airflow_command(*chosen.arguments), Stack.running(Home.find()).airflow.env())


def _psql(chosen: argparse.Namespace) -> int:
    from sluice.stack.home import Home
    from sluice.stack.postgres import installed_programs
    from sluice.stack.running import Stack

    env = Stack.running(Home.find()).psql_env()
    return _become([str(installed_programs() / "psql"), *chosen.arguments], {**os.environ, **env})


def _run(chosen: argparse.Namespace) -> int:
    from sluice.dates import DagRunFacts, run_request
    from sluice.pipeline import run_feed

    tools = warehouse.tools_of(chosen.feed)
    now = dt.datetime.now(dt.UTC)
    form = {"date": chosen.date, "uri": chosen.uri, "reload": chosen.reload, "dry_run": chosen.dry_run}
    run_feed(tools, run_request(tools.feed, DagRunFacts(f"cli__{now.isoformat()}", "manual", now), form), print)
    return 0


def _become(command: list[str], env: dict[str, str]) -> int:
    """Replace this process by another program, so that its keys, colours and exit code are its own."""
    sys.stdout.flush()
    os.execvpe(command[0], command, env)  # noqa: S606  (no shell is wanted)


def _declare_down(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--remove-data", action="store_true", help="also remove the databases, the landing bucket and the logs"
    )


def _declare_drop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", help="the feed that is to find the files in the landing bucket")
    parser.add_argument("--date", help="the day (YYYY-MM-DD) that they are of; today by default")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def _declare_run(parser: argparse.ArgumentParser) -> None:
    from sluice.dates import RELOAD_CHOICES

    feed.declare_feed(parser)
    parser.add_argument("--date", help="take the files of this day (YYYY-MM-DD)")
    parser.add_argument("--uri", help="take the files of this pattern instead of the feed's own")
    parser.add_argument(
        "--reload", choices=RELOAD_CHOICES, default="no", help="what to do with files that were loaded before"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read, check and count, but leave the tables as they are"
    )


COMMANDS: tuple[Command, ...] = (
    Command("up", "Start PostgreSQL, the AWS emulator and Airflow on this machine", _up),
    Command("down", "Stop what `up` or `demo` started; keeps the data", _down, _declare_down),
    Command("demo", "Start everything, run the sample feeds, show what was loaded; leaves it running", _demo),
    Command("drop", "Put files into the landing bucket, where their feed looks for them", _drop, _declare_drop),
    Command("draft", "Draft a feed from samples, an XSD, or both", draft.draft, draft.declare),
    Command(
        "check",
        "Check feeds: the feed file by itself, and what a run would make of samples",
        feed.check,
        feed.declare_check,
    ),
    Command(
        "preview",
        "Show what files would become: rows, rejects, where a path goes",
        preview.show,
        preview.declare,
    ),
    Command("ddl", "Print the SQL that makes the tables of a feed", feed.ddl, feed.declare_feed),
    Command("schema", "Print the JSON Schema of feed.yaml, for editors", feed.schema, feed.declare_schema),
    Command("diff", "Say what a changed feed file does to tables and to what is loaded", diff.show, diff.declare),
    Command("docs", "Write the documentation of feeds, as Markdown or HTML", docs.show, docs.declare),
    Command("run", "Run a feed here, without Airflow: fetch to reconcile in one process", _run, _declare_run),
    Command(
        "quarantine",
        "Show what a feed has in the quarantine, and why",
        quarantine.show,
        quarantine.declare_show,
    ),
    Command(
        "replay",
        "Try quarantined records and files again, under the present mapping",
        quarantine.replay,
        quarantine.declare_replay,
    ),
    Command(
        "dismiss",
        "Close entries of the quarantine that nobody needs to replay",
        quarantine.dismiss,
        quarantine.declare_dismiss,
    ),
    Command(
        "release",
        "Let the next run load what a gate or a refused run holds",
        quarantine.release,
        quarantine.declare_release,
    ),
    Command("status", "Show feeds, what waits and what is kept out, last runs", status.show, status.declare),
    Command("airflow", "Run Airflow's own command line against the running stack", _airflow, hands_on=True),
    Command("psql", "Open the warehouse of the running stack with psql", _psql, hands_on=True),
)
