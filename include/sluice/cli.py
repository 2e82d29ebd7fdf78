"""The ``sluice`` command. Each subcommand is one entry of ``COMMANDS``; its imports wait until it is called."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sluice
from sluice.errors import SluiceError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: ``declare`` adds its arguments, ``run`` does it and returns the exit code."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    declare: Callable[[argparse.ArgumentParser], object] = lambda parser: None


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Exit codes: 0 done, 1 a problem that the last line explains, 2 wrong usage."""
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except SluiceError as error:
        print(f"sluice {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


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

    drop(Home.find(), chosen.feed, chosen.files, print)
    return 0


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


def _become(command: list[str], env: dict[str, str]) -> int:
    """Replace this process by another program, so that its keys, colours and exit code are its own."""
    sys.stdout.flush()
    os.execvpe(command[0], command, env)  # noqa: S606  (no shell is wanted)


def _declare_down(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--remove-data", action="store_true", help="also remove the databases, the landing bucket and the logs"
    )


def _declare_drop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", help="the feed whose folder of the landing bucket takes the files")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")


def _declare_rest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed on as they are")


COMMANDS: tuple[Command, ...] = (
    Command("up", "Start PostgreSQL, the AWS emulator and Airflow on this machine", _up),
    Command("down", "Stop what `up` or `demo` started; keeps the data", _down, _declare_down),
    Command("demo", "Start everything, run the sample feeds, show what was loaded; leaves it running", _demo),
    Command("drop", "Put files into a feed's landing bucket", _drop, _declare_drop),
    Command("airflow", "Run Airflow's own command line against the running stack", _airflow, _declare_rest),
    Command("psql", "Open the warehouse of the running stack with psql", _psql, _declare_rest),
)

if __name__ == "__main__":
    sys.exit(main())
