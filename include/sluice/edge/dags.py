"""The DAG of a feed: when it runs, its form, its limits, its documentation."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, CronDataIntervalTimetable, Param, get_parsing_context
from airflow.sdk.definitions.param import ParamsDict

from sluice.dates import RELOAD_CHOICES
from sluice.edge.alerting import FailureAlert, deadline_of
from sluice.edge.arrivals import arrivals_asset
from sluice.edge.retries import OnlyWhatCanPass
from sluice.edge.runs import REPLAY
from sluice.errors import REJECT_CODES
from sluice.feed.documentation.markdown import feed_page
from sluice.feed.loading import feed_names, feeds_root, load_feed, queue_mistakes, sound_feeds
from sluice.feed.model import Feed


def declared_feeds() -> list[Feed]:
    """The feeds to make DAGs of: all without mistakes, or in a task's process only the one that the task belongs to.

    A feed with mistakes is left out, so that it does not take the others with it; ``dags/feed_mistakes.py`` shows them.
    In a task's process it raises ``FeedInvalid``, for the log of that task.
    """
    root, running = feeds_root(), get_parsing_context().dag_id
    if running is not None:
        return [load_feed(root / running)] if running in feed_names(root) else []
    feeds = sound_feeds(root)
    mistaken = {name for name, _ in queue_mistakes(feeds)}
    return [feed for feed in feeds if feed.feed not in mistaken]


def feed_dag(feed: Feed) -> AbstractContextManager[DAG]:
    """The DAG of ``feed``, to put its tasks into: when it runs, its form, its limits, its documentation."""
    schedule = feed.schedule
    zone = pendulum.timezone(schedule.timezone)
    timetable = CronDataIntervalTimetable(schedule.cron, timezone=zone) if schedule.cron else None
    asset = arrivals_asset(feed)
    dag = DAG(
        feed.feed,
        description=feed.description.strip().split("\n")[0],
        doc_md=feed_page(feed),
        tags=["sluice", *feed.tags],
        schedule=_schedule(timetable, asset),
        start_date=pendulum.datetime(schedule.start.year, schedule.start.month, schedule.start.day, tz=zone),
        catchup=False,
        max_active_runs=2,
        max_active_tasks=16,
        deadline=deadline_of(feed),
        on_failure_callback=[FailureAlert()],
        default_args={"owner": feed.owner, **_retries()},
    )
    return _with_form(dag, _form())


def _schedule(timetable: CronDataIntervalTimetable | None, arrivals: Asset | None) -> Any:
    if arrivals is None:
        return timetable
    return [arrivals] if timetable is None else AssetOrTimeSchedule(timetable=timetable, assets=[arrivals])


def replay_dag() -> AbstractContextManager[DAG]:
    """The DAG that replays what is in the quarantine of a feed, to put its tasks into."""
    dag = DAG(
        REPLAY,
        description="Tries quarantined records and files again, under the present mapping of their feed",
        doc_md=_REPLAY_PAGE,
        tags=["sluice"],
        schedule=None,
        catchup=False,
        max_active_runs=4,
        max_active_tasks=16,
        on_failure_callback=[FailureAlert()],
        default_args={"owner": "sluice", **_retries()},
    )
    return _with_form(dag, _replay_form(feed_names(feeds_root())))


@contextmanager
def _with_form(dag: DAG, form: dict[str, Param]) -> Iterator[DAG]:
    """``dag`` gets its form when its tasks are there: a task has the parameters of its DAG anyway when it runs.

    A form that is there before is copied into each task, and Airflow checks each copy against JSON Schema when it
    writes the DAG down: two thirds of the time that a feed takes the DAG processor.
    """
    with dag:
        yield dag
    dag.params = ParamsDict(form)


_REPLAY_PAGE = """Tries again what is in the quarantine: press *Trigger*, choose the feed and which of its entries.

Each entry is read again from its file, or, where that is gone, from what the quarantine has kept, and goes through
parse, validate and load under the feed's present mapping. What passes gets into the tables, in its old order (a newer
version of its key still wins), and leaves the quarantine as `replayed`. What fails stays, with its new reason.
"""


def _retries() -> dict[str, Any]:
    return {
        "retries": 3,
        "retry_delay": dt.timedelta(seconds=float(os.environ.get("SLUICE_RETRY_SECONDS", "60"))),
        "retry_exponential_backoff": 3,
        "max_retry_delay": dt.timedelta(minutes=15),
        "retry_policy": OnlyWhatCanPass(),
    }


def _replay_form(feeds: list[str]) -> dict[str, Param]:
    """The parameters of a replay. Those that are left empty select everything."""
    return {
        "feed": Param(None, type="string", enum=feeds, title="Feed", description="Whose quarantine is meant."),
        "code": Param(
            None,
            type=["null", "string"],
            enum=[None, *REJECT_CODES],
            values_display={"null": "any", **{code: f"{code}: {meaning}" for code, meaning in REJECT_CODES.items()}},
            title="Error code",
            description="Only entries that have this reason.",
        ),
        "file": Param(
            None,
            type=["null", "string"],
            minLength=1,
            title="File",
            description="Only entries of these files: a part of their name (URI, or URI!member of an archive), or a"
            " pattern with * and ? for all of it, such as */amount*.",
        ),
        "since": _moment("Rejected since"),
        "until": _moment("Rejected before"),
        "run": Param(
            None,
            type=["null", "integer"],
            title="Run",
            description="Only entries that this run (its number in sluice.runs) was the last to reject.",
        ),
        "entries": Param(
            None,
            type=["null", "array"],
            items={"type": "integer"},
            title="Entries",
            description="Only these entries, by their entry_id, as a list: [17, 23]. Dismissed ones are opened again.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Try and count, but leave tables and quarantine as they are.",
        ),
    }


def _moment(title: str) -> Param:
    return Param(
        None,
        type=["null", "string"],
        pattern=r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$",
        title=title,
        description="A day or a moment in UTC, such as 2026-03-31 or 2026-03-31T06:00.",
    )


def _form() -> dict[str, Param]:
    """The parameters of a run: fields of the form in the UI, ``conf`` for the CLI, the API and backfills."""
    return {
        "date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Date",
            description="Take the files of this day instead of the run's usual days. Where the source pattern has no"
            " date: the files last modified on this day, in the feed's time zone.",
        ),
        "uri": Param(
            None,
            type=["null", "string"],
            minLength=1,
            title="Files",
            description="Take the files of this URI pattern instead of the feed's own, such as"
            " s3://bucket/corrected/*.xml or /data/2026-03/**/*.xml.gz.",
        ),
        "reload": Param(
            "no",
            type="string",
            enum=list(RELOAD_CHOICES),
            values_display={
                "no": "no: only what was never loaded",
                "changed": "changed: also what an older mapping loaded",
                "all": "all: everything once more",
            },
            title="Load again",
            description="What to do with files that the ledger knows already. Rows that newer files overwrote stay as"
            " they are. In a backfill, tick `Override parameters on existing runs` too: Airflow passes none else.",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Read, check and count, but leave the tables as they are.",
        ),
        "batch_mb": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=4096,
            title="Batch size (MB)",
            description="How many megabytes of XML one mapped task takes. Empty: decided by the size of the run.",
        ),
    }
