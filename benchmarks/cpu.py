"""What work costs: CPU of this process and of a PostgreSQL server, and the peak of memory.

Needs nothing but Python and /proc, since the peers import it in environments of their own.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    """Seconds of CPU of this process, its threads and the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def tree_cpu(pid: int) -> float:
    """Seconds of CPU of a process and everything below it, also of what has ended and was waited for."""
    # utime, stime, and those of children that were waited for: a backend that ends is counted with the postmaster
    return sum(sum(map(int, fields[11:15])) for fields in _tree(pid).values()) / _TICKS


def _tree(pid: int) -> dict[int, list[str]]:
    """What /proc says of a process and everything below it: the fields of ``stat`` from the state on."""
    all_of_them = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found, wanted = {}, {pid}
    while wanted:
        found |= {each: all_of_them[each] for each in wanted if all_of_them.get(each)}
        wanted = {each for each, fields in all_of_them.items() if fields and int(fields[1]) in wanted}
    return found


def _stat(process: Path) -> list[str]:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree_peak_mb(pid: int) -> float:
    """The largest of the peaks of a process and everything below it."""
    return max(_peak_mb(Path(f"/proc/{each}/status")) for each in _tree(pid))


def peak_mb() -> float:
    """The most memory that this process had since it was started: unlike ru_maxrss, without its parent's."""
    return _peak_mb(Path("/proc/self/status"))


def _peak_mb(status: Path) -> float:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0) / 1024


@dataclass(slots=True)
class Cost:
    """Seconds: of CPU in this process, of CPU in the server, and by the clock."""

    client: float = 0.0
    server: float = 0.0
    wall: float = 0.0

    @property
    def cpu(self) -> float:
        return self.client + self.server

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.client + other.client, self.server + other.server, self.wall + other.wall)

    def as_dict(self) -> dict[str, float]:
        return {"client_cpu": self.client, "server_cpu": self.server, "cpu": self.cpu, "wall": self.wall}


@dataclass(slots=True)
class Meter:
    """Adds up the cost of each named step. ``server_pid`` is the postmaster's."""

    server_pid: int
    costs: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        client, server, wall = own_cpu(), tree_cpu(self.server_pid), time.perf_counter()
        yield
        spent = Cost(own_cpu() - client, tree_cpu(self.server_pid) - server, time.perf_counter() - wall)
        self.costs[name] = self.costs.get(name, Cost()) + spent

    def total(self) -> Cost:
        return sum(self.costs.values(), Cost())

    def as_dict(self) -> dict[str, dict[str, float]]:
        return {name: cost.as_dict() for name, cost in self.costs.items()}
