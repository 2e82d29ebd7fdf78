"""Whether a MB costs the same when the input is larger, and when the table is."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.bench import WARM_MB, Bench, BenchServer, Runs, size_mb
from benchmarks.shapes import SHAPES, RecordFile


def growing_input(bench: Bench) -> Runs:
    """One file of shape B, larger and larger, into an empty table with a key."""
    with bench.server() as server:
        contestants = {f"{mb} MB": partial(_load_input, bench, server, mb) for mb in bench.scale.growth_mb}
        return bench.in_turns(bench.scale.few, contestants)


def growing_table(bench: Bench) -> Runs:
    """Batches of one size, upserted into tables with more and more rows. Of the items about half are in the table
    already, older, spread over all of it; the others are new.

    Each turn takes items of its own, since one that was upserted is newer than the table's, and as far from those of
    other turns as can be: what a turn has read and changed would make the next one cheaper.
    """
    runs: Runs = {}
    with bench.server() as server:
        for rows in bench.scale.table_rows:
            database = "table"
            filled = bench.measure("table.fill", dsn=server.fresh(database), rows=rows)
            bench.say(f"  filled a table with {rows:,} rows, {filled['table_mb']:,.0f} MB")
            turns = range(bench.scale.few)
            runs[f"{rows} rows"] = [_upsert(bench, server, database, rows, turn) | filled for turn in turns]
            server.drop(database)
    return runs


def _load_input(bench: Bench, server: BenchServer, mb: int, turn: int) -> dict[str, Any]:
    path = bench.record_file("items", mb)
    return _measure(bench, server, str(path), server.fresh("load"), size_mb(path))


def _upsert(bench: Bench, server: BenchServer, database: str, rows: int, turn: int) -> dict[str, Any]:
    mb = bench.scale.table_batch_mb
    records = RecordFile.of_size(SHAPES["items"], mb * 1_000_000).records
    stride = max(1, 2 * rows // records)
    path = bench.record_file("items", mb, stride=stride, skip=turn * stride // bench.scale.few)
    measured = _measure(bench, server, str(path), server.server.dsn(database), size_mb(path))
    bench.say(f"  {rows:,} rows, turn {turn + 1}: {measured['cpu_per_mb']:.4f} s of CPU per MB")
    return measured


def _measure(bench: Bench, server: BenchServer, uri: str, dsn: str, mb: float) -> dict[str, Any]:
    measured = bench.measure(
        "sluice_run.measure",
        feed="items",
        uri=uri,
        dsn=dsn,
        warm_uri=str(bench.record_file("items", WARM_MB)),
        warm_dsn=server.fresh("warm"),
        server_pid=server.pid,
        mb=mb,
    )
    return {"cpu_per_mb": measured["cpu"] / mb, "wall_per_mb": measured["wall"] / mb, **measured}
