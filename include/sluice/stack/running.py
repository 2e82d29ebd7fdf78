"""Starting and stopping the whole stack."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from rich.console import Console

from sluice.feed.loading import feed_names, load_feed
from sluice.stack import postgres
from sluice.stack.api import AirflowApi
from sluice.stack.components import AIRFLOW_COMPONENTS, METADATA, UI_USER, WAREHOUSE, Airflow, task_slots
from sluice.stack.dropping import how_to_load, landing_keys, today
from sluice.stack.emulator import BUCKET, Emulator
from sluice.stack.home import Home, Secrets, StackError, choose_port, read_port
from sluice.stack.processes import is_running, start, stop, wait_until

API = "api-server"
AIRFLOW_NAMES = tuple(AIRFLOW_COMPONENTS)
NAMES = ("postgres", "aws", *AIRFLOW_NAMES)
POOL = "warehouse"
# time for a component to end its own children; a running task is killed after it, and retried by the next start
GRACE_SECONDS = 8
POSTGRES_GRACE_SECONDS = 30
# for servers that have nothing to save, and would wait for clients that are gone
HURRIED_SECONDS = 0.5
START_SECONDS = 30
AIRFLOW_SECONDS = 180

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as it runs, or would run, on the ports that were last chosen."""

    home: Home
    secrets: Secrets

    @classmethod
    def of(cls, home: Home) -> Stack:
        home.prepare()
        return cls(home, Secrets.of(home))

    @classmethod
    def running(cls, home: Home) -> Stack:
        """The stack if it runs; StackError if not."""
        stack = cls.of(home)
        if not stack.is_up():
            raise StackError("the stack is not running; start it with `make up`")
        return stack

    @property
    def server(self) -> postgres.Server:
        folder = postgres.suitable_folder(self.home.root / "postgres")
        return postgres.Server(folder, read_port(self.home, "postgres"), self.secrets.postgres_password)

    @property
    def emulator(self) -> Emulator:
        return Emulator(read_port(self.home, "aws"), self.home.landing)

    @property
    def airflow(self) -> Airflow:
        return Airflow(self.home, self.secrets, self.server, self.emulator, read_port(self.home, "ui"))

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(self.airflow.url, UI_USER, self.secrets.ui_password)

    @property
    def warehouse_dsn(self) -> str:
        return self.server.dsn(WAREHOUSE)

    def psql_env(self) -> dict[str, str]:
        """What makes psql, pg_dump and the like open the warehouse."""
        return self.server.client_env(WAREHOUSE)

    def is_up(self) -> bool:
        return all(is_running(self.home, name) for name in NAMES)

    def addresses(self) -> str:
        """How to reach what runs, for a person to read."""
        return "\n".join(
            [
                f"Airflow    {self.airflow.url}   user {UI_USER}, password {self.secrets.ui_password}",
                f"Warehouse  {self.warehouse_dsn}",
                f"AWS        {self.emulator.url}   bucket s3://{BUCKET}",
            ]
        )


def up(home: Home, say: Say) -> Stack:
    """Start what is not running and wait until all of it works. StackError says which part failed, with its log."""
    with home.locked():
        stack = Stack.of(home)
        if stack.is_up():
            say("Everything is running already.")
            return stack
        # their settings hold the ports of what may be started anew here
        _stop_airflow(home)
        _timed("PostgreSQL", say, lambda: _start_postgres(stack))
        _timed("AWS emulator", say, lambda: _start_emulator(stack))
        _timed("Airflow database", say, stack.airflow.migrate)
        _timed("Airflow", say, lambda: _start_airflow(stack))
        return stack


def down(home: Home, say: Say, *, remove_data: bool = False) -> None:
    """End what this folder's stack started, and nothing else; then remove its data if asked to."""
    if not home.root.exists():
        say("Nothing was running.")
        return
    with home.locked():
        stack = Stack.of(home)
        ended = _stop_airflow(home)
        if is_running(home, "aws"):
            stack.emulator.save()
        ended += stop(home, [("aws", SIGTERM)], HURRIED_SECONDS)
        ended += stop(home, [("postgres", postgres.STOP_SIGNAL)], POSTGRES_GRACE_SECONDS)
        say(f"Stopped {', '.join(ended)}." if ended else "Nothing was running.")
        if remove_data:
            shutil.rmtree(stack.server.folder, ignore_errors=True)
            shutil.rmtree(home.root, ignore_errors=True)
            say(f"Removed {home.root}.")


def drop(home: Home, feed: str, files: Sequence[Path], date: dt.date | None, say: Say) -> None:
    """Put files into the landing bucket where the feed looks for those of ``date`` (by default today), and say how to
    load them. StackError for an unknown feed, a missing file, or one that the feed would not find.
    """
    known = feed_names(home.feeds)
    if feed not in known:
        raise StackError(f"no feed {feed!r} in include/feeds; there are {', '.join(known)}")
    if missing := [str(path) for path in files if not path.is_file()]:
        raise StackError(f"no file {', '.join(missing)}")
    declared = load_feed(home.feeds / feed)
    day = date or today(declared)
    keys = landing_keys(declared, [path.name for path in files], day)
    emulator = Stack.running(home).emulator
    for path, key in zip(files, keys, strict=True):
        note = "" if emulator.put(path, key) else " (was there already, with the same content)"
        say(f"{path} is now s3://{BUCKET}/{key}{note}")
    say(how_to_load(declared, day))


def _start_postgres(stack: Stack) -> None:
    home = stack.home
    if not is_running(home, "postgres"):
        # what is left of a server whose main process was killed ends now
        stop(home, [("postgres", postgres.STOP_SIGNAL)], POSTGRES_GRACE_SECONDS)
        choose_port(home, "postgres")
        stack.server.initialise()
        start(home, stack.server.service())
    server = stack.server
    wait_until(home, server.answers, ["postgres"], "an answer of PostgreSQL", START_SECONDS)
    for database in (METADATA, WAREHOUSE):
        server.create_database(database)


def _start_emulator(stack: Stack) -> None:
    home = stack.home
    if is_running(home, "aws"):
        return
    choose_port(home, "aws")
    start(home, stack.emulator.service(stack.airflow.env()))
    wait_until(home, stack.emulator.answers, ["aws"], "an answer of the AWS emulator", START_SECONDS)
    stack.emulator.restore()


def _start_airflow(stack: Stack) -> None:
    home = stack.home
    choose_port(home, "ui")
    began = dt.datetime.now(dt.UTC)
    for service in stack.airflow.services():
        start(home, service)
    api = stack.api
    wait_until(home, api.answers, [API], "an answer of Airflow's API", AIRFLOW_SECONDS)
    api.warm()
    wait_until(
        home, lambda: api.is_healthy_since(began), AIRFLOW_NAMES, "a sign of life of all of Airflow", AIRFLOW_SECONDS
    )
    api.ensure_pool(POOL, max(2, task_slots() // 2), "Loads into the warehouse at the same time")


def _stop_airflow(home: Home) -> list[str]:
    # the API last: tasks that end within the grace report their result to it
    ended = stop(home, [(name, SIGTERM) for name in AIRFLOW_NAMES if name != API], GRACE_SECONDS)
    return ended + stop(home, [(API, SIGTERM)], HURRIED_SECONDS)


def _timed(what: str, say: Say, work: Callable[[], None]) -> None:
    began = time.monotonic()
    # a spinner where a person looks on, nothing elsewhere
    with Console(stderr=True).status(f"{what} is starting"):
        work()
    say(f"{what} is ready ({time.monotonic() - began:.1f} s)")
