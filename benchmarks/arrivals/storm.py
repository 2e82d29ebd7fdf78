"""Thousands of announcements, some doubled, some malformed, while every process of Airflow is killed at random."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import psutil
import psycopg
from benchmarks.arrivals.ground import FEED, Ground, key_of, notification, parcel_file

from sluice.stack.emulator import BUCKET
from sluice.stack.processes import is_running, start, stop

COMPONENTS = ("triggerer", "scheduler", "api-server", "dag-processor")
PAUSE_SECONDS = (15, 45)
DOWN_SECONDS = (0, 3)
CALM_SECONDS = 300


def _of_s3(time: str, etag: str) -> str:
    """As S3 would say it, but for one thing; the key is left open."""
    written = {"bucket": {"name": BUCKET}, "object": {"key": "%d", "eTag": etag}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": time, "s3": written}
    return json.dumps({"Records": [record]})


STRANGE = (
    '{"order": %d}',
    "parcel %d has come",
    '{"Records": [{"eventSource": "aws:parcels", "number": %d}]}',
    _of_s3("0001-01-01T00:00:00+14:00", "e"),  # before the first moment of UTC
    _of_s3("2026-01-01T00:00:00Z", "\0"),  # no database keeps it
)


@dataclass(slots=True)
class Outcome:
    """What came of a storm; ``problems`` is empty where it went as it must."""

    files: int
    messages: int
    malformed: int
    seconds: float = 0
    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def storm(ground: Ground, files: int, seed: str, limit_seconds: float) -> Outcome:
    """Announce ``files`` files, a tenth of them twice and a hundredth as many malformed messages, and kill processes
    until all of them are loaded, or for ``limit_seconds``; what is not done then must be done in some minutes of calm.
    """
    pick = random.Random(seed)
    malformed = [pick.choice(STRANGE) % number for number in range(max(1, files // 100))]
    bodies = _put_files(ground, files)
    bodies += pick.sample(bodies, files // 10) + malformed
    pick.shuffle(bodies)
    outcome = Outcome(files, len(bodies), len(malformed))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ground.send, bodies)
        killer = _Killer(ground, pick, outcome.kills)
        while not (sending.done() and _is_done(ground, files)) and time.monotonic() - began < limit_seconds:
            killer.strike_when_due()
            time.sleep(0.2)
        sending.result()
    killer.mend()
    outcome.seconds = time.monotonic() - began
    calm_until = time.monotonic() + CALM_SECONDS
    while not _is_done(ground, files):
        if time.monotonic() > calm_until:
            outcome.problems.append(f"not done {CALM_SECONDS} s after the last kill")
            break
        time.sleep(0.5)
    _wait_for_the_last_runs(ground, limit_seconds)
    _check(ground, outcome, malformed)
    return outcome


def _put_files(ground: Ground, files: int) -> list[str]:
    """The files in the bucket; returns what S3 would say of each."""
    client = ground.client("s3")

    def put(number: int) -> str:
        content = parcel_file(number)
        client.put_object(Bucket=BUCKET, Key=key_of(number), Body=content)
        return notification(key_of(number), content)

    with ground.stack.emulator.silence(), ThreadPoolExecutor(8) as pool:
        return list(pool.map(put, range(files)))


class _Killer:
    """Kills one process at a time, and starts it again after a while where nobody else does."""

    def __init__(self, ground: Ground, pick: random.Random, kills: Counter[str]) -> None:
        self._ground, self._pick, self._kills = ground, pick, kills
        self._services = {service.name: service for service in ground.stack.airflow.services()}
        self._due = time.monotonic() + PAUSE_SECONDS[0]

    def strike_when_due(self) -> None:
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._pick.uniform(*PAUSE_SECONDS)
        self.mend()  # a triggerer ends with its child
        victim = self._pick.choice((*COMPONENTS, "worker", "worker", "trigger runner"))
        if victim in self._services:
            self._kill(self._leader(victim), victim)
            time.sleep(self._pick.uniform(*DOWN_SECONDS))
            self.mend()
        else:
            parent = "scheduler" if victim == "worker" else "triggerer"
            children = [one for one in self._leader(parent).children(recursive=True) if _is(victim, one)]
            if children:
                self._kill(self._pick.choice(children), victim)

    def mend(self) -> None:
        """Start what does not run, without what a dead one has left."""
        home = self._ground.stack.home
        for name, service in self._services.items():
            if not is_running(home, name):
                stop(home, [(name, signal.SIGTERM)], 0.5)
                start(home, service)

    def _kill(self, process: psutil.Process, name: str) -> None:
        with suppress(psutil.Error):
            process.kill()
            psutil.wait_procs([process], timeout=10)
            self._kills[name] += 1

    def _leader(self, name: str) -> psutil.Process:
        return psutil.Process(json.loads((self._ground.stack.home.pids / f"{name}.json").read_text())["pid"])


def _is(kind: str, process: psutil.Process) -> bool:
    """A worker that has a task, or the triggerer's child in which the triggers run.

    A worker that waits for a task is spared: it holds the lock of LocalExecutor's queue, and nobody else gets a task
    until the scheduler is started anew. (`multiprocessing.SimpleQueue`; so it is in Airflow 3.3.)
    """
    with suppress(psutil.Error):
        title = " ".join(process.cmdline())
        return ("airflow worker -- " in title and "<idle>" not in title) if kind == "worker" else bool(title)
    return False


def _is_done(ground: Ground, files: int) -> bool:
    with suppress(psycopg.Error):
        return ground.depth() == 0 and ground.query(_LOADED)[0][0] >= files
    return False


_LOADED = "SELECT count(DISTINCT file_id) FROM sluice.parts JOIN sluice.loads USING (part_id)"
_BOOKS = """
    SELECT (SELECT count(*) FROM sluice.files), (SELECT count(*) FROM sluice.loads),
        (SELECT count(DISTINCT part_id) FROM sluice.loads), (SELECT count(*) FROM parcels.parcels),
        (SELECT count(DISTINCT id) FROM parcels.parcels), (SELECT count(*) FROM sluice.quarantine),
        (SELECT count(*) FROM sluice.arrivals), (SELECT count(DISTINCT arrival_id) FROM sluice.taken_arrivals),
        (SELECT sum(inserted) FROM sluice.loads)"""


def _wait_for_the_last_runs(ground: Ground, seconds: float) -> None:
    """Nothing is cleared: what a run that failed by a kill has left, the next ones must have taken on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if all(run["state"] in ("success", "failed") for run in ground.stack.api.runs(FEED)):
                return
        time.sleep(1)


def _check(ground: Ground, outcome: Outcome, malformed: list[str]) -> None:
    (row,) = ground.query(_BOOKS)
    files, loads, parts, parcels, ids, quarantined, arrivals, taken, inserted = row
    expected = {
        "files known": (files, outcome.files),
        "loads": (loads, outcome.files),
        "parts": (parts, outcome.files),
        "rows": (parcels, 2 * outcome.files),
        "keys": (ids, 2 * outcome.files),
        "inserts counted": (inserted, 2 * outcome.files),
        "in quarantine": (quarantined, 0),
        "announcements in the inbox": (arrivals, outcome.files),
        "announcements taken": (taken, outcome.files),
    }
    outcome.problems += [
        f"{name}: {found}, not {wanted}" for name, (found, wanted) in expected.items() if found != wanted
    ]
    dead = ground.dead_letters()
    if Counter(dead) != Counter(malformed):
        outcome.problems.append(f"{len(dead)} dead letters, not the {len(malformed)} malformed messages")
    outcome.runs = ground.query("SELECT count(*) FROM sluice.runs")[0][0]
