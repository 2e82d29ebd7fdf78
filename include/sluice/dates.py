"""Which files a run is about: the one place that turns a DAG run and its form into a ``RunRequest``.

=================  ==============================================  ==========================================
run                dates of the source pattern                     a pattern without a date
=================  ==============================================  ==========================================
scheduled          the interval's start, `lookback_days` before    every open file
backfill           the interval's start                            files last modified in the interval
manual             the day of the run, `lookback_days` before      every open file
any, with `date`   that date                                       files last modified on that date
=================  ==============================================  ==========================================

An arrival run lists nothing: it takes what was announced. A scheduled or manual run that names neither a date nor a
pattern takes that, too. All three also take, listed or not, what failed runs have left and what a person has released.
Days are those of the feed's time zone. Airflow gives runs by hand or by arrival no interval of their own (those from
the form get the last one that ended, those by API or by an asset none), so their day is that of the logical date, else
of the moment they were made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sluice.errors import PermanentError
from sluice.feed.model import Feed
from sluice.records import RunRequest, Selection
from sluice.sources.pattern import UriPattern

ARRIVAL = "asset_triggered"
"""Airflow's type of a run that an announcement has started."""
RELOAD_CHOICES = ("no", "changed", "all")


@dataclass(frozen=True, slots=True)
class DagRunFacts:
    """What Airflow knows of a run. All times are aware; interval and logical date are None where the run has none."""

    dag_run_id: str
    run_type: str
    run_after: dt.datetime
    clear_number: int = 0
    logical_date: dt.datetime | None = None
    interval_start: dt.datetime | None = None
    interval_end: dt.datetime | None = None

    @property
    def run_key(self) -> str:
        """A retry has the same key, so it finds the same manifest; clearing makes a new one and lists files anew."""
        return f"{self.dag_run_id}#{self.clear_number}"


def run_request(feed: Feed, run: DagRunFacts, params: Mapping[str, Any]) -> RunRequest:
    """What ``run`` was asked to do; raises ``PermanentError`` for a form that makes no sense."""
    chosen = _chosen_date(params.get("date"))
    uri = params.get("uri") or None
    date_from, date_to = _dates(feed, run, chosen)
    has_date = UriPattern(uri or feed.source.uri).has_date
    modified_from, modified_to = (None, None) if has_date else _modified(feed, run, chosen)
    reload, dry_run = _reload(params.get("reload")), bool(params.get("dry_run"))
    is_plain = not (chosen or uri or dry_run) and reload == "no" and run.run_type != "backfill"
    return RunRequest(
        feed=feed.feed,
        run_key=run.run_key,
        date_from=date_from,
        date_to=date_to,
        modified_from=modified_from,
        modified_to=modified_to,
        uri=uri,
        reload=reload,
        dry_run=dry_run,
        batch_mb=params.get("batch_mb"),
        takes_left=is_plain,
        takes_arrivals=is_plain and feed.source.arrivals is not None,
        lists=not (is_plain and run.run_type == ARRIVAL),
    )


def replay_request(feed: Feed, run: DagRunFacts, params: Mapping[str, Any]) -> RunRequest:
    """What a replay was asked to do; raises ``PermanentError`` for a form that makes no sense."""
    today = run.run_after.astimezone(ZoneInfo(feed.schedule.timezone)).date()
    selection = Selection(
        code=params.get("code") or None,
        file=params.get("file") or None,
        since=moment_of(params.get("since"), "since"),
        until=moment_of(params.get("until"), "until"),
        run_id=params.get("run") or None,
        entries=tuple(params.get("entries") or ()),
    )
    return RunRequest(
        feed.feed, run.run_key, today, today, reload="replay", dry_run=bool(params.get("dry_run")), selection=selection
    )


def moment_of(value: Any, name: str) -> dt.datetime | None:
    """A moment, or the midnight (UTC) at which a day begins."""
    try:
        moment = dt.datetime.fromisoformat(value) if value else None
    except (TypeError, ValueError) as error:
        raise PermanentError(f"`{name}` must be a day or a moment such as 2026-03-31T06:00, not {value!r}") from error
    return moment.replace(tzinfo=dt.UTC) if moment and moment.tzinfo is None else moment


def _dates(feed: Feed, run: DagRunFacts, chosen: dt.date | None) -> tuple[dt.date, dt.date]:
    if chosen is not None:
        return chosen, chosen
    zone = ZoneInfo(feed.schedule.timezone)
    has_own_interval = run.run_type in ("scheduled", "backfill") and run.interval_start is not None
    moment = run.interval_start if has_own_interval else run.logical_date or run.run_after
    assert moment is not None
    day = moment.astimezone(zone).date()
    lookback = 0 if run.run_type == "backfill" else feed.schedule.lookback_days
    return day - dt.timedelta(days=lookback), day


def _modified(feed: Feed, run: DagRunFacts, chosen: dt.date | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The UTC window of last modification, half-open; (None, None) for every open file."""
    if chosen is not None:
        zone = ZoneInfo(feed.schedule.timezone)
        midnights = (dt.datetime.combine(day, dt.time(), zone) for day in (chosen, chosen + dt.timedelta(days=1)))
        start, end = (midnight.astimezone(dt.UTC) for midnight in midnights)
        return start, end
    if run.run_type == "backfill" and run.interval_start and run.interval_end:
        return run.interval_start.astimezone(dt.UTC), run.interval_end.astimezone(dt.UTC)
    return None, None


def _chosen_date(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if value else None
    except (TypeError, ValueError) as error:
        raise PermanentError(f"the run's `date` must be a day such as 2026-03-31, not {value!r}") from error


def _reload(value: Any) -> str:
    if value not in (None, *RELOAD_CHOICES):
        raise PermanentError(f"the run's `reload` must be one of {', '.join(RELOAD_CHOICES)}, not {value!r}")
    return value or "no"
