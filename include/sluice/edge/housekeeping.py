"""The DAG ``housekeeping``: one mapped task per feed."""

from __future__ import annotations

import datetime as dt
import logging

import pendulum
from airflow.sdk import CronDataIntervalTimetable, dag, task

from sluice.edge.alerting import FailureAlert, tell_success
from sluice.edge.arrivals import pattern_of
from sluice.edge.retries import OnlyWhatCanPass
from sluice.edge.runs import TIDY
from sluice.edge.tasks import stage
from sluice.feed.loading import feed_names, feeds_root, sound_feeds

log = logging.getLogger(__name__)


@dag(
    "housekeeping",
    description="Clears away raw values, Data Docs and work files that need not be kept any longer",
    schedule=CronDataIntervalTimetable("40 3 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2020, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["sluice"],
    on_failure_callback=[FailureAlert()],
    on_success_callback=[tell_success],
    default_args={"owner": "sluice", "retries": 3, "retry_policy": OnlyWhatCanPass()},
)
def housekeeping() -> None:
    """Everything goes by the ``retention`` of each feed; rows, the ledger and quarantine entries stay."""
    tidy.expand(name=feed_names(feeds_root()))


@task(map_index_template="{{ task.op_kwargs['name'] }}", execution_timeout=dt.timedelta(hours=1))
def tidy(name: str) -> None:
    """Clear away what one feed has kept long enough."""
    with stage(TIDY, label=name, feed=name) as tools:
        from sluice.retention import tidy as run_tidy

        feeds = sound_feeds(feeds_root())
        neighbours = [feed for feed in feeds if feed.target.connection == tools.feed.target.connection]
        patterns = {feed.feed: pattern for feed in neighbours if (pattern := pattern_of(feed))}
        log.info(run_tidy(tools, dt.datetime.now(dt.UTC), patterns).line())
