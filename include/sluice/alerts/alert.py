"""The alert: what a person reads, one fact a line; and its cause, by which it is told once."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

FAILED = "failed"
HELD = "held"
LIMITS = "limits"
TOTALS = "totals"
DRIFT = "drift"
DEAD_LETTERS = "dead_letters"
SILENCE = "silence"
LATE = "late"
KINDS = {
    FAILED: "a task of a run failed",
    HELD: "a gate has stopped files, or a refused run keeps them out",
    LIMITS: "a run passed a limit on rejects, or broke an expectation on the whole run",
    TOTALS: "a total that the sender states in a file is not what was found in it",
    DRIFT: "a run met what no run before has met",
    DEAD_LETTERS: "announcements that could not be read wait in a dead-letter queue",
    SILENCE: "a feed that should have come did not",
    LATE: "a run is not done in time",
}
OF_RUNS = (FAILED, HELD, LIMITS, TOTALS)
"""The kinds that a run fails of."""
LOOKED_AT = frozenset({DEAD_LETTERS, SILENCE})
"""The kinds that are found by looking, every few minutes; how often says nothing, so it is not counted."""
NEW, AGAIN, OVER = "new", "again", "over"
"""What an alert says of its cause: that it is there, that it is still there, that it is gone."""

SHOWN = 5
REASON_CHARS = 1_500
_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Cause:
    """What alerts are told of once. ``gist`` is the reason without what differs from run to run: when it changes, the
    same cause is told anew. ``feed`` is the name of a DAG, or '' where no single feed is meant.
    """

    feed: str
    kind: str
    key: str = ""
    gist: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is known of a cause. Facts that are '' or empty are left out of the text. ``tasks`` is how many failed alike
    (0 where no task failed), ``since`` when its cause was first met, ``times`` how often.
    """

    cause: Cause
    headline: str
    run: str = ""
    dates: str = ""
    stage: str = ""
    tasks: int = 0
    file: str = ""
    record: str = ""
    reason: str = ""
    also: tuple[str, ...] = ()
    advice: str = ""
    log: str = ""
    page: str = ""
    quarantine: str = ""
    sql: str = ""
    data_docs: str = ""
    state: str = NEW
    since: dt.datetime | None = None
    times: int = 1

    @property
    def subject(self) -> str:
        is_of_run = self.cause.kind in OF_RUNS and self.state != OVER
        day = f" for {self.dates}" if self.dates and is_of_run else ""
        again = f" (again: {self._standing()})" if self.state == AGAIN else ""
        return " ".join(f"Sluice: {self.headline}{day}{again}".split())

    @property
    def text(self) -> str:
        """The whole alert as plain text, one fact a line."""
        facts = {
            "Feed": self.cause.feed,
            "Run": self.run,
            "Date": self.dates,
            "Stage": self.stage,
            "Tasks": f"{self.tasks:,} failed alike" if self.tasks > 1 else "",
            "File": self.file,
            "Record": self.record,
            "Was" if self.state == OVER else "Reason": _cut(self.reason),
            "Left" if self.state == OVER else "Also": "\n".join(map(_cut, self.also)),
            "Seen": self._standing() if self.since and self.times > 1 else "",
            "To do": self.advice,
            "Log": self.log,
            "Run page": self.page,
            "Quarantine": self.quarantine,
            "SQL": self.sql,
            "Data Docs": self.data_docs,
        }
        return "\n".join(f"{name + ':':<{_WIDTH}}{_indent(value)}" for name, value in facts.items() if value)

    def as_json(self) -> dict[str, Any]:
        """All facts in plain JSON values, with subject and text; ``text`` is what chat services show."""
        facts = asdict(self)
        cause = facts.pop("cause")
        since = self.since.isoformat() if self.since else None
        return {"subject": self.subject, "text": f"{self.subject}\n{self.text}", **cause, **facts, "since": since}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Alert:
        """The alert of which ``as_json`` told."""
        known = {field.name for field in fields(cls)}
        facts = {name: value for name, value in values.items() if name in known}
        cause = Cause(**{field.name: values[field.name] for field in fields(Cause)})
        since = dt.datetime.fromisoformat(values["since"]) if values.get("since") else None
        return cls(**{**facts, "cause": cause, "also": tuple(values.get("also", ())), "since": since})

    def standing(self, state: str, since: dt.datetime, times: int) -> Alert:
        return replace(self, state=state, since=since.astimezone(dt.UTC), times=times)

    def _standing(self) -> str:
        since = f" since {moment(self.since)}" if self.since else ""
        return f"{self.times:,} times{since}" if self.times > 1 else f"open{since}"


def recovery(feed: str, headline: str, ended: list[Alert], *, run: str = "", page: str = "", note: str = "") -> Alert:
    """The message that closes the causes of ``ended``, at least one."""
    if all(alert.cause.kind == LATE for alert in ended):
        headline = f"{feed} is done, late" if any(alert.run == run for alert in ended) else f"{feed} is no longer late"
    was = [f"{alert.headline}, {alert._standing()}: {_first_line(alert.reason)}" for alert in ended]
    more = [f"and {len(was) - SHOWN} more"] if len(was) > SHOWN else []
    return Alert(
        cause=ended[0].cause if len(ended) == 1 else replace(ended[0].cause, feed=feed),
        headline=headline,
        run=run,
        reason="\n".join([*was[:SHOWN], *more]),
        also=(note,) if note else (),
        page=page,
        state=OVER,
    )


def moment(value: dt.datetime) -> str:
    return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def some(items: list[str]) -> tuple[str, ...]:
    """The first items, and how many more there are."""
    hidden = len(items) - SHOWN
    return (*items[:SHOWN], *((f"and {hidden:,} more",) if hidden > 0 else ()))


def _first_line(text: str) -> str:
    return _cut(text.splitlines()[0] if text else "", 300)


def _cut(text: str, chars: int = REASON_CHARS) -> str:
    return text if len(text) <= chars else f"{text[:chars]}…"


def _indent(text: str) -> str:
    return text.replace("\n", "\n" + " " * _WIDTH)
