"""Telling from Airflow: of failed runs, of drift, of late runs, and that a feed works again. Nothing here raises."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier, Context, conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from sluice.alerts import Problem
from sluice.alerts.alert import DRIFT, FAILED, LATE, OF_RUNS, Alert, Cause
from sluice.alerts.causes import Evidence, FailedRun, RunLinks, is_of_dag
from sluice.edge.runs import OWN_TASKS, REPLAY, STAGES, WATCH, feed_of, problems_of, request_of
from sluice.feed.loading import feeds_root, load_feed
from sluice.feed.model import Feed
from sluice.wording import counted

if TYPE_CHECKING:
    import psycopg

    from sluice.alerts.desk import Desk
    from sluice.records import RunRequest

log = logging.getLogger(__name__)

STAGES_WITHOUT_FILES = ("fetch", "split", "reconcile")
BACKFILL = "backfill"  # Airflow's type of a run that nobody waits for
LATE_ADVICE = "Look which task of the run waits or works, and for what: its log, the pool `warehouse`, the workers."


class FailureAlert(BaseNotifier):
    """Tells of a failed run, once for each cause. Airflow calls it in the DAG processor, some seconds after its end.

    It hangs on the DAG, not on tasks: a task whose worker was killed on its last try calls nobody.
    """

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Nothing here is a template, and the DAG that ``dag.test()`` hands to its callbacks could not render one."""

    def notify(self, context: Context) -> None:
        try:
            from sluice.edge.channels import desk_for

            feed = feed_of(context)
            desk = desk_for(feed)
            desk.tell(*_failed_run(feed, desk, context).alerts(), was_met_before=_watch_failed_before(context))
            _end_lateness(desk, feed, context["run_id"])
        except Exception:
            log.exception("the alert of a failed run could not be made")


def _watch_failed_before(context: Context) -> bool:
    """Whether this is a run of ``watch``, and the one before, five minutes ago, has failed as well."""
    ti = context.get("ti")
    if context["dag"].dag_id != WATCH or ti is None:
        return False
    with suppress(Exception):  # then it is told once more
        before = ti.get_previous_dagrun()
        return before is not None and before.state == "failed"
    return False


def _failed_run(feed: str, desk: Desk, context: Context) -> FailedRun:
    problems: list[Problem] = []
    with suppress(Exception):  # an API server that does not answer is no reason to be silent
        problems = problems_of(context, (*STAGES, *OWN_TASKS))
    request = _request(feed, context)
    evidence = _evidence(desk, feed, request)
    unknown = Problem("run", "", f"Airflow says no more than {context.get('reason') or 'that it failed'}")
    if evidence.breach:
        unknown = _of_reconcile(evidence.breach)
    return FailedRun(
        feed=feed,
        links=links_of(context),
        dates=_dates(request),
        problems=tuple(problems or [unknown]),
        evidence=evidence,
        data_docs=_data_docs(feed, evidence.run_id),
    )


def _evidence(desk: Desk, feed: str, request: RunRequest | None) -> Evidence:
    from sluice.alerts import state
    from sluice.alerts.evidence import read_evidence

    with suppress(Exception):  # it is only more of what the alert says anyway
        if desk.dsn and request:
            with state.connect(desk.dsn) as connection:
                return read_evidence(connection, feed, request.run_key)
    return Evidence()


def tell_untold(connection: psycopg.Connection, feed: str, desk: Desk) -> None:
    """Tell of failed runs of which nobody has told, by what the warehouse knows of them."""
    from sluice.alerts.evidence import find_untold, read_evidence

    alerts: list[Alert] = []
    for run in find_untold(connection, feed):
        evidence = read_evidence(connection, feed, run.run_key)
        if evidence.breach:
            alerts += FailedRun(
                feed=feed,
                links=_links(REPLAY if run.is_replay else feed, run.dag_run_id),
                dates=_spell_dates(*run.dates),
                problems=(_of_reconcile(evidence.breach),),
                evidence=evidence,
                data_docs=_data_docs(feed, evidence.run_id),
            ).alerts()
    desk.tell(*alerts)


def _of_reconcile(breach: tuple[str, str]) -> Problem:
    return Problem("reconcile", "RunFailed", breach[1], breaches=(breach,))


def tell_drift(context: Context, run_id: int, desk: Desk | None = None) -> None:
    """Tell what this run was the first to meet, whether it succeeds or not."""
    try:
        from sluice import drift
        from sluice.alerts import state
        from sluice.alerts.evidence import drift_of
        from sluice.edge.channels import desk_for

        feed = feed_of(context)
        desk = desk or desk_for(feed)
        if desk.dsn is None:
            return
        with state.connect(desk.dsn) as connection:
            new = drift.list_new(connection, run_id)
        if new:
            links = links_of(context)
            task_log = links.log(Problem("reconcile", DRIFT, ""))
            desk.tell(drift_of(feed, run_id, new, links, _dates(_request(feed, context)), task_log))
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail the run
        log.warning("the alert of drift could not be made (%s)", type(error).__name__)


def tell_success(context: Context, run_id: int | None = None, desk: Desk | None = None, *, files: int = 1) -> None:
    """Close what is over now that a run has succeeded: what runs of this DAG failed of, and that one is late: this one,
    or one that was so before this one began.

    One that took no ``files`` has shown only that its source and its warehouse answer.
    """
    try:
        from sluice.edge.channels import desk_for

        feed, dag_run_id = feed_of(context), context["run_id"]
        dag_id = context["dag"].dag_id
        own = desk or desk_for(feed)

        def is_over(alert: Alert) -> bool:
            cause = alert.cause
            if cause.kind == LATE:
                # with the id of a run, one that began before the cause was last met is not asked about it
                return alert.run == dag_run_id or (run_id is not None and dag_id == feed and not _is_backfill(context))
            is_shown = files > 0 or (cause.kind == FAILED and alert.stage in STAGES_WITHOUT_FILES)
            return cause.kind in (*OF_RUNS, DRIFT) and is_of_dag(cause.key, feed, dag_id) and is_shown

        own.recover(
            feed,
            is_over,
            f"{feed} works again",
            run_id=run_id,
            run=dag_run_id,
            page=links_of(context).page,
            note=lambda: _still_held(own, feed),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail the run
        log.warning("whether alerts are over could not be found out (%s)", type(error).__name__)


def _is_backfill(context: Context) -> bool:
    return context["dag_run"].run_type.value == BACKFILL


def _still_held(desk: Desk, feed: str) -> str:
    from sluice.alerts import state
    from sluice.backlog import count_held

    with suppress(Exception):
        with state.connect(desk.dsn or "") as connection:
            held = count_held(connection).get(feed, 0)
        if held:
            return f"{counted(held, 'file')} of before still held: sluice quarantine {feed} --state held"
    return ""


# -- late runs --------------------------------------------------------------------------------------------------------


def deadline_of(feed: Feed) -> DeadlineAlert | None:
    """The deadline of the feed's runs, from when they are queued; None where the feed sets none.

    Its callback runs in the triggerer, which there is with every executor; Kubernetes' executor runs none itself.
    """
    minutes = feed.alerts.late_minutes
    if minutes is None:
        return None
    return DeadlineAlert(
        name="late",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=dt.timedelta(minutes=minutes),
        callback=AsyncCallback(tell_late, kwargs={"feed": feed.feed, "minutes": minutes}),
    )


async def tell_late(feed: str, minutes: int, context: dict[str, Any]) -> None:
    """Tell of a run that is not done in time; called by Airflow with what it knows of the run when the time was up."""
    await asyncio.to_thread(_tell_late, feed, minutes, context)


def _tell_late(feed: str, minutes: int, context: dict[str, Any]) -> None:
    try:
        run = context["dag_run"]
        # Airflow does not take back the deadline of a run that fails before it
        if run.get("state") not in ("queued", "running") or run.get("run_type") == BACKFILL:
            return
        from sluice.edge.channels import desk_for

        desk_for(feed).tell(late(feed, minutes, run["dag_run_id"], _links(feed, run["dag_run_id"]), run["state"]))
    except Exception:
        log.exception("the alert of a late run could not be made")


def late(feed: str, minutes: int, dag_run_id: str, links: RunLinks, run_state: str) -> Alert:
    return Alert(
        cause=Cause(feed, LATE),
        headline=f"{feed} is late: not done after {counted(minutes, 'minute')}",
        run=dag_run_id,
        reason=f"the run is still {run_state}, {counted(minutes, 'minute')} after it was queued",
        advice=LATE_ADVICE,
        page=links.page,
    )


def _end_lateness(desk: Desk, feed: str, dag_run_id: str) -> None:
    """A run that has failed is not late any more; its failure was told."""
    desk.forget(feed, lambda alert: (alert.cause.kind, alert.run) == (LATE, dag_run_id))


# -- what alerts say of a run -----------------------------------------------------------------------------------------


def links_of(context: Context) -> RunLinks:
    return _links(context["dag"].dag_id, context["run_id"])


def _links(dag_id: str, dag_run_id: str) -> RunLinks:
    return RunLinks((conf.get("api", "base_url", fallback="") or "").rstrip("/"), dag_id, dag_run_id)


def _request(feed: str, context: Context) -> RunRequest | None:
    with suppress(Exception):  # a broken feed, a form that makes no sense: the alert goes without
        return request_of(load_feed(feeds_root() / feed), context)
    return None


def _dates(request: RunRequest | None) -> str:
    return _spell_dates(str(request.date_from), str(request.date_to)) if request else ""


def _spell_dates(first: str, last: str) -> str:
    return " to ".join(sorted({first, last}))


def _data_docs(feed: str, run_id: int | None) -> str:
    from sluice.workfiles import WorkFiles

    if run_id is None:
        return ""
    page = WorkFiles(os.environ.get("SLUICE_WORK") or ".sluice/work").data_docs(feed, run_id, "index.html")
    return page.removesuffix("index.html")
