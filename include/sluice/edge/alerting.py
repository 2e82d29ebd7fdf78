"""The alert of a failed run: Airflow calls it in the DAG processor, some seconds after the run has ended."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier, Context, conf

from sluice import alerts
from sluice.edge.runs import STAGES, TIDY, feed_of, problems_of, request_of
from sluice.feed.loading import feeds_root, load_feed

log = logging.getLogger(__name__)


class FailureAlert(BaseNotifier):
    """Tells of a failed run in the log and by the channels that the environment names (see ``alerts.AlertSettings``).

    It hangs on the DAG, not on tasks: a task whose worker was killed on its last try calls nobody.
    """

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Nothing here is a template, and the DAG that ``dag.test()`` hands to its callbacks could not render one."""

    def notify(self, context: Context) -> None:
        try:
            alerts.send(_alert(context), alerts.AlertSettings.from_environment(os.environ))
        except Exception:
            log.exception("the alert of a failed run could not be made")


def _alert(context: Context) -> alerts.Alert:
    feed, dag_run_id = feed_of(context), context["run_id"]
    problems: list[alerts.Problem] = []
    with suppress(Exception):  # an API server that does not answer is no reason to be silent
        problems = problems_of(context, (*STAGES, TIDY))
    unknown = alerts.Problem("run", "", f"Airflow says no more than {context.get('reason') or 'that it failed'}")
    base_url = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return alerts.Alert(
        feed=feed,
        dag_run_id=dag_run_id,
        dates=_dates(feed, context),
        problems=tuple(problems or [unknown]),
        link=f"{base_url}/dags/{context['dag'].dag_id}/runs/{quote(dag_run_id)}" if base_url else "",
    )


def _dates(feed: str, context: Context) -> str:
    with suppress(Exception):  # a broken feed, a form that makes no sense: the alert goes without
        request = request_of(load_feed(feeds_root() / feed), context)
        return " to ".join(sorted({str(request.date_from), str(request.date_to)}))
    return ""
