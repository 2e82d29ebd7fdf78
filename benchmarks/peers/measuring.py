"""What the scripts of the peers share; needs nothing but Python, and psycopg's place in a URL."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cpu import tree_cpu, tree_peak_mb


def arguments() -> tuple[Path, str, int]:
    """(path, dsn, server_pid)."""
    given = json.loads(sys.argv[1])
    return Path(given["path"]), given["dsn"], given["server_pid"]


def cost_of(work: Callable[[], Any], server_pid: int) -> dict[str, float]:
    """Seconds that ``work`` took: CPU of this process and what it started, of the server, and by the clock."""
    client, server, wall = tree_cpu(os.getpid()), tree_cpu(server_pid), time.perf_counter()
    work()
    wall = time.perf_counter() - wall
    client, server = tree_cpu(os.getpid()) - client, tree_cpu(server_pid) - server
    return {"client_cpu": client, "server_cpu": server, "cpu": client + server, "wall": wall}


def answer(path: Path, cost: dict[str, float], **more: Any) -> None:
    """Print what the benchmark reads."""
    peak_mb = tree_peak_mb(os.getpid())
    print(json.dumps({"mb": path.stat().st_size / 1e6, **cost, "peak_mb": peak_mb, **more}))
