"""A feed from bytes to committed rows through Sluice's stages, in this process, each stage's cost apart."""

from __future__ import annotations

import datetime as dt
import gc
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cpu import Meter

from sluice.feed.loading import load_feed
from sluice.records import RunRequest
from sluice.sources import Clients
from sluice.stages import fetch, load, parse, reconcile, split, validate
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

FEEDS = Path(__file__).parents[1] / "feeds"
RECORD_ENDS = {
    "citations": b"</PubmedArticle>",
    "items": b"</item>",
    "items_appended": b"</item>",
    "posts": b" />\n",
    "invoices": b"</Invoice>",
}
_CHUNK_BYTES = 16 << 20
DAY = dt.date(2026, 1, 1)


def make_tools(feed: str, dsn: str, work: str, clients: Clients | None = None) -> Tools:
    return Tools(load_feed(FEEDS / feed), dsn, WorkFiles(work), clients or Clients())


def request_of(feed: str, uri: str, key: str) -> RunRequest:
    return RunRequest(feed, key, DAY, DAY, uri=uri)


def run_stages(
    tools: Tools, uri: str, key: str, meter: Meter, stages: Sequence[str] = ("parse", "validate", "load")
) -> dict[str, Any]:
    """Take ``uri`` through fetch, split and then ``stages``; how many records parse found, and what became of them.

    With load among them reconcile follows, which raises ``RunFailed`` unless every record is accounted for.
    """
    mapped: dict[str, Callable[..., Any]] = {"parse": parse.parse, "validate": validate.validate, "load": load.load}
    with meter.step("fetch"):
        manifest = fetch.fetch(tools, request_of(tools.feed.feed, uri, key))
    with meter.step("split"):
        batches = split.split(tools, manifest.run_id).batches
    found = 0
    for batch in batches:
        for stage in stages:
            with meter.step(stage):
                summary = mapped[stage](tools, manifest.run_id, batch.number)
            found += summary.records if stage == "parse" else 0
    if "load" in stages:
        with meter.step("reconcile"):
            totals = reconcile.reconcile(tools, manifest.run_id).totals
        return {"records": found, "counts": asdict(totals.counts)}
    return {"records": found}


def warm_up(feed: str, dsn: str, work: str, uri: str) -> None:
    """Load ``uri``, so that this process has imported, compiled and cached what it needs; as in Airflow's tasks, the
    garbage collector does not look through what is there already.
    """
    run_stages(make_tools(feed, dsn, work), uri, "warm", Meter(os.getpid()))
    gc.collect()
    gc.freeze()


def measure(
    feed: str, uri: str, dsn: str, server_pid: int, mb: float, warm_uri: str, warm_dsn: str,
    stages: Sequence[str] = ("parse", "validate", "load"), before_uri: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Cost of loading ``uri`` in a warm process: one that has loaded ``warm_uri`` into a database of its own (imports,
    caches). ``before_uri`` is loaded first, unmeasured, into the same tables.

    Raises RuntimeError unless exactly as many records were found, and loaded, as there are in the bytes.
    """
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as work:
        warm_up(feed, warm_dsn, f"{work}/warm", warm_uri)
        tools = make_tools(feed, dsn, f"{work}/measured")
        if before_uri:
            run_stages(tools, before_uri, "before", Meter(server_pid))
        meter = Meter(server_pid)
        # of its own for each file: a key that the database knows is a run that is done
        done = run_stages(tools, uri, f"measured {Path(uri).name}", meter, stages)
    check_counts(done, count_records(uri, RECORD_ENDS[feed]))
    return {"mb": mb, **done, **meter.total().as_dict(), "stages": meter.as_dict()}


def count_records(uri: str, end: bytes) -> int:
    """How often ``end`` stands in the files that ``uri``, a plain path or a pattern in its last segment, means."""
    folder, _, pattern = uri.rpartition("/")
    return sum(_count_in_file(path, end) for path in Path(folder).glob(pattern))


def _count_in_file(path: Path, end: bytes) -> int:
    found, rest = 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            text = rest + chunk
            found += text.count(end)
            # too short to hold one that was counted
            rest = text[max(0, len(text) - len(end) + 1) :]
    return found


def check_counts(done: dict[str, Any], expected: int) -> None:
    """Raise RuntimeError unless ``done`` (see ``run_stages``) has found and loaded ``expected`` records."""
    loaded = sum(done["counts"].values()) if "counts" in done else expected
    if not done["records"] == loaded == expected:
        raise RuntimeError(f"there are {expected} records, {done['records']} were found and {loaded} loaded")
