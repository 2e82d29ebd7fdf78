"""Processes of the stack: started in sessions of their own, found again by pid file, ended with all their children.

A pid alone proves nothing, since systems reuse pids. A record also holds the start time, and a process left over by a
dead leader must belong to the leader's session and sit in the stack's folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from sluice.stack.home import Home, StackError, write_private

POLL_SECONDS = 0.1
# start times are derived from the wall clock, which may have been adjusted in between
START_TOLERANCE_SECONDS = 2.0
TAIL_LINES = 25
KILLED_SECONDS = 10
LARGE_LOG_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """A program that runs until it is stopped. ``account`` is the user to run as, None for the present one."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    account: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Record:
    """What a pid file holds. ``started_at`` in seconds since 1970, as the operating system says."""

    pid: int
    started_at: float

    def leader(self) -> psutil.Process | None:
        """The process itself, None if it is gone or another process has its pid now."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_at) <= START_TOLERANCE_SECONDS and is_alive(process):
                return process
        return None


def start(home: Home, service: Service) -> None:
    """Start a service in a session of its own, its output appended to its log."""
    _make_room(log_path(home, service.name))
    with log_path(home, service.name).open("ab") as log:
        child = subprocess.Popen(
            service.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # another user may not be able to enter the folder
            cwd="/" if service.account else home.run,
            env=dict(service.env),
            start_new_session=True,
            **as_account(service.account),
        )
    with contextlib.suppress(psutil.NoSuchProcess):
        record = Record(child.pid, psutil.Process(child.pid).create_time())
        write_private(_pid_path(home, service.name), json.dumps(asdict(record)))


def as_account(account: str | None) -> dict[str, Any]:
    """Arguments of ``subprocess`` that run a program as another user, without the groups of the present one."""
    return {"user": account, "group": _group_of(account), "extra_groups": []} if account else {}


def is_running(home: Home, name: str) -> bool:
    record = _read_record(home, name)
    return record is not None and record.leader() is not None


def stop(home: Home, services: Iterable[tuple[str, signal.Signals]], grace_seconds: float) -> list[str]:
    """End the named services together with all their children; the names of those that were running.

    Each is asked first, and what is still there after ``grace_seconds`` is killed.
    """
    records = {name: (record, ask) for name, ask in services if (record := _read_record(home, name))}
    leaders = {name: leader for name, (record, _) in records.items() if (leader := record.leader())}
    members = [process for record, _ in records.values() for process in _members(home, record)]
    for name, leader in leaders.items():
        _send(leader, records[name][1])
    wait_for_end(leaders.values(), grace_seconds)
    left = {process for process in members if is_alive(process)}
    left |= {process for record, _ in records.values() for process in _members(home, record)}
    for process in left:
        _send(process, signal.SIGKILL)
    wait_for_end(left, KILLED_SECONDS)
    for name in records:
        _pid_path(home, name).unlink(missing_ok=True)
    return [name for name in records if name in leaders]


def wait_until(home: Home, condition: Callable[[], bool], needs: Sequence[str], what: str, seconds: float) -> None:
    """Wait for ``condition`` while the services that it ``needs`` live; StackError with their log if it cannot come."""
    deadline = time.monotonic() + seconds
    while not condition():
        for name in needs:
            if not is_running(home, name):
                raise StackError(f"{name} stopped while {what} was awaited. The end of its log:\n{tail(home, name)}")
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {log_path(home, name)}\n{tail(home, name)}" for name in needs)
            raise StackError(f"{what} did not come within {seconds:.0f} seconds.\n{logs}")
        time.sleep(POLL_SECONDS)


def log_path(home: Home, name: str) -> Path:
    return home.logs / f"{name}.log"


def tail(home: Home, name: str) -> str:
    """The last lines of a service's log, indented, and where the whole log is."""
    path = log_path(home, name)
    lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:] if path.exists() else []
    return "\n".join(f"    {line}" for line in [*lines, f"(whole log: {path})"])


def _make_room(log: Path) -> None:
    """A log that has grown large becomes the one log of the past that is kept."""
    if log.exists() and log.stat().st_size > LARGE_LOG_BYTES:
        log.replace(log.with_suffix(".log.old"))


def _pid_path(home: Home, name: str) -> Path:
    return home.pids / f"{name}.json"


def _read_record(home: Home, name: str) -> Record | None:
    # a crash of the machine may have left an empty or broken file: then nothing of it can still run
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Record(**json.loads(_pid_path(home, name).read_text()))
    return None


def _members(home: Home, record: Record) -> Iterator[psutil.Process]:
    """The leader, everything below it, and everything else in its session."""
    leader = record.leader()
    if leader is not None:
        yield leader
        with contextlib.suppress(psutil.Error):
            yield from leader.children(recursive=True)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == record.pid and (leader is not None or _sits_in(process, home)):
                yield process


def _sits_in(process: psutil.Process, home: Home) -> bool:
    return process.pid != os.getpid() and Path(process.cwd()).is_relative_to(home.root)


def wait_for_end(processes: Collection[psutil.Process], seconds: float) -> None:
    """Wait until all have ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 2)


def is_alive(process: psutil.Process) -> bool:
    """Not alive is also what has ended and waits for its parent to notice, which takes seconds in some containers."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _send(process: psutil.Process, what: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(what)


def _group_of(account: str) -> int:
    import pwd

    return pwd.getpwnam(account).pw_gid
