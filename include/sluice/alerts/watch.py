"""What no run can tell of: a feed that stays silent, dead letters, messages that are to be told again."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from sluice.alerts import state
from sluice.alerts.alert import DEAD_LETTERS, SILENCE, Alert, Cause, moment
from sluice.alerts.desk import Desk
from sluice.wording import counted

SILENCE_ADVICE = (
    "Ask the sender, and look whether the feed's DAG is switched on and its runs find the sender's folder. If files"
    " come less often now, raise `alerts: silence_hours` in the feed file."
)
DEAD_LETTERS_ADVICE = (
    "Look at the messages in the queue: each was received several times and could not be read. Move back what announces"
    " files, once what was wrong is mended, and delete the rest. A scheduled run finds only files of the days that it"
    " lists."
)


@dataclass(frozen=True, slots=True)
class LastFile:
    """The file version that was listed last; ``uri`` is '' where none ever was, and ``listed_at`` since when one is
    looked for.
    """

    uri: str
    listed_at: dt.datetime


def watch_silence(
    conn: psycopg.Connection, desk: Desk, feed: str, silence_hours: float | None, now: dt.datetime, *, is_told: bool
) -> None:
    """Tell of a feed of which no new file was listed for ``silence_hours`` (None: never), and when files come again.

    ``is_told`` says whether that it is silent was told and is not over.
    """
    last = find_last_file(conn, feed) if silence_hours is not None else None
    if silence_hours is not None and last and now - last.listed_at >= dt.timedelta(hours=silence_hours):
        desk.tell(silence(feed, last, silence_hours, now))
    elif is_told:
        desk.recover(feed, lambda alert: alert.cause.kind == SILENCE, f"{feed} is no longer silent")


def silence(feed: str, last: LastFile, silence_hours: float, now: dt.datetime) -> Alert:
    hours = int((now - last.listed_at).total_seconds() // 3600)
    since = f"since {moment(last.listed_at)}" if last.uri else f"ever (looked for since {moment(last.listed_at)})"
    return Alert(
        cause=Cause(feed, SILENCE),
        headline=f"{feed} is silent: no new file for {counted(hours, 'hour')}",
        reason=f"no new file has been listed {since}; one is expected within {counted(round(silence_hours), 'hour')}",
        file=f"{last.uri} (the last one)" if last.uri else "",
        advice=SILENCE_ADVICE,
        sql=f"SELECT uri, listed_at FROM sluice.files WHERE feed = '{feed}' ORDER BY listed_at DESC LIMIT 10;",
    )


def find_last_file(conn: psycopg.Connection, feed: str) -> LastFile:
    """The last file of a feed; that none has come yet is noted, so that it counts from now, or from an earlier run."""
    row = conn.execute(
        "SELECT uri, listed_at FROM sluice.files WHERE feed = %s ORDER BY listed_at DESC LIMIT 1", [feed]
    ).fetchone()
    if row:
        return LastFile(*row)
    conn.execute("INSERT INTO sluice.watched (feed) VALUES (%s) ON CONFLICT DO NOTHING", [feed])
    first = conn.execute(
        """SELECT least(since, (SELECT min(started_at) FROM sluice.runs r WHERE r.feed = w.feed AND NOT dry_run))
           FROM sluice.watched w WHERE feed = %s""",
        [feed],
    ).fetchone()
    assert first is not None
    return LastFile("", first[0])


def tell_dead_letters(desk: Desk, queue: str, count: int, *, feed: str = "", example: str = "") -> None:
    """Tell that ``count`` messages wait in the dead-letter queue ``queue``, or, where it is 0, that none does any more.

    To be called whenever they were counted; told is each queue once. ``queue`` is its name or URL, ``feed`` the feed
    that it is for ('' for several), ``example`` why one could not be read (never its body).
    """
    if count:
        desk.tell(dead_letters(queue, count, feed=feed, example=example))
    else:
        name = queue.rsplit("/", 1)[-1]
        desk.recover(
            feed,
            lambda alert: (alert.cause.kind, alert.cause.key) == (DEAD_LETTERS, queue),
            f"{name} holds no dead letters any more",
        )


def dead_letters(queue: str, count: int, *, feed: str = "", example: str = "") -> Alert:
    name = queue.rsplit("/", 1)[-1]
    return Alert(
        cause=Cause(feed, DEAD_LETTERS, queue),
        headline=f"{counted(count, 'dead letter')} in {name}",
        reason=f"{counted(count, 'message')} could not be read and {'waits' if count == 1 else 'wait'} in {queue}",
        also=(f"one of them: {example}",) if example else (),
        advice=DEAD_LETTERS_ADVICE,
    )


def tell_again(conn: psycopg.Connection, desks: Mapping[str, Desk], general: Desk) -> int:
    """Send what some channel has not got, and tell again what is open for too long; returns how many messages that is.

    ``desks`` are those of the feeds (and of Sluice's own DAGs) whose causes are looked after; what was not sent of
    others goes to ``general``.
    """
    # all of a desk at once, since each time may take as long as a channel that does not answer
    repeats: dict[Desk, list[state.Open]] = defaultdict(list)
    for feed, desk in desks.items():
        repeats[desk] += state.claim_repeats(conn, feed, desk.repeat_hours)
    for desk, some in repeats.items():
        desk.announce(some)
    # after the repeats, which go by all channels
    unsent: dict[Desk, list[state.Open]] = defaultdict(list)
    for one in state.claim_unsent(conn):
        unsent[desks.get(one.alert.cause.feed, general)].append(one)
    for desk, some in unsent.items():
        desk.send(some, is_retry=True)
    return sum(map(len, [*repeats.values(), *unsent.values()]))
