"""What was told and is not over yet: the table ``sluice.alerts``, one open row for each cause."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from sluice import warehouse
from sluice.alerts.alert import AGAIN, LOOKED_AT, NEW, OVER, Alert

WAIT_SECONDS = 5
# So long a message may be under way before somebody else sends it once more.
UNDER_WAY_SECONDS = 120
# So long a message is of use though its cause is over.
OVER_HOURS = 24


@dataclass(frozen=True, slots=True)
class Open:
    """A row of the table, with its alert as it was told last. ``unsent`` are the channels that have not got it."""

    alert_id: int
    alert: Alert
    unsent: tuple[str, ...] = ()


@contextmanager
def connect(dsn: str) -> Iterator[psycopg.Connection]:
    """A connection that waits for nothing long: whoever tells of a failure may be killed for being slow."""
    try:
        brief = make_conninfo(dsn, connect_timeout=WAIT_SECONDS)
    except psycopg.ProgrammingError:
        brief = dsn  # what is wrong with it is said where it is opened
    with warehouse.connect(brief, "alerts") as connection:
        connection.execute(f"SET statement_timeout = '{WAIT_SECONDS}s'; SET lock_timeout = '{WAIT_SECONDS}s'".encode())
        yield connection


def note(
    conn: psycopg.Connection, alert: Alert, repeat_hours: float, channels: Sequence[str]
) -> tuple[Open | None, Alert]:
    """Note that a cause was met; returns the row where it is to be told now (and by nobody else), else None, with the
    alert as it stands. It is told when it is new, when its gist is another, and when it was told too long ago.
    """
    values = {
        "feed": alert.cause.feed,
        "kind": alert.cause.kind,
        "key": alert.cause.key,
        "gist": alert.cause.gist,
        "subject": alert.subject,
        "alert": Jsonb(alert.as_json()),
        "channels": list(channels),
        "repeat": dt.timedelta(hours=repeat_hours),
        "step": 0 if alert.cause.kind in LOOKED_AT else 1,
    }
    row = _with_ledger(conn, _NOTE, values)
    alert_id, since, times, is_new, is_due = row
    standing = alert.standing(NEW if is_new else AGAIN, since, times)
    return Open(alert_id, standing, tuple(channels)) if is_due else None, standing


_IS_DUE = "(a.gist <> excluded.gist OR a.sent_at < now() - %(repeat)s)"
_NOTE = f"""
    INSERT INTO sluice.alerts AS a (feed, kind, key, gist, subject, alert, unsent)
    VALUES (%(feed)s, %(kind)s, %(key)s, %(gist)s, %(subject)s, %(alert)s, %(channels)s)
    ON CONFLICT (feed, kind, key) WHERE closed_at IS NULL DO UPDATE SET
        times = a.times + %(step)s, last_seen_at = now(), gist = excluded.gist, subject = excluded.subject,
        alert = excluded.alert,
        unsent = CASE WHEN {_IS_DUE} THEN excluded.unsent ELSE a.unsent END,
        sent_at = CASE WHEN {_IS_DUE} THEN now() ELSE a.sent_at END
    RETURNING alert_id, opened_at, times, xmax = 0, sent_at = now()"""


def _with_ledger(
    conn: psycopg.Connection, statement: str, values: dict[str, object]
) -> tuple[int, dt.datetime, int, bool, bool]:
    """The first row of ``statement``; the ledger is made where no run has come so far as to make it."""
    try:
        row = conn.execute(statement.encode(), values).fetchone()
    except (pg.UndefinedTable, pg.InvalidSchemaName):
        warehouse.create_ledger(conn)
        row = conn.execute(statement.encode(), values).fetchone()
    assert row is not None
    return row


def settle(conn: psycopg.Connection, alert_id: int, unsent: Iterable[str]) -> None:
    """Note which channels have not got a message."""
    conn.execute("UPDATE sluice.alerts SET unsent = %s WHERE alert_id = %s", [list(unsent), alert_id])


def list_open(conn: psycopg.Connection, feed: str, run_id: int | None = None, dag_run_id: str = "") -> list[Open]:
    """The open causes of a feed, the oldest first; none where there is no ledger. With ``run_id`` only those that were
    last met before that run began, or by the same run of Airflow (a task of it was cleared): what runs beside it have
    met says nothing of what it does well.
    """
    try:
        rows = conn.execute(
            f"""SELECT {_COLUMNS} FROM sluice.alerts a WHERE feed = %(feed)s AND closed_at IS NULL
                    AND (%(run)s::bigint IS NULL OR alert->>'run' = %(dag_run)s
                        OR last_seen_at < (SELECT started_at FROM sluice.runs WHERE run_id = %(run)s))
                ORDER BY alert_id""".encode(),
            {"feed": feed, "run": run_id, "dag_run": dag_run_id},
        ).fetchall()
    except (pg.UndefinedTable, pg.InvalidSchemaName):
        return []
    return list(map(_open, rows))


def feeds_of(conn: psycopg.Connection, kind: str) -> set[str]:
    rows = conn.execute("SELECT feed FROM sluice.alerts WHERE kind = %s AND closed_at IS NULL", [kind]).fetchall()
    return {feed for (feed,) in rows}


def close(conn: psycopg.Connection, causes: Sequence[Open]) -> list[Open]:
    """Close causes; returns those that nobody else has closed meanwhile."""
    rows = conn.execute(
        f"""UPDATE sluice.alerts a SET closed_at = now(), unsent = '{{}}'
            WHERE alert_id = ANY(%s) AND closed_at IS NULL RETURNING {_COLUMNS}""".encode(),
        [[one.alert_id for one in causes]],
    ).fetchall()
    return sorted(map(_open, rows), key=lambda one: one.alert_id)


def keep_recovery(conn: psycopg.Connection, alert_id: int, message: Alert, channels: Sequence[str]) -> None:
    """Put the message that closes a cause in the place of its alert, to be sent."""
    conn.execute(
        "UPDATE sluice.alerts SET subject = %s, alert = %s, unsent = %s, sent_at = now() WHERE alert_id = %s",
        [message.subject, Jsonb(message.as_json()), list(channels), alert_id],
    )


def claim_unsent(conn: psycopg.Connection) -> list[Open]:
    """What some channel has not got, and nobody is sending at the moment; whoever asks is to send it. What is over is
    given up after a day.
    """
    rows = conn.execute(
        f"""UPDATE sluice.alerts a SET tried_at = now()
            WHERE unsent <> '{{}}' AND greatest(sent_at, tried_at) < now() - %s
                AND (closed_at IS NULL OR closed_at > now() - %s)
            RETURNING {_COLUMNS}""".encode(),
        [dt.timedelta(seconds=UNDER_WAY_SECONDS), dt.timedelta(hours=OVER_HOURS)],
    ).fetchall()
    return [_open(row) for row in rows]


def claim_repeats(conn: psycopg.Connection, feed: str, repeat_hours: float) -> list[Open]:
    """The open causes of a feed that were told too long ago; whoever asks is to tell them again."""
    rows = conn.execute(
        f"""UPDATE sluice.alerts a SET sent_at = now()
            WHERE feed = %s AND closed_at IS NULL AND kind <> 'drift' AND sent_at < now() - %s
            RETURNING {_COLUMNS}""".encode(),
        [feed, dt.timedelta(hours=repeat_hours)],
    ).fetchall()
    return [replace(one, alert=replace(one.alert, state=AGAIN)) for one in map(_open, rows)]


_COLUMNS = "alert_id, alert, opened_at, times, unsent"


def _open(row: tuple[object, ...]) -> Open:
    alert_id, values, opened_at, times, unsent = row
    alert = Alert.from_json(values)  # type: ignore[arg-type]
    if alert.state != OVER:
        alert = alert.standing(alert.state, opened_at, times)  # type: ignore[arg-type]
    return Open(alert_id, alert, tuple(unsent))  # type: ignore[arg-type]
