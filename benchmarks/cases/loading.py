"""Bytes to committed rows: of shape B against the peers; append and upsert of a large file; of many tiny files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.agreement import compare_with_peer
from benchmarks.bench import WARM_MB, Bench, BenchServer, Runs, run_measuring, size_mb
from benchmarks.peers.environments import PEERS, Environment, PeerMissing, prepare

_TINY_WARM_FILES = 50


def against_peers(bench: Bench) -> Runs:
    """Sluice gates and merges into a keyed table, with ledger; xml2db merges, pandas and Spark insert, none has a gate.
    Spark has a thread per core. ``sluice`` is one process, ``sluice per core`` one for each core, as its DAG has tasks.

    What a peer has loaded is compared with the table that Sluice loaded last; where it differs, the case fails.
    """
    path = bench.record_file("items", bench.scale.peers_mb)
    peers, missing = _prepare_peers(bench)
    with bench.server() as server:
        contestants: dict[str, Callable[[int], dict[str, Any]]] = {
            "sluice per core": partial(_sluice_per_core, bench, server, path),
            "sluice": partial(_sluice, bench, server, path),
        }
        for peer, environment in peers.items():
            contestants[peer] = partial(_peer, server, environment, path)
        # Sluice's rows of the first turn are there before any peer's are compared with them
        runs = bench.in_turns(bench.scale.repeat, contestants)
    return runs | {peer: [{"skipped": reason}] for peer, reason in missing.items()}


def append_and_upsert(bench: Bench) -> Runs:
    """Of one large file: ``append`` without a key, ``first`` with a key into an empty table, ``upsert`` into a table
    that has an older state of every other item.
    """
    mb = bench.scale.load_mb
    path = bench.record_file("items", mb, revision=1)
    older = bench.record_file("items", mb // 2, stride=2)
    with bench.server() as server:
        contestants = {
            "append": partial(_load, bench, server, "items_appended", path, None),
            "first": partial(_load, bench, server, "items", path, None),
            "upsert": partial(_load, bench, server, "items", path, older),
        }
        return bench.in_turns(bench.scale.few, contestants)


def tiny_files(bench: Bench) -> Runs:
    """Many files of shape D in one process."""
    files = bench.scale.tiny_files
    folder, warm = bench.invoices(files), bench.invoices(_TINY_WARM_FILES)
    with bench.server() as server:

        def load(turn: int) -> dict[str, Any]:
            measured = _measure(bench, server, "invoices", f"{folder}/*.xml", f"{warm}/*.xml", size_mb(folder))
            return {"files": files, "files_per_second": files / measured["wall"], **measured}

        return bench.in_turns(bench.scale.repeat, {"tiny": load})


def _prepare_peers(bench: Bench) -> tuple[dict[str, Environment], dict[str, str]]:
    ready, missing = {}, {}
    for peer in PEERS:
        bench.say(f"preparing {peer}")
        try:
            ready[peer] = prepare(peer, bench.folder)
        except PeerMissing as reason:
            missing[peer] = str(reason)
            bench.say(f"skipping {peer}: {reason}")
    return ready, missing


def _sluice(bench: Bench, server: BenchServer, path: Path, turn: int) -> dict[str, Any]:
    return _load(bench, server, "items", path, None, turn)


def _sluice_per_core(bench: Bench, server: BenchServer, path: Path, turn: int) -> dict[str, Any]:
    measured = bench.measure_per_core(server, "items", str(path), str(bench.record_file("items", WARM_MB)))
    mb = size_mb(path)
    return {"mb": mb, "mb_per_second": mb / measured["wall"], **measured}


def _peer(server: BenchServer, environment: Environment, path: Path, turn: int) -> dict[str, Any]:
    dsn = server.server.dsn("load")
    server.make_schema("load", f"by_{environment.peer}")
    argument = {"path": str(path), "dsn": dsn, "server_pid": server.pid}
    measured = run_measuring(environment.command(json.dumps(argument)), environment.env())
    rows, differences = compare_with_peer(dsn, environment.peer)
    if differences:
        raise RuntimeError(f"{environment.peer} loaded other rows than Sluice:\n" + "\n".join(differences))
    return {"mb_per_second": measured["mb"] / measured["wall"], "rows_compared": rows, **measured}


def _load(bench: Bench, server: BenchServer, feed: str, path: Path, older: Path | None, turn: int) -> dict[str, Any]:
    warm = bench.record_file("items", WARM_MB)
    return _measure(bench, server, feed, str(path), str(warm), size_mb(path), older and str(older))


def _measure(
    bench: Bench, server: BenchServer, feed: str, uri: str, warm_uri: str, mb: float, before_uri: str | None = None
) -> dict[str, Any]:
    measured = bench.measure(
        "sluice_run.measure",
        feed=feed,
        uri=uri,
        dsn=server.fresh("load"),
        warm_uri=warm_uri,
        warm_dsn=server.fresh("warm"),
        server_pid=server.pid,
        mb=mb,
        before_uri=before_uri,
    )
    return {"mb_per_second": mb / measured["wall"], "mb_per_cpu_second": mb / measured["cpu"], **measured}
