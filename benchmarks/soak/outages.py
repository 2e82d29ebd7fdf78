"""Faults that strike everybody: the database is restarted or ends connections, the disk is full."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from benchmarks.soak.database import STOPS, Database
from benchmarks.soak.tasks import Ended

_TERMINATE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'sluice%' AND datname = current_database() ORDER BY random() LIMIT 1"""


class Outage:
    """Counts once where it broke a try: one that ran while it lasted, and failed of it."""

    kind = ""
    words: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._windows: list[tuple[float, float]] = []
        self._struck: set[int] = set()

    def turn(self, stages: Sequence[str]) -> None:
        """Called again and again, with the stages whose tasks are running."""

    def disconnect(self) -> None:
        """Called where a connection is to be ended."""

    def explains(self, started: float, ended: Ended) -> bool:
        """Whether a try that began at ``started`` and has failed just now did so because of this."""
        if not ended.is_transient or not any(word in ended.error for word in self.words):
            return False
        hit = [number for number, (_, end) in enumerate(self._windows) if end >= started]
        self._struck.update(hit[-1:])
        return bool(hit)

    def end(self, tally: object) -> None:
        for number in sorted(self._struck):
            tally.strike(self.kind, f"after {self._windows[number][0]:.1f} s")  # type: ignore[attr-defined]
        self._windows, self._struck = [], set()


class Restart(Outage):
    """PostgreSQL is stopped and started again, ``how`` as of ``database.STOPS``, while a task of ``stage`` runs."""

    words = ("WarehouseUnavailable", "OperationalError", "WorkFilesUnavailable")

    def __init__(self, database: Database, how: str, stage: str, delay: float) -> None:
        super().__init__()
        self.kind = f"postgres {how}"
        self._database, self._how, self._stage, self._delay = database, how, stage, delay
        self._due: float | None = None
        self._is_done = False

    def turn(self, stages: Sequence[str]) -> None:
        now = time.monotonic()
        if self._due is None and self._stage in stages:
            self._due = now + self._delay
        if self._is_done or self._due is None or now < self._due:
            return
        if self._stage not in stages:
            self._due = None  # too late: the next task of that stage, then
            return
        self._is_done = True
        self._database.restart(self._how)
        self._windows.append((now, time.monotonic()))


class Disconnects(Outage):
    """Connections are ended one by one, whoever has them."""

    kind = "disconnect at random"
    words = ("WarehouseUnavailable", "OperationalError")

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self._dsn = dsn

    def disconnect(self) -> None:
        now = time.monotonic()
        with suppress(psycopg.OperationalError), psycopg.connect(self._dsn, autocommit=True) as connection:
            if connection.execute(_TERMINATE).fetchone():
                self._windows.append((now, time.monotonic()))


class FullDisk(Outage):
    """The work folder's disk is filled to its last bytes for a while, as soon as a task of ``stage`` runs."""

    kind = "disk full, really"
    words = ("No space left",)

    def __init__(self, disk: Path, stage: str, lasts: float) -> None:
        super().__init__()
        self._ballast, self._stage, self._lasts = disk / "ballast", stage, lasts
        self._full_since: float | None = None

    def turn(self, stages: Sequence[str]) -> None:
        now = time.monotonic()
        if self._full_since is None and not self._windows and self._stage in stages:
            self._full_since = now
            _fill(self._ballast)
        elif self._full_since is not None and now > self._full_since + self._lasts:
            self._empty()

    def _empty(self) -> None:
        if self._full_since is not None:
            self._ballast.unlink()
            self._windows.append((self._full_since, time.monotonic()))
            self._full_since = None

    def explains(self, started: float, ended: Ended) -> bool:
        if self._full_since is not None:
            self._windows.append((self._full_since, float("inf")))
            found = super().explains(started, ended)
            self._windows.pop()
            if found:
                self._struck.add(len(self._windows))
            return found
        return super().explains(started, ended)

    def end(self, tally: object) -> None:
        self._empty()
        super().end(tally)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def mount_small_disk(folder: Path, megabytes: int) -> bool:
    """Make ``folder`` a small disk of its own; False where this user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def plan_outages(
    pick: random.Random, database: Database, dsn: str, disk: Path | None, seconds: Mapping[str, float], has_all: bool
) -> list[Outage]:
    """The outages of a round: some, or ``has_all`` kinds of them. ``seconds`` says how long a stage takes."""
    outages: list[Outage] = [Disconnects(dsn)]
    for how in STOPS:
        if has_all or pick.random() < 0.2:
            stage = "load" if has_all else pick.choice(("load", "load", "load", "fetch", "split", "reconcile"))
            outages.append(Restart(database, how, stage, pick.random() * seconds[stage] / 2))
    if disk is not None and (has_all or pick.random() < 0.35):
        stage = pick.choice(("split", "parse", "parse", "validate"))
        outages.append(FullDisk(disk, stage, max(0.2, seconds[stage])))
    return outages
