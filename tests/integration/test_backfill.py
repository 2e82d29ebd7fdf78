"""A range of dates loaded again by Airflow's own backfill: what it makes of runs that there were, and of the form."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from tests.airflow_home import PROJECT
from tests.integration.test_dag_run import ORDER, RunDag, drop, landing, rows_of, run_dag

from sluice.dates import DagRunFacts, run_request
from sluice.feed.loading import load_feed
from sluice.pipeline import run_feed
from sluice.sources import Clients
from sluice.tools import Tools
from sluice.workfiles import WorkFiles

__all__ = ["landing", "run_dag"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]


def backfill(first: int, last: int, conf: dict[str, Any] | None) -> list[Any]:
    """The runs that Airflow makes, or makes again, for these days of March, whether they have run or not."""
    from airflow.models import DagRun
    from airflow.models.backfill import Backfill, ReprocessBehavior, _create_backfill
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    made = _create_backfill(
        dag_id="orders",
        from_date=dt.datetime(2026, 3, first, tzinfo=dt.UTC),
        to_date=dt.datetime(2026, 3, last, 23, 59, tzinfo=dt.UTC),
        max_active_runs=2,
        reverse=False,
        dag_run_conf=conf,
        triggering_user_name=None,
        reprocess_behavior=ReprocessBehavior.COMPLETED,
    )
    with create_session() as session:
        runs = select(DagRun).where(DagRun.backfill_id == made.id).order_by(DagRun.logical_date)
        found = list(session.scalars(runs))
        for run in found:
            run.state = DagRunState.SUCCESS
        session.get(Backfill, made.id).completed_at = dt.datetime.now(dt.UTC)
        session.flush()
        session.expunge_all()
    return found


def facts(run: Any) -> DagRunFacts:
    """As ``edge.runs`` reads them."""
    return DagRunFacts(
        run.run_id,
        run.run_type if isinstance(run.run_type, str) else run.run_type.value,
        run.run_after,
        run.clear_number or 0,
        run.logical_date,
        run.data_interval_start,
        run.data_interval_end,
    )


def test_dates_that_have_run_are_loaded_again(run_dag: RunDag, landing: Path, database: str, tmp_path: Path) -> None:
    """With *All Runs* and the form's parameters the same dates run again, under new keys, and take their files anew.

    Without parameters, as the UI sends it unless *Override parameters on existing runs* is ticked, they load nothing.
    """
    run_dag(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))  # so that Airflow knows the DAG
    for day in (4, 5, 6):
        drop(landing, "a.xml", ORDER.format(id=day, total="1"), day=f"2026-03-0{day}")
    feed = load_feed(PROJECT / "tests/dags/feeds/orders")
    tools = Tools(feed, database, WorkFiles(str(tmp_path / "again")), Clients())

    def load(first: int, last: int, conf: dict[str, Any] | None) -> dict[str, str]:
        requests = [run_request(feed, facts(run), run.conf or {}) for run in backfill(first, last, conf)]
        for request in requests:
            assert request.date_from == request.date_to
            run_feed(tools, request)
        return {str(request.date_to): request.reload for request in requests}

    def runs_of_rows() -> dict[int, int]:
        return dict(rows_of(database, "SELECT id, _run FROM orders.orders"))

    assert load(4, 6, None) == {"2026-03-04": "no", "2026-03-05": "no", "2026-03-06": "no"}
    before = runs_of_rows()
    assert sorted(before) == [4, 5, 6]
    assert load(4, 5, {"reload": "all"}) == {"2026-03-04": "all", "2026-03-05": "all"}
    after = runs_of_rows()
    assert [key for key in sorted(after) if after[key] != before[key]] == [4, 5]
    assert load(6, 6, None) == {"2026-03-06": "no"}
    assert runs_of_rows() == after
