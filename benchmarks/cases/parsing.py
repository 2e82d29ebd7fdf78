"""Parse against the floor: the bytes of shapes A, B and C to typed columns, beside libxml2's SAX pass over the same."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.bench import WARM_MB, Bench, BenchServer, Runs, size_mb
from benchmarks.shapes import SHAPES


def parse_against_floor(bench: Bench) -> Runs:
    """Contestants ``floor A``, ``columns A`` (parse in memory) and ``parse A`` (the stage: with work files written and
    counts taken), and so on, in warm processes.
    """
    runs: Runs = {}
    with bench.server() as server:
        for shape in SHAPES.values():
            path = str(bench.record_file(shape.name, bench.scale.parse_mb))
            contestants = {
                f"floor {shape.letter}": partial(_floor, bench, path),
                f"columns {shape.letter}": partial(_columns, bench, shape.name, path),
                f"parse {shape.letter}": partial(_parse, bench, server, shape.name, path),
            }
            runs |= bench.in_turns(bench.scale.repeat, contestants)
    return runs


def _floor(bench: Bench, path: str, turn: int) -> dict[str, Any]:
    return bench.measure("floor.measure", path=path)


def _columns(bench: Bench, shape: str, path: str, turn: int) -> dict[str, Any]:
    warm = str(bench.record_file(shape, WARM_MB))
    return bench.measure("columns.measure", feed=shape, path=path, warm_path=warm)


def _parse(bench: Bench, server: BenchServer, shape: str, path: str, turn: int) -> dict[str, Any]:
    measured = bench.measure(
        "sluice_run.measure",
        feed=shape,
        uri=path,
        dsn=server.fresh("parse"),
        warm_uri=str(bench.record_file(shape, WARM_MB)),
        warm_dsn=server.fresh("warm"),
        server_pid=server.pid,
        mb=size_mb(bench.record_file(shape, bench.scale.parse_mb)),
        stages=["parse"],
    )
    stages = measured["stages"]
    return {
        **{key: measured[key] for key in ("mb", "records", "peak_mb")},
        "cpu": stages["parse"]["client_cpu"],
        "wall": stages["parse"]["wall"],
        "split_cpu": stages["split"]["client_cpu"],
    }
