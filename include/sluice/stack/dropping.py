"""Where in the landing bucket a file must lie for its feed to find it, and how it is loaded from there."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from sluice.feed.model import Feed
from sluice.sources.pattern import UriPattern, has_wildcard
from sluice.stack.emulator import BUCKET
from sluice.stack.home import StackError

LANDING = f"s3://{BUCKET}"


def landing_keys(feed: Feed, names: Sequence[str], day: dt.date) -> list[str]:
    """The key of each file (by its name) in the landing bucket, as the feed's source pattern has it for ``day``.

    A file keeps its name, unless the pattern leaves no choice. StackError where the feed would not find the file there,
    or where two files would get the same key.
    """
    pattern = UriPattern(feed.source.uri, {**os.environ, "SLUICE_LANDING": LANDING})
    wanted = pattern.for_date(day)
    if not wanted.startswith(f"{LANDING}/"):
        raise StackError(f"{feed.feed} takes its files from {wanted}, not from the landing bucket {LANDING}")
    keys = []
    for name in names:
        uri = _uri(wanted, name)
        if not pattern.matches(uri, day):
            raise StackError(f"{feed.feed} would not find {name}: for {day} it takes {wanted}; rename the file")
        keys.append(uri.removeprefix(f"{LANDING}/"))
    if len(set(keys)) < len(keys):
        raise StackError(f"{feed.feed} takes {wanted} for {day}: two of the files would get the same name")
    return keys


def today(feed: Feed) -> dt.date:
    """This day in the feed's time zone."""
    return dt.datetime.now(ZoneInfo(feed.schedule.timezone)).date()


def how_to_load(feed: Feed, day: dt.date) -> str:
    """What a person does next to have the files of ``day`` loaded."""
    if feed.source.arrivals is not None:
        status = Path(sys.executable).with_name("sluice")
        return (
            f"It is announced: a run of {feed.feed} takes it within seconds (switch the DAG on if it is paused).\n"
            f"What came of it: {status} status"
        )
    has_date = UriPattern(feed.source.uri, {**os.environ, "SLUICE_LANDING": LANDING}).has_date
    conf = f" --conf '{json.dumps({'date': day.isoformat()})}'" if has_date else ""
    date = f" with the date {day}" if has_date else ""
    command = f"{Path(sys.executable).with_name('sluice')} airflow dags trigger {feed.feed}{conf}"
    recent = not has_date or day >= today(feed) - dt.timedelta(days=feed.schedule.lookback_days)
    wait = ", or wait for its schedule" if feed.schedule.cron and recent else ""
    return f"To load: trigger {feed.feed}{date} in the UI (switch it on if it is paused){wait}, or run\n  {command}"


def _uri(wanted: str, name: str) -> str:
    folder, _, last = wanted.rpartition("/")
    if has_wildcard(folder.replace("/**", "")):
        raise StackError(f"{wanted} has wildcards in its folders, which leaves open where {name} should go")
    return f"{folder.replace('/**', '')}/{name if has_wildcard(last) else last}"
