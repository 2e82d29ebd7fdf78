"""What every task needs, imported once for all of them: importing this module does it.

Airflow forks each task from a process that lives on: what that process has imported costs a task nothing, and what it
has not is imported anew by every task. LocalExecutor's fork server imports what ``[scheduler] mp_forkserver_preload``
says, a Celery worker what ``edge.celery_settings`` says; both name this module.

Whoever changes the code of Sluice must restart these processes. Feeds, DAG files and XSDs are still read by each task.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Callable
from functools import partial

log = logging.getLogger(__name__)

MODULES = (
    # Airflow's part of a task, which it imports at first use
    "airflow.dag_processing.bundles.local",
    "airflow.dag_processing.dagbag",
    "airflow.executors.local_executor",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.timeout",
    "jinja2.ext",
    # the stages, with what they import at the first file
    "sluice.alerts.evidence",
    "sluice.alerts.watch",
    "sluice.edge.channels",
    "sluice.edge.connections",
    "sluice.edge.housekeeping",
    "sluice.edge.watching",
    "sluice.gate.data_docs",
    "sluice.gate.suite",
    "sluice.metrics.backlog",
    "sluice.metrics.cloudwatch",
    "sluice.metrics.queues",
    "sluice.metrics.runs",
    "sluice.rehearsal",
    "sluice.retention",
    "sluice.sources.files",
    "sluice.sources.http",
    "sluice.sources.s3",
    "sluice.stages.fetch",
    "sluice.stages.load",
    "sluice.stages.parse",
    "sluice.stages.reconcile",
    "sluice.stages.split",
    "sluice.stages.validate",
    "boto3.s3.inject",
    "encodings.utf_8_sig",
    "fsspec.core",
    "isal.isal_zlib",
    "numba",
    "pandas",
    "psycopg",
    "pyarrow.compute",
    "pyarrow.csv",
)


def preload() -> None:
    """Import all, and do once what libraries do at their first use. What fails is left for the tasks to meet."""
    for name in MODULES:
        _try(partial(importlib.import_module, name), name)
    for first_use in (_rehearse, _find_plugins, _make_s3_client):
        _try(first_use, first_use.__name__)
    # The garbage collector of a task would look through all of this, and thereby copy every page of it.
    gc.collect()
    gc.freeze()


def _try(work: Callable[[], object], what: str) -> None:
    try:
        work()
    except Exception:  # whatever it is, a task that needs it says so in its own log
        log.exception("%s failed ahead of the tasks", what)


def _find_plugins() -> None:
    """Airflow looks through the metadata of all installed packages for them, in every task."""
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager()


def _rehearse() -> None:
    """Parse compiles, and Great Expectations makes its context and its templates, at the first use."""
    from sluice.rehearsal import rehearse

    if not rehearse():
        log.warning("the fast tier of parse does not take a record that it must: parse will be slow")


def _make_s3_client() -> None:
    """botocore imports half of itself when the first client is made. It is given keys, so as not to look for any."""
    import boto3

    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    session.client("s3")


preload()
