"""What every case works with: how much to measure, the data, a server, processes to measure in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.shapes import SHAPES, RecordFile
from benchmarks.shapes.invoices import write_invoices

from sluice.stack.postgres import Server
from sluice.stack.temporary import temporary_server

PROJECT = Path(__file__).parents[1]
SEED = 7
MB = 1_000_000
WARM_MB = 1
_WORKER_SECONDS = 4 * 3600

Runs = dict[str, list[dict[str, Any]]]
"""Who was measured, and what came of each turn."""


class Skipped(Exception):
    """A case cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much to measure. Sizes are in MB (10^6 bytes); ``repeat`` is for what takes seconds, ``few`` for the rest."""

    name: str
    repeat: int
    few: int
    parse_mb: int
    peers_mb: int
    load_mb: int
    tiny_files: int
    memory_mb: tuple[int, ...]
    growth_mb: tuple[int, ...]
    table_rows: tuple[int, ...]
    table_batch_mb: int
    scheduled_files: int


QUICK = Scale(
    "quick", repeat=1, few=1, parse_mb=20, peers_mb=10, load_mb=30, tiny_files=500, memory_mb=(10, 100),
    growth_mb=(1, 10, 50), table_rows=(100_000, 5_000_000), table_batch_mb=10, scheduled_files=500,
)  # fmt: skip
FULL = Scale(
    "full", repeat=5, few=5, parse_mb=100, peers_mb=100, load_mb=1000, tiny_files=10_000, memory_mb=(10, 1000),
    growth_mb=(10, 100, 1000), table_rows=(500_000, 5_000_000, 50_000_000), table_batch_mb=50, scheduled_files=10_000,
)  # fmt: skip
HUGE_MB = 20_000


@dataclass(frozen=True)
class Bench:
    """``folder`` keeps data and environments between runs."""

    scale: Scale
    folder: Path
    huge: bool = False
    say: Callable[[str], None] = print

    @cached_property
    def data(self) -> Path:
        return self.folder / "data"

    def record_file(self, shape: str, mb: int, **options: int) -> Path:
        """A file of that shape and size, made if it is not there yet. Options as of ``RecordFile.of_size``."""
        spelled = "".join(f"-{name}{value}" for name, value in options.items())
        path = self.data / shape / f"{mb}mb-seed{SEED}{spelled}.xml"
        if not path.exists():
            self.say(f"making {path.name} of {shape}")
            RecordFile.of_size(SHAPES[shape], mb * MB, seed=SEED, **options).write(path)
        return path

    def invoices(self, files: int) -> Path:
        """A folder of so many invoices, made if it is not there yet."""
        folder = self.data / "invoices" / f"{files}-seed{SEED}"
        stamp = folder / "complete"
        if not stamp.exists():
            self.say(f"making {files:,} invoices")
            write_invoices(folder, files, SEED)
            stamp.touch()
        return folder

    @contextmanager
    def server(self, autovacuum: str = "off") -> Iterator[BenchServer]:
        """A PostgreSQL server with the stack's settings, durable. Autovacuum would come at any moment and be counted
        with whoever is measured then.
        """
        with temporary_server({"autovacuum": autovacuum}) as server:
            yield BenchServer(server)

    def measure(self, worker: str, **arguments: Any) -> dict[str, Any]:
        """What ``worker`` (module.function of ``benchmarks.workers``) answers in a process of its own."""
        command = [sys.executable, "-m", "benchmarks.workers", worker, json.dumps(arguments)]
        return run_measuring(command)

    def measure_per_core(self, server: BenchServer, feed: str, uri: str, warm_uri: str) -> dict[str, Any]:
        """A run of ``uri`` with a process per core for its batches, as on a machine with as many slots."""
        return self.measure(
            "per_core.measure",
            feed=feed,
            uri=uri,
            warm_uri=warm_uri,
            warm_dsns=[server.fresh(f"warm{number}") for number in range(1 + (os.cpu_count() or 1))],
            dsn=server.fresh("load"),
            server_pid=server.pid,
        )

    def in_turns(self, turns: int, contestants: Mapping[str, Callable[[int], dict[str, Any]]]) -> Runs:
        """Measure all contestants in turn, so that a machine that becomes slower does so for all of them. Every other
        turn goes backwards.
        """
        runs: Runs = {name: [] for name in contestants}
        for turn in range(turns):
            names = list(contestants)
            for name in names if turn % 2 == 0 else reversed(names):
                result = contestants[name](turn)
                runs[name].append(result)
                self.say(f"  turn {turn + 1}, {name}: {_brief(result)}")
        return runs


@dataclass(frozen=True)
class BenchServer:
    server: Server

    @cached_property
    def pid(self) -> int:
        return int((self.server.data / "postmaster.pid").read_text().split()[0])

    def fresh(self, name: str) -> str:
        """The conninfo of an empty database."""
        self.drop(name)
        self.server.create_database(name)
        return self.server.dsn(name)

    def make_schema(self, database: str, schema: str) -> None:
        with psycopg.connect(self.server.dsn(database)) as connection:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')

    def drop(self, name: str) -> None:
        with psycopg.connect(self.server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')


def run_measuring(command: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON that a command prints as its last line. RuntimeError with the end of its output if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=PROJECT, env=env, timeout=_WORKER_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def size_mb(path: Path) -> float:
    """A file, or all files of a folder, in MB."""
    files = path.glob("*.xml") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / MB


def _brief(result: Mapping[str, Any]) -> str:
    shown = [f"{key} {value:,.2f}" for key, value in result.items() if isinstance(value, float)]
    return ", ".join(shown[:6])
