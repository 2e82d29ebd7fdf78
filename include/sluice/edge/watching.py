"""The DAG ``watch``: looks after what no run can tell of, in one task."""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import pendulum
from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from sluice.alerts import describe_exception
from sluice.edge.alerting import FailureAlert, tell_success, tell_untold
from sluice.edge.arrivals import by_queue, connection_of
from sluice.edge.metrics import send_gauges
from sluice.edge.retries import OnlyWhatCanPass
from sluice.edge.runs import LOOK, WATCH, leave_word
from sluice.errors import SluiceError, SourceUnavailable
from sluice.feed.alerts import Alerts
from sluice.feed.loading import feeds_root, sound_feeds
from sluice.feed.model import Feed, Target
from sluice.feed.rules import OWN_DAGS
from sluice.wording import counted

if TYPE_CHECKING:
    from sluice.alerts.desk import Desk

log = logging.getLogger(__name__)


@dag(
    WATCH,
    description="Tells of feeds that stay silent, of dead letters, and again of what is still broken",
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2020, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    # one that has to be switched on is one that nobody misses
    is_paused_upon_creation=False,
    tags=["sluice"],
    on_failure_callback=[FailureAlert()],
    default_args={
        "owner": "sluice",
        "retries": 3,
        "retry_delay": dt.timedelta(seconds=20),
        "retry_policy": OnlyWhatCanPass(),
    },
)
def watch() -> None:
    """Works also for feeds whose runs only start when files arrive: silence is when there is no run."""
    look()


@task(execution_timeout=dt.timedelta(minutes=4))
def look() -> None:
    """Look over all feeds, warehouse by warehouse; one that does not answer fails the task after the others."""
    context, feeds, now = get_current_context(), sound_feeds(feeds_root()), dt.datetime.now(dt.UTC)
    try:
        look_over(feeds, now)
        tell_success(context)
    except SluiceError as error:
        leave_word(context, describe_exception(error, LOOK))
        raise
    finally:
        # last, since they may take long
        send_gauges(feeds, now)


def look_over(feeds: list[Feed], now: dt.datetime) -> None:
    """Raises ``SluiceError`` for the first warehouse or queue that does not answer."""
    from sluice import warehouse
    from sluice.alerts import state
    from sluice.alerts import watch as watching
    from sluice.alerts.alert import SILENCE
    from sluice.edge.channels import general_desk
    from sluice.edge.connections import warehouse_dsn

    by_warehouse: dict[str, list[Feed]] = defaultdict(list)
    for feed in feeds:
        by_warehouse[feed.target.connection].append(feed)
    failed: list[SluiceError] = []
    for conn_id, some in by_warehouse.items():
        general = general_desk(conn_id)
        desks = {"": general, **_desks(some, general)}
        if conn_id == Target().connection:
            desks |= dict.fromkeys(sorted(OWN_DAGS), general)
        try:
            with warehouse.connect(warehouse_dsn(conn_id), WATCH) as connection:
                warehouse.create_ledger(connection)
                silent = state.feeds_of(connection, SILENCE)
                for feed in some:
                    hours, is_told = feed.alerts.silence_hours, feed.feed in silent
                    watching.watch_silence(connection, desks[feed.feed], feed.feed, hours, now, is_told=is_told)
                    tell_untold(connection, feed.feed, desks[feed.feed])
                sent = watching.tell_again(connection, desks, general)
            log.info("%s: looked over %s; %s sent again", conn_id, counted(len(some), "feed"), counted(sent, "message"))
        except SluiceError as error:
            failed.append(error)
    failed += _look_at_queues(feeds)
    if failed:
        raise failed[0]


def _desks(feeds: list[Feed], general: Desk) -> dict[str, Desk]:
    """Desks of feeds in the warehouse of ``general``. Those with the same channels have the same, so that what is to
    be told of them is sent at once.
    """
    from sluice.edge.channels import desk_of

    made: dict[Alerts, Desk] = {}
    desks = {}
    for feed in feeds:
        settings = feed.alerts.model_copy(update={"silence_hours": None, "late_minutes": None})
        desks[feed.feed] = made.setdefault(settings, desk_of(settings, general.dsn))
    return desks


def _look_at_queues(feeds: list[Feed]) -> list[SluiceError]:
    """Tell of dead letters, queue by queue; returns what was wrong with those that do not answer."""
    from sluice.alerts.watch import tell_dead_letters
    from sluice.arrivals.queues import read_depths
    from sluice.edge.channels import desk_for, general_desk
    from sluice.edge.connections import brief_client

    failed: list[SluiceError] = []
    for url, some in by_queue(feeds).items():
        is_shared, first = len(some) > 1, some[0]
        desk = general_desk(first.target.connection) if is_shared else desk_for(first.feed)
        try:
            depths = read_depths(brief_client("sqs", connection_of(first))(), url)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody must know that nobody watches
            failed.append(SourceUnavailable(f"the queue {url} does not answer: {error}"))
            continue
        if depths.dead is not None:
            name = "" if is_shared else first.feed
            tell_dead_letters(desk, depths.dead_letters, depths.dead, feed=name)
    return failed
