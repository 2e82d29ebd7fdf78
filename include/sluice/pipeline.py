"""All six stages in one process, one batch after another: for tests, benchmarks and the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sluice.errors import RunFailed
from sluice.records import RunRequest
from sluice.stages.fetch import fetch
from sluice.stages.load import load
from sluice.stages.parse import parse
from sluice.stages.reconcile import RunSummary, reconcile
from sluice.stages.split import split
from sluice.stages.validate import validate
from sluice.tools import Tools


def run_feed(tools: Tools, request: RunRequest, report: Callable[[str], Any] = lambda line: None) -> RunSummary:
    """Run a feed from fetch to reconcile; ``report`` gets each stage's line. Raises what the stages raise."""
    manifest = fetch(tools, request)
    report(manifest.line())
    batches = split(tools, manifest.run_id)
    report(batches.line())
    for batch in batches.batches:
        for stage in (parse, validate, load):
            report(stage(tools, manifest.run_id, batch.number).line())
    try:
        summary = reconcile(tools, manifest.run_id)
    except RunFailed as error:
        report(error.counts)
        raise
    report(summary.line())
    return summary
