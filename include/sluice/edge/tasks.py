"""The six tasks of every feed. Each calls the stage of its name with the feed's tools and logs the stage's one line."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.exceptions import AirflowTaskTimeout

from sluice import attempts
from sluice.alerts import Problem, describe_exception
from sluice.edge.alerting import tell_drift, tell_success
from sluice.edge.assets import TABLES, tell_loaded
from sluice.edge.metrics import run_is_measured
from sluice.edge.noted import note_load
from sluice.edge.runs import STAGES, feed_of, leave_word, problems_of, request_of
from sluice.errors import RunFailed
from sluice.feed.loading import feeds_root, load_feed

if TYPE_CHECKING:
    from sluice.tools import Tools

log = logging.getLogger(__name__)

LOAD_POOL = "warehouse"
LABEL_CHARS = 200  # Airflow's own column takes 250
LABEL_TEMPLATE = "{{ task.op_kwargs['batch']['label'] }}"
NOISY_LOGGERS = (
    "airflow.sdk.bases.hook",
    "airflow.task",  # operators and hooks
    "aiobotocore",
    "boto3",
    "botocore",
    "fsspec",
    "great_expectations",
    "numba",
    "s3fs",
    "s3transfer",
    "urllib3",
)


@contextmanager
def stage(name: str, label: str = "", feed: str = "") -> Iterator[Tools]:
    """The tools of ``feed``, by default that of the run; an exception is noted for the alert and goes its way."""
    from sluice.edge.connections import tools_for

    context = get_current_context()
    for logger in NOISY_LOGGERS:
        logging.getLogger(logger).setLevel(logging.WARNING)
    try:
        yield tools_for(load_feed(feeds_root() / (feed or feed_of(context))))
    except (Exception, AirflowTaskTimeout) as error:
        with suppress(Exception):  # the error matters more than word of it
            leave_word(context, describe_exception(error, name, label))
        raise


@task(multiple_outputs=False, execution_timeout=dt.timedelta(hours=2))
def fetch() -> dict[str, Any]:
    """List the run's open files and freeze them as its manifest."""
    with stage("fetch") as tools:
        from sluice.stages.fetch import fetch as run_fetch

        summary = run_fetch(tools, request_of(tools.feed, get_current_context()))
        log.info(summary.line())
        return {"run_id": summary.run_id, "files": summary.files, "line": summary.line()}


@task(execution_timeout=dt.timedelta(hours=12))
def split(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Cut and pack the files of the manifest into batches."""
    with stage("split") as tools:
        from sluice.stages.split import split as run_split

        run_id = manifest["run_id"]
        summary = run_split(tools, run_id)
        log.info(summary.line())
        return [
            {"run_id": run_id, "number": batch.number, "label": batch.label[:LABEL_CHARS]} for batch in summary.batches
        ]


@task(
    map_index_template=LABEL_TEMPLATE,
    max_active_tis_per_dagrun=8,
    execution_timeout=dt.timedelta(hours=6),
    retries=attempts.RETRIES,
)
def parse(batch: dict[str, Any]) -> None:
    """Turn the XML of a batch into typed rows and rejects."""
    with stage("parse", batch["label"]) as tools:
        from sluice.stages.parse import parse as run_parse

        log.info(run_parse(tools, batch["run_id"], batch["number"]).line())


@task(map_index_template=LABEL_TEMPLATE, max_active_tis_per_dagrun=8, execution_timeout=dt.timedelta(hours=6))
def validate(batch: dict[str, Any]) -> None:
    """Judge the rows of a batch by the feed's expectations."""
    with stage("validate", batch["label"]) as tools:
        from sluice.stages.validate import validate as run_validate

        log.info(run_validate(tools, batch["run_id"], batch["number"]).line())


@task(
    map_index_template=LABEL_TEMPLATE,
    pool=LOAD_POOL,
    max_active_tis_per_dagrun=4,
    execution_timeout=dt.timedelta(hours=6),
)
def load(batch: dict[str, Any]) -> None:
    """Write the accepted rows, the quarantine and the ledger of a batch in one transaction."""
    with stage("load", batch["label"]) as tools:
        from sluice.stages.load import load as run_load

        log.info(run_load(tools, batch["run_id"], batch["number"]).line())


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[TABLES], execution_timeout=dt.timedelta(hours=2))
def reconcile(manifest: dict[str, Any] | None) -> None:
    """Account for every record of the run; fail, and the run with it, where one is missing, held or over a limit."""
    with run_is_measured(manifest), stage("reconcile") as tools:
        from sluice.edge.channels import desk_of
        from sluice.stages.reconcile import reconcile as run_reconcile

        earlier = problems_of(get_current_context(), STAGES[:-1])
        if manifest is None:
            raise RunFailed(_with_causes("nothing was loaded", earlier))
        try:
            summary = run_reconcile(tools, manifest["run_id"])
        except RunFailed as error:
            log.info(error.counts)
            tell_drift(get_current_context(), manifest["run_id"], desk_of(tools.feed.alerts, tools.dsn))
            raise RunFailed(_with_causes(str(error), earlier), breaches=error.breaches) from None
        log.info(summary.line())
        tell_loaded(tools.feed, summary, get_current_context())
        note_load(tools.feed, tools.dsn, summary.totals)
        if not summary.dry_run:
            desk = desk_of(tools.feed.alerts, tools.dsn)
            tell_success(get_current_context(), manifest["run_id"], desk, files=summary.totals.files)
            tell_drift(get_current_context(), manifest["run_id"], desk)


def _with_causes(reason: str, earlier: list[Problem]) -> str:
    """``reason`` with the first problem of the tasks before, so that one line says which file and why."""
    if not earlier:
        return reason
    more = f" (and {len(earlier) - 1} more)" if len(earlier) > 1 else ""
    return f"{reason}; {earlier[0].place}: {earlier[0].reason}{more}"
